/**
 * Which kinds calicoctl handles, and the columns of their tables: one row per kind. A kind joins calicoctl by a row here.
 *
 * A cell is computed from the JSON of the resource with its defaults, so that a column is a path in most cases.
 */
import {isJsonObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';
import type {ResourceKind} from '../../model/kind.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {FelixConfiguration} from '../../model/kinds/felix-configuration.ts';
import {IPPool} from '../../model/kinds/ip-pool.ts';
import {IPReservation} from '../../model/kinds/ip-reservation.ts';
import {Node} from '../../model/kinds/node.ts';
import {Profile} from '../../model/kinds/profile.ts';
import {WorkloadEndpoint} from '../../model/kinds/workload-endpoint.ts';
import {scalarText} from '../scalar-text.ts';

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

const COLUMNS: ReadonlyMap<ResourceKind, KindColumns> = new Map<ResourceKind, KindColumns>([
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
  [IPReservation, columns({NAME: name, CIDRS: shortList('spec.reservedCIDRs')}, 'NAME', 'NAME CIDRS')],
  [
    Node,
    columns(
      {NAME: name, ASN: nodeAsNumber, IPV4: text('spec.bgp.ipv4Address'), IPV6: text('spec.bgp.ipv6Address')},
      'NAME',
      'NAME ASN IPV4 IPV6',
    ),
  ],
  [Profile, columns({NAME: name, LABELS: map('spec.labelsToApply')}, 'NAME', 'NAME LABELS')],
  [
    WorkloadEndpoint,
    columns(
      {
        NAME: name,
        WORKLOAD: workload,
        NODE: text('spec.node'),
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
