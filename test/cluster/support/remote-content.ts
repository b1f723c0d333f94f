/** Nodes and blocks of a cluster that has no such machines: written to the store as agents would have written them. */
import type {Store} from '../../../src/datastore/store.ts';
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
  /** Ordinals of addresses that pods of other nodes have: ordinal -> node. */
  readonly borrowed?: ReadonlyMap<number, string>;
}

const BLOCK_SIZE = 64;

/** Blocks with their claims, many in one commit. */
export async function addBlocks(store: Store, blocks: readonly RemoteBlock[]): Promise<void> {
  const operations = blocks.flatMap((block) => [
    {kind: 'put' as const, key: blockKey(block.cidr), value: blockText(block)},
    {
      kind: 'put' as const,
      key: affinityKey({host: block.host, cidr: block.cidr}),
      value: encodeAffinity({state: 'confirmed', deleted: false}),
    },
  ]);
  const {maxOps} = store.capabilities;
  for (let from = 0; from < operations.length; from += maxOps)
    await store.commit(operations.slice(from, from + maxOps));
}

function blockText({cidr, host, borrowed = new Map<number, string>()}: RemoteBlock): string {
  const owners = [...borrowed];
  const ordinals = Array.from({length: BLOCK_SIZE}, (_, ordinal) => ordinal);
  return encodeBlock({
    cidr,
    affinity: `host:${host}`,
    affinityClaimTime: undefined,
    allocations: ordinals.map((ordinal) => {
      const index = owners.findIndex(([taken]) => taken === ordinal);
      return index < 0 ? null : index;
    }),
    unallocated: ordinals.filter((ordinal) => !borrowed.has(ordinal)),
    attributes: owners.map(([ordinal, node]) => ({
      handleId: `k8s-pod-network.borrower-${ordinal}`,
      secondary: new Map([
        ['namespace', 'default'],
        ['node', node],
        ['pod', `borrower-${ordinal}`],
      ]),
    })),
    sequenceNumber: 1n,
    sequenceNumberForAllocation: new Map(owners.map(([ordinal]) => [ordinal, 0n])),
    deleted: false,
  });
}
