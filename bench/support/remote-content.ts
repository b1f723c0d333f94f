/** What a large cluster has in its datastore: nodes, blocks and endpoints elsewhere. Written from outside the agent. */
import {EmbeddedStore} from '../../src/datastore/embedded/embedded-store.ts';
import {systemClock as clock} from '../../src/lib/clock.ts';
import {silentLogger as log} from '../../src/lib/log.ts';
import {block, node, type Stored, workload} from '../../test/unit/felix/calc/cluster.ts';

/** The pool that the blocks lie in: `CALICO_IPV4POOL_CIDR` of the agents. */
export const POOL = '10.128.0.0/9';

/** Remote blocks begin here, so that the agents' own, at the beginning or anywhere below, do not meet them. */
const FIRST_BLOCK = (10 << 24) + (192 << 16);
const ADDRESSES_PER_BLOCK = 64;
const PER_COMMIT = 500;

const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
const blockStart = (number: number): number => FIRST_BLOCK + number * ADDRESSES_PER_BLOCK;
const nodeName = (number: number): string => `remote-${number}`;

/** Remote nodes; their tunnel addresses lie in blocks number 0 to `count` - 1. */
export const remoteNodes = (count: number): Stored[] =>
  Array.from({length: count}, (_, n) =>
    node(nodeName(n), {
      ip: `10.97.${n >> 8}.${n & 255}/16`,
      vxlan: dotted(blockStart(n)),
      mac: `66:00:00:00:${[n >> 8, n & 255].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`,
    }),
  );

/** Blocks number `from` to `to` - 1, held by `nodes` remote nodes in turns. */
export const remoteBlocks = (from: number, to: number, nodes: number): Stored[] =>
  Array.from({length: to - from}, (_, i) => {
    const owner = nodeName((from + i) % nodes);
    return block(`${dotted(blockStart(from + i))}/26`, owner, {0: owner, 1: owner, 2: owner});
  });

/** Endpoints number `from` to `to` - 1, on `nodes` remote nodes in turns. */
export const remoteEndpoints = (from: number, to: number, nodes: number): Stored[] =>
  Array.from({length: to - from}, (_, i) => {
    const n = from + i;
    return workload(nodeName(n % nodes), `pod-${n}`, `cali${n.toString(16).padStart(11, '0')}`, [
      `${dotted(blockStart(n) + 1)}/32`,
    ]);
  });

/** Writes to the store that agents share, in commits of some hundred keys. */
export async function writeContent(folder: string, content: readonly Stored[]): Promise<void> {
  const store = await EmbeddedStore.open({folder}, {clock, log});
  try {
    for (let from = 0; from < content.length; from += PER_COMMIT) {
      const part = content.slice(from, from + PER_COMMIT);
      await store.commit(part.map(([key, value]) => ({kind: 'put', key, value})));
    }
  } finally {
    await store.close();
  }
}
