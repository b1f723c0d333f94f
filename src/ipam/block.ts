/**
 * Block arithmetic: which ordinals of a block are free, who owns the others, and what the block looks like after some
 * are taken or given back. Pure functions over the immutable record; nothing here waits or reads a clock.
 *
 * Promises: every ordinal is either allocated or in the queue of free ones. The queue is first in, first out: taken
 * from the head, returned to the tail, never sorted, so an address rests as long as possible before it is used again.
 * Distinct owners are stored once and dropped with their last address.
 *
 * The sequence number goes up by one with every write of a block (`nextVersion`). An allocation remembers the number
 * before the write that made it, which tells it from a later allocation of the same address to the same handle.
 *
 * A block that contradicts itself (somebody edited it: an ordinal both taken and in the queue) is used with care: an
 * allocated ordinal is never handed out, whatever the queue says.
 */
import {addToIp, cidrContainsIp, cidrSize, distanceOf, formatIp, type Ip, requireCidr} from '../lib/cidr.ts';
import type {AllocationAttribute, Block, BlockAttributes} from '../model/ipam-records.ts';
import {comparableHandleId, rfc3339Seconds, WINDOWS_RESERVED_HANDLE} from '../model/names.ts';

/** Who an address is given to. */
export interface Owner {
  readonly handleId?: string | undefined;
  /** Facts about the owner; `node` at least, or nobody can tell whose it is after a crash. */
  readonly attributes: BlockAttributes;
}

/** One allocation of one address. Handle and sequence number tell it from any other allocation of that address. */
export interface Allocation {
  /** Canonical text. */
  readonly ip: string;
  /** CIDR of its block. */
  readonly block: string;
  readonly ordinal: number;
  readonly handleId: string | undefined;
  readonly sequenceNumber: bigint;
}

/** What an ordinal is: free, resting after a release, or somebody's. */
export type Occupancy =
  | {readonly kind: 'free'}
  | {readonly kind: 'cooling'; readonly releasedAt: string}
  | {
      readonly kind: 'owned';
      /** Undefined for ancient allocations. */
      readonly handleId: string | undefined;
      readonly attribute: AllocationAttribute;
      /** 0n when none is recorded. */
      readonly sequenceNumber: bigint;
    };

/** How released addresses rest. */
export interface Cooldown {
  /** 0 or less: not at all. */
  readonly seconds: number;
  readonly nowMs: number;
}

/** A block that nobody has an address of yet. A CIDR claimed again later begins with a higher sequence number. */
export function newBlock(cidr: string, affinity: string, nowMs: number): Block {
  const size = cidrSize(requireCidr(cidr));
  return {
    cidr,
    affinity,
    affinityClaimTime: rfc3339Seconds(nowMs),
    allocations: Array.from({length: size}, () => null),
    unallocated: Array.from({length: size}, (_, ordinal) => ordinal),
    attributes: [],
    sequenceNumber: BigInt(Math.floor(nowMs * 1000)) * 1000n,
    sequenceNumberForAllocation: new Map(),
    deleted: false,
  };
}

/** The block as it is written: its number goes up with every write, so that nobody's older view can win. */
export function nextVersion(block: Block): Block {
  return {...block, sequenceNumber: block.sequenceNumber + 1n};
}

/** The place of `ip` in the block; undefined when it lies elsewhere. */
export function ordinalOf(block: Block, ip: Ip): number | undefined {
  const cidr = requireCidr(block.cidr);
  return cidrContainsIp(cidr, ip) ? distanceOf(ip, cidr.ip) : undefined;
}

export const addressAt = (block: Block, ordinal: number): Ip => addToIp(requireCidr(block.cidr).ip, ordinal);

export function occupancyOf(block: Block, ordinal: number): Occupancy {
  const index = block.allocations[ordinal];
  const attribute = index === null || index === undefined ? undefined : block.attributes[index];
  if (attribute === undefined) return {kind: 'free'};
  if (attribute.releasedAt !== undefined) return {kind: 'cooling', releasedAt: attribute.releasedAt};
  const sequenceNumber = block.sequenceNumberForAllocation.get(ordinal) ?? 0n;
  return {kind: 'owned', handleId: handleOf(attribute), attribute, sequenceNumber};
}

/** True when the address is still what it was when `allocation` was made or seen. */
export function holds(block: Block, allocation: Allocation): boolean {
  const occupancy = occupancyOf(block, allocation.ordinal);
  return (
    occupancy.kind === 'owned' &&
    occupancy.attribute.handleId === allocation.handleId &&
    occupancy.sequenceNumber === allocation.sequenceNumber
  );
}

/** Ordinals that `handleId` owns, ascending. */
export function ordinalsOf(block: Block, handleId: string): readonly number[] {
  const wanted = comparableHandleId(handleId);
  const indexes = new Set<number>();
  block.attributes.forEach((attribute, index) => {
    if (attribute.releasedAt === undefined && handleOf(attribute) === wanted) indexes.add(index);
  });
  if (indexes.size === 0) return [];
  return block.allocations.flatMap((index, ordinal) => (index !== null && indexes.has(index) ? [ordinal] : []));
}

/** The allocations at `ordinals`; those that nobody owns are left out. */
export function allocationsAt(block: Block, ordinals: readonly number[]): readonly Allocation[] {
  return ordinals.flatMap((ordinal) => {
    const occupancy = occupancyOf(block, ordinal);
    if (occupancy.kind !== 'owned') return [];
    const {attribute, sequenceNumber} = occupancy;
    const ip = formatIp(addressAt(block, ordinal));
    return [{ip, block: block.cidr, ordinal, handleId: attribute.handleId, sequenceNumber}];
  });
}

/** True when no address is in use or resting. What Windows keeps for itself does not count. */
export function isEmpty(block: Block): boolean {
  return block.allocations.every((index) => {
    const attribute = index === null ? undefined : block.attributes[index];
    return attribute === undefined || attribute.handleId === WINDOWS_RESERVED_HANDLE;
  });
}

/** Ordinals that automatic assignment may take, in the order it takes them. */
export function freeOrdinals(block: Block, isReserved: (ip: Ip) => boolean): readonly number[] {
  const base = requireCidr(block.cidr).ip;
  return block.unallocated.filter(
    (ordinal) => block.allocations[ordinal] === null && !isReserved(addToIp(base, ordinal)),
  );
}

/** Gives `ordinals` to `owner`. All of them must be free. */
export function allocate(block: Block, ordinals: readonly number[], owner: Owner): Block {
  if (ordinals.length === 0) return block;
  const attribute: AllocationAttribute = {handleId: owner.handleId, secondary: new Map(owner.attributes)};
  const found = block.attributes.findIndex((each) => isSameAttribute(each, attribute));
  const index = found < 0 ? block.attributes.length : found;
  const allocations = [...block.allocations];
  const sequenceNumbers = new Map(block.sequenceNumberForAllocation);
  const taken = new Set(ordinals);
  for (const ordinal of taken) {
    if (allocations[ordinal] !== null) throw new Error(`ordinal ${ordinal} of ${block.cidr} is not free`);
    allocations[ordinal] = index;
    sequenceNumbers.set(ordinal, block.sequenceNumber);
  }
  return {
    ...block,
    allocations,
    unallocated: block.unallocated.filter((ordinal) => !taken.has(ordinal)),
    attributes: found < 0 ? [...block.attributes, attribute] : block.attributes,
    sequenceNumberForAllocation: sequenceNumbers,
  };
}

/**
 * Takes `ordinals` from their owners, in the order given: to the tail of the queue, or into their cooldown. Those that
 * nobody owns stay as they are.
 */
export function free(block: Block, ordinals: readonly number[], cooldown: Cooldown): Block {
  const owned = ordinals.filter((ordinal) => occupancyOf(block, ordinal).kind === 'owned');
  if (owned.length === 0) return block;
  const sequenceNumbers = new Map(block.sequenceNumberForAllocation);
  for (const ordinal of owned) sequenceNumbers.delete(ordinal);
  const released = {...block, sequenceNumberForAllocation: sequenceNumbers};
  return cooldown.seconds > 0 ? compact(rest(released, owned, cooldown.nowMs)) : compact(toQueue(released, owned));
}

/** The block after everything whose cooldown is over has become free. Done with every read; written with the next write. */
export function collectCooled(block: Block, cooldown: Cooldown): Block {
  if (!block.attributes.some((attribute) => attribute.releasedAt !== undefined)) return block;
  const cooled = block.allocations.flatMap((index, ordinal) => {
    const releasedAt = index === null ? undefined : block.attributes[index]?.releasedAt;
    if (releasedAt === undefined) return [];
    return cooldown.seconds <= 0 || Date.parse(releasedAt) + cooldown.seconds * 1000 < cooldown.nowMs ? [ordinal] : [];
  });
  return cooled.length === 0 ? block : compact(toQueue(block, cooled));
}

/** Without an owner: the block stays because addresses of it are in use, and goes with the last of them. */
export function withoutAffinity(block: Block): Block {
  return {...block, affinity: undefined, affinityClaimTime: undefined};
}

function toQueue(block: Block, ordinals: readonly number[]): Block {
  const allocations = [...block.allocations];
  const queued = new Set(block.unallocated);
  const unallocated = [...block.unallocated];
  for (const ordinal of ordinals) {
    allocations[ordinal] = null;
    if (queued.has(ordinal)) continue;
    queued.add(ordinal);
    unallocated.push(ordinal);
  }
  return {...block, allocations, unallocated};
}

function rest(block: Block, ordinals: readonly number[], nowMs: number): Block {
  const marker: AllocationAttribute = {
    handleId: undefined,
    secondary: new Map(),
    releasedAt: rfc3339Seconds(nowMs),
  };
  const allocations = [...block.allocations];
  for (const ordinal of ordinals) allocations[ordinal] = block.attributes.length;
  return {...block, allocations, attributes: [...block.attributes, marker]};
}

/** Drops attributes that no address refers to and numbers the others anew, in their order. */
function compact(block: Block): Block {
  const used = new Set(block.allocations);
  const renumbered = new Map<number, number>();
  const attributes = block.attributes.filter((_, index) => {
    if (!used.has(index)) return false;
    renumbered.set(index, renumbered.size);
    return true;
  });
  if (attributes.length === block.attributes.length) return block;
  const allocations = block.allocations.map((index) => (index === null ? null : (renumbered.get(index) ?? null)));
  return {...block, allocations, attributes};
}

const handleOf = (attribute: AllocationAttribute): string | undefined =>
  attribute.handleId === undefined ? undefined : comparableHandleId(attribute.handleId);

function isSameAttribute(stored: AllocationAttribute, wanted: AllocationAttribute): boolean {
  if (stored.handleId !== wanted.handleId) return false;
  if (stored.releasedAt !== undefined || stored.alternateOwner !== undefined || stored.unknownFields !== undefined)
    return false;
  const {secondary} = stored;
  return (
    secondary.size === wanted.secondary.size &&
    [...secondary].every(([name, value]) => wanted.secondary.get(name) === value)
  );
}
