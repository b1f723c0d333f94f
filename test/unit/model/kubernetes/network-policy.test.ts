/** Kubernetes network policies as Calico's: names, selectors, rules per protocol and peer, what is left out. */
import t from 'tap';
import {NetworkPolicy} from '../../../../src/model/kinds/network-policy.ts';
import {StagedKubernetesNetworkPolicy} from '../../../../src/model/kinds/staged-kubernetes-network-policy.ts';
import {convertNetworkPolicy, convertRules} from '../../../../src/model/kubernetes/network-policy.ts';
import {parseSelector} from '../../../../src/model/selector/parser.ts';
import {formatViolation} from '../../../../src/model/violation.ts';

/** The spec with everything filled in, as a client reads it. */
const specOf = (spec: Record<string, unknown>) =>
  StagedKubernetesNetworkPolicy.decode(
    JSON.stringify({
      kind: 'StagedKubernetesNetworkPolicy',
      apiVersion: 'projectcalico.org/v3',
      metadata: {name: 'x', namespace: 'n'},
      spec,
    }),
    StagedKubernetesNetworkPolicy.key({name: 'x', namespace: 'n'}),
  ).spec;

const uid = '41cb1fde-57e9-42c1-a73b-0acaf38c7737';
const convert = (spec: Record<string, unknown>, identity: 'prefixed' | 'plain' = 'prefixed') =>
  convertNetworkPolicy(
    {
      metadata: {
        name: 'allow',
        namespace: 'prod',
        uid,
        resourceVersion: '7',
        creationTimestamp: '2024-05-01T10:00:00Z',
      },
      spec: specOf(spec),
    },
    identity,
  );

/** The rules as Calico would store them: sides and lists that are empty say nothing. */
const rulesOf = (spec: Record<string, unknown>) => {
  const {policy} = convert(spec);
  const json = NetworkPolicy.toJson(policy).spec as {ingress?: unknown; egress?: unknown};
  return JSON.parse(JSON.stringify({ingress: json.ingress, egress: json.egress})) as unknown;
};

void t.test('identity, order, tier, types', async (t) => {
  const {policy} = convert({podSelector: {}});
  t.equal(
    NetworkPolicy.encode(policy, NetworkPolicy.key({name: policy.metadata.name, namespace: 'prod'})),
    '{"kind":"NetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"knp.default.allow","namespace":"prod","uid":"82d3f87b-ea97-4283-a7dc-5053cf31eeec","creationTimestamp":"2024-05-01T10:00:00Z","annotations":{"projectcalico.org/metadata":"{\\"name\\":\\"knp.default.allow\\"}"}},"spec":{"tier":"default","order":1000,"selector":"projectcalico.org/orchestrator == \'k8s\'","types":["Ingress"]}}',
  );
  t.same(NetworkPolicy.check(policy), []);
  const plain = convert({podSelector: {}}, 'plain').policy;
  t.same([plain.kind, plain.metadata.name], ['KubernetesNetworkPolicy', 'allow']);
  t.same(convert({policyTypes: ['Egress', 'Ingress']}).policy.spec.types, ['Ingress', 'Egress']);
  t.same(convert({policyTypes: ['Egress'], egress: [{}]}).policy.spec.types, ['Egress']);
});

void t.test('selectors are written as Calico writes them', async (t) => {
  const selector = convert({
    podSelector: {
      matchLabels: {z: '1', 'a.b/c': 'x'},
      matchExpressions: [
        {key: 'k', operator: 'In', values: ['b', 'a']},
        {key: 'l', operator: 'NotIn', values: ['c']},
        {key: 'm', operator: 'Exists'},
        {key: 'n', operator: 'DoesNotExist'},
      ],
    },
  }).policy.spec.selector;
  t.equal(
    selector,
    "projectcalico.org/orchestrator == 'k8s' && a.b/c == 'x' && z == '1' && k in { 'b', 'a' } && l not in { 'c' } && has(m) && ! has(n)",
  );
  t.ok(parseSelector(selector ?? '').canonical);
});

void t.test('peers: own namespace, other namespaces, networks', async (t) => {
  const pods = "projectcalico.org/orchestrator == 'k8s'";
  t.same(
    rulesOf({
      ingress: [
        {
          from: [
            {podSelector: {matchLabels: {a: 'b'}}},
            {namespaceSelector: {}},
            {namespaceSelector: {matchLabels: {c: 'd'}}, podSelector: {}},
            {ipBlock: {cidr: '10.0.0.1/8', except: ['10.1.0.0/16']}},
          ],
        },
      ],
    }),
    {
      ingress: [
        {action: 'Allow', source: {selector: `${pods} && a == 'b'`}},
        {action: 'Allow', source: {selector: pods, namespaceSelector: 'all()'}},
        {action: 'Allow', source: {selector: pods, namespaceSelector: "c == 'd'"}},
        {action: 'Allow', source: {nets: ['10.0.0.0/8'], notNets: ['10.1.0.0/16']}},
      ],
    },
  );
  t.same(rulesOf({ingress: [{}], egress: [{}]}), {ingress: [{action: 'Allow'}], egress: [{action: 'Allow'}]});
  t.same(rulesOf({ingress: []}), {}, 'no rule: nothing is allowed');
});

void t.test('ports: one rule for each protocol, names first, ranges merged', async (t) => {
  t.same(
    rulesOf({
      egress: [
        {
          ports: [
            {port: 443},
            {protocol: 'UDP', port: 53},
            {port: 'http'},
            {port: '80'},
            {port: 81},
            {port: 1000, endPort: 2000},
            {port: 1500, endPort: 2500},
            {port: 1600, endPort: 1700},
            {protocol: 'SCTP'},
            {protocol: 'SCTP', port: 7},
          ],
          to: [{ipBlock: {cidr: 'fd00::/8'}}],
        },
      ],
    }),
    {
      egress: [
        {action: 'Allow', protocol: 'SCTP', destination: {nets: ['fd00::/8']}},
        {
          action: 'Allow',
          protocol: 'TCP',
          destination: {nets: ['fd00::/8'], ports: ['http', '80:81', 443, '1000:2500']},
        },
        {action: 'Allow', protocol: 'UDP', destination: {nets: ['fd00::/8'], ports: [53]}},
      ],
    },
  );
  t.same(rulesOf({ingress: [{ports: [{port: 80}, {port: 'a'}]}]}), {
    ingress: [{action: 'Allow', protocol: 'TCP', destination: {ports: [80, 'a']}}],
  });
});

void t.test('a rule that cannot be converted is left out and named', async (t) => {
  const spec = specOf({ingress: [{ports: [{port: 'not a name'}]}, {ports: [{port: 5, endPort: 2}]}, {}]});
  const {ingress, dropped} = convertRules(spec);
  t.equal(ingress.length, 1);
  t.same(dropped.map(formatViolation), [
    'spec.ingress[0].ports[0].port = "not a name": must be a port, a range of ports or a name',
    'spec.ingress[1].ports[0].port = "5:2": must be a port, a range of ports or a name',
  ]);
  t.throws(
    () =>
      StagedKubernetesNetworkPolicy.create({
        metadata: {name: 'x', namespace: 'n'},
        spec: {ingress: [{ports: [{port: 'http', endPort: 90}]}]},
      }),
    {message: /spec\.ingress\[0\]\.ports\[0\]\.port = "http:90"/},
  );
});

void t.test('a staged deletion says nothing about the policy', async (t) => {
  const create = (spec: Record<string, unknown>) =>
    StagedKubernetesNetworkPolicy.create({
      metadata: {name: 'x', namespace: 'n'},
      spec: {stagedAction: 'Delete', ...spec},
    });
  t.equal(create({podSelector: {}}).spec.stagedAction, 'Delete');
  t.throws(() => create({podSelector: {matchLabels: {a: 'b'}}}), {
    message: /spec\.podSelector = an object: must not be set/,
  });
  t.throws(() => create({egress: [{}]}), {message: /spec\.egress = a list of 1: must not be set/});
});
