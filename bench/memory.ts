/**
 * Resident memory of an agent, idle and with content, beside an empty Node process; and the longest time its event loop
 * was held while much arrives at once, beside an idle loop on the same machine at the same time.
 */
import {type ChildProcess, spawn} from 'node:child_process';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {endProcess, labPath} from '../test/lab/run-program.ts';
import type {BenchOptions} from './measure/bench.ts';
import {count, type Report, type Row} from './measure/row.ts';
import {makeLab, ourPlugin, startAgent, waitForMetric, waitForRoutes} from './support/agent.ts';
import {PodSet} from './support/plugin-calls.ts';
import {probeEnvironment, residentMegabytes, takeGaps} from './support/process-facts.ts';
import {remoteBlocks, remoteEndpoints, remoteNodes, writeContent} from './support/remote-content.ts';

const PODS = 100;
const NODES = 100;
const FEW_BLOCKS = 1000;
const MANY = 10_000;
const SETTLE_MS = 3000;
const MOST_MEGABYTES = 120;
const MOST_HELD_MS = 50;
const STARTS = 3;

export async function benchMemory({progress}: BenchOptions): Promise<Report> {
  await using made = await makeLab();
  const {lab} = made;
  const node = await lab.addNode({name: 'node1', subnet: 1, host: 11});
  const {storeFolder} = node.facts;
  const probeFile = join(lab.folder, 'agent-gaps');
  using idle = startIdle(join(lab.folder, 'idle-gaps'));
  const rows: Row[] = [];

  const memory = (what: string, pid: number) => {
    const row = count(what, 'MB', [residentMegabytes(pid)], {number: 13, limit: MOST_MEGABYTES});
    rows.push({...row, floor: count('', '', [idle.megabytes()]).ours});
  };
  const held = async (what: string, pid: number, bring: () => Promise<void>) => {
    await Promise.all([takeGaps(pid, probeFile), idle.takeGaps()]);
    await bring();
    rows.push(heldRow(what, [await takeGaps(pid, probeFile)], [await idle.takeGaps()]));
  };

  progress('idle agent');
  let pid = await startAgent(node, probeEnvironment(probeFile));
  await sleep(SETTLE_MS);
  memory('idle agent', pid);

  progress(`${PODS} pods, ${FEW_BLOCKS} blocks of other nodes`);
  await writeContent(storeFolder, [...remoteNodes(NODES), ...remoteBlocks(0, FEW_BLOCKS, NODES)]);
  const pods = await PodSet.create(node, 'pod', PODS);
  await pods.call(ourPlugin, 'ADD', PODS, 8);
  await waitForRoutes(node, PODS + FEW_BLOCKS);
  await sleep(SETTLE_MS);
  memory(`agent with ${PODS} pods, ${FEW_BLOCKS} remote blocks`, pid);

  progress(`${MANY} endpoints and ${MANY} blocks arrive`);
  await held(`${MANY} remote endpoints arrive`, pid, async () => {
    await writeContent(storeFolder, remoteEndpoints(0, MANY, NODES));
    await waitForMetric(node, 'felix_cluster_num_workload_endpoints', MANY);
    await sleep(SETTLE_MS);
  });
  await held(`${MANY - FEW_BLOCKS} more remote blocks arrive`, pid, async () => {
    await writeContent(storeFolder, remoteBlocks(FEW_BLOCKS, MANY, NODES));
    await waitForRoutes(node, PODS + MANY);
    await sleep(SETTLE_MS);
  });
  memory(`agent with ${PODS} pods, ${MANY} remote endpoints, ${MANY} remote blocks`, pid);

  progress(`${STARTS} starts with all of that`);
  const starts: (readonly {wallMs: number; cpuMs: number}[])[] = [];
  const idleMeanwhile: typeof starts = [];
  for (let start = 0; start < STARTS; start++) {
    await node.stopAgent();
    await idle.takeGaps();
    pid = await startAgent(node, probeEnvironment(probeFile));
    await sleep(SETTLE_MS);
    starts.push(await takeGaps(pid, probeFile));
    idleMeanwhile.push(await idle.takeGaps());
  }
  rows.push(heldRow('start with that content', starts, idleMeanwhile));
  memory('agent started with that content', pid);
  return {
    name: 'memory',
    notes: [
      'memory: resident, an empty Node process in the column floor; goal 13 is for content with 1,000 policies on top',
      'event loop: the longest time it was held (processor time of the main thread within it), an idle loop in the column floor',
    ],
    rows: [...rows.filter(({unit}) => unit === 'MB'), ...rows.filter(({unit}) => unit !== 'MB')],
  };
}

type Gaps = readonly {readonly wallMs: number; readonly cpuMs: number}[];

/** The longest gap of each run. */
function heldRow(what: string, runs: readonly Gaps[], idle: readonly Gaps[]): Row {
  const longest = runs.map(([gap]) => gap?.wallMs ?? 0);
  const cpuMs = Math.max(...runs.flatMap((gaps) => gaps.map((gap) => gap.cpuMs)));
  const row = count(`loop held: ${what} (${cpuMs.toFixed(0)} ms of CPU)`, 'ms', longest, {
    number: 14,
    limit: MOST_HELD_MS,
  });
  return {
    ...row,
    floor: count(
      '',
      '',
      idle.map(([gap]) => gap?.wallMs ?? 0),
    ).ours,
  };
}

/** Two processes that do nothing: one as it is, one with the probe. */
function startIdle(probeFile: string) {
  const start = (env: Readonly<Record<string, string>>): ChildProcess =>
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e9)'], {stdio: 'ignore', env: {PATH: labPath, ...env}});
  const empty = start({});
  const probed = start(probeEnvironment(probeFile));
  const pidOf = ({pid}: ChildProcess): number => {
    if (pid === undefined) throw new Error('a Node process did not start');
    return pid;
  };
  return {
    megabytes: () => residentMegabytes(pidOf(empty)),
    takeGaps: () => takeGaps(pidOf(probed), probeFile),
    [Symbol.dispose]: () => {
      void endProcess(empty);
      void endProcess(probed);
    },
  };
}
