/** ClusterNetworkPolicies: tiers, actions, and that a rule to deny is never lost. */
import t from 'tap';
import {GlobalNetworkPolicy} from '../../../../src/model/kinds/global-network-policy.ts';
import {
  type ClusterNetworkPolicy,
  type ClusterPolicyRule,
  convertClusterNetworkPolicy,
} from '../../../../src/model/kubernetes/cluster-network-policy.ts';

const NO_EXPRESSIONS = {matchExpressions: []};
const labelled = (labels: Record<string, string>) => ({matchLabels: labels, ...NO_EXPRESSIONS});

const policyOf = (spec: Partial<ClusterNetworkPolicy['spec']>): ClusterNetworkPolicy => ({
  metadata: {name: 'deny-all', uid: '41cb1fde-57e9-42c1-a73b-0acaf38c7737', resourceVersion: '5'},
  spec: {tier: 'Admin', priority: 10, subject: {namespaces: labelled({})}, ...spec},
});

const convert = (spec: Partial<ClusterNetworkPolicy['spec']>) => {
  const converted = convertClusterNetworkPolicy(policyOf(spec));
  if (converted === undefined) throw new Error('was not converted');
  return {...converted, json: JSON.parse(JSON.stringify(GlobalNetworkPolicy.toJson(converted.policy).spec)) as unknown};
};

void t.test('tier, order, subject, types', async (t) => {
  const {policy, json} = convert({ingress: [{action: 'Deny', from: [{namespaces: labelled({a: 'b'})}]}]});
  t.match(policy, {kind: 'KubernetesClusterNetworkPolicy', metadata: {name: 'deny-all', resourceVersion: '5'}});
  t.same(json, {
    tier: 'kube-admin',
    order: 10,
    ingress: [{action: 'Deny', source: {namespaceSelector: "a == 'b'"}}],
    selector: "projectcalico.org/orchestrator == 'k8s'",
    types: ['Ingress'],
    namespaceSelector: 'all()',
  });
  const pods = convert({
    tier: 'Baseline',
    subject: {pods: {namespaceSelector: labelled({x: 'y'}), podSelector: labelled({p: 'q'})}},
  }).policy.spec;
  t.match(pods, {
    tier: 'kube-baseline',
    selector: "projectcalico.org/orchestrator == 'k8s' && p == 'q'",
    namespaceSelector: "x == 'y'",
    types: [],
  });
  t.equal(convertClusterNetworkPolicy(policyOf({tier: 'Other'})), undefined);
  t.equal(convertClusterNetworkPolicy(policyOf({subject: {}})), undefined);
});

void t.test('actions, names, protocols and networks of rules', async (t) => {
  const {json} = convert({
    egress: [
      {
        name: 'dns',
        action: 'Accept',
        protocols: [
          {udp: {destinationPort: {number: 53}}},
          {tcp: {destinationPort: {range: {start: 53, end: 54}}}},
          {destinationNamedPort: 'dns'},
        ],
        to: [{networks: ['10.0.0.1/8', 'fd00::/8']}],
      },
      {
        action: 'Pass',
        protocols: [{sctp: {}}],
        to: [{pods: {namespaceSelector: labelled({}), podSelector: labelled({})}}],
      },
    ],
  });
  const annotated = {metadata: {annotations: {name: 'dns'}}};
  const nets = ['10.0.0.0/8', 'fd00::/8'];
  t.match(json, {
    types: ['Egress'],
    egress: [
      {action: 'Allow', destination: {nets, ports: ['dns']}, ...annotated},
      {action: 'Allow', protocol: 'TCP', destination: {nets, ports: ['53:54']}, ...annotated},
      {action: 'Allow', protocol: 'UDP', destination: {nets, ports: [53]}, ...annotated},
      {
        action: 'Pass',
        protocol: 'SCTP',
        destination: {selector: "projectcalico.org/orchestrator == 'k8s'", namespaceSelector: 'all()'},
      },
    ],
  });
});

void t.test('what cannot be converted: allowing is left out, denying and passing denies everything', async (t) => {
  const broken: readonly Partial<ClusterPolicyRule>[] = [
    {to: [{}]},
    {to: [{networks: ['10.0.0.0']}]},
    {to: [{namespaces: labelled({})}], protocols: [{tcp: {destinationPort: {range: {start: 9, end: 1}}}}]},
  ];
  for (const rule of broken) {
    for (const action of ['Deny', 'Pass']) {
      const {policy, dropped} = convert({egress: [{...rule, action}]});
      t.equal(dropped.length, 1);
      t.match(policy.spec.egress, [{action: 'Deny', destination: {nets: [], ports: []}}]);
      t.same(policy.spec.types, ['Egress']);
    }
    t.same(convert({egress: [{...rule, action: 'Accept'}]}).policy.spec.egress, []);
  }
  t.same(convert({ingress: [{action: 'Explode', from: [{namespaces: labelled({})}]}]}).policy.spec.ingress, []);
});
