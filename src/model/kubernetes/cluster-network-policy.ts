/**
 * A ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2) as a policy of the tier kube-admin or kube-baseline.
 *
 * It can deny, so leaving a rule out could open something: a rule to deny or to pass that cannot be converted denies
 * everything instead.
 */
import {formatCidr, parseCidr} from '../../lib/cidr.ts';
import type {GlobalNetworkPolicy} from '../kinds/global-network-policy.ts';
import type {EntityRule, PolicyRule} from '../policy-rule.ts';
import {API_VERSION} from '../resource.ts';
import {type Violation, violation} from '../violation.ts';
import {namespaceSelectorText, podSelectorText} from './label-selector.ts';
import {copyOf, derivedMetadata} from './metadata.ts';
import {ANYTHING, type ConvertedPolicy} from './network-policy.ts';
import type {LabelSelector} from './network-policy-spec.ts';
import type {KubernetesObject} from './objects.ts';
import {ANY_PROTOCOL, groupByProtocol, type PortMatch, type ProtocolPorts} from './policy-ports.ts';

interface PodsOfNamespaces {
  readonly namespaceSelector: LabelSelector;
  readonly podSelector: LabelSelector;
}

interface Ports {
  readonly destinationPort?:
    | {
        readonly number?: number | undefined;
        readonly range?: {readonly start: number; readonly end: number} | undefined;
      }
    | undefined;
}

/** One of the fields is set; one that none is set of means every protocol. */
export interface ClusterPolicyProtocol {
  readonly tcp?: Ports | undefined;
  readonly udp?: Ports | undefined;
  readonly sctp?: Ports | undefined;
  readonly destinationNamedPort?: string | undefined;
}

export interface ClusterPolicyPeer {
  readonly namespaces?: LabelSelector | undefined;
  readonly pods?: PodsOfNamespaces | undefined;
  /** In egress rules only. */
  readonly networks?: readonly string[] | undefined;
}

export interface ClusterPolicyRule {
  readonly name?: string | undefined;
  readonly action: string;
  readonly protocols?: readonly ClusterPolicyProtocol[] | undefined;
  readonly from?: readonly ClusterPolicyPeer[] | undefined;
  readonly to?: readonly ClusterPolicyPeer[] | undefined;
}

export interface ClusterNetworkPolicy extends KubernetesObject {
  readonly spec: {
    readonly tier: string;
    readonly priority: number;
    readonly subject: {readonly namespaces?: LabelSelector | undefined; readonly pods?: PodsOfNamespaces | undefined};
    readonly ingress?: readonly ClusterPolicyRule[] | undefined;
    readonly egress?: readonly ClusterPolicyRule[] | undefined;
  };
}

const TIERS: ReadonlyMap<string, string> = new Map([
  ['Admin', 'kube-admin'],
  ['Baseline', 'kube-baseline'],
]);
const ACTIONS: ReadonlyMap<string, PolicyRule['action']> = new Map([
  ['Accept', 'Allow'],
  ['Deny', 'Deny'],
  ['Pass', 'Pass'],
]);
const RULE_NAME_ANNOTATION = 'name';

/** Undefined when the tier is unknown or there is no subject: such a policy does not exist for Calico. */
export function convertClusterNetworkPolicy(
  original: ClusterNetworkPolicy,
): ConvertedPolicy<GlobalNetworkPolicy> | undefined {
  const {metadata, spec} = original;
  const {namespaces, pods} = spec.subject;
  const tier = TIERS.get(spec.tier);
  if (tier === undefined || (namespaces === undefined && pods === undefined)) return undefined;
  const dropped: Violation[] = [];
  const ingress = convertAll(spec.ingress ?? [], 'ingress', dropped);
  const egress = convertAll(spec.egress ?? [], 'egress', dropped);
  const policy: GlobalNetworkPolicy = {
    kind: 'KubernetesClusterNetworkPolicy',
    apiVersion: API_VERSION,
    metadata: {...derivedMetadata(metadata, metadata.name), resourceVersion: metadata.resourceVersion},
    spec: {
      tier,
      order: spec.priority,
      ingress,
      egress,
      selector: podSelectorText(namespaces === undefined ? pods?.podSelector : undefined),
      namespaceSelector: namespaceSelectorText(namespaces ?? pods?.namespaceSelector),
      types: [...(ingress.length > 0 ? ['Ingress' as const] : []), ...(egress.length > 0 ? ['Egress' as const] : [])],
      doNotTrack: false,
      preDNAT: false,
      applyOnForward: false,
      performanceHints: [],
    },
  };
  return {policy, dropped};
}

function convertAll(
  rules: readonly ClusterPolicyRule[],
  direction: 'ingress' | 'egress',
  dropped: Violation[],
): readonly PolicyRule[] {
  return rules.flatMap((rule, i) => {
    const converted = convertRule(rule, direction);
    if (typeof converted !== 'string') return converted;
    dropped.push(violation(`spec.${direction}[${i}]`, rule.name, converted));
    const mustClose = rule.action === 'Deny' || rule.action === 'Pass';
    return mustClose ? [{action: 'Deny' as const, source: ANYTHING, destination: ANYTHING}] : [];
  });
}

/** The rules, or what is wrong. */
function convertRule(rule: ClusterPolicyRule, direction: 'ingress' | 'egress'): readonly PolicyRule[] | string {
  const action = ACTIONS.get(rule.action);
  if (action === undefined) return 'must have the action Accept, Deny or Pass';
  const grouped = convertProtocols(rule.protocols ?? []);
  if (grouped === undefined) return 'must have ports within 1 to 65535, each range in order';
  const peers = (direction === 'ingress' ? rule.from : rule.to) ?? [];
  const entities = peers.map(convertPeer);
  if (!entities.every((entity) => entity !== undefined)) return 'must have namespaces, pods or networks in each peer';
  const metadata = rule.name ? {metadata: {annotations: copyOf({[RULE_NAME_ANNOTATION]: rule.name})}} : {};
  return grouped.flatMap(([protocol, ports]) =>
    entities.map((peer) => ({
      action,
      ...(protocol === undefined ? {} : {protocol}),
      source: direction === 'ingress' ? peer : ANYTHING,
      destination: {...(direction === 'ingress' ? ANYTHING : peer), ports},
      ...metadata,
    })),
  );
}

/** Named ports need no protocol, so they are a group of their own; undefined when a port is not one. */
function convertProtocols(protocols: readonly ClusterPolicyProtocol[]): ProtocolPorts | undefined {
  const entries: (readonly [string, PortMatch | undefined])[] = [];
  const names: string[] = [];
  for (const {tcp, udp, sctp, destinationNamedPort} of protocols) {
    const [protocol, ports] = tcp !== undefined ? ['TCP', tcp] : udp !== undefined ? ['UDP', udp] : ['SCTP', sctp];
    if (ports === undefined) {
      if (destinationNamedPort === undefined || destinationNamedPort === '') return ANY_PROTOCOL;
      names.push(destinationNamedPort);
      continue;
    }
    const match = matchOf(ports);
    if (match === null) return undefined;
    entries.push([protocol as string, match]);
  }
  if (protocols.length === 0) return ANY_PROTOCOL;
  const named: ProtocolPorts = names.length === 0 ? [] : [[undefined, names]];
  return [...named, ...groupByProtocol(entries)];
}

/** Undefined: all ports; null: not a port. */
function matchOf({destinationPort}: Ports): PortMatch | undefined | null {
  const {number = 0, range} = destinationPort ?? {};
  if (number === 0 && range === undefined) return undefined;
  const [first, last] = number === 0 ? [range?.start ?? 0, range?.end ?? 0] : [number, number];
  return first >= 1 && first <= last && last <= 65535 ? {first, last} : null;
}

function convertPeer({namespaces, pods, networks = []}: ClusterPolicyPeer): EntityRule | undefined {
  if (pods !== undefined)
    return {
      ...ANYTHING,
      selector: podSelectorText(pods.podSelector),
      namespaceSelector: namespaceSelectorText(pods.namespaceSelector),
    };
  if (namespaces !== undefined) return {...ANYTHING, namespaceSelector: namespaceSelectorText(namespaces)};
  const nets = networks.map((text) => (text.includes('/') ? parseCidr(text) : undefined));
  if (nets.length === 0 || !nets.every((cidr) => cidr !== undefined)) return undefined;
  return {...ANYTHING, nets: nets.map(formatCidr)};
}
