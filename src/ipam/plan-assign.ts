/**
 * How an address is found: the order of datastore-wide rules that all nodes follow, so that they get along.
 *
 *   blocks this node holds  ->  a block nobody has (or nobody uses)  ->  an address of somebody else's block
 *
 * A node that holds as many blocks as it may neither claims nor borrows. With strict affinity nobody borrows. Planning
 * edits a draft; whether the plan holds is decided when the draft is committed.
 */
import {cidrContains, cidrsOverlap, type Family, formatCidr, formatIp, type Ip, requireCidr} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';
import type {Breather} from '../lib/yielding.ts';
import type {Block} from '../model/ipam-records.ts';
import {
  type Allocation,
  addressAt,
  allocate,
  freeOrdinals,
  isEmpty,
  newBlock,
  type Owner,
  occupancyOf,
  ordinalOf,
} from './block.ts';
import {BlockOrder} from './block-order.ts';
import type {Draft} from './draft.ts';
import {affinityOf, type BlockHolder} from './holder.ts';
import {blockOf, type Labels, type Pool, type PoolUse, poolContaining, selectPools} from './pool-selection.ts';
import type {AllocationRules} from './rules.ts';

/** Where addresses may come from. */
export interface SearchRequest {
  readonly family: Family;
  readonly holder: BlockHolder;
  readonly use: PoolUse;
  /** CIDRs or names of the only pools wanted, in order. */
  readonly pools?: readonly string[] | undefined;
  readonly namespaceLabels?: Labels | undefined;
  /** Blocks the holder may have at most, besides what the configuration says. */
  readonly maxBlocks?: number | undefined;
}

export interface AutoRequest extends SearchRequest {
  readonly count: number;
  readonly owner: Owner;
}

export interface ExactRequest {
  readonly ip: Ip;
  readonly holder: BlockHolder;
  readonly owner: Owner;
  readonly use?: PoolUse | undefined;
}

export interface AutoPlan {
  readonly allocations: readonly Allocation[];
  /** Why there are fewer than asked for. */
  readonly shortfall: AgentError | undefined;
}

/** What planning needs from outside. */
export interface PlanningServices {
  readonly breather: Breather;
  /** Takes an unused block from whoever holds it, if it is still as it was seen; false when that failed. */
  takeAway(block: Block): Promise<boolean>;
  /** A block that this node holds lies in a pool that no longer selects it. */
  noteStray(cidr: string): void;
}

/** Blocks per node unless something says otherwise. */
const DEFAULT_MAX_BLOCKS = 20;
/** An empty block is its holder's for this long: a claim is followed by an assignment. */
const CLAIM_GRACE_MS = 60_000;

/** Plans `count` addresses, or as many as there are. Throws E_IPAM_NO_POOL. */
export async function planAutoAssign(
  draft: Draft,
  rules: AllocationRules,
  request: AutoRequest,
  services: PlanningServices,
): Promise<AutoPlan> {
  const {count, owner} = request;
  const search = new Search(draft, rules, request, services);
  const allocations: Allocation[] = [];
  // Takes what is still missing from one block; true when nothing is missing any more.
  const take = async (block: Block): Promise<boolean> => {
    const ordinals = search.freeOrdinals(block).slice(0, count - allocations.length);
    allocations.push(...(await takeOrdinals(draft, block, ordinals, owner)));
    return allocations.length >= count;
  };
  const refusal = await search.visit(take);
  const shortfall = allocations.length >= count ? undefined : search.shortfall(count, allocations.length, refusal);
  return {allocations, shortfall};
}

/** Plans that the holder has a block with a free address of its own; its CIDR. Throws E_IPAM_*. */
export async function planBlock(
  draft: Draft,
  rules: AllocationRules,
  request: SearchRequest,
  services: PlanningServices,
): Promise<string> {
  const search = new Search(draft, rules, request, services);
  let found: string | undefined;
  const refusal = await search.visitOwn(async (block) => {
    if (search.freeOrdinals(block).length > 0) found = block.cidr;
    return found !== undefined;
  });
  if (found === undefined) throw search.shortfall(1, 0, refusal);
  return found;
}

/** Looks at a block; true when no further block is needed. */
type Visitor = (block: Block) => Promise<boolean>;

/** Brings blocks to a visitor, the preferred ones first, until it has enough. */
class Search {
  readonly #draft: Draft;
  readonly #rules: AllocationRules;
  readonly #request: SearchRequest;
  readonly #services: PlanningServices;
  readonly #pools: readonly Pool[];

  constructor(draft: Draft, rules: AllocationRules, request: SearchRequest, services: PlanningServices) {
    this.#draft = draft;
    this.#rules = rules;
    this.#request = request;
    this.#services = services;
    this.#pools = selectPools(rules.pools, {...request, nodeLabels: rules.nodeLabels});
  }

  /** Own blocks, new ones, and those of others where that is allowed. Resolves to why the search ended early. */
  async visit(visitor: Visitor): Promise<AgentError | undefined> {
    let isEnough = false;
    const refusal = await this.visitOwn(async (block) => {
      isEnough = await visitor(block);
      return isEnough;
    });
    if (!isEnough && refusal === undefined && !this.#rules.config.strictAffinity) await this.#visitOthers(visitor);
    return refusal;
  }

  /** Own blocks, then new ones. Resolves to the reason why no more may be claimed. */
  async visitOwn(visitor: Visitor): Promise<AgentError | undefined> {
    const {holder, family} = this.#request;
    if (await this.#visitClaims(visitor)) return undefined;
    await this.#draft.refreshClaims(holder, family);
    if (await this.#visitClaims(visitor)) return undefined;
    return this.#visitNew(visitor);
  }

  freeOrdinals(block: Block): readonly number[] {
    return freeOrdinals(block, (ip) => this.#rules.reservations.contains(ip));
  }

  shortfall(requested: number, assigned: number, refusal: AgentError | undefined): AgentError {
    const {family} = this.#request;
    const pools = this.#pools.map((pool) => formatCidr(pool.cidr));
    const context = {family, requested, assigned, pools, ...refusal?.context};
    if (refusal !== undefined) return new AgentError(refusal.code, refusal.message, context);
    return new AgentError('E_IPAM_NO_ADDRESS', `no free IPv${family} address is left in the pools`, context);
  }

  async #visitClaims(visitor: Visitor): Promise<boolean> {
    const {holder, family} = this.#request;
    for (const cidr of await this.#draft.claims(holder, family)) {
      const pool = this.#poolOf(cidr);
      if (isStray(this.#rules, cidr)) this.#services.noteStray(cidr);
      if (pool === undefined || this.#rules.reservations.coversAll(requireCidr(cidr))) continue;
      const block = await heldBlock(this.#draft, holder, cidr, pool);
      if (block !== undefined && (await visitor(block))) return true;
    }
    return false;
  }

  async #visitNew(visitor: Visitor): Promise<AgentError | undefined> {
    const {holder, family} = this.#request;
    for (;;) {
      const claims = await this.#draft.claims(holder, family);
      const held = claims.filter((cidr) => this.#poolOf(cidr) !== undefined).length;
      const limit = this.#blockLimit();
      if (held >= limit) {
        const message = 'cannot allocate new block due to per host block limit';
        return new AgentError('E_IPAM_BLOCK_LIMIT', message, {host: holder.host, blocks: held, limit});
      }
      if (!this.#rules.config.autoAllocateBlocks)
        return new AgentError('E_IPAM_NO_ADDRESS', 'failed to find or claim a block', {autoAllocateBlocks: false});
      const block = await this.#claimOne();
      if (block === undefined || (await visitor(block))) return undefined;
    }
  }

  #blockLimit(): number {
    const limits = [this.#request.maxBlocks ?? 0, this.#rules.config.maxBlocksPerHost].filter((limit) => limit > 0);
    return limits.length === 0 ? DEFAULT_MAX_BLOCKS : Math.min(...limits);
  }

  /** Plans the claim of the first block in this host's order that can serve; undefined when there is none. */
  async #claimOne(): Promise<Block | undefined> {
    const {holder, family} = this.#request;
    const {reservations} = this.#rules;
    const taken = await this.#draft.blockCidrs(family);
    const unused: Block[] = [];
    for (const pool of this.#pools) {
      // A pool made anew with another block size: the old blocks keep their addresses until they are gone.
      const otherSizes = [...taken].map(requireCidr).filter((cidr) => cidr.length !== pool.blockSize);
      for (const cidr of new BlockOrder(pool.cidr, pool.blockSize, holder.host).walk(reservations)) {
        await this.#breathe();
        if (reservations.coversAll(cidr) || otherSizes.some((other) => cidrsOverlap(other, cidr))) continue;
        const text = formatCidr(cidr);
        if (!taken.has(text)) return claimBlock(this.#draft, holder, text);
        const block = await this.#draft.readableBlock(text);
        if (block === undefined || this.freeOrdinals(block).length === 0) continue;
        if (block.affinity === affinityOf(holder)) return claimBlock(this.#draft, holder, text);
        if (isEmpty(block)) unused.push(block);
      }
    }
    for (const block of unused) {
      if (isFresh(block, this.#draft.cooldown.nowMs) || !(await this.#services.takeAway(block))) continue;
      this.#draft.noteDeleted(block.cidr);
      return claimBlock(this.#draft, holder, block.cidr);
    }
    return undefined;
  }

  /** Addresses of others' blocks are borrowed without touching who holds them. */
  async #visitOthers(visitor: Visitor): Promise<void> {
    const {holder, family} = this.#request;
    for (const pool of this.#pools) {
      const order = new BlockOrder(pool.cidr, pool.blockSize, holder.host);
      const cidrs = [...(await this.#draft.blockCidrs(family))].map(requireCidr);
      const inOrder = cidrs
        .filter((cidr) => cidrContains(pool.cidr, cidr))
        .map((cidr) => ({cidr, place: order.placeOf(cidr)}))
        .sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0));
      for (const {cidr} of inOrder) {
        await this.#breathe();
        if (this.#rules.reservations.coversAll(cidr)) continue;
        const block = await this.#draft.readableBlock(formatCidr(cidr));
        if (block !== undefined && (await visitor(block))) return;
      }
    }
  }

  async #breathe(): Promise<void> {
    const {breather} = this.#services;
    if (breather.isDue()) await breather.breathe(this.#draft.call.signal);
  }

  #poolOf(cidr: string): Pool | undefined {
    return this.#pools.find((pool) => cidrContains(pool.cidr, requireCidr(cidr)));
  }
}

/** True when the block lies in an enabled pool that does not select the allocating node (any more). */
export function isStray(rules: AllocationRules, cidr: string): boolean {
  const {nodeLabels} = rules;
  if (nodeLabels === undefined) return false;
  const pool = rules.pools.find((each) => each.enabled && cidrContains(each.cidr, requireCidr(cidr)));
  return pool !== undefined && !pool.selectsNode(nodeLabels);
}

/** Plans one given address. Throws E_IPAM_NOT_IN_POOL, E_IPAM_TAKEN or E_IPAM_STRICT. */
export async function planExactAssign(
  draft: Draft,
  rules: AllocationRules,
  request: ExactRequest,
): Promise<Allocation> {
  const {ip, holder, owner, use} = request;
  const address = formatIp(ip);
  const pool = poolContaining(
    rules.pools.filter((each) => each.enabled),
    ip,
  );
  if (pool === undefined)
    throw new AgentError('E_IPAM_NOT_IN_POOL', `The provided IP address is not in a configured pool: ${address}`, {
      address,
    });
  if (use !== undefined && !pool.allowedUses.has(use))
    throw new AgentError('E_IPAM_NOT_IN_POOL', `the pool of the address does not allow the use ${use}`, {
      address,
      pool: pool.name,
    });
  const cidr = formatCidr(blockOf(pool, ip));
  const block =
    (await draft.block(cidr)) ?? (await draft.blockContaining(ip)) ?? (await claimBlock(draft, holder, cidr));
  const ordinal = ordinalOf(block, ip);
  if (ordinal === undefined) throw new Error(`${address} does not lie in ${block.cidr}`);
  const occupancy = occupancyOf(block, ordinal);
  if (occupancy.kind !== 'free') {
    const handle = occupancy.kind === 'owned' ? occupancy.handleId : undefined;
    throw new AgentError('E_IPAM_TAKEN', `the address ${address} is already assigned`, {
      address,
      handle,
      state: occupancy.kind,
    });
  }
  if (rules.config.strictAffinity && block.affinity !== affinityOf(holder))
    throw new AgentError('E_IPAM_STRICT', 'the block of the address belongs to another node', {
      address,
      block: block.cidr,
      affinity: block.affinity,
    });
  const [allocation] = await takeOrdinals(draft, block, [ordinal], owner);
  if (allocation === undefined) throw new Error(`${address} was not planned`);
  return allocation;
}

/** Plans that `holder` holds the block: creates it, or repairs the claim on one that names the holder. */
export async function claimBlock(draft: Draft, holder: BlockHolder, cidr: string): Promise<Block> {
  const existing = await draft.block(cidr);
  const block = existing ?? newBlock(cidr, affinityOf(holder), draft.cooldown.nowMs);
  await draft.setAffinity(holder, cidr, existing === undefined ? 'claim' : 'repair');
  await draft.setBlock(cidr, block);
  return block;
}

/**
 * The block that a claim speaks of, repaired where a crash left it half claimed or half released. A claim on a block
 * that is not the holder's (any more) is dropped: the block decides, the claim only advises.
 */
async function heldBlock(draft: Draft, holder: BlockHolder, cidr: string, pool: Pool): Promise<Block | undefined> {
  const block = await draft.readableBlock(cidr);
  if (block === undefined && (await draft.hasBlock(cidr))) return undefined;
  const isOurs =
    block === undefined ? requireCidr(cidr).length === pool.blockSize : block.affinity === affinityOf(holder);
  if (!isOurs) {
    await draft.setAffinity(holder, cidr, 'drop');
    return undefined;
  }
  return block !== undefined && (await draft.isSettled(holder, cidr)) ? block : claimBlock(draft, holder, cidr);
}

async function takeOrdinals(
  draft: Draft,
  block: Block,
  ordinals: readonly number[],
  owner: Owner,
): Promise<readonly Allocation[]> {
  if (ordinals.length === 0) return [];
  await draft.setBlock(block.cidr, allocate(block, ordinals, owner));
  draft.addToHandle(owner.handleId, block.cidr, ordinals.length);
  return ordinals.map((ordinal) => ({
    ip: formatIp(addressAt(block, ordinal)),
    block: block.cidr,
    ordinal,
    handleId: owner.handleId,
    sequenceNumber: block.sequenceNumber,
  }));
}

function isFresh(block: Block, nowMs: number): boolean {
  const claimedMs = block.affinityClaimTime === undefined ? Number.NaN : Date.parse(block.affinityClaimTime);
  return nowMs - claimedMs < CLAIM_GRACE_MS;
}
