/**
 * Who holds a block: claiming given blocks and giving them up. A block that is given up while addresses of it are in use
 * stays without an owner and goes with the last of them.
 */
import {addToIp, bitsOf, cidrContains, formatCidr, requireCidr} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';
import type {Block} from '../model/ipam-records.ts';
import {isEmpty, withoutAffinity} from './block.ts';
import type {Draft} from './draft.ts';
import {affinityOf, type BlockHolder} from './holder.ts';
import {claimBlock} from './plan-assign.ts';
import type {Pool} from './pool-selection.ts';

/** What became of a claim that was to be given up. */
export type ClaimRelease =
  | 'released'
  /** There was no such claim, or no block. */
  | 'absent'
  /** The block is somebody else's; the holder's claim on it is gone. */
  | 'foreign'
  | 'not-empty'
  /** The block is not the one that the caller looked at. */
  | 'changed';

export interface ClaimReleaseOptions {
  readonly requireEmpty: boolean;
  /** The block must still have this sequence number. */
  readonly sequenceNumber?: bigint | undefined;
}

/** Plans that `holder` gives up a block. Needs a draft of its own. */
export async function planClaimRelease(
  draft: Draft,
  holder: BlockHolder,
  cidr: string,
  options: ClaimReleaseOptions,
): Promise<ClaimRelease> {
  const block = await draft.block(cidr);
  if (block === undefined || (block.affinity !== undefined && block.affinity !== affinityOf(holder))) {
    await draft.setAffinity(holder, cidr, 'drop');
    return block === undefined ? 'absent' : 'foreign';
  }
  if (options.sequenceNumber !== undefined && options.sequenceNumber !== block.sequenceNumber) return 'changed';
  const empty = isEmpty(block);
  if (options.requireEmpty && !empty) return 'not-empty';
  if (!(await draft.hasClaim(holder, cidr))) return 'absent';
  await draft.setAffinity(holder, cidr, 'release');
  await draft.setBlock(cidr, empty ? undefined : withoutAffinity(block));
  return 'released';
}

/** Plans that `holder` holds the block; false when somebody else does. */
export async function planClaim(draft: Draft, holder: BlockHolder, cidr: string): Promise<boolean> {
  const block: Block | undefined = await draft.block(cidr);
  if (block !== undefined && block.affinity !== affinityOf(holder)) return false;
  if (block === undefined || !(await draft.isSettled(holder, cidr))) await claimBlock(draft, holder, cidr);
  return true;
}

/** Blocks in one request at most: each is a write. */
const MOST_BLOCKS = 65_536;

/** The blocks of `cidr`, which must lie in an enabled pool and not be smaller than one block of it. */
export function blocksOf(pools: readonly Pool[], cidrText: string): readonly string[] {
  const cidr = requireCidr(cidrText);
  const pool = pools.find((each) => each.enabled && cidrContains(each.cidr, cidr));
  if (pool === undefined)
    throw new AgentError('E_IPAM_NOT_IN_POOL', 'the CIDR does not lie in an enabled pool', {cidr: cidrText});
  if (cidr.length > pool.blockSize)
    throw new AgentError('E_BAD_CIDR', 'the CIDR is smaller than a block of its pool', {
      cidr: cidrText,
      blockSize: pool.blockSize,
    });
  const count = 2 ** (pool.blockSize - cidr.length);
  if (count > MOST_BLOCKS)
    throw new AgentError('E_BAD_CIDR', 'the CIDR has too many blocks for one request', {cidr: cidrText, count});
  const blockAddresses = 2 ** (bitsOf(cidr.ip.family) - pool.blockSize);
  return Array.from({length: count}, (_, index) =>
    formatCidr({ip: addToIp(cidr.ip, index * blockAddresses), length: pool.blockSize}),
  );
}
