/** Keys: what Calico stored is recognised, every builder's key is parsed back, and nothing else is. */
import t from 'tap';
import {
  affinityKey,
  affinityPrefix,
  blockKey,
  blockPrefix,
  escapeElement,
  felixLastStatusKey,
  felixStatusKey,
  handleKey,
  hostEndpointStatusKey,
  hostMarkerKey,
  IPAM_CONFIG_KEY,
  type ParsedKey,
  parseKey,
  regionElement,
  resourceKey,
  unescapeElement,
  workloadStatusKey,
} from '../../../src/model/keys.ts';
import {forAll} from '../../helpers/random.ts';
import {readStored} from './captured.ts';

/** The key that a parsed key came from. */
function rebuild(parsed: ParsedKey): string {
  switch (parsed.kind) {
    case 'resource':
      return resourceKey(parsed.plural, parsed.name, parsed.namespace);
    case 'block':
      return blockKey(parsed.cidr);
    case 'affinity':
      return affinityKey(parsed);
    case 'handle':
      return handleKey(parsed.handleId);
    case 'ipam-config':
      return IPAM_CONFIG_KEY;
    case 'host-marker':
      return hostMarkerKey(parsed.host);
    case 'felix-status':
      return parsed.lasting
        ? felixLastStatusKey(parsed.host, parsed.region)
        : felixStatusKey(parsed.host, parsed.region);
    case 'workload-status':
      return workloadStatusKey(parsed);
    case 'host-endpoint-status':
      return hostEndpointStatusKey(parsed.host, parsed.endpoint);
  }
}

void t.test('every captured key is recognised and built again', async (t) => {
  const kinds = new Set<string>();
  for (const {key} of readStored('stored.jsonl')) {
    const parsed = parseKey(key);
    if (parsed === undefined) {
      t.fail(key);
      continue;
    }
    kinds.add(parsed.kind);
    t.equal(rebuild(parsed), key);
  }
  t.ok(kinds.size >= 7);
});

void t.test('builders give the documented keys', async (t) => {
  t.equal(blockKey('fd00:10::/122'), '/calico/ipam/v2/assignment/ipv6/block/fd00:10::-122');
  t.equal(blockPrefix(4), '/calico/ipam/v2/assignment/ipv4/block/');
  t.equal(affinityKey({host: 'node1', cidr: '10.65.0.0/26'}), '/calico/ipam/v2/host/node1/ipv4/block/10.65.0.0-26');
  t.equal(
    affinityKey({type: 'virtual', host: 'load-balancer', cidr: '10.66.0.0/26'}),
    '/calico/ipam/v2/virtual/load-balancer/ipv4/block/10.66.0.0-26',
  );
  t.equal(affinityPrefix('n', 6), '/calico/ipam/v2/host/n/ipv6/block/');
  t.equal(
    workloadStatusKey({
      region: regionElement(),
      host: 'h',
      orchestrator: 'k8s',
      workload: 'default/p%1',
      endpoint: 'eth0',
    }),
    '/calico/felix/v2/no-region/host/h/workload/k8s/default%2fp%251/endpoint/eth0',
  );
  t.equal(regionElement('eu'), 'region-eu');
});

void t.test('a name cannot reach another key', async (t) => {
  for (const name of ['', 'a/b', '/']) {
    t.throws(() => resourceKey('nodes', name), {code: 'E_INVALID_RESOURCE'});
    t.throws(() => handleKey(name), {code: 'E_INVALID_RESOURCE'});
    t.throws(() => affinityPrefix(name, 4), {code: 'E_INVALID_RESOURCE'});
  }
});

void t.test('escaping has one reverse', async (t) => {
  for (const text of ['', 'a/b', '%', '%25', '%2f', 'a%/%2fb', 'ü/日本'])
    t.equal(unescapeElement(escapeElement(text)), text);
  for (const text of ['%', '%2F', '%41', 'a/b']) t.equal(unescapeElement(text), undefined);
});

void t.test('what is not exactly a key of ours is not one', async (t) => {
  const strange = [
    '',
    '/',
    '/calico',
    '/calico/',
    'calico/ipam/v2/config',
    '/calico/ipam/v2',
    '/calico/ipam/v2/config/',
    '/calico/ipam/v2/config/x',
    '/calico/ipam/v1/config',
    '/calico/ipam/v2/handle/',
    '/calico/ipam/v2/handle/a/b',
    '/calico/ipam/v2/host/',
    '/calico/ipam/v2/host/n/ipv4/block/',
    '/calico/ipam/v2/host/n/ipv4/block/10.0.0.1-26',
    '/calico/ipam/v2/host/n/ipv6/block/10.0.0.0-26',
    '/calico/ipam/v2/host/n/ipv4/block/10.0.0.0-33',
    '/calico/ipam/v2/host/n/ipv4/block/10.0.0.0-26/x',
    '/calico/ipam/v2/host/n/ipv4',
    '/calico/ipam/v2/virtual/x',
    '/calico/ipam/v2/assignment/ipv4/block/10.0.0.0',
    '/calico/ipam/v2/assignment/ipv4/block/-26',
    '/calico/ipam/v2/assignment/ipv6/block/FD00::-122',
    '/calico/ipam/v2/assignment/ipv4/block/010.0.0.0-26',
    '/calico/resources/v3/projectcalico.org/nodes',
    '/calico/resources/v3/projectcalico.org/nodes/',
    '/calico/resources/v3/other.org/nodes/a',
    '/calico/resources/v3/projectcalico.org/a/b/c/d',
    '/calico/resources/v3/projectcalico.org//a',
    '/calico/felix/v2/no-region/host/h/workload/k8s/a%41/endpoint/e',
    '/calico/felix/v2/no-region/host/h/workload/k8s/a',
    '/calico/felix/v1/host/h/endpoint/',
    '/calico/constructor/v2/x',
  ];
  for (const key of strange) t.equal(parseKey(key), undefined, key);
});

void t.test('random keys never throw, and what is recognised is what a builder makes', async (t) => {
  const parts = [
    'calico',
    'ipam',
    'v2',
    'host',
    'ipv4',
    'ipv6',
    'block',
    '10.0.0.0-26',
    'fd00::-122',
    'resources',
    'v3',
    'projectcalico.org',
    'nodes',
    'felix',
    'v1',
    'no-region',
    'workload',
    'endpoint',
    'status',
    '__proto__',
    'constructor',
    '',
    'a',
    'handle',
    'config',
    'assignment',
    'virtual',
    '%2f',
    '%',
  ];
  const captured = readStored('stored.jsonl').map(({key}) => key.split('/'));
  let recognised = 0;
  await forAll(5000, (random) => {
    const elements = [...random.pick(captured)];
    elements.splice(random.below(elements.length), random.below(3), random.pick(parts));
    const key = elements.join('/');
    const parsed = parseKey(key);
    if (parsed === undefined) return;
    recognised++;
    if (rebuild(parsed) !== key) throw new Error(key);
  });
  t.ok(recognised > 300, `${recognised} were keys`);
});
