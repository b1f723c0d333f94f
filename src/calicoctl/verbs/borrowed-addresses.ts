/** Addresses that a node has from a block that is not its own: rows of `calicoctl ipam show --show-borrowed`. */
import {addressAt, occupancyOf} from '../../ipam/block.ts';
import {holderOf} from '../../ipam/holder.ts';
import {formatIp} from '../../lib/cidr.ts';
import {type Block, decodeBlock} from '../../model/ipam-records.ts';
import {BLOCKS_PREFIX} from '../../model/keys.ts';
import type {Session} from '../session.ts';

/** Address, who has it, its block, whose block that is, what it is for, and the pod; in the order of the blocks. */
export async function borrowedAddresses({store, call, io}: Session): Promise<readonly (readonly string[])[]> {
  const {entries} = await store.list(BLOCKS_PREFIX, call);
  return entries.flatMap(({key, value}) => {
    try {
      return borrowedFrom(decodeBlock(value));
    } catch (error) {
      io.err(`${key}: the block cannot be read: ${error instanceof Error ? error.message : String(error)}\n`);
      return [];
    }
  });
}

function borrowedFrom(block: Block): readonly (readonly string[])[] {
  const owner = holderOf(block.affinity)?.host ?? '';
  return block.allocations.flatMap((_, ordinal) => {
    const occupancy = occupancyOf(block, ordinal);
    if (occupancy.kind !== 'owned') return [];
    const facts = occupancy.attribute.secondary;
    const node = facts.get('node') ?? '';
    if (node === '' || node === owner) return [];
    const pod = facts.get('pod');
    const allocatedTo = pod === undefined ? '' : `${facts.get('namespace') ?? ''}/${pod}`;
    return [[formatIp(addressAt(block, ordinal)), node, block.cidr, owner, facts.get('type') ?? '', allocatedTo]];
  });
}
