/**
 * How addresses are given back: by address, with what the caller knows of their owner compared first, or all of a
 * handle. Nobody's address is taken from him by an old request: a handle or a sequence number that does not fit is a
 * conflict, whatever became of the address.
 */
import {type Cidr, formatCidr, formatIp, type Ip} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';
import type {Block} from '../model/ipam-records.ts';
import {comparableHandleId} from '../model/names.ts';
import {
  type Allocation,
  allocationsAt,
  free,
  isEmpty,
  type Occupancy,
  occupancyOf,
  ordinalOf,
  ordinalsOf,
} from './block.ts';
import type {Draft} from './draft.ts';
import {blockOf, poolContaining} from './pool-selection.ts';
import type {AllocationRules} from './rules.ts';

export interface ReleaseItem {
  readonly ip: Ip;
  /** Compared with the owner's when given. */
  readonly handleId?: string | undefined;
  /** Compared with the allocation's when given. */
  readonly sequenceNumber?: bigint | undefined;
}

export interface ReleasePlan {
  readonly released: readonly Allocation[];
  /** Addresses that were free already (or cooling, or in no block). */
  readonly unallocated: readonly string[];
  /** Addresses that belong to somebody else: E_IPAM_TAKEN. */
  readonly conflicts: readonly {readonly ip: string; readonly error: AgentError}[];
}

/** Plans the release of addresses, in the order given. */
export async function planRelease(
  draft: Draft,
  rules: AllocationRules,
  items: readonly ReleaseItem[],
): Promise<ReleasePlan> {
  const released: Allocation[] = [];
  const unallocated: string[] = [];
  const conflicts: {ip: string; error: AgentError}[] = [];
  for (const item of items) {
    const ip = formatIp(item.ip);
    const block = await findBlock(draft, rules, item.ip);
    const ordinal = block && ordinalOf(block, item.ip);
    if (block === undefined || ordinal === undefined) {
      unallocated.push(ip);
      continue;
    }
    const occupancy = occupancyOf(block, ordinal);
    const error = objection(block, ordinal, occupancy, item);
    if (error !== undefined) conflicts.push({ip, error});
    else if (occupancy.kind !== 'owned') unallocated.push(ip);
    else released.push(...(await planFree(draft, block, [ordinal])));
  }
  return {released, unallocated, conflicts};
}

/**
 * Plans the release of everything a handle has; undefined when there is no such handle.
 *
 * A handle's counts are upper bounds: whoever assigns counts first and allocates then. By default only what was found
 * is subtracted, because somebody may be between the two. `whole` subtracts the rest as well; for callers who know that
 * nobody assigns to this handle meanwhile.
 */
export async function planReleaseByHandle(
  draft: Draft,
  handleId: string,
  options: {readonly whole: boolean},
): Promise<readonly Allocation[] | undefined> {
  const counts = await draft.handleCounts(handleId);
  if (counts === undefined) return undefined;
  const released: Allocation[] = [];
  for (const cidr of counts.keys()) {
    const block = await draft.block(cidr);
    const ordinals = block === undefined ? [] : ordinalsOf(block, handleId);
    if (block !== undefined) released.push(...(await planFree(draft, block, ordinals)));
    if (options.whole) draft.addToHandle(handleId, cidr, ordinals.length - (counts.get(cidr) ?? 0));
  }
  return released;
}

/** The block an address lies in: where its pool says, else wherever it is. */
export async function findBlock(draft: Draft, rules: AllocationRules, ip: Ip): Promise<Block | undefined> {
  const pool = poolContaining(rules.pools, ip);
  const expected: Cidr | undefined = pool && blockOf(pool, ip);
  const block = expected && (await draft.block(formatCidr(expected)));
  return block ?? draft.blockContaining(ip);
}

/** Frees owned ordinals; a block that becomes empty and that nobody holds goes. */
async function planFree(draft: Draft, block: Block, ordinals: readonly number[]): Promise<readonly Allocation[]> {
  const freed = allocationsAt(block, ordinals);
  if (freed.length === 0) return [];
  for (const {handleId} of freed)
    draft.addToHandle(handleId === undefined ? undefined : comparableHandleId(handleId), block.cidr, -1);
  const after = free(block, ordinals, draft.cooldown);
  await draft.setBlock(block.cidr, after.affinity === undefined && isEmpty(after) ? undefined : after);
  return freed;
}

/** Why the address is not the caller's to release. The sequence number counts even when the address is free. */
function objection(block: Block, ordinal: number, occupancy: Occupancy, item: ReleaseItem): AgentError | undefined {
  const recorded = block.sequenceNumberForAllocation.get(ordinal) ?? 0n;
  const address = formatIp(item.ip);
  if (item.sequenceNumber !== undefined && item.sequenceNumber !== recorded)
    return new AgentError('E_IPAM_TAKEN', 'the address was assigned anew since it was looked at', {
      address,
      expected: item.sequenceNumber.toString(),
      found: recorded.toString(),
    });
  if (occupancy.kind !== 'owned' || item.handleId === undefined) return undefined;
  if (occupancy.handleId === comparableHandleId(item.handleId)) return undefined;
  return new AgentError('E_IPAM_TAKEN', 'the address belongs to another handle', {
    address,
    expected: item.handleId,
    found: occupancy.handleId,
  });
}
