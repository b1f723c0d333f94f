/** Rules about several fields: each says where, what was found and what is asked for; what is right passes. */
import t from 'tap';
import {AgentError} from '../../../src/lib/errors.ts';
import {requireKind} from '../../../src/model/kinds.ts';
import {formatViolation, type Violation} from '../../../src/model/violation.ts';

/** Violations of a document, one a line; empty when it is accepted. */
function violationsOf(kindName: string, spec: unknown, name = 'x'): readonly string[] {
  const kind = requireKind(kindName);
  try {
    kind.create({metadata: {name, ...(kind.namespaced ? {namespace: 'n'} : {})}, spec});
    return [];
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return (error.context as {violations: readonly Violation[]}).violations.map(formatViolation);
  }
}

type Case = readonly [spec: unknown, ...violations: readonly string[]];

const rule = (fields: object) => ({ingress: [{action: 'Allow', ...fields}]});
const egressRule = (fields: object) => ({egress: [{action: 'Allow', ...fields}]});

const CASES: Readonly<Record<string, readonly Case[]>> = {
  gnp: [
    [rule({protocol: 'ICMP', icmp: {type: 8, code: 0}})],
    [rule({protocol: 'ICMPv6', icmp: {type: 128}, notICMP: {type: 1}})],
    [
      rule({protocol: 58, icmp: {type: 128}}),
      'spec.ingress[0].icmp = an object: must go with protocol ICMP or ICMPv6, by name',
    ],
    [
      rule({protocol: 'UDP', icmp: {type: 8}}),
      'spec.ingress[0].icmp = an object: must go with protocol ICMP or ICMPv6, by name',
    ],
    [rule({notICMP: {code: 8}}), 'spec.ingress[0].notICMP.code = 8: must go with a type'],
    [rule({notProtocol: 'ICMP', ipVersion: 6}), 'spec.ingress[0].ipVersion = 6: must be 4 with protocol ICMP'],
    [rule({protocol: 'ICMPv6', ipVersion: 4}), 'spec.ingress[0].ipVersion = 4: must be 6 with protocol ICMPv6'],
    [rule({source: {nets: ['fd00::/8']}, destination: {notNets: ['fd01::/64']}, ipVersion: 6})],
    [
      rule({source: {notNets: ['10.0.0.0/8']}, destination: {nets: ['fd00::/8']}}),
      'spec.ingress[0].destination.nets[0] = "fd00::/8": must be of IPv4, as the rest of the rule',
    ],
    [
      rule({source: {notNets: ['::/0']}}),
      'spec.ingress[0].source.notNets[0] = "::/0": must not be everything: nothing would match',
    ],
    [
      rule({source: {namespaceSelector: 'has(a) || global()'}}),
      'spec.ingress[0].source.namespaceSelector = "has(a) || global()": must not combine global() with anything else',
    ],
    [rule({source: {namespaceSelector: 'global( )'}})],
    [
      rule({destination: {selector: 'global()'}}),
      'spec.ingress[0].destination.selector = "global()": must not use global(): only the namespaceSelector of a rule may',
    ],
    [rule({destination: {ports: ['http', 'https']}})],
    [
      rule({destination: {notPorts: ['http', '1:2']}}),
      'spec.ingress[0].destination.notPorts = a list of 2: must go with protocol TCP, UDP or SCTP, or all have names',
    ],
    [
      rule({protocol: 'UDPLite', source: {ports: ['http']}}),
      'spec.ingress[0].source.ports = a list of 1: must go with protocol TCP, UDP or SCTP',
    ],
    [rule({protocol: 17, destination: {ports: ['7:7', '1:65535', 'a']}})],
    [egressRule({destination: {services: {name: 'a', namespace: 'b'}}})],
    [
      egressRule({destination: {services: {name: 'a'}, notPorts: [1]}, protocol: 'TCP'}),
      'spec.egress[0].destination.notPorts = a list of 1: must not be set together with services',
      'spec.egress[0].destination.services.namespace: must be specified in a global policy',
    ],
    [
      egressRule({source: {services: {name: 'a', namespace: 'b'}}}),
      'spec.egress[0].source.services = an object: must be in the destination of egress rules',
    ],
    [
      rule({source: {services: {name: 'a', namespace: 'b'}, nets: ['10.0.0.0/8'], notSelector: 'has(x)'}}),
      'spec.ingress[0].source.nets = a list of 1: must not be set together with services',
      'spec.ingress[0].source.notSelector = "has(x)": must not be set together with services',
    ],
    [
      rule({
        source: {services: {name: 'a', namespace: 'b'}, serviceAccounts: {names: ['c']}, namespaceSelector: 'all()'},
      }),
      'spec.ingress[0].source.namespaceSelector = "all()": must not be set together with services',
      'spec.ingress[0].source.serviceAccounts = an object: must not be set together with services',
    ],
    [rule({http: {methods: ['GET'], paths: [{exact: '/'}, {prefix: '/a'}]}, protocol: 'TCP'})],
    [
      {egress: [{action: 'Deny', protocol: 6, http: {methods: ['GET', 'GET']}}]},
      'spec.egress[0].http = an object: must be in ingress rules only',
      'spec.egress[0].http = an object: must go with action Allow',
      'spec.egress[0].protocol = 6: must be TCP or absent when http is set',
      'spec.egress[0].http.methods = a list of 2: must have each method once',
    ],
    [
      rule({http: {paths: [{}, {exact: '/a', prefix: '/b'}, {prefix: 'a'}, {exact: '/a b'}, {exact: '/a#'}]}}),
      'spec.ingress[0].http.paths[0]: must have exactly one of exact and prefix',
      'spec.ingress[0].http.paths[1]: must have exactly one of exact and prefix',
      'spec.ingress[0].http.paths[2].prefix = "a": must begin with / and have no ?, # or space',
      'spec.ingress[0].http.paths[3].exact = "/a b": must begin with / and have no ?, # or space',
      'spec.ingress[0].http.paths[4].exact = "/a#": must begin with / and have no ?, # or space',
    ],
    [
      rule({metadata: {annotations: {'a b': 'c', OK: ''}}}),
      "spec.ingress[0].metadata.annotations = \"a b\": must consist of letters, digits, '-', '_' and '.', and begin and end with a letter or digit",
    ],
    [
      rule({metadata: {annotations: {a: 'x'.repeat(262_144)}}}),
      'spec.ingress[0].metadata.annotations: must have at most 262144 bytes together',
    ],
    [
      {serviceAccountSelector: 'global()', namespaceSelector: '!global()', selector: 'a == "global()"'},
      ...[
        'selector = "a == \\"global()\\""',
        'serviceAccountSelector = "global()"',
        'namespaceSelector = "!global()"',
      ].map((found) => `spec.${found}: must not use global(): only the namespaceSelector of a rule may`),
    ],
    [{types: ['Egress', 'Egress']}, 'spec.types = "Egress, Egress": must have each type once'],
    [{doNotTrack: true, applyOnForward: true, egress: [{action: 'Deny'}]}],
    [
      {doNotTrack: true, preDNAT: true, types: ['Ingress']},
      'spec.preDNAT = true: must not be set together with doNotTrack',
      'spec.applyOnForward = false: must be true with doNotTrack or preDNAT',
    ],
    [
      {preDNAT: true, applyOnForward: true, egress: [{action: 'Deny'}]},
      'spec.egress = a list of 1: must be empty with preDNAT',
      'spec.types = "Egress": must not have Egress with preDNAT',
    ],
    [{order: 'x'}, 'spec.order = "x": must be a number or a whole number of any size'],
  ],
  np: [
    [egressRule({destination: {services: {name: 'a'}}})],
    [
      rule({destination: {services: {name: 'a'}}}),
      'spec.ingress[0].destination.services = an object: must be in the source of ingress rules',
    ],
    [{doNotTrack: true}, 'spec.doNotTrack = true: is not a field of this kind'],
  ],
  profile: [
    // Rules of profiles belong to no direction.
    [egressRule({http: {methods: ['GET']}, source: {services: {name: 'a'}}})],
    [
      egressRule({icmp: {code: 1}}),
      'spec.egress[0].icmp = an object: must go with protocol ICMP or ICMPv6, by name',
      'spec.egress[0].icmp.code = 1: must go with a type',
    ],
  ],
  sgnp: [
    [{stagedAction: 'Delete', tier: 'security'}],
    [
      {stagedAction: 'Delete', order: 0, preDNAT: true},
      'spec.order = 0: must not be set with stagedAction Delete',
      'spec.preDNAT = true: must not be set with stagedAction Delete',
    ],
    [{stagedAction: 'Learn', preDNAT: true}, 'spec.applyOnForward = false: must be true with doNotTrack or preDNAT'],
  ],
  snp: [
    [
      {stagedAction: 'Delete', egress: [{action: 'Allow'}]},
      'spec.egress = a list of 1: must not be set with stagedAction Delete',
    ],
  ],
  bgpconfiguration: [
    [
      {nodeMeshMaxRestartTime: '1m', serviceClusterIPs: [{cidr: '10.0.0.0/8'}]},
      'spec.serviceClusterIPs = a list of 1: must be set on the configuration "default" only',
      'spec.nodeMeshMaxRestartTime = "1m0s": must be set on the configuration "default" only',
    ],
    [{listenPort: 179, bindMode: 'None'}],
    [{serviceExternalIPs: []}],
  ],
  bgppeer: [
    [{peerIP: '[fd00::1]:179', asNumber: '1.1', reachableBy: 'fd00::2', keepOriginalNextHop: true}],
    [{peerSelector: 'all()', node: 'a'}],
    [{localWorkloadSelector: 'all()', asNumber: 1}],
    [
      {peerSelector: 'all()', localWorkloadSelector: 'all()'},
      'spec.peerSelector = "all()": must not be set together with localWorkloadSelector',
      'spec.asNumber: must be specified with localWorkloadSelector',
    ],
    [{reachableBy: '10.0.0.1'}, 'spec.reachableBy = "10.0.0.1": must go with peerIP'],
    ...['10.0.0.1:0', '10.0.0.1:65536', '[10.0.0.1]:0', 'fd00::1:', '10.0.0:1', '[fd00::1]'].map(
      (peerIP): Case => [
        {peerIP},
        `spec.peerIP = "${peerIP}": must be an IP address, alone or with a port: 10.0.0.1:179, [fd00::1]:179`,
      ],
    ),
  ],
  bgpfilter: [
    [{importV6: [{action: 'Accept', cidr: 'fd00::/8', matchOperator: 'In', prefixLength: {min: 0, max: 128}}]}],
    [{importV4: [{action: 'Accept', matchOperator: 'In'}]}, 'spec.importV4[0].matchOperator = "In": must go with cidr'],
    [
      {exportV6: [{action: 'Accept', operations: [{}, {prependASPath: {prefix: [1, '1.1']}}]}]},
      'spec.exportV6[0].operations[0] = an object: must have exactly one operation',
    ],
    [
      {exportV6: [{action: 'Accept', operations: [{prependASPath: {prefix: []}}]}]},
      'spec.exportV6[0].operations[0].prependASPath.prefix = a list of 0: must not be empty',
    ],
    [{exportV4: [{}]}, 'spec.exportV4[0].action: must be specified'],
    ...['1:65536', '1:2:4294967296', '1', '1:2:3:4', ':1', 'a:b'].map(
      (value): Case => [
        {exportV4: [{action: 'Accept', communities: {values: [value]}}]},
        `spec.exportV4[0].communities.values[0] = "${value}": must be aa:nn of 16 bits each, or aa:nn:mm of 32`,
      ],
    ),
  ],
  livemigration: [
    [{source: {workload: {workloadID: 'a'}}, target: {selector: 'has(a)'}}],
    [{}],
    [
      {source: {}, target: {selector: 'has(a)', workloadEndpoint: {endpointID: 'e'}}},
      'spec.source = an object: must have exactly one of workload and workloadEndpoint',
      'spec.target = an object: must have exactly one of selector and workloadEndpoint',
    ],
  ],
  caliconodestatus: [
    [{node: 'a', classes: ['BGP', 'Agent'], updatePeriodSeconds: 0}],
    [{classes: ['BGP']}, 'spec.node: must be specified', 'spec.updatePeriodSeconds: must be specified'],
    [
      {node: 'a', classes: ['BGP', 'BGP'], updatePeriodSeconds: 1},
      'spec.classes = "BGP, BGP": must have each class once',
    ],
    [{node: 'a', updatePeriodSeconds: 1}, 'spec.classes: must be specified'],
    [
      {node: 'a', classes: ['BGP'], updatePeriodSeconds: 86_401},
      'spec.updatePeriodSeconds = 86401: must be between 0 and 86400',
    ],
  ],
};

for (const [kind, cases] of Object.entries(CASES))
  void t.test(kind, async (t) => {
    for (const [spec, ...violations] of cases)
      t.same(violationsOf(kind, spec), violations, JSON.stringify(spec).slice(0, 90));
  });

void t.test('rules that depend on the name', async (t) => {
  t.same(violationsOf('tier', {order: 1000, defaultAction: 'Pass'}, 'kube-admin'), []);
  t.same(violationsOf('tier', {defaultAction: 'Pass'}, 'default'), [
    'spec.defaultAction = "Pass": must be Deny for the tier default',
  ]);
  t.same(violationsOf('tier', {}, 'kube-baseline'), [
    'spec.order = 1000000: must be 10000000 for the tier kube-baseline',
    'spec.defaultAction = "Deny": must be Pass for the tier kube-baseline',
  ]);
  t.same(violationsOf('bgpconfiguration', {nodeToNodeMeshEnabled: false, nodeMeshMaxRestartTime: '1m'}, 'default'), [
    'spec.nodeMeshMaxRestartTime = "1m0s": must not be set without the mesh between nodes',
  ]);
  const advertised = {
    communities: [{name: 'a', value: '1:2'}],
    prefixAdvertisements: [{cidr: '10.0.0.0/8', communities: ['a', '3:4:5', 'b']}],
  };
  t.same(violationsOf('bgpconfiguration', advertised, 'default'), [
    'spec.prefixAdvertisements[0].communities[2] = "b": must be aa:nn of 16 bits each, or aa:nn:mm of 32, or a name of spec.communities',
  ]);
  const template = {generateName: 'a', interfacePattern: '('};
  t.match(
    violationsOf(
      'kubecontrollersconfiguration',
      {controllers: {node: {hostEndpoint: {templates: [template]}}}},
      'default',
    ),
    [/templates\[0\]\.interfacePattern = "\(": /],
  );
  const twice = [
    {generateName: 'a', interfaceCIDRs: ['10.0.0.0/8']},
    {generateName: 'a', interfacePattern: 'eth0', labels: {'a b': ''}},
  ];
  t.match(
    violationsOf('kubecontrollersconfiguration', {controllers: {node: {hostEndpoint: {templates: twice}}}}, 'default'),
    [/templates\[1\]\.labels = "a b": /, /templates\[1\]\.generateName = "a": must be unique/],
  );
  const set = requireKind('networkset');
  t.throws(() => set.create({metadata: {name: 'x', namespace: 'n', labels: {'projectcalico.org/namespace': 'm'}}}), {
    message: /metadata\.labels\[projectcalico\.org\/namespace\] = "m": must not be set: Calico sets it/,
  });
});

void t.test('numbers that are no integers, and those beyond 2^53', async (t) => {
  const tier = requireKind('tier');
  const stored = (order: string) =>
    `{"kind":"Tier","apiVersion":"projectcalico.org/v3","metadata":{"name":"x"},"spec":{"order":${order},"defaultAction":"Deny"},"status":{}}`;
  for (const [text, value] of [
    ['100000000000000000000', 1e20],
    ['12.5', 12.5],
    ['-1500', -1500],
    ['1e+21', 1e21],
    ['0', 0],
    ['9007199254740993', 9007199254740992],
  ] as const) {
    const resource = tier.decode(stored(text), tier.key({name: 'x'}));
    t.equal((resource.spec as {order: number}).order, value);
    t.equal(tier.encode(resource), stored(text));
    if (text !== '9007199254740993')
      t.equal(tier.encode(tier.complete(resource)), stored(text), 'written as Go writes it');
  }
  const absent = tier.decode(stored('null'), tier.key({name: 'x'}));
  t.equal((absent.spec as {order: number}).order, 1_000_000);
  t.equal(tier.encode(absent), stored('null'));
});
