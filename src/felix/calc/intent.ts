/**
 * What calculation says this node needs, and the only thing the data plane is told. Plain data; text addresses are in
 * canonical form (lib/cidr). A consumer may be handed any intent again, or the newest of several that were merged.
 */
import type {Family} from '../../lib/cidr.ts';

/** `orchestrator/workload/endpoint`, for example `k8s/default/web-0/eth0` or `cni/default/<container id>/eth0`. */
export type EndpointId = string;

/** A workload of this node. */
export interface WorkloadEndpointIntent {
  readonly id: EndpointId;
  /** Host side of the veth: `cali...` */
  readonly interfaceName: string;
  /** MAC of the workload's side, lower case, or undefined when unknown. */
  readonly mac: string | undefined;
  /** Canonical CIDRs, normally /32 and /128. */
  readonly ipv4Nets: readonly string[];
  readonly ipv6Nets: readonly string[];
  /** Profile names, in order. Policy will follow here. */
  readonly profileIds: readonly string[];
}

export type Encapsulation = 'none' | 'vxlan' | 'ipip';

/** How a block, a borrowed address or a tunnel address is reached. One per CIDR. */
export interface RouteIntent {
  /** Canonical CIDR; also the intent's key. */
  readonly cidr: string;
  readonly family: Family;
  /**
   * remote-workload: a block, or an address borrowed from one, of another node.
   * remote-tunnel: the tunnel address of another node, borrowed from a block or with a block of its own; with `vxlan` it
   *   is the address of its tunnel device, reached directly through ours and not through itself.
   * local-block: a block of this node (a blackhole beneath its workload routes). Never a /32 or /128: with the lower
   *   metric it would win over the route of the workload.
   */
  readonly type: 'remote-workload' | 'remote-tunnel' | 'local-block';
  readonly encapsulation: Encapsulation;
  /** Node that has the destination. */
  readonly node: string;
  /** That node's own address of this family, without prefix length, when known. */
  readonly nodeIp: string | undefined;
  /** The pool allows plain routes inside a subnet (CrossSubnet) and that node's address lies in our own. */
  readonly sameSubnet: boolean;
}

/** The VXLAN end of a remote node, one family. Sent whether or not a pool wants VXLAN now. No two share a tunnelIp. */
export interface VtepIntent {
  readonly node: string;
  readonly family: Family;
  readonly mac: string;
  /** Address of the tunnel device, without prefix length. */
  readonly tunnelIp: string;
  /** Address of the node underneath, without prefix length. */
  readonly nodeIp: string;
}

/** What this node's own tunnel device needs, one family; undefined fields are not known yet. */
export interface LocalTunnelIntent {
  readonly family: Family;
  readonly mac: string;
  readonly tunnelIp: string | undefined;
  /** Own address of the node; its interface becomes the parent device. */
  readonly nodeIp: string | undefined;
}

/**
 * Which encapsulations some pool asks for. Disabled pools count: disabling a pool stops new addresses, the workloads
 * that have one keep their network. The parameters VXLANEnabled and IpInIpEnabled, when set, override this.
 */
export interface EncapsulationIntent {
  readonly ipip: boolean;
  readonly vxlan: boolean;
  readonly vxlanV6: boolean;
}

/**
 * Where parameters of the datastore come from, lowest priority first: FelixConfiguration `default` with
 * ClusterInformation; the FelixConfiguration whose selector matches this node; FelixConfiguration `node.<name>` with
 * this node's Node.
 */
export type DatastoreConfigLayer = 'global' | 'selector' | 'node';

/**
 * One change. `value: undefined` takes the object away.
 *
 * Intents come in batches, and every batch ends with `flush`: only the state after a whole batch is consistent, so
 * remember until then and act after it. Within a batch what is referred to comes first (config, encapsulation, tunnels,
 * VTEPs, routes, endpoints), and removals follow in the opposite order. An intent is sent again only when
 * its value differs, and a removal only for what was sent.
 *
 * No batch is made before the datastore was in sync once and says that it is ready (ClusterInformation). The first
 * batch holds everything, one `config` for each layer and one `encapsulation` included even when they are empty.
 */
export type Intent =
  | {readonly kind: 'config'; readonly layer: DatastoreConfigLayer; readonly values: ReadonlyMap<string, string>}
  | {readonly kind: 'encapsulation'; readonly value: EncapsulationIntent}
  | {readonly kind: 'local-tunnel'; readonly family: Family; readonly value: LocalTunnelIntent | undefined}
  | {readonly kind: 'vtep'; readonly key: string; readonly value: VtepIntent | undefined}
  | {readonly kind: 'route'; readonly key: string; readonly value: RouteIntent | undefined}
  | {readonly kind: 'workload-endpoint'; readonly key: EndpointId; readonly value: WorkloadEndpointIntent | undefined}
  /** End of a batch. `inSync` is false while the datastore is away or being read again: more may be missing. */
  | {readonly kind: 'flush'; readonly inSync: boolean};
