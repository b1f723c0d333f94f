/**
 * What calculation is computed from: the facts it needs of each object, parsed once at the edge (decode-updates), and
 * nothing else of it. A heartbeat that changes an annotation of a Node decodes to an equal fact and goes no further.
 */
import type {Cidr, Family, Ip} from '../../lib/cidr.ts';
import type {EndpointId, WorkloadEndpointIntent} from './intent.ts';

export type PoolEncapsulation = {
  /** How other nodes' addresses of the pool are reached. */
  readonly encapsulation: 'none' | 'vxlan' | 'ipip';
  /** Plain routes where the other node is in our subnet (CrossSubnet). */
  readonly plainInSubnet: boolean;
};

export interface PoolInput extends PoolEncapsulation {
  readonly cidr: Cidr;
  /** For nothing but services of type LoadBalancer: never routed to a node. */
  readonly loadBalancerOnly: boolean;
}

/** A node's own address of one family, with the subnet it is in (of full length when unknown). */
export interface NodeAddress {
  readonly ip: Ip;
  readonly subnet: Cidr;
}

export type TunnelKind = 'vxlan' | 'ipip' | 'wireguard';

/** One family of a node. */
export interface NodeFamilyInput {
  readonly address: NodeAddress | undefined;
  readonly tunnels: ReadonlyMap<TunnelKind, Ip>;
  /** MAC of the VXLAN device where the Node names one, lower case. */
  readonly vxlanMac: string | undefined;
}

export interface NodeInput {
  readonly families: Readonly<Record<Family, NodeFamilyInput>>;
  readonly labels: ReadonlyMap<string, string>;
}

export interface BlockInput {
  readonly cidr: Cidr;
  /** The node that owns the block; undefined when nobody does or it belongs to no node. */
  readonly node: string | undefined;
  /** Addresses that another node than the owner has: canonical /32 or /128 -> node. */
  readonly borrowed: ReadonlyMap<string, string>;
}

export interface FelixConfigurationInput {
  /** Raw values by parameter name. */
  readonly values: ReadonlyMap<string, string>;
  /** Whether the nodes with these labels are meant; undefined for `default` and `node.<name>`. */
  readonly selects: ((labels: ReadonlyMap<string, string>) => boolean) | undefined;
  /** RFC 3339, as stored. */
  readonly creationTimestamp: string;
}

export interface ClusterInformationInput {
  /** False while the cluster's data must not be acted on (a migration is under way). */
  readonly datastoreReady: boolean;
  /** Raw values by parameter name. */
  readonly values: ReadonlyMap<string, string>;
}

/** One object as it is now; undefined: there is none, or it is invalid. */
export type Input =
  | {readonly kind: 'pool'; readonly name: string; readonly value: PoolInput | undefined}
  | {readonly kind: 'node'; readonly name: string; readonly value: NodeInput | undefined}
  | {readonly kind: 'block'; readonly cidr: Cidr; readonly value: BlockInput | undefined}
  | {readonly kind: 'workload-endpoint'; readonly id: EndpointId; readonly value: WorkloadEndpointIntent | undefined}
  | {readonly kind: 'felix-configuration'; readonly name: string; readonly value: FelixConfigurationInput | undefined}
  | {readonly kind: 'cluster-information'; readonly value: ClusterInformationInput | undefined};
