/**
 * Which node has which part of the pools, and how it is reached: blocks, addresses borrowed from them, and tunnel
 * addresses become routes.
 *
 * A route depends on whoever claims its CIDR, on the most specific pool around it, and on the addresses of its node and
 * of ours. Whatever changes, only the CIDRs that it can touch are marked; `resolve` works the marks off, and a CIDR
 * marked many times is worked out once. Three cases must not become routes, or traffic would be sent in circles: a
 * node's own address (the tunnel runs over it), a tunnel address that is not borrowed (the route of its node's block goes
 * there; without a block nothing is known to lie behind it), and a local block of one address (its blackhole would win
 * over the workload's route).
 */
import {
  bitsOf,
  type Cidr,
  cidrContainsIp,
  type Family,
  formatCidr,
  formatIp,
  hostCidr,
  type Ip,
  requireCidr,
} from '../../lib/cidr.ts';
import {PrefixTrie} from '../../lib/prefix-trie.ts';
import {Claims, compareText} from './claims.ts';
import type {BlockInput, NodeAddress, NodeFamilyInput, NodeInput, PoolInput, TunnelKind} from './inputs.ts';
import type {RouteIntent} from './intent.ts';

const FAMILIES: readonly Family[] = [4, 6];

/** Why a node has a CIDR; where several claim one, the first kind here wins, then the lowest node. */
type ClaimKind = 'block' | 'borrowed' | TunnelKind;
const RANK: Readonly<Record<ClaimKind, number>> = {block: 0, borrowed: 1, vxlan: 2, ipip: 3, wireguard: 4};

interface Claim {
  readonly kind: ClaimKind;
  readonly node: string;
}

/** A CIDR that somebody has. */
interface Destination {
  readonly cidr: Cidr;
  /** By what makes the claim: a block, or a node's tunnel. */
  readonly claims: Map<string, Claim>;
}

export class RouteResolver {
  readonly #nodeName: string;
  readonly #emit: (cidr: string, route: RouteIntent | undefined) => void;

  readonly #pools = new Map<string, PoolInput>();
  /** Two pools of one CIDR: the first name has it. */
  readonly #poolNames = new Claims<string, string>();
  readonly #poolTrie = new PrefixTrie<PoolInput>();
  readonly #blocks = new Map<string, BlockInput>();
  readonly #nodes = new Map<string, NodeInput>();
  /** How many nodes have an address as their own. */
  readonly #nodeAddresses = new Map<string, number>();
  readonly #destinations = new PrefixTrie<Destination>();
  readonly #destinationsOf = new Map<string, Map<string, Destination>>();
  readonly #marked = new Map<string, Cidr>();
  #resolved = 0;

  constructor(
    options: {nodeName: string},
    dependencies: {emit: (cidr: string, route: RouteIntent | undefined) => void},
  ) {
    this.#nodeName = options.nodeName;
    this.#emit = dependencies.emit;
  }

  /** Routes worked out since the start; what a change costs. */
  get resolved(): number {
    return this.#resolved;
  }

  /** CIDRs that `resolve` has still to look at. */
  get marked(): number {
    return this.#marked.size;
  }

  setPool(name: string, pool: PoolInput | undefined): void {
    const old = this.#pools.get(name);
    if (samePool(old, pool)) return;
    if (old !== undefined) this.#poolNames.release(formatCidr(old.cidr), name);
    if (pool === undefined) this.#pools.delete(name);
    else {
      this.#pools.set(name, pool);
      this.#poolNames.claim(formatCidr(pool.cidr), name);
    }
    if (old !== undefined) this.#refreshPool(old.cidr);
    if (pool !== undefined) this.#refreshPool(pool.cidr);
  }

  setBlock(cidr: Cidr, block: BlockInput | undefined): void {
    const text = formatCidr(cidr);
    const old = this.#blocks.get(text);
    if (block === undefined) this.#blocks.delete(text);
    else this.#blocks.set(text, block);
    if (old?.node !== block?.node) {
      this.#setClaim(cidr, text, block?.node === undefined ? undefined : {kind: 'block', node: block.node});
      // Whether a tunnel address is covered by its own node's block depends on this one's owner.
      for (const {value} of this.#destinations.coveredBy(cidr)) this.#mark(value.cidr);
    }
    for (const address of old?.borrowed.keys() ?? []) {
      if (block?.borrowed.has(address) !== true) this.#setClaim(requireCidr(address), text, undefined);
    }
    for (const [address, node] of block?.borrowed ?? []) {
      if (old?.borrowed.get(address) !== node) this.#setClaim(requireCidr(address), text, {kind: 'borrowed', node});
    }
  }

  setNode(name: string, node: NodeInput | undefined): void {
    const old = this.#nodes.get(name);
    if (node === undefined) this.#nodes.delete(name);
    else this.#nodes.set(name, node);
    for (const family of FAMILIES) this.#onNodeChange(name, family, old?.families[family], node?.families[family]);
  }

  /** Works out up to `limit` marked CIDRs and emits them; repeating an equal route is left to the sequencer. */
  resolve(limit: number = Number.POSITIVE_INFINITY): void {
    let left = limit;
    for (const [text, cidr] of this.#marked) {
      if (left-- <= 0) return;
      this.#marked.delete(text);
      this.#resolved++;
      this.#emit(text, this.#routeTo(text, cidr));
    }
  }

  #refreshPool(cidr: Cidr): void {
    const name = this.#poolNames.ownerOf(formatCidr(cidr));
    const pool = name === undefined ? undefined : this.#pools.get(name);
    if (pool === undefined) this.#poolTrie.delete(cidr);
    else this.#poolTrie.set(cidr, pool);
    for (const {value} of this.#destinations.coveredBy(cidr)) this.#mark(value.cidr);
  }

  #onNodeChange(
    name: string,
    family: Family,
    old: NodeFamilyInput | undefined,
    now: NodeFamilyInput | undefined,
  ): void {
    for (const kind of ['vxlan', 'ipip', 'wireguard'] as const) {
      const before = old?.tunnels.get(kind);
      const after = now?.tunnels.get(kind);
      if (sameIp(before, after)) continue;
      const source = `${kind} ${name}`;
      if (before !== undefined) this.#setClaim(hostCidr(before), source, undefined);
      if (after !== undefined) this.#setClaim(hostCidr(after), source, {kind, node: name});
    }
    if (!sameIp(old?.address?.ip, now?.address?.ip)) {
      this.#countNodeAddress(old?.address?.ip, -1);
      this.#countNodeAddress(now?.address?.ip, 1);
      this.#markDestinationsOf(name, family);
    }
    if (name === this.#nodeName) this.#onOwnSubnetChange(family, old?.address?.subnet, now?.address?.subnet);
  }

  #countNodeAddress(ip: Ip | undefined, change: number): void {
    if (ip === undefined) return;
    const cidr = hostCidr(ip);
    const text = formatCidr(cidr);
    const count = (this.#nodeAddresses.get(text) ?? 0) + change;
    if (count === 0) this.#nodeAddresses.delete(text);
    else this.#nodeAddresses.set(text, count);
    if (this.#destinations.has(cidr)) this.#mark(cidr);
  }

  /** Marks the routes of nodes that were in our subnet and no longer are, or the other way round. */
  #onOwnSubnetChange(family: Family, old: Cidr | undefined, now: Cidr | undefined): void {
    if (old !== undefined && now !== undefined && formatCidr(old) === formatCidr(now)) return;
    for (const [name, node] of this.#nodes) {
      const ip = node.families[family].address?.ip;
      if (ip !== undefined && isIn(old, ip) !== isIn(now, ip)) this.#markDestinationsOf(name, family);
    }
  }

  #markDestinationsOf(node: string, family: Family): void {
    for (const {cidr} of this.#destinationsOf.get(node)?.values() ?? []) {
      if (cidr.ip.family === family) this.#mark(cidr);
    }
  }

  #mark(cidr: Cidr): void {
    this.#marked.set(formatCidr(cidr), cidr);
  }

  /** Sets or takes back the claim that `source` makes on `cidr`. */
  #setClaim(cidr: Cidr, source: string, claim: Claim | undefined): void {
    const destination = this.#destinations.get(cidr) ?? {cidr, claims: new Map<string, Claim>()};
    const old = destination.claims.get(source);
    if (claim === undefined) destination.claims.delete(source);
    else destination.claims.set(source, claim);
    if (destination.claims.size === 0) this.#destinations.delete(cidr);
    else this.#destinations.set(cidr, destination);
    for (const node of new Set([old?.node, claim?.node])) if (node !== undefined) this.#index(node, destination);
    this.#mark(cidr);
  }

  /** Keeps the list of `node`'s destinations true for this one. */
  #index(node: string, destination: Destination): void {
    const text = formatCidr(destination.cidr);
    const destinations = this.#destinationsOf.get(node) ?? new Map<string, Destination>();
    if ([...destination.claims.values()].some((claim) => claim.node === node)) destinations.set(text, destination);
    else destinations.delete(text);
    if (destinations.size === 0) this.#destinationsOf.delete(node);
    else this.#destinationsOf.set(node, destinations);
  }

  #routeTo(text: string, cidr: Cidr): RouteIntent | undefined {
    const {family} = cidr.ip;
    const destination = this.#destinations.get(cidr);
    const claim = destination && strongest(destination.claims.values());
    const pool = this.#poolTrie.covering(cidr).at(-1)?.value;
    if (destination === undefined || claim === undefined || pool === undefined || pool.loadBalancerOnly)
      return undefined;
    if (this.#nodeAddresses.has(text) || isUnspecified(cidr)) return undefined;

    const {node} = claim;
    const address = this.#nodes.get(node)?.families[family].address;
    const common = {
      cidr: text,
      family,
      encapsulation: pool.encapsulation,
      node,
      nodeIp: address === undefined ? undefined : formatIp(address.ip),
    };
    if (node === this.#nodeName) {
      const isLocalBlock = claim.kind === 'block' && cidr.length < bitsOf(family);
      return isLocalBlock ? {...common, type: 'local-block', sameSubnet: false} : undefined;
    }
    const isWorkload = claim.kind === 'block' || claim.kind === 'borrowed';
    if (!isWorkload && !this.#isBorrowedFromBlock(cidr, node)) return undefined;
    return {
      ...common,
      type: isTunnelDevice(destination, node, pool) ? 'remote-tunnel' : 'remote-workload',
      sameSubnet: pool.plainInSubnet && this.#isInOwnSubnet(family, address),
    };
  }

  /** Whether the smallest block around `cidr` is another node's: then that block's route leads astray. */
  #isBorrowedFromBlock(cidr: Cidr, node: string): boolean {
    for (const {value} of this.#destinations.covering(cidr).reverse()) {
      for (const claim of value.claims.values()) if (claim.kind === 'block') return claim.node !== node;
    }
    return false;
  }

  #isInOwnSubnet(family: Family, address: NodeAddress | undefined): boolean {
    const own = this.#nodes.get(this.#nodeName)?.families[family].address?.subnet;
    return address !== undefined && isIn(own, address.ip);
  }
}

function strongest(claims: Iterable<Claim>): Claim | undefined {
  let best: Claim | undefined;
  for (const claim of claims) {
    if (best === undefined || (RANK[claim.kind] - RANK[best.kind] || compareText(claim.node, best.node)) < 0)
      best = claim;
  }
  return best;
}

/**
 * Whether the address is that of the device at the other end of the tunnel. Another tunnel's address is one more address
 * behind that end.
 */
function isTunnelDevice(destination: Destination, node: string, pool: PoolInput): boolean {
  const kinds = [...destination.claims.values()].filter((claim) => claim.node === node).map((claim) => claim.kind);
  if (pool.encapsulation === 'none') return kinds.every((kind) => kind !== 'block' && kind !== 'borrowed');
  return kinds.includes(pool.encapsulation);
}

function samePool(a: PoolInput | undefined, b: PoolInput | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    formatCidr(a.cidr) === formatCidr(b.cidr) &&
    a.encapsulation === b.encapsulation &&
    a.plainInSubnet === b.plainInSubnet &&
    a.loadBalancerOnly === b.loadBalancerOnly
  );
}

const isIn = (subnet: Cidr | undefined, ip: Ip): boolean => subnet !== undefined && cidrContainsIp(subnet, ip);
const sameIp = (a: Ip | undefined, b: Ip | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && formatIp(a) === formatIp(b));
const isUnspecified = (cidr: Cidr): boolean =>
  cidr.length === bitsOf(cidr.ip.family) && cidr.ip.words.every((word) => word === 0);
