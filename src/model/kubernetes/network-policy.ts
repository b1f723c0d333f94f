/**
 * A Kubernetes NetworkPolicy as Calico enforces it: a policy of the default tier, order 1000, with one rule for each
 * protocol and peer.
 *
 * A rule that cannot be converted is left out and named; the rest holds. It only ever allows, so what is left out stays
 * denied.
 */
import {formatCidr, parseCidr} from '../../lib/cidr.ts';
import type {NetworkPolicy} from '../kinds/network-policy.ts';
import {DEFAULT_TIER} from '../policy-names.ts';
import type {EntityRule, PolicyRule} from '../policy-rule.ts';
import {API_VERSION} from '../resource.ts';
import {type Violation, violation} from '../violation.ts';
import {namespaceSelectorText, podSelectorText} from './label-selector.ts';
import {derivedMetadata} from './metadata.ts';
import type {KubernetesPolicyPeer, KubernetesPolicyPort, KubernetesPolicySpec} from './network-policy-spec.ts';
import type {KubernetesObject} from './objects.ts';
import {ANY_PROTOCOL, groupByProtocol, type ProtocolPorts, portMatch} from './policy-ports.ts';

export interface KubernetesNetworkPolicy extends KubernetesObject {
  readonly spec: KubernetesPolicySpec;
}

/** The conversion, and the rules that are missing in it. */
export interface ConvertedPolicy<P> {
  readonly policy: P;
  readonly dropped: readonly Violation[];
}

/**
 * How the policy is called: up to v3.31, and in etcd in every release, as a NetworkPolicy `knp.default.<name>`; read
 * from Kubernetes by v3.32 under its own name, as a kind of its own.
 */
export type PolicyIdentity = 'prefixed' | 'plain';

const ORDER = 1000;
export const KUBERNETES_POLICY_PREFIX = 'knp.default.';

export function convertNetworkPolicy(
  {metadata, spec}: KubernetesNetworkPolicy,
  identity: PolicyIdentity,
): ConvertedPolicy<NetworkPolicy> {
  const {ingress, egress, dropped} = convertRules(spec);
  const name = identity === 'prefixed' ? `${KUBERNETES_POLICY_PREFIX}${metadata.name}` : metadata.name;
  const types = (['Ingress', 'Egress'] as const).filter((type) => spec.policyTypes.includes(type));
  const policy: NetworkPolicy = {
    kind: identity === 'prefixed' ? 'NetworkPolicy' : 'KubernetesNetworkPolicy',
    apiVersion: API_VERSION,
    metadata: {
      ...derivedMetadata(metadata, name),
      namespace: metadata.namespace,
      resourceVersion: metadata.resourceVersion,
    },
    spec: {
      tier: DEFAULT_TIER,
      order: ORDER,
      ingress,
      egress,
      selector: podSelectorText(spec.podSelector),
      types: types.length > 0 ? types : ['Ingress'],
      performanceHints: [],
    },
  };
  return {policy, dropped};
}

/** The rules alone. */
export function convertRules(spec: KubernetesPolicySpec): {
  readonly ingress: readonly PolicyRule[];
  readonly egress: readonly PolicyRule[];
  readonly dropped: readonly Violation[];
} {
  const dropped: Violation[] = [];
  const ingress = spec.ingress.flatMap(({from, ports}, i) => {
    const grouped = convertPorts(ports, `spec.ingress[${i}].ports`, dropped);
    return (grouped ?? []).flatMap(([protocol, rulePorts]) =>
      peersOf(from).map((peer) => allow(protocol, peer, {...ANYTHING, ports: rulePorts})),
    );
  });
  const egress = spec.egress.flatMap(({to, ports}, i) => {
    const grouped = convertPorts(ports, `spec.egress[${i}].ports`, dropped);
    return (grouped ?? []).flatMap(([protocol, rulePorts]) =>
      peersOf(to).map((peer) => allow(protocol, ANYTHING, {...peer, ports: rulePorts})),
    );
  });
  return {ingress, egress, dropped};
}

/** One side of a rule that matches all packets. */
export const ANYTHING: EntityRule = Object.freeze({nets: [], ports: [], notNets: [], notPorts: []});

const allow = (protocol: string | undefined, source: EntityRule, destination: EntityRule): PolicyRule => ({
  action: 'Allow',
  ...(protocol === undefined ? {} : {protocol}),
  source,
  destination,
});

/** Undefined when one of them is not a port: the whole rule is left out then. */
function convertPorts(
  ports: readonly KubernetesPolicyPort[],
  path: string,
  dropped: Violation[],
): ProtocolPorts | undefined {
  if (ports.length === 0) return ANY_PROTOCOL;
  const wrong = ports.findIndex((port) => port.port !== undefined && portMatch(port) === undefined);
  if (wrong >= 0) {
    const {port, endPort} = ports[wrong] ?? {};
    const text = endPort === undefined ? port : `${port}:${endPort}`;
    dropped.push(violation(`${path}[${wrong}].port`, text, 'must be a port, a range of ports or a name'));
    return undefined;
  }
  return groupByProtocol(ports.map((port) => [port.protocol ?? 'TCP', portMatch(port)] as const));
}

const peersOf = (peers: readonly KubernetesPolicyPeer[]): readonly EntityRule[] =>
  peers.length === 0 ? [ANYTHING] : peers.map(convertPeer);

function convertPeer({ipBlock, podSelector, namespaceSelector}: KubernetesPolicyPeer): EntityRule {
  if (ipBlock !== undefined)
    return {...ANYTHING, nets: maskedNetworks([ipBlock.cidr]), notNets: maskedNetworks(ipBlock.except)};
  const selector = podSelectorText(podSelector);
  const namespaces = namespaceSelectorText(namespaceSelector);
  return {...ANYTHING, selector, ...(namespaces === undefined ? {} : {namespaceSelector: namespaces})};
}

/** Kubernetes takes host bits, Calico's rules do not. */
function maskedNetworks(texts: readonly string[]): readonly string[] {
  return texts.map((text) => {
    const cidr = parseCidr(text);
    return cidr === undefined ? text : formatCidr(cidr);
  });
}
