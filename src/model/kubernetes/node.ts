/**
 * A Node of Kubernetes as a Node of Calico and back. Calico's fields are annotations there; a bad one is left out and
 * named. Labels and annotations that people set through Calico have a place of their own, so that they can be told from
 * those of Kubernetes.
 */

import type {z} from 'zod';
import {compareBytes} from '../../lib/byte-order.ts';
import {addToIp, cidrOf, formatIp, parseCidr} from '../../lib/cidr.ts';
import {AgentError} from '../../lib/errors.ts';
import {emptyObject, isJsonObject, type JsonValue, parseJson, printJson} from '../../lib/exact-json.ts';
import {asNumber, interfaceAddress, ipAddress, ipv4Address, ipv6Address, macAddress} from '../fields.ts';
import type {Node, NodeSpec, NodeStatus} from '../kinds/node.ts';
import {API_VERSION} from '../resource.ts';
import {type Violation, violation} from '../violation.ts';
import {copyOf} from './metadata.ts';
import {type KubernetesNode, own, type StringRecord} from './objects.ts';

const PREFIX = 'projectcalico.org/';
const LABELS_ANNOTATION = `${PREFIX}labels`;
const ANNOTATIONS_ANNOTATION = `${PREFIX}annotations`;
const INTERFACES_ANNOTATION = `${PREFIX}Interfaces`;
/** On the Calico side only: which labels are Kubernetes' own. */
const KUBERNETES_LABELS_ANNOTATION = `${PREFIX}kube-labels`;

/** Fields that are one annotation each, with what their text must be. */
interface AnnotatedField {
  readonly annotation: string;
  readonly type: (() => z.ZodType) | undefined;
  readonly read: (node: Pick<Node, 'spec' | 'status'>) => string | number | undefined;
}

const FIELDS = {
  ipv4Address: field(
    'IPv4Address',
    () => interfaceAddress(4),
    ({spec}) => spec.bgp?.ipv4Address,
  ),
  ipv6Address: field(
    'IPv6Address',
    () => interfaceAddress(6),
    ({spec}) => spec.bgp?.ipv6Address,
  ),
  asNumber: field('ASNumber', asNumber, ({spec}) => spec.bgp?.asNumber),
  routeReflectorClusterID: field('RouteReflectorClusterID', ipv4Address, ({spec}) => spec.bgp?.routeReflectorClusterID),
  ipv4IPIPTunnelAddr: field('IPv4IPIPTunnelAddr', ipv4Address, ({spec}) => spec.bgp?.ipv4IPIPTunnelAddr),
  ipv4VXLANTunnelAddr: field('IPv4VXLANTunnelAddr', ipv4Address, ({spec}) => spec.ipv4VXLANTunnelAddr),
  vxlanTunnelMACAddr: field('VXLANTunnelMACAddr', macAddress, ({spec}) => spec.vxlanTunnelMACAddr),
  ipv6VXLANTunnelAddr: field('IPv6VXLANTunnelAddr', ipv6Address, ({spec}) => spec.ipv6VXLANTunnelAddr),
  vxlanTunnelMACAddrV6: field('VXLANTunnelMACAddrV6', macAddress, ({spec}) => spec.vxlanTunnelMACAddrV6),
  interfaceIPv4Address: field(
    'IPv4WireguardInterfaceAddr',
    ipv4Address,
    ({spec}) => spec.wireguard?.interfaceIPv4Address,
  ),
  interfaceIPv6Address: field(
    'IPv6WireguardInterfaceAddr',
    ipv6Address,
    ({spec}) => spec.wireguard?.interfaceIPv6Address,
  ),
  wireguardPublicKey: field('WireguardPublicKey', undefined, ({status}) => status?.wireguardPublicKey),
  wireguardPublicKeyV6: field('WireguardPublicKeyV6', undefined, ({status}) => status?.wireguardPublicKeyV6),
} satisfies Record<string, AnnotatedField>;
type FieldName = keyof typeof FIELDS;

function field(name: string, type: AnnotatedField['type'], read: AnnotatedField['read']): AnnotatedField {
  return {annotation: `${PREFIX}${name}`, type, read};
}

export interface ConvertedNode {
  readonly node: Node;
  /** Annotations that were left out. */
  readonly warnings: readonly Violation[];
}

/** `usePodCidr`: addresses of pods come from the node's own range, and so do those of its tunnels. */
export function convertNode(original: KubernetesNode, usePodCidr = false): ConvertedNode {
  const {metadata} = original;
  const reader = new AnnotationReader(metadata.annotations);
  const bgp = withoutUndefined({
    asNumber: reader.value('asNumber'),
    ipv4Address: reader.text('ipv4Address'),
    ipv6Address: reader.text('ipv6Address'),
    ipv4IPIPTunnelAddr: reader.text('ipv4IPIPTunnelAddr') ?? (usePodCidr ? firstPodAddress(original) : undefined),
    routeReflectorClusterID: reader.text('routeReflectorClusterID'),
  });
  const status: NodeStatus = {
    wireguardPublicKey: own(metadata.annotations, FIELDS.wireguardPublicKey.annotation) || undefined,
    wireguardPublicKeyV6: own(metadata.annotations, FIELDS.wireguardPublicKeyV6.annotation) || undefined,
    podCIDRs: original.spec?.podCIDRs ?? [],
  };
  const hasTunnelKey = usePodCidr && status.wireguardPublicKey !== undefined;
  const wireguard = withoutUndefined({
    interfaceIPv4Address: reader.text('interfaceIPv4Address') ?? (hasTunnelKey ? firstPodAddress(original) : undefined),
    interfaceIPv6Address: reader.text('interfaceIPv6Address'),
  });
  const spec: NodeSpec = {
    bgp,
    ipv4VXLANTunnelAddr: reader.text('ipv4VXLANTunnelAddr'),
    vxlanTunnelMACAddr: reader.text('vxlanTunnelMACAddr'),
    ipv6VXLANTunnelAddr: reader.text('ipv6VXLANTunnelAddr'),
    vxlanTunnelMACAddrV6: reader.text('vxlanTunnelMACAddrV6'),
    orchRefs: [{nodeName: metadata.name, orchestrator: 'k8s'}],
    wireguard,
    addresses: addressesOf(original, bgp),
    interfaces: reader.interfaces(),
  };
  const node: Node = {
    kind: 'Node',
    apiVersion: API_VERSION,
    metadata: {
      name: metadata.name,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
      creationTimestamp: metadata.creationTimestamp,
      generation: 0,
      labels: copyOf({...reader.strings(LABELS_ANNOTATION), ...metadata.labels}),
      annotations: copyOf({
        ...reader.strings(ANNOTATIONS_ANNOTATION),
        [KUBERNETES_LABELS_ANNOTATION]: printStrings(metadata.labels ?? {}),
      }),
    },
    spec,
    status,
  };
  return {node, warnings: reader.warnings};
}

/** What to set on the Node of Kubernetes, by annotation; undefined: remove it. */
export function nodeAnnotations(node: Node): ReadonlyMap<string, string | undefined> {
  const changes = new Map<string, string | undefined>();
  for (const {annotation, read} of Object.values(FIELDS)) {
    const value = read(node);
    changes.set(annotation, value === undefined ? undefined : String(value));
  }
  const {interfaces = []} = node.spec;
  changes.set(
    INTERFACES_ANNOTATION,
    interfaces.length === 0 ? undefined : printJson(interfaces.map((entry) => ({...entry}))),
  );
  const {labels, annotations} = node.metadata;
  const kubernetes = parseStrings(own(annotations, KUBERNETES_LABELS_ANNOTATION) ?? '{}') ?? {};
  changes.set(
    LABELS_ANNOTATION,
    printedUnlessEmpty(labels, (key) => !Object.hasOwn(kubernetes, key)),
  );
  changes.set(
    ANNOTATIONS_ANNOTATION,
    printedUnlessEmpty(annotations, (key) => key !== KUBERNETES_LABELS_ANNOTATION),
  );
  return changes;
}

class AnnotationReader {
  readonly warnings: Violation[] = [];
  readonly #annotations: StringRecord | undefined;

  constructor(annotations: StringRecord | undefined) {
    this.#annotations = annotations;
  }

  text(name: FieldName): string | undefined {
    const value = this.value(name);
    return value === undefined ? undefined : String(value);
  }

  value(name: FieldName): string | number | undefined {
    const {annotation, type}: AnnotatedField = FIELDS[name];
    const text = own(this.#annotations, annotation);
    if (text === undefined || text === '') return undefined;
    const result = type?.().safeParse(text);
    if (result === undefined) return text;
    if (result.success) return result.data as string | number;
    this.#warn(annotation, text, result.error.issues[0]?.message ?? 'must be of its type');
    return undefined;
  }

  strings(annotation: string): StringRecord {
    const text = own(this.#annotations, annotation);
    if (text === undefined || text === '') return {};
    const strings = parseStrings(text);
    if (strings === undefined) this.#warn(annotation, text, 'must be a JSON object of strings');
    return strings ?? {};
  }

  interfaces(): NodeSpec['interfaces'] {
    const text = own(this.#annotations, INTERFACES_ANNOTATION);
    if (text === undefined || text === '') return undefined;
    const list = jsonOf(text);
    if (!Array.isArray(list) || !list.every(isJsonObject)) {
      this.#warn(INTERFACES_ANNOTATION, text, 'must be a JSON list of interfaces');
      return undefined;
    }
    return list.map(({name, addresses}) => ({
      name: typeof name === 'string' ? name : '',
      addresses: (Array.isArray(addresses) ? addresses : []).filter((address) => this.#isAddress(address)),
    }));
  }

  #isAddress(value: JsonValue): value is string {
    const isRight = ipAddress().safeParse(value).success;
    if (!isRight) this.#warn(INTERFACES_ANNOTATION, value, 'must have IP addresses');
    return isRight;
  }

  #warn(annotation: string, value: unknown, rule: string): void {
    this.warnings.push(violation(`metadata.annotations[${annotation}]`, value, rule));
  }
}

function addressesOf({status}: KubernetesNode, bgp: NodeSpec['bgp']): NodeSpec['addresses'] {
  const own = [bgp?.ipv4Address, bgp?.ipv6Address].filter((address) => address !== undefined);
  const known = (status?.addresses ?? []).filter(({type}) => type === 'InternalIP' || type === 'ExternalIP');
  return [
    ...own.map((address) => ({address, type: 'CalicoNodeIP'})),
    ...known.map(({address, type}) => ({address, type})),
  ];
}

/** The one behind the network address of the node's range. */
function firstPodAddress({spec}: KubernetesNode): string | undefined {
  const cidr = parseCidr(spec?.podCIDR ?? '');
  return cidr === undefined ? undefined : formatIp(addToIp(cidrOf(cidr.ip, cidr.length).ip, 1));
}

/** Undefined when no field is set: Calico refuses an empty object. */
function withoutUndefined<T extends object>(fields: T): T | undefined {
  return Object.values(fields).some((value) => value !== undefined) ? fields : undefined;
}

function printedUnlessEmpty(map: StringRecord, isOurs: (key: string) => boolean): string | undefined {
  const kept = Object.entries(map).filter(([key]) => isOurs(key));
  return kept.length === 0 ? undefined : printStrings(Object.fromEntries(kept));
}

function printStrings(map: StringRecord): string {
  const sorted = emptyObject();
  for (const key of Object.keys(map).sort(compareBytes)) sorted[key] = map[key] ?? '';
  return printJson(sorted);
}

function parseStrings(text: string): StringRecord | undefined {
  const value = jsonOf(text);
  if (!isJsonObject(value)) return undefined;
  const strings = emptyObject<string>();
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry !== 'string') return undefined;
    strings[key] = entry;
  }
  return strings;
}

function jsonOf(text: string): JsonValue | undefined {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof AgentError) return undefined;
    throw error;
  }
}
