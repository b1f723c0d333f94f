/** Pods as workload endpoints, and the annotations that tell their addresses. */
import t from 'tap';
import {WorkloadEndpoint} from '../../../../src/model/kinds/workload-endpoint.ts';
import type {Pod} from '../../../../src/model/kubernetes/objects.ts';
import {parseQuantity} from '../../../../src/model/kubernetes/quantity.ts';
import {
  convertPod,
  isFinished,
  podAddressAnnotations,
  RELEASED_ANNOTATIONS,
} from '../../../../src/model/kubernetes/workload-endpoint.ts';
import {formatViolation} from '../../../../src/model/violation.ts';

const podOf = (
  changes: {metadata?: Partial<Pod['metadata']>; spec?: Partial<Pod['spec']>; status?: Pod['status']} = {},
): Pod => ({
  metadata: {
    name: 'my-pod',
    namespace: 'default',
    uid: '41cb1fde-57e9-42c1-a73b-0acaf38c7737',
    resourceVersion: '9',
    labels: {app: 'web', __proto__: 'x'} as Record<string, string>,
    ...changes.metadata,
  },
  spec: {nodeName: 'node-1', serviceAccountName: 'sa.1', ...changes.spec},
  status: changes.status ?? {podIPs: [{ip: '10.65.0.5'}, {ip: 'fd00::5'}]},
});

const endpointOf = (pod: Pod) => {
  const converted = convertPod(pod);
  if (converted === undefined) throw new Error('is not a workload');
  return converted.endpoint;
};

void t.test('identity, labels, profiles, addresses', async (t) => {
  const endpoint = endpointOf(podOf({metadata: {annotations: {'cni.projectcalico.org/containerID': 'abc'}}}));
  t.equal(endpoint.metadata.name, 'node--1-k8s-my--pod-eth0');
  t.equal(endpoint.metadata.uid, '41cb1fde-57e9-42c1-a73b-0acaf38c7737', 'the UID of the pod, as it is');
  t.same(JSON.parse(JSON.stringify(endpoint.metadata.labels)), {
    app: 'web',
    'projectcalico.org/namespace': 'default',
    'projectcalico.org/orchestrator': 'k8s',
    'projectcalico.org/serviceaccount': 'sa.1',
  });
  t.match(endpoint.spec, {
    orchestrator: 'k8s',
    node: 'node-1',
    pod: 'my-pod',
    endpoint: 'eth0',
    containerID: 'abc',
    serviceAccountName: 'sa.1',
    profiles: ['kns.default', 'ksa.default.sa.1'],
    ipNetworks: ['10.65.0.5/32', 'fd00::5/128'],
  });
  t.same(WorkloadEndpoint.check(endpoint), []);
  const pod1 = endpointOf(podOf({metadata: {name: 'pod1'}, spec: {serviceAccountName: undefined}}));
  t.equal(pod1.spec.interfaceName, 'calice0906292e2');
  t.same(pod1.spec.profiles, ['kns.default']);
  const longAccount = endpointOf(podOf({spec: {serviceAccountName: 'a'.repeat(63)}}));
  t.equal(longAccount.metadata.labels['projectcalico.org/serviceaccount'], undefined);
  t.equal(longAccount.spec.serviceAccountName?.length, 63);
});

void t.test('which pods are workloads', async (t) => {
  t.equal(convertPod(podOf({spec: {hostNetwork: true}})), undefined);
  t.equal(convertPod(podOf({spec: {nodeName: undefined}})), undefined);
  t.throws(() => convertPod(podOf({spec: {nodeName: '-x'}})), {code: 'E_INVALID_RESOURCE'});
});

void t.test('addresses: status first, then annotations; none once finished', async (t) => {
  const annotated = {
    'cni.projectcalico.org/podIP': '10.0.0.1/32',
    'cni.projectcalico.org/podIPs': '10.0.0.1/32,fd00::1/128',
  };
  const networks = (pod: Pod) => endpointOf(pod).spec.ipNetworks;
  t.same(networks(podOf({metadata: {annotations: annotated}, status: {}})), ['10.0.0.1/32', 'fd00::1/128']);
  t.same(networks(podOf({metadata: {annotations: annotated}, status: {podIP: '10.0.0.2'}})), ['10.0.0.2/32']);
  t.same(networks(podOf({status: {}})), []);
  t.same(networks(podOf({metadata: {annotations: {'vpc.amazonaws.com/pod-ips': '10.0.0.9'}}, status: {}})), [
    '10.0.0.9/32',
  ]);
  t.throws(() => networks(podOf({status: {podIP: '10.0.0'}})), {
    message: /Pod "default\/my-pod": status\.podIPs = "10\.0\.0"/,
  });
  for (const phase of ['Failed', 'Succeeded', 'Completed'])
    t.same(networks(podOf({status: {phase, podIP: '10.0.0.2'}})), [], phase);
  const terminating = {deletionTimestamp: '2024-05-01T10:00:00Z'};
  t.same(
    networks(podOf({metadata: {...terminating, annotations: annotated}})).length,
    2,
    'terminating, not yet released',
  );
  t.same(networks(podOf({metadata: {...terminating, annotations: RELEASED_ANNOTATIONS}})), []);
  t.notOk(isFinished(podOf({metadata: {annotations: RELEASED_ANNOTATIONS}})), 'released, but not terminating');
  t.same(podAddressAnnotations(['10.0.0.1/32', 'fd00::1/128'], 'c'), {
    ...annotated,
    'cni.projectcalico.org/containerID': 'c',
  });
  t.same(podAddressAnnotations([], 'c'), {});
});

void t.test('ports that policies can name or the host forwards', async (t) => {
  const containers = [
    {
      ports: [
        {name: 'http', containerPort: 80},
        {containerPort: 81},
        {containerPort: 53, hostPort: 53, protocol: 'UDP', hostIP: '1.2.3.4'},
      ],
    },
    {},
  ];
  const initContainers = [
    {
      ports: [
        {name: 's', containerPort: 9, protocol: 'SCTP'},
        {name: 'x', containerPort: 9, protocol: 'ICMP'},
        {name: 'z'},
      ],
    },
  ];
  t.same(endpointOf(podOf({spec: {containers, initContainers}})).spec.ports, [
    {name: 'http', protocol: 'TCP', port: 80, hostPort: 0, hostIP: ''},
    {name: '', protocol: 'UDP', port: 53, hostPort: 53, hostIP: '1.2.3.4'},
    {name: 's', protocol: 'SCTP', port: 9, hostPort: 0, hostIP: ''},
  ]);
});

void t.test('floating addresses and source prefixes', async (t) => {
  const annotations = {
    'cni.projectcalico.org/floatingIPs': '["1.1.1.1","2001:db8::1"]',
    'cni.projectcalico.org/allowedSourcePrefixes': '["10.7.0.1/16"]',
  };
  const {spec} = endpointOf(podOf({metadata: {annotations}, status: {podIP: '10.65.0.5'}}));
  t.same(spec.ipNATs, [{internalIP: '10.65.0.5', externalIP: '1.1.1.1'}]);
  t.same(spec.allowSpoofedSourcePrefixes, ['10.7.0.0/16']);
  for (const [name, text] of [
    ['floatingIPs', '["1.1.1.1"'],
    ['floatingIPs', '{}'],
    ['allowedSourcePrefixes', '[1]'],
    ['allowedSourcePrefixes', '["10.0.0.1"]'],
  ])
    t.throws(() => endpointOf(podOf({metadata: {annotations: {[`cni.projectcalico.org/${name}`]: text ?? ''}}})), {
      code: 'E_INVALID_RESOURCE',
      message: new RegExp(`${name}`),
    });
});

void t.test(
  'limits: Calico’s annotations before those of Kubernetes, moved into their range, useless ones left out',
  async (t) => {
    const convert = (annotations: Record<string, string>) => {
      const converted = convertPod(podOf({metadata: {annotations}}));
      return {controls: converted?.endpoint.spec.qosControls, warnings: converted?.warnings.map(formatViolation)};
    };
    t.same(convert({}), {controls: undefined, warnings: []});
    const zero = Object.fromEntries(
      ['ingress', 'egress'].flatMap((direction) =>
        ['Bandwidth', 'Burst', 'Peakrate', 'Minburst', 'PacketRate', 'PacketBurst', 'MaxConnections'].map((name) => [
          `${direction}${name}`,
          0,
        ]),
      ),
    );
    t.same(
      convert({
        'kubernetes.io/ingress-bandwidth': '10M',
        'qos.projectcalico.org/egressBandwidth': '1.5Gi',
        'kubernetes.io/egress-bandwidth': '1M',
        'qos.projectcalico.org/egressPacketRate': '100',
        'qos.projectcalico.org/dscp': 'ef',
      }),
      {
        controls: {
          ...zero,
          ingressBandwidth: 10_000_000,
          ingressBurst: 4_294_967_296,
          egressBandwidth: 1_610_612_736,
          egressBurst: 4_294_967_296,
          egressPacketRate: 100,
          egressPacketBurst: 5,
          dscp: 'EF',
        },
        warnings: [],
      },
    );
    const odd = convert({
      'qos.projectcalico.org/ingressBandwidth': '1',
      'qos.projectcalico.org/ingressPeakrate': '900',
      'qos.projectcalico.org/ingressMinburst': '2k',
      'qos.projectcalico.org/egressBurst': '2k',
      'qos.projectcalico.org/egressPacketBurst': '7',
      'qos.projectcalico.org/egressMaxConnections': 'many',
      'qos.projectcalico.org/dscp': '64',
    });
    t.match(odd.controls, {
      ingressBandwidth: 1000,
      ingressPeakrate: 1010,
      ingressMinburst: 2000,
      egressBurst: 0,
      egressPacketBurst: 0,
    });
    t.equal(odd.warnings?.length, 6);
    const same = {'qos.projectcalico.org/egressBandwidth': '2M', 'qos.projectcalico.org/egressPeakrate': '2M'};
    t.match(convert(same), {controls: {egressPeakrate: 0}, warnings: [/egressPeakrate = 2000000: must be greater/]});
  },
);

void t.test('quantities', async (t) => {
  const cases: readonly (readonly [string, bigint | undefined])[] = [
    ['10', 10n],
    ['1k', 1000n],
    ['1Ki', 1024n],
    ['1.5Gi', 1_610_612_736n],
    ['1e3', 1000n],
    ['2E', 2_000_000_000_000_000_000n],
    ['100m', 1n],
    ['-1', -1n],
    ['.5', 1n],
    ['', undefined],
    ['.', undefined],
    ['1 k', undefined],
    ['1KB', undefined],
    ['e3', undefined],
    ['0x10', undefined],
  ];
  for (const [text, value] of cases) t.equal(parseQuantity(text), value, text);
});
