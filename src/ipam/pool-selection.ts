/**
 * Which pools a request may take addresses from. Pure: the pools, the labels and the request go in, the pools in their
 * order of preference come out.
 *
 * A pool that is disabled, being deleted or not allocatable gives no addresses, but still tells where a block lies when
 * an address is released; that is why `Pool` keeps both facts.
 */
import {bitsOf, type Cidr, cidrContainsIp, cidrOf, type Family, formatCidr, type Ip, parseCidr} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';

export type PoolUse = 'Workload' | 'Tunnel' | 'LoadBalancer';
export type Labels = ReadonlyMap<string, string>;

/** An IPPool as allocation sees it: parsed, with its defaults. */
export interface Pool {
  readonly name: string;
  readonly cidr: Cidr;
  /** Prefix length of its blocks. */
  readonly blockSize: number;
  /** Not disabled, not being deleted, and no condition says that it cannot be allocated from. */
  readonly enabled: boolean;
  readonly automatic: boolean;
  readonly allowedUses: ReadonlySet<string>;
  readonly selectsNode: (labels: Labels) => boolean;
  readonly selectsNamespace: (labels: Labels) => boolean;
  readonly encapsulation: {readonly ipip: boolean; readonly vxlan: boolean};
}

export interface PoolRequest {
  readonly family: Family;
  readonly use: PoolUse;
  /** CIDRs (or names) of pools in the order wanted; then selectors and the assignment mode do not count. */
  readonly pools?: readonly string[] | undefined;
  /** Undefined for addresses that belong to no node. */
  readonly nodeLabels: Labels | undefined;
  readonly namespaceLabels?: Labels | undefined;
}

const NO_LABELS: Labels = new Map();

/** The pools that may serve the request, the preferred one first. Throws E_IPAM_NO_POOL, saying which rule left none. */
export function selectPools(pools: readonly Pool[], request: PoolRequest): readonly Pool[] {
  const {family, use} = request;
  const enabled = pools.filter((pool) => pool.enabled && pool.cidr.ip.family === family);
  if (enabled.length === 0) throw noPool('there is no enabled IPPool of this family', request);
  const explicit = request.pools !== undefined && request.pools.length > 0;
  const candidates = explicit
    ? request.pools.map((text) => namedPool(enabled, text, request))
    : enabled.filter((pool) => pool.automatic && selects(pool, request));
  if (candidates.length === 0) throw noPool('no enabled IPPool selects this node and namespace', request);
  const usable = candidates.filter((pool) => pool.allowedUses.has(use));
  if (usable.length === 0) throw noPool(`no IPPool allows the use ${use}`, request);
  return usable;
}

function selects(pool: Pool, request: PoolRequest): boolean {
  const {nodeLabels, namespaceLabels = NO_LABELS} = request;
  return (nodeLabels === undefined || pool.selectsNode(nodeLabels)) && pool.selectsNamespace(namespaceLabels);
}

function namedPool(enabled: readonly Pool[], text: string, request: PoolRequest): Pool {
  const cidr = parseCidr(text);
  const wanted = cidr && formatCidr(cidr);
  const pool = enabled.find((each) => (wanted === undefined ? each.name === text : formatCidr(each.cidr) === wanted));
  if (pool === undefined) throw noPool(`the given pool (${text}) does not exist, or is not enabled`, request);
  return pool;
}

function noPool(message: string, request: PoolRequest): AgentError {
  const {family, use, pools} = request;
  return new AgentError('E_IPAM_NO_POOL', message, {family, use, pools});
}

/** The pool `ip` lies in; enabled or not. */
export function poolContaining(pools: readonly Pool[], ip: Ip): Pool | undefined {
  return pools.find((pool) => cidrContainsIp(pool.cidr, ip));
}

/** The block of `pool` that `ip` lies in. */
export const blockOf = (pool: Pool, ip: Ip): Cidr => cidrOf(ip, pool.blockSize);

/** True when blocks can have this prefix length: 20 to 32, or 116 to 128. */
export function isBlockSize(family: Family, length: number): boolean {
  return length >= bitsOf(family) - 12 && length <= bitsOf(family);
}
