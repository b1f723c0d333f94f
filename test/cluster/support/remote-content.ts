/** Nodes and blocks of a cluster that has no such machines: written to the store as agents would have written them. */
import type {Operation, Store} from '../../../src/datastore/store.ts';
import {encodeAffinity, encodeBlock} from '../../../src/model/ipam-records.ts';
import {affinityKey, blockKey} from '../../../src/model/keys.ts';
import {Node} from '../../../src/model/kinds/node.ts';
import type {Cluster} from './cluster.ts';

export interface RemoteNode {
  readonly name: string;
  /** With the length of its subnet. */
  readonly ipv4: string;
  readonly vxlanTunnel: string;
}

export async function addRemoteNode({resources}: Cluster, node: RemoteNode): Promise<void> {
  await resources.apply(
    Node,
    Node.create({
      metadata: {name: node.name},
      spec: {bgp: {ipv4Address: node.ipv4}, ipv4VXLANTunnelAddr: node.vxlanTunnel},
    }),
  );
}

export interface RemoteBlock {
  /** A /26. */
  readonly cidr: string;
  readonly host: string;
}

const BLOCK_SIZE = 64;

/** Blocks with their claims, many in one commit. */
export async function addBlocks(store: Store, blocks: readonly RemoteBlock[]): Promise<void> {
  const claim = encodeAffinity({state: 'confirmed', deleted: false});
  await commitAll(
    store,
    blocks.flatMap((block) => [
      {kind: 'put', key: blockKey(block.cidr), value: blockText(block)},
      {kind: 'put', key: affinityKey(block), value: claim},
    ]),
  );
}

export async function removeBlocks(store: Store, blocks: readonly RemoteBlock[]): Promise<void> {
  await commitAll(
    store,
    blocks.flatMap((block) => [
      {kind: 'delete', key: blockKey(block.cidr)},
      {kind: 'delete', key: affinityKey(block)},
    ]),
  );
}

async function commitAll(store: Store, operations: readonly Operation[]): Promise<void> {
  const {maxOps} = store.capabilities;
  for (let from = 0; from < operations.length; from += maxOps)
    await store.commit(operations.slice(from, from + maxOps));
}

function blockText({cidr, host}: RemoteBlock): string {
  const ordinals = Array.from({length: BLOCK_SIZE}, (_, ordinal) => ordinal);
  return encodeBlock({
    cidr,
    affinity: `host:${host}`,
    affinityClaimTime: undefined,
    allocations: ordinals.map(() => null),
    unallocated: ordinals,
    attributes: [],
    sequenceNumber: 1n,
    sequenceNumberForAllocation: new Map(),
    deleted: false,
  });
}
