/**
 * Which kinds calicoctl handles, and the columns of their tables: one row per kind. A kind joins calicoctl by a row here.
 *
 * A cell is computed from the JSON of the resource with its defaults, so that a column is a path in most cases.
 */
import {isJsonObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';
import type {ResourceKind} from '../../model/kind.ts';
import {BGPConfiguration} from '../../model/kinds/bgp-configuration.ts';
import {BGPFilter} from '../../model/kinds/bgp-filter.ts';
import {BGPPeer} from '../../model/kinds/bgp-peer.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {FelixConfiguration} from '../../model/kinds/felix-configuration.ts';
import {GlobalNetworkPolicy} from '../../model/kinds/global-network-policy.ts';
import {GlobalNetworkSet} from '../../model/kinds/global-network-set.ts';
import {HostEndpoint} from '../../model/kinds/host-endpoint.ts';
import {IPPool} from '../../model/kinds/ip-pool.ts';
import {IPReservation} from '../../model/kinds/ip-reservation.ts';
import {KubeControllersConfiguration} from '../../model/kinds/kube-controllers-configuration.ts';
import {NetworkPolicy} from '../../model/kinds/network-policy.ts';
import {NetworkSet} from '../../model/kinds/network-set.ts';
import {Node} from '../../model/kinds/node.ts';
import {Profile} from '../../model/kinds/profile.ts';
import {StagedGlobalNetworkPolicy} from '../../model/kinds/staged-global-network-policy.ts';
import {StagedKubernetesNetworkPolicy} from '../../model/kinds/staged-kubernetes-network-policy.ts';
import {StagedNetworkPolicy} from '../../model/kinds/staged-network-policy.ts';
import {Tier} from '../../model/kinds/tier.ts';
import {WorkloadEndpoint} from '../../model/kinds/workload-endpoint.ts';
import {scalarText} from '../scalar-text.ts';
import {formatGoFloat} from './go-number.ts';

/** What a cell may need beyond its resource. */
export interface CellContext {
  /** AS number of nodes that have none of their own; undefined when it could not be read. */
  readonly globalAsNumber: string | undefined;
}

export type Cell = (resource: JsonObject, context: CellContext) => string;

export interface KindColumns {
  /** By heading, in the order in which `wide` shows them. */
  readonly cells: Readonly<Record<string, Cell>>;
  readonly ps: readonly string[];
  readonly wide: readonly string[];
}

const LONGEST_LIST = 80;

/** The value at a path such as `spec.cidr`. */
export function valueAt(resource: JsonObject, path: string): JsonValue | undefined {
  let value: JsonValue | undefined = resource;
  for (const name of path.split('.')) value = isJsonObject(value) ? value[name] : undefined;
  return value;
}

const text =
  (path: string): Cell =>
  (resource) =>
    scalarText(valueAt(resource, path));

const flag =
  (path: string): Cell =>
  (resource) =>
    String(valueAt(resource, path) === true);

/** A field that Go keeps as a pointer shows when it is not set. */
const pointer =
  (path: string): Cell =>
  (resource) =>
    scalarText(valueAt(resource, path)) || '<nil>';

const listAt = (resource: JsonObject, path: string): readonly JsonValue[] => {
  const value = valueAt(resource, path);
  return Array.isArray(value) ? value : [];
};

const list =
  (path: string): Cell =>
  (resource) =>
    listAt(resource, path).map(scalarText).join(',');

/** A list that may be very long: cut, so that the table stays one. */
const shortList =
  (path: string): Cell =>
  (resource) => {
    const all = list(path)(resource, {globalAsNumber: undefined});
    return all.length > LONGEST_LIST ? `${all.slice(0, LONGEST_LIST - 3)}...` : all;
  };

const map =
  (path: string): Cell =>
  (resource) => {
    const value = valueAt(resource, path);
    if (!isJsonObject(value)) return '';
    return Object.keys(value)
      .sort()
      .map((key) => `${key}=${scalarText(value[key])}`)
      .join(',');
  };

/** A node with BGP but without a number of its own shows that of the cluster in brackets. */
const nodeAsNumber: Cell = (node, {globalAsNumber}) => {
  const bgp = valueAt(node, 'spec.bgp');
  if (!isJsonObject(bgp)) return '';
  return bgp.asNumber === undefined ? `(${globalAsNumber ?? 'unknown'})` : scalarText(bgp.asNumber);
};

/** What runs there: Kubernetes calls it a pod, others a workload. */
const workload: Cell = (endpoint) =>
  scalarText(valueAt(endpoint, valueAt(endpoint, 'spec.orchestrator') === 'k8s' ? 'spec.pod' : 'spec.workload'));

const nats: Cell = (endpoint) =>
  listAt(endpoint, 'spec.ipNATs')
    .flatMap((nat) => (isJsonObject(nat) ? [`${scalarText(nat.externalIP)}->${scalarText(nat.internalIP)}`] : []))
    .join(',');

const name = text('metadata.name');

const length =
  (path: string): Cell =>
  (resource) =>
    String(listAt(resource, path).length);

/** A dash where nothing is said. */
const orDash =
  (path: string): Cell =>
  (resource) =>
    scalarText(valueAt(resource, path)) || '-';

const goNumber =
  (path: string): Cell =>
  (resource) => {
    const value = valueAt(resource, path);
    return typeof value === 'number' ? formatGoFloat(value) : scalarText(value) || '<nil>';
  };

/** A selector of Kubernetes, as Go prints the structure. */
const podSelector: Cell = (policy) => {
  const selector = valueAt(policy, 'spec.podSelector');
  const {matchLabels, matchExpressions} = isJsonObject(selector) ? selector : {};
  const labels = Object.entries(isJsonObject(matchLabels) ? matchLabels : {})
    .map(([key, value]) => `${key}: ${scalarText(value)},`)
    .sort();
  const expressions = (Array.isArray(matchExpressions) ? matchExpressions : []).map((each: JsonValue) => {
    const {key, operator, values} = isJsonObject(each) ? each : {};
    const list = Array.isArray(values) ? values.map(scalarText).join(' ') : '';
    return `LabelSelectorRequirement{Key:${scalarText(key)},Operator:${scalarText(operator)},Values:[${list}],},`;
  });
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
};

/** Which nodes a peering is of. */
const peerNode: Cell = (peer) =>
  scalarText(valueAt(peer, 'spec.node')) || scalarText(valueAt(peer, 'spec.nodeSelector')) || '(global)';

const policyCells = {
  NAME: name,
  TIER: text('spec.tier'),
  ORDER: goNumber('spec.order'),
  SELECTOR: text('spec.selector'),
};
const policyColumns = columns(policyCells, 'NAME TIER', 'NAME TIER ORDER SELECTOR');
const setColumns = columns({NAME: name, NETS: shortList('spec.nets')}, 'NAME', 'NAME NETS');

const COLUMNS: ReadonlyMap<ResourceKind, KindColumns> = new Map<ResourceKind, KindColumns>([
  [
    BGPConfiguration,
    columns(
      {
        NAME: name,
        LOGSEVERITY: text('spec.logSeverityScreen'),
        MESHENABLED: orDash('spec.nodeToNodeMeshEnabled'),
        ASNUMBER: orDash('spec.asNumber'),
      },
      'NAME LOGSEVERITY MESHENABLED ASNUMBER',
    ),
  ],
  [
    BGPFilter,
    columns(
      {
        NAME: name,
        NUMEXPORTV4: length('spec.exportV4'),
        NUMIMPORTV4: length('spec.importV4'),
        NUMEXPORTV6: length('spec.exportV6'),
        NUMIMPORTV6: length('spec.importV6'),
      },
      'NAME NUMEXPORTV4 NUMIMPORTV4 NUMEXPORTV6 NUMIMPORTV6',
    ),
  ],
  [
    BGPPeer,
    columns(
      {
        NAME: name,
        PEERIP: text('spec.peerIP'),
        NODE: peerNode,
        ASN: (peer) => scalarText(valueAt(peer, 'spec.asNumber')) || '0',
      },
      'NAME PEERIP NODE ASN',
    ),
  ],
  [
    ClusterInformation,
    columns(
      {
        NAME: name,
        CLUSTERGUID: text('spec.clusterGUID'),
        CLUSTERTYPE: text('spec.clusterType'),
        CALICOVERSION: text('spec.calicoVersion'),
        DATASTOREREADY: pointer('spec.datastoreReady'),
      },
      'NAME CLUSTERGUID CLUSTERTYPE CALICOVERSION DATASTOREREADY',
    ),
  ],
  [FelixConfiguration, columns({NAME: name}, 'NAME')],
  [GlobalNetworkPolicy, policyColumns],
  [GlobalNetworkSet, setColumns],
  [
    HostEndpoint,
    columns(
      {
        NAME: name,
        NODE: text('spec.node'),
        INTERFACE: text('spec.interfaceName'),
        IPS: list('spec.expectedIPs'),
        PROFILES: list('spec.profiles'),
      },
      'NAME NODE',
      'NAME NODE INTERFACE IPS PROFILES',
    ),
  ],
  [
    IPPool,
    columns(
      {
        NAME: name,
        CIDR: text('spec.cidr'),
        NAT: flag('spec.natOutgoing'),
        IPIPMODE: text('spec.ipipMode'),
        VXLANMODE: text('spec.vxlanMode'),
        DISABLED: flag('spec.disabled'),
        DISABLEBGPEXPORT: flag('spec.disableBGPExport'),
        SELECTOR: text('spec.nodeSelector'),
        ASSIGNMENTMODE: text('spec.assignmentMode'),
      },
      'NAME CIDR SELECTOR',
      'NAME CIDR NAT IPIPMODE VXLANMODE DISABLED DISABLEBGPEXPORT SELECTOR ASSIGNMENTMODE',
    ),
  ],
  [KubeControllersConfiguration, columns({NAME: name}, 'NAME')],
  [NetworkPolicy, policyColumns],
  [NetworkSet, setColumns],
  [IPReservation, columns({NAME: name, CIDRS: shortList('spec.reservedCIDRs')}, 'NAME', 'NAME CIDRS')],
  [
    Node,
    columns(
      {NAME: name, ASN: nodeAsNumber, IPV4: text('spec.bgp.ipv4Address'), IPV6: text('spec.bgp.ipv6Address')},
      'NAME',
      'NAME ASN IPV4 IPV6',
    ),
  ],
  [StagedGlobalNetworkPolicy, policyColumns],
  [StagedKubernetesNetworkPolicy, columns({NAME: name, PODSELECTOR: podSelector}, 'NAME', 'NAME PODSELECTOR')],
  [StagedNetworkPolicy, policyColumns],
  [Tier, columns({NAME: name, ORDER: goNumber('spec.order')}, 'NAME ORDER')],
  [Profile, columns({NAME: name, LABELS: map('spec.labelsToApply')}, 'NAME', 'NAME LABELS')],
  [
    WorkloadEndpoint,
    columns(
      {
        NAME: name,
        WORKLOAD: workload,
        NODE: text('spec.node'),
        ORCHESTRATOR: text('spec.orchestrator'),
        NETWORKS: list('spec.ipNetworks'),
        INTERFACE: text('spec.interfaceName'),
        PROFILES: list('spec.profiles'),
        NATS: nats,
      },
      'WORKLOAD NODE NETWORKS INTERFACE',
      'NAME WORKLOAD NODE NETWORKS INTERFACE PROFILES NATS',
    ),
  ],
]);

function columns(cells: Readonly<Record<string, Cell>>, ps: string, wide: string = ps): KindColumns {
  return {cells, ps: ps.split(' '), wide: wide.split(' ')};
}

/** Whether calicoctl handles the kind; others of the model are other programs' business. */
export const isManagedKind = (kind: ResourceKind): boolean => COLUMNS.has(kind);

export function columnsOf(kind: ResourceKind): KindColumns {
  const found = COLUMNS.get(kind);
  if (found === undefined) throw new Error(`${kind.kind} has no columns`);
  const {cells, ps, wide} = found;
  return kind.namespaced ? {cells: {NAMESPACE: text('metadata.namespace'), ...cells}, ps, wide} : found;
}
