/**
 * A restart with nothing to change: netlink messages that change something and settings opened for writing, counted by
 * strace around the whole agent. The same once more with one route missing shows that the trace would have seen it.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import type {BenchOptions} from './measure/bench.ts';
import {count, type Report} from './measure/row.ts';
import {makeLab, ourPlugin, startAgent, waitForRoutes} from './support/agent.ts';
import {type KernelWrites, traceStart} from './support/kernel-writes.ts';
import {PodSet} from './support/plugin-calls.ts';
import {remoteBlocks, remoteNodes, writeContent} from './support/remote-content.ts';

const PODS = 20;
const NODES = 100;
const BLOCKS = 10_000;
/** Longer than everything that is put off after a start. */
const SETTLE_MS = 15_000;

export async function benchRestart({progress}: BenchOptions): Promise<Report> {
  await using made = await makeLab();
  const node = await made.lab.addNode({name: 'node1', subnet: 1, host: 11});
  progress(`${PODS} pods, ${BLOCKS} blocks of other nodes`);
  const agent = await startAgent(node);
  await writeContent(node.facts.storeFolder, [...remoteNodes(NODES), ...remoteBlocks(0, BLOCKS, NODES)]);
  const pods = await PodSet.create(node, 'pod', PODS);
  await pods.call(ourPlugin, 'ADD', PODS, 8);
  await waitForRoutes(node, PODS + BLOCKS);
  await sleep(SETTLE_MS);
  await agent.stop();

  progress('restart with nothing to change');
  const quiet = await traceStart(node, () => sleep(SETTLE_MS));
  const missing = (await node.must(['ip', '-4', 'route', 'show', 'dev', 'vxlan.calico'])).split(' ')[0] ?? '';
  await node.must(['ip', 'route', 'del', missing]);
  progress('restart with one route missing');
  const repaired = await traceStart(node, () => waitForRoutes(node, PODS + BLOCKS));
  return {
    name: 'restart',
    notes: [
      `${PODS} pods, ${BLOCKS} remote blocks; strace of all threads from start to ${SETTLE_MS / 1000} s after ready`,
      `requests that only ask: ${quiet.questions}; written: ${describe(quiet)}`,
      `with one route missing: ${describe(repaired)}`,
    ],
    rows: [
      count('netlink messages that change something', '', [total(quiet)], {number: 12, limit: 0}),
      count('settings opened for writing', '', [quiet.settings.length], {number: 12, limit: 0}),
      count('the same with one route missing (the trace sees it)', '', [total(repaired)]),
    ],
  };
}

const total = ({messages}: KernelWrites): number => [...messages.values()].reduce((sum, n) => sum + n, 0);

function describe({messages, settings}: KernelWrites): string {
  const parts = [...[...messages].map(([type, times]) => `${times} ${type}`), ...settings];
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}
