/** Profiles, nodes, UIDs, IPAM objects and embedded metadata in their Kubernetes form, both ways. */
import t from 'tap';
import {decodeBlock, decodeHandle, decodeIpamConfig, encodeBlock} from '../../../../src/model/ipam-records.ts';
import {parseKey} from '../../../../src/model/keys.ts';
import {Node} from '../../../../src/model/kinds/node.ts';
import {Profile} from '../../../../src/model/kinds/profile.ts';
import {crdMetadata, metadataOfCrd} from '../../../../src/model/kubernetes/crd-metadata.ts';
import {
  affinityObject,
  affinityObjectName,
  affinityOfObject,
  blockObject,
  blockOfObject,
  handleObject,
  handleOfObject,
  hostnameHash,
  ipamConfigObject,
  ipamConfigOfObject,
} from '../../../../src/model/kubernetes/ipam-objects.ts';
import {convertNode, nodeAnnotations} from '../../../../src/model/kubernetes/node.ts';
import {namespaceProfile, parseProfileName, serviceAccountProfile} from '../../../../src/model/kubernetes/profiles.ts';
import {convertUid} from '../../../../src/model/kubernetes/uid.ts';
import {formatViolation} from '../../../../src/model/violation.ts';
import {readStored} from '../captured.ts';

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

void t.test('UIDs are converted and converted back', async (t) => {
  t.equal(convertUid('41cb1fde-57e9-42c1-a73b-0acaf38c7737'), '82d3f87b-ea97-4283-a7dc-5053cf31eeec');
  t.equal(convertUid('82d3f87b-ea97-4283-a7dc-5053cf31eeec'), '41cb1fde-57e9-42c1-a73b-0acaf38c7737');
  for (const odd of ['', 'x', '41cb1fde57e942c1a73b0acaf38c7737']) t.equal(convertUid(odd), undefined);
});

void t.test('profiles of namespaces and service accounts', async (t) => {
  const uid = '41cb1fde-57e9-42c1-a73b-0acaf38c7737';
  const namespace = namespaceProfile({metadata: {name: 'prod', uid, resourceVersion: '12', labels: {team: 'a'}}});
  t.match(namespace.metadata, {name: 'kns.prod', uid: convertUid(uid), resourceVersion: '12/'});
  t.equal(
    Profile.encode({...namespace, metadata: {...namespace.metadata, uid: undefined}}),
    '{"kind":"Profile","apiVersion":"projectcalico.org/v3","metadata":{"name":"kns.prod"},"spec":{"ingress":[{"action":"Allow","source":{},"destination":{}}],"egress":[{"action":"Allow","source":{},"destination":{}}],"labelsToApply":{"pcns.projectcalico.org/name":"prod","pcns.team":"a"}}}',
  );
  const account = serviceAccountProfile({
    metadata: {name: 'a.b', namespace: 'prod', resourceVersion: '13', labels: {r: 'x'}},
  });
  t.match(account.metadata, {name: 'ksa.prod.a.b', resourceVersion: '/13'});
  t.same(plain(account.spec), {
    ingress: [],
    egress: [],
    labelsToApply: {'pcsa.r': 'x', 'pcsa.projectcalico.org/name': 'a.b'},
  });
  for (const profile of [namespace, account]) t.same(Profile.check(profile), []);
  t.same(parseProfileName('kns.prod'), {namespace: 'prod'});
  t.same(parseProfileName('ksa.prod.a.b'), {namespace: 'prod', account: 'a.b'});
  for (const name of ['ksa.prod', 'prod', 'k8s_ns.prod']) t.equal(parseProfileName(name), undefined);
});

void t.test('nodes: annotations become fields and fields annotations', async (t) => {
  const annotations = {
    'projectcalico.org/IPv4Address': '10.0.0.1/24',
    'projectcalico.org/IPv6Address': 'fd00::1/64',
    'projectcalico.org/ASNumber': '1.10',
    'projectcalico.org/RouteReflectorClusterID': '244.0.0.1',
    'projectcalico.org/IPv4IPIPTunnelAddr': '10.1.0.1',
    'projectcalico.org/IPv4VXLANTunnelAddr': '10.1.0.2',
    'projectcalico.org/VXLANTunnelMACAddr': '66:00:00:00:00:01',
    'projectcalico.org/IPv6VXLANTunnelAddr': 'fd01::2',
    'projectcalico.org/VXLANTunnelMACAddrV6': '66:00:00:00:00:02',
    'projectcalico.org/IPv4WireguardInterfaceAddr': '10.1.0.3',
    'projectcalico.org/IPv6WireguardInterfaceAddr': 'fd01::3',
    'projectcalico.org/WireguardPublicKey': 'jlkVyQYooZYzI2wFfNhSZez5eWh44yfq1wKVjLvSXgY=',
    'projectcalico.org/Interfaces': '[{"name":"eth0","addresses":["10.0.0.1"]}]',
    'projectcalico.org/labels': '{"rack":"1","zone":"calico"}',
    'projectcalico.org/annotations': '{"note":"x"}',
  };
  const original = {
    metadata: {name: 'n1', uid: 'u', resourceVersion: '3', labels: {zone: 'a'}, annotations},
    spec: {podCIDR: '10.2.0.0/24', podCIDRs: ['10.2.0.0/24']},
    status: {
      addresses: [
        {type: 'InternalIP', address: '10.0.0.1'},
        {type: 'Hostname', address: 'n1'},
        {type: 'ExternalIP', address: '1.2.3.4'},
      ],
    },
  };
  const {node, warnings} = convertNode(original);
  t.same(warnings, []);
  t.same(Node.check(node), []);
  t.same(plain(node), {
    kind: 'Node',
    apiVersion: 'projectcalico.org/v3',
    metadata: {
      name: 'n1',
      uid: 'u',
      resourceVersion: '3',
      generation: 0,
      labels: {rack: '1', zone: 'a'},
      annotations: {note: 'x', 'projectcalico.org/kube-labels': '{"zone":"a"}'},
    },
    spec: {
      bgp: {
        asNumber: 65546,
        ipv4Address: '10.0.0.1/24',
        ipv6Address: 'fd00::1/64',
        ipv4IPIPTunnelAddr: '10.1.0.1',
        routeReflectorClusterID: '244.0.0.1',
      },
      ipv4VXLANTunnelAddr: '10.1.0.2',
      vxlanTunnelMACAddr: '66:00:00:00:00:01',
      ipv6VXLANTunnelAddr: 'fd01::2',
      vxlanTunnelMACAddrV6: '66:00:00:00:00:02',
      orchRefs: [{nodeName: 'n1', orchestrator: 'k8s'}],
      wireguard: {interfaceIPv4Address: '10.1.0.3', interfaceIPv6Address: 'fd01::3'},
      addresses: [
        {address: '10.0.0.1/24', type: 'CalicoNodeIP'},
        {address: 'fd00::1/64', type: 'CalicoNodeIP'},
        {address: '10.0.0.1', type: 'InternalIP'},
        {address: '1.2.3.4', type: 'ExternalIP'},
      ],
      interfaces: [{name: 'eth0', addresses: ['10.0.0.1']}],
    },
    status: {wireguardPublicKey: 'jlkVyQYooZYzI2wFfNhSZez5eWh44yfq1wKVjLvSXgY=', podCIDRs: ['10.2.0.0/24']},
  });
  const written = nodeAnnotations(node);
  t.same(Object.fromEntries([...written].filter(([, value]) => value !== undefined)), {
    ...annotations,
    'projectcalico.org/ASNumber': '65546',
    'projectcalico.org/labels': '{"rack":"1"}',
  });
  t.ok(written.has('projectcalico.org/WireguardPublicKeyV6'), 'what is not set is removed');
});

void t.test('nodes: bad annotations are left out by name; addresses of the node’s own range', async (t) => {
  const {node, warnings} = convertNode({
    metadata: {
      name: 'n',
      annotations: {
        'projectcalico.org/IPv4Address': 'fd00::1',
        'projectcalico.org/ASNumber': 'x',
        'projectcalico.org/VXLANTunnelMACAddr': '',
        'projectcalico.org/Interfaces': '[{"name":"e","addresses":["bad","10.0.0.1"]}]',
        'projectcalico.org/labels': '[]',
        'projectcalico.org/annotations': '{"a":1}',
      },
    },
  });
  t.equal(node.spec.bgp, undefined);
  t.same(node.spec.interfaces, [{name: 'e', addresses: ['10.0.0.1']}]);
  t.equal(warnings.length, 5);
  t.match(
    warnings.map(formatViolation)[0],
    /metadata\.annotations\[projectcalico\.org\/ASNumber\] = "x": must be an AS number/,
  );
  const pods = convertNode({metadata: {name: 'n'}, spec: {podCIDR: '10.2.0.0/24'}}, true).node.spec;
  t.equal(pods.bgp?.ipv4IPIPTunnelAddr, '10.2.0.1');
  t.equal(pods.wireguard, undefined, 'no key, no address');
  const keyed = {
    metadata: {name: 'n', annotations: {'projectcalico.org/WireguardPublicKey': 'k'}},
    spec: {podCIDR: '10.2.0.0/24'},
  };
  t.equal(convertNode(keyed, true).node.spec.wireguard?.interfaceIPv4Address, '10.2.0.1');
});

void t.test('IPAM objects: every captured record, there and back', async (t) => {
  let blocks = 0;
  for (const {key, value} of readStored('stored.jsonl')) {
    const parsed = parseKey(key);
    if (parsed?.kind === 'block') {
      blocks++;
      const {name, spec} = blockObject(decodeBlock(value));
      t.notOk('affinity_claim_time' in spec);
      t.ok(Array.isArray(spec.attributes));
      t.equal(spec.strictAffinity, false);
      t.match(name, /^[0-9a-f-]+$/);
      const back = blockOfObject(spec);
      t.equal(blockObject(back).name, name);
      t.equal(back.sequenceNumber, decodeBlock(value).sequenceNumber);
      if (decodeBlock(value).attributes.length > 0) t.equal(encodeBlock(back), value, key);
    } else if (parsed?.kind === 'handle') {
      const {spec} = handleObject(parsed.handleId, decodeHandle(value));
      t.same(handleOfObject(spec), {handleId: parsed.handleId, handle: decodeHandle(value)});
    } else if (parsed?.kind === 'ipam-config')
      t.same(ipamConfigOfObject(ipamConfigObject(decodeIpamConfig(value)).spec), decodeIpamConfig(value));
  }
  t.ok(blocks > 10, `${blocks} blocks`);
});

void t.test('IPAM objects: names, labels, the two groups', async (t) => {
  t.equal(hostnameHash('node1'), '7DS2CCNJGGLTHBDQLLFO6SX24SY2YDDEG3W2VN556FA2W4DLLV5A');
  t.equal(affinityObjectName('node1', '10.65.0.0/26'), 'node1-10-65-0-0-26');
  const long = affinityObjectName('h'.repeat(300), 'fd00:10::/122');
  t.equal(long.length, 252);
  t.match(long, /^h+-fd00-10---122-[0-9a-f]{11}$/);
  t.not(long, affinityObjectName('h'.repeat(301), 'fd00:10::/122'));
  const key = {type: 'host', host: 'node1', cidr: '10.65.0.0/26'} as const;
  const affinity = {state: 'confirmed', deleted: false} as const;
  const object = affinityObject(key, affinity, 'v1');
  t.same(plain(object), {
    name: 'node1-10-65-0-0-26',
    labels: {
      'projectcalico.org/hostname-hash': '7DS2CCNJGGLTHBDQLLFO6SX24SY2YDDEG3W2VN556FA2W4DLLV5A',
      'projectcalico.org/affinity-type': 'host',
      'projectcalico.org/ip-version': '4',
    },
    spec: {state: 'confirmed', node: 'node1', type: 'host', cidr: '10.65.0.0/26', deleted: 'false'},
  });
  t.equal(affinityObject(key, {...affinity, deleted: true}, 'v3').spec.deleted, true);
  t.match(affinityOfObject(object.spec), {key, affinity});
  t.match(affinityOfObject({node: 'n', cidr: 'fd00::/122', state: '', deleted: 'true'}), {
    key: {type: 'host', host: 'n', cidr: 'fd00::/122'},
    affinity: {state: 'confirmed', deleted: true},
  });
  for (const spec of [
    {cidr: '10.0.0.0/26'},
    {node: 'n', cidr: 'x'},
    {node: 'n', cidr: '10.0.0.0/26', type: 'y'},
    {node: 'n', cidr: '10.0.0.0/26', state: 'z'},
  ])
    t.throws(() => affinityOfObject(spec), {code: 'E_INVALID_RESOURCE'});
  t.same(plain(handleObject('Net.ABC', decodeHandle('{"block":{"10.0.0.0/26":1},"deleted":false}'))), {
    name: 'net.abc',
    spec: {handleID: 'Net.ABC', block: {'10.0.0.0/26': 1}, deleted: false},
  });
});

void t.test('metadata embedded in an annotation, and back', async (t) => {
  const metadata = Profile.create({
    metadata: {
      name: 'x',
      uid: '82d3f87b-ea97-4283-a7dc-5053cf31eeec',
      resourceVersion: '4',
      creationTimestamp: '2024-05-01T10:00:00Z',
      labels: {b: '1', 'projectcalico.org/a': '2'},
      annotations: {note: 'y'},
      ownerReferences: [
        {apiVersion: 'projectcalico.org/v3', kind: 'Tier', name: 't', uid: '82d3f87b-ea97-4283-a7dc-5053cf31eeec'},
      ],
    },
  }).metadata;
  const object = crdMetadata(metadata, 'Profile');
  t.same(plain(object), {
    name: 'x',
    uid: '41cb1fde-57e9-42c1-a73b-0acaf38c7737',
    resourceVersion: '4',
    labels: {'projectcalico.org/a': '2'},
    annotations: {
      'projectcalico.org/metadata':
        '{"creationTimestamp":"2024-05-01T10:00:00Z","labels":{"b":"1","projectcalico.org/a":"2"},"annotations":{"note":"y"},"ownerReferences":[{"apiVersion":"crd.projectcalico.org/v1","kind":"Tier","name":"t","uid":"41cb1fde-57e9-42c1-a73b-0acaf38c7737"}]}',
    },
  });
  const read = (text: string) => Profile.create({metadata: JSON.parse(text) as object}).metadata;
  t.same(plain(metadataOfCrd(read(JSON.stringify(object)))), plain(metadata));
  const byHand = read('{"name":"k","uid":"41cb1fde-57e9-42c1-a73b-0acaf38c7737","labels":{"a":"b"}}');
  t.match(metadataOfCrd(byHand), {name: 'k', uid: '82d3f87b-ea97-4283-a7dc-5053cf31eeec', labels: {a: 'b'}});
  const policy = crdMetadata(metadata, 'NetworkPolicy').annotations as Record<string, string>;
  t.match(policy['projectcalico.org/metadata'], /^\{"name":"x",/);
  const old = read(
    '{"name":"o","annotations":{"projectcalico.org/metadata":"{\\"uid\\":\\"u\\",\\"creationTimestamp\\":null}"},"labels":{"kept":"1"}}',
  );
  t.match(metadataOfCrd(old), {name: 'o', labels: {kept: '1'}, annotations: {}});
  t.throws(() => metadataOfCrd(read('{"name":"o","annotations":{"projectcalico.org/metadata":"[]"}}')), {
    code: 'E_INVALID_RESOURCE',
  });
});
