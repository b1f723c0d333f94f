/**
 * What an IPPool has to do with other objects: pools and blocks that it must not overlap when it is made, what must not
 * change afterwards, and how it is taken away without leaving blocks to nodes.
 */
import {BlockClaims} from '../../ipam/block-claims.ts';
import {type Cidr, cidrsOverlap, parseCidr} from '../../lib/cidr.ts';
import {sleep} from '../../lib/clock.ts';
import {BLOCKS_PREFIX, parseKey} from '../../model/keys.ts';
import type {ResourceId} from '../../model/kind.ts';
import {IPPool, overlappingPool, poolChangeViolations} from '../../model/kinds/ip-pool.ts';
import type {Violation} from '../../model/violation.ts';
import {Failure} from '../failure.ts';
import type {Session} from '../session.ts';

/** For nodes to notice that the pool is disabled, before its blocks are taken from them. */
const SETTLE_MS = 500;

/** Refuses a new pool that shares addresses with another, or with blocks of another size. */
export async function checkNewPool({resources, store, call}: Session, pool: IPPool): Promise<void> {
  const {name} = pool.metadata;
  const {resources: pools} = await resources.list(IPPool, {}, call);
  // One of that name already there is the business of whoever stores it.
  if (pools.some((other) => other.metadata.name === name)) return;
  const other = overlappingPool(pool, pools);
  if (other !== undefined)
    throw new Failure(
      `error with field IPPool.Spec.CIDR = '${pool.spec.cidr}' (IPPool(${name}) CIDR overlaps with IPPool(${other.metadata.name}) CIDR ${other.spec.cidr})`,
    );
  const cidr = parseCidr(pool.spec.cidr);
  if (cidr === undefined) return;
  const {entries} = await store.list(BLOCKS_PREFIX, call);
  const block = entries
    .map(({key}) => parseKey(key))
    .find((parsed) => parsed?.kind === 'block' && isMisfit(parsed.cidr, cidr, pool));
  if (block?.kind === 'block')
    throw new Failure(
      `error with field IPPool.Spec.BlockSize = '${pool.spec.blockSize}' (IPPool(${name}) overlaps the block ${block.cidr}, which has another size: release its addresses first)`,
    );
}

function isMisfit(blockText: string, poolCidr: Cidr, pool: IPPool): boolean {
  const block = parseCidr(blockText);
  return block !== undefined && cidrsOverlap(block, poolCidr) && block.length !== pool.spec.blockSize;
}

/** Refuses a change of what a pool was made for. */
export function checkPoolChange(before: IPPool, after: IPPool): void {
  const [broken] = poolChangeViolations(before, after);
  if (broken !== undefined) throw new Failure(`error with field ${changeText(broken, after)}`);
}

function changeText({path, rule}: Violation, {spec}: IPPool): string {
  switch (path) {
    case 'spec.cidr':
      return `IPPool.Spec.CIDR = '${spec.cidr}' (IPPool CIDR cannot be modified)`;
    case 'spec.blockSize':
      return `IPPool.Spec.BlockSize = '${spec.blockSize}' (IPPool BlockSize cannot be modified)`;
    case 'spec.allowedUses':
      return `IPPool.Spec.AllowedUses = '[${spec.allowedUses.join(' ')}]' (IPPool allowed use cannot be changed from LoadBalacer to Workload or Tunnel)`;
    default:
      return `${path} (${rule})`;
  }
}

/**
 * Takes a pool away: it is disabled first, so that nobody claims a block while blocks are taken from their nodes.
 * Addresses in use stay with their owners. Stopped half-way it leaves a disabled pool, and can be repeated.
 */
export async function deletePool(session: Session, id: ResourceId): Promise<void> {
  const {resources, store, call, io} = session;
  const pool = await resources.modify(
    IPPool,
    id,
    (current) => (current === undefined || current.spec.disabled ? current : disabled(current)),
    call,
  );
  if (pool !== undefined) {
    await sleep(io.clock, SETTLE_MS, io.signal);
    await new BlockClaims({store, clock: io.clock, log: io.log}).releasePool(pool.spec.cidr, call);
  }
  await resources.delete(IPPool, id, {}, call);
}

const disabled = (pool: IPPool): IPPool => ({...pool, spec: {...pool.spec, disabled: true}});
