/** How full pools and blocks are: what `calicoctl ipam show` prints. */
import type {CallOptions, Store} from '../datastore/store.ts';
import {cidrContains, cidrSize, requireCidr} from '../lib/cidr.ts';
import type {Logger} from '../lib/log.ts';
import {type Block, decodeBlock} from '../model/ipam-records.ts';
import {BLOCKS_PREFIX} from '../model/keys.ts';
import type {Pool} from './pool-selection.ts';
import {readPools, readReservations} from './rules.ts';

export interface BlockUtilization {
  readonly block: Block;
  readonly capacity: number;
  /** Allocated or cooling. */
  readonly inUse: number;
  readonly free: number;
}

export interface PoolUtilization {
  readonly pool: Pool;
  /** Of the whole pool; exact while it is below 2^53. */
  readonly capacity: number;
  readonly inUse: number;
  /** Kept from automatic assignment. */
  readonly reserved: number;
  readonly free: number;
  /** In the order of their keys. */
  readonly blocks: readonly BlockUtilization[];
}

export interface Utilization {
  /** In the order of their names. */
  readonly pools: readonly PoolUtilization[];
  /** Blocks that lie in no pool. */
  readonly orphans: readonly BlockUtilization[];
}

/** Reads all pools, reservations and blocks. Blocks that cannot be read are named in the log and left out. */
export async function readUtilization(
  dependencies: {readonly store: Store; readonly log: Logger},
  call: CallOptions = {},
): Promise<Utilization> {
  const {store, log} = dependencies;
  const [pools, reservations, listing] = await Promise.all([
    readPools(store, log, call),
    readReservations(store, log, call),
    store.list(BLOCKS_PREFIX, call),
  ]);
  const blocks = listing.entries.flatMap(({key, value}) => {
    try {
      return [blockUtilization(decodeBlock(value))];
    } catch (err) {
      log.warn({key, err}, 'block left out: it cannot be read');
      return [];
    }
  });
  const lieIn = (pool: Pool) => (use: BlockUtilization) => cidrContains(pool.cidr, requireCidr(use.block.cidr));
  return {
    pools: pools.map((pool) => {
      const inside = blocks.filter(lieIn(pool));
      const capacity = cidrSize(pool.cidr);
      const inUse = inside.reduce((sum, use) => sum + use.inUse, 0);
      return {
        pool,
        capacity,
        inUse,
        reserved: reservations.countIn(pool.cidr),
        free: capacity - inUse,
        blocks: inside,
      };
    }),
    orphans: blocks.filter((use) => !pools.some((pool) => lieIn(pool)(use))),
  };
}

function blockUtilization(block: Block): BlockUtilization {
  const capacity = block.allocations.length;
  const free = block.unallocated.length;
  return {block, capacity, inUse: capacity - free, free};
}
