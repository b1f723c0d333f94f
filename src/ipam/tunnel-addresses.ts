/**
 * The addresses of a node's tunnel devices. Each tunnel type that the pools ask for has one address from IPAM under a
 * handle of its own, and the Node resource says which. This brings both into line: an address that is rightly ours is
 * kept, so that a restart changes nothing; what is somebody else's is left to him.
 *
 * The Node is written once at the end, compared with what was read. When that fails, the addresses that were newly
 * assigned are given back; the caller repeats the whole.
 */
import type {CallOptions, Store} from '../datastore/store.ts';
import {formatCidr, formatIp, parseIp} from '../lib/cidr.ts';
import {AgentError, codeOf, messageOf} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {Node} from '../model/kinds/node.ts';
import {TUNNEL_TYPES, type TunnelType, tunnelAttributeType, tunnelHandleId} from '../model/names.ts';
import {labelMap} from '../model/resource.ts';
import type {Allocator} from './allocator.ts';
import type {Occupancy, Owner} from './block.ts';
import {type Labels, type Pool, poolContaining} from './pool-selection.ts';
import {readPools} from './rules.ts';

export interface TunnelAddressOptions {
  readonly node: string;
  /** Felix parameter WireguardHostEncryptionEnabled: host addresses are used instead. */
  readonly wireguardHostEncryption?: boolean | undefined;
  /** USE_POD_CIDR: addresses come from elsewhere; nothing is done. */
  readonly usePodCidr?: boolean | undefined;
}

export interface TunnelAddressDependencies {
  readonly store: Store;
  readonly allocator: Allocator;
  readonly log: Logger;
}

/** What is special about one tunnel type; the order is that in which they are processed. */
interface TunnelKind {
  readonly type: TunnelType;
  readonly family: 4 | 6;
  usesPool(pool: Pool): boolean;
  /** False when the node needs no address of this type, whatever the pools say. */
  applies(node: Node, options: TunnelAddressOptions): boolean;
  read(spec: Node['spec']): string | undefined;
  write(spec: Node['spec'], address: string | undefined): Node['spec'];
}

const KINDS: Readonly<Record<TunnelType, Omit<TunnelKind, 'type'>>> = {
  wireguard: {
    family: 4,
    usesPool: () => true,
    applies: ({status}, options) => Boolean(status?.wireguardPublicKey) && options.wireguardHostEncryption !== true,
    read: (spec) => spec.wireguard?.interfaceIPv4Address,
    write: (spec, interfaceIPv4Address) => ({
      ...spec,
      wireguard: orAbsent({...spec.wireguard, interfaceIPv4Address}),
    }),
  },
  'wireguard-v6': {
    family: 6,
    usesPool: () => true,
    applies: ({status}, options) => Boolean(status?.wireguardPublicKeyV6) && options.wireguardHostEncryption !== true,
    read: (spec) => spec.wireguard?.interfaceIPv6Address,
    write: (spec, interfaceIPv6Address) => ({
      ...spec,
      wireguard: orAbsent({...spec.wireguard, interfaceIPv6Address}),
    }),
  },
  ipip: {
    family: 4,
    usesPool: (pool) => pool.encapsulation.ipip,
    applies: () => true,
    read: (spec) => spec.bgp?.ipv4IPIPTunnelAddr,
    write: (spec, ipv4IPIPTunnelAddr) => ({...spec, bgp: orAbsent({...spec.bgp, ipv4IPIPTunnelAddr})}),
  },
  vxlan: {
    family: 4,
    usesPool: (pool) => pool.encapsulation.vxlan,
    applies: () => true,
    read: (spec) => spec.ipv4VXLANTunnelAddr,
    write: (spec, ipv4VXLANTunnelAddr) => ({...spec, ipv4VXLANTunnelAddr}),
  },
  'vxlan-v6': {
    family: 6,
    usesPool: (pool) => pool.encapsulation.vxlan,
    applies: () => true,
    read: (spec) => spec.ipv6VXLANTunnelAddr,
    write: (spec, ipv6VXLANTunnelAddr) => ({...spec, ipv6VXLANTunnelAddr}),
  },
};

const ORDER: readonly TunnelType[] = ['wireguard', 'wireguard-v6', 'ipip', 'vxlan', 'vxlan-v6'];

/** Tunnel addresses of a node after `ensureTunnelAddresses`; types that it needs none of are absent. */
export type TunnelAddresses = ReadonlyMap<TunnelType, string>;

/**
 * Makes sure that the node has exactly the tunnel addresses that the pools ask for, in IPAM and in its Node resource.
 * Throws E_NOT_FOUND without a Node, E_IPAM_* when no address is to be had, and E_CONFLICT when the Node changed
 * meanwhile: repeat it then, and whenever pools, the node's labels or its WireGuard keys change.
 */
export async function ensureTunnelAddresses(
  options: TunnelAddressOptions,
  dependencies: TunnelAddressDependencies,
  call: CallOptions = {},
): Promise<TunnelAddresses> {
  if (options.usePodCidr === true) return new Map();
  const {store, log} = dependencies;
  const key = Node.key({name: options.node});
  const [entry, pools] = await Promise.all([store.get(key, call), readPools(store, log, call)]);
  if (entry === undefined) throw new AgentError('E_NOT_FOUND', 'the node has no Node resource', {node: options.node});
  const node = Node.decode(entry.value, key);
  const run = new TunnelRun(node, pools, options, dependencies, call);
  try {
    const after = await run.ensureAll();
    const value = Node.encode(after);
    if (value !== entry.value && after !== node)
      await store.commit([{kind: 'update', key, value, revision: entry.revision}], call);
    return addressesOf(after);
  } catch (error) {
    await run.undo();
    throw error;
  }
}

class TunnelRun {
  #node: Node;
  readonly #pools: readonly Pool[];
  readonly #labels: Labels;
  readonly #options: TunnelAddressOptions;
  readonly #allocator: Allocator;
  readonly #log: Logger;
  readonly #call: CallOptions;
  /** Handles whose addresses were assigned in this run. */
  readonly #assigned: string[] = [];

  constructor(
    node: Node,
    pools: readonly Pool[],
    options: TunnelAddressOptions,
    dependencies: TunnelAddressDependencies,
    call: CallOptions,
  ) {
    this.#node = node;
    this.#pools = pools;
    this.#labels = labelMap(node.metadata.labels);
    this.#options = options;
    this.#allocator = dependencies.allocator;
    this.#log = dependencies.log;
    this.#call = call;
  }

  async ensureAll(): Promise<Node> {
    for (const type of ORDER) {
      const kind = {type, ...KINDS[type]};
      const pools = this.#eligiblePools(kind);
      const before = kind.read(this.#node.spec);
      const after = pools.length === 0 ? await this.#clear(kind, before) : await this.#ensure(kind, pools, before);
      if (after !== before) this.#node = {...this.#node, spec: kind.write(this.#node.spec, after)};
    }
    return this.#node;
  }

  /** Gives back what this run assigned: the Node does not say that it is ours. */
  async undo(): Promise<void> {
    for (const handleId of this.#assigned) {
      try {
        await this.#allocator.releaseByHandle(handleId);
      } catch (err) {
        this.#log.warn({err, handle: handleId}, 'tunnel address stays assigned until the next attempt');
      }
    }
  }

  #eligiblePools(kind: TunnelKind): readonly Pool[] {
    if (!kind.applies(this.#node, this.#options)) return [];
    return this.#pools.filter(
      (pool) =>
        pool.enabled &&
        pool.cidr.ip.family === kind.family &&
        pool.allowedUses.has('Tunnel') &&
        pool.selectsNode(this.#labels) &&
        kind.usesPool(pool),
    );
  }

  async #ensure(kind: TunnelKind, pools: readonly Pool[], current: string | undefined): Promise<string> {
    const handleId = tunnelHandleId(kind.type, this.#options.node);
    const ip = current === undefined ? undefined : parseIp(current);
    if (current === undefined || ip === undefined) {
      await this.#allocator.releaseByHandle(handleId, this.#call);
      return this.#assign(kind, pools);
    }
    const occupancy = await this.#lookUp(current);
    if (occupancy.kind !== 'owned' || this.#isOurs(kind, occupancy)) {
      if (occupancy.kind === 'owned' && poolContaining(pools, ip) !== undefined) return formatIp(ip);
      await this.#allocator.releaseByHandle(handleId, this.#call);
      return this.#assign(kind, pools);
    }
    if (isFromBeforeHandles(occupancy)) return this.#adopt(kind, pools, current, occupancy);
    this.#log.warn(
      {address: current, handle: occupancy.handleId, type: kind.type},
      'the tunnel address of this node belongs to somebody else; it gets another',
    );
    return this.#assign(kind, pools);
  }

  /** No pool asks for an address of this type (any more). */
  async #clear(kind: TunnelKind, current: string | undefined): Promise<undefined> {
    const handleId = tunnelHandleId(kind.type, this.#options.node);
    const released = await this.#allocator.releaseByHandle(handleId, this.#call);
    if (released !== undefined || current === undefined || parseIp(current) === undefined) return undefined;
    const occupancy = await this.#lookUp(current);
    if (occupancy.kind !== 'owned') return undefined;
    if (isFromBeforeHandles(occupancy) || occupancy.handleId === handleId)
      await this.#allocator.releaseIps(
        [{ip: current, handleId: occupancy.handleId, sequenceNumber: occupancy.sequenceNumber}],
        this.#call,
      );
    else
      this.#log.warn(
        {address: current, handle: occupancy.handleId, type: kind.type},
        'the former tunnel address of this node belongs to somebody else',
      );
    return undefined;
  }

  /** The same address again, now with a handle; another one when somebody was faster. */
  async #adopt(kind: TunnelKind, pools: readonly Pool[], current: string, {sequenceNumber}: Owned): Promise<string> {
    await this.#allocator.releaseIps([{ip: current, sequenceNumber}], this.#call);
    const owner = this.#owner(kind);
    try {
      const {ip} = await this.#allocator.assignIp(this.#options.node, {ip: current, owner}, this.#call);
      this.#assigned.push(tunnelHandleId(kind.type, this.#options.node));
      return ip;
    } catch (error) {
      this.#log.warn({address: current, reason: messageOf(error)}, 'the tunnel address could not be kept');
      return this.#assign(kind, pools);
    }
  }

  async #assign(kind: TunnelKind, pools: readonly Pool[]): Promise<string> {
    const owner = this.#owner(kind);
    const wanted = {count: 1, pools: pools.map((pool) => formatCidr(pool.cidr))};
    const request = {owner, use: 'Tunnel' as const, ...(kind.family === 4 ? {ipv4: wanted} : {ipv6: wanted})};
    const result = await this.#allocator.autoAssign(this.#options.node, request, this.#call);
    const {allocations, shortfall} = kind.family === 4 ? result.ipv4 : result.ipv6;
    const [allocation] = allocations;
    if (allocation === undefined)
      throw shortfall ?? new AgentError('E_IPAM_NO_ADDRESS', 'no tunnel address was assigned', {type: kind.type});
    this.#assigned.push(tunnelHandleId(kind.type, this.#options.node));
    this.#log.info({address: allocation.ip, type: kind.type}, 'tunnel address assigned');
    return allocation.ip;
  }

  async #lookUp(address: string): Promise<Occupancy> {
    try {
      return await this.#allocator.assignmentOf(address, this.#call);
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined) throw error;
      const message = `failed to get assignment attributes for CIDR '${address}': ${messageOf(error)}`;
      throw new AgentError(code, message, {address}, error);
    }
  }

  #owner({type}: TunnelKind): Owner {
    const {node} = this.#options;
    return {
      handleId: tunnelHandleId(type, node),
      attributes: new Map([
        ['node', node],
        ['type', tunnelAttributeType(type)],
      ]),
    };
  }

  #isOurs({type}: TunnelKind, occupancy: Owned): boolean {
    const {secondary} = occupancy.attribute;
    return secondary.get('type') === tunnelAttributeType(type) && secondary.get('node') === this.#options.node;
  }
}

type Owned = Extract<Occupancy, {kind: 'owned'}>;

const isFromBeforeHandles = ({handleId, attribute}: Owned): boolean =>
  handleId === undefined && attribute.secondary.size === 0;

/** The object, or undefined when nothing is in it: Calico stores no empty ones here. */
function orAbsent<T extends object>(fields: T): T | undefined {
  return Object.values(fields).some((value) => value !== undefined) ? fields : undefined;
}

function addressesOf(node: Node): TunnelAddresses {
  return new Map(
    TUNNEL_TYPES.flatMap((type) => {
      const address = KINDS[type].read(node.spec);
      return address === undefined ? [] : [[type, address] as const];
    }),
  );
}
