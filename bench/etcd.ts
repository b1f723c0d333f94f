/**
 * The etcd client beside the least that can be sent and received, eight nodes that allocate on one etcd beside eight
 * clients that swap a key of their own, and a start with 50,000 keys.
 */

import {keyBytes, prefixRange} from '../src/datastore/etcd/key-bytes.ts';
import {encodeRange, encodeTxn, type Method} from '../src/datastore/etcd/messages.ts';
import type {Store} from '../src/datastore/store.ts';
import type {BenchOptions} from './measure/bench.ts';
import {type Contestant, interleave} from './measure/interleave.ts';
import {compare, count, type Report, type Row} from './measure/row.ts';
import {timeMs} from './measure/stopwatch.ts';
import {putPool} from './support/allocating-node.ts';
import {DISK_FOLDER} from './support/disk-folder.ts';
import {openEtcd, type RunningEtcd, startEtcd} from './support/etcd.ts';
import {EtcdClients} from './support/etcd-clients.ts';
import {CALICO_PREFIX, type EtcdStart, startOnEtcd} from './support/etcd-start.ts';
import {floor, timesMs} from './support/programs.ts';
import {remoteEndpoints} from './support/remote-content.ts';
import {Swap} from './support/swap.ts';

const CALLS_PER_ROUND = 100;
const VALUE = 'x'.repeat(2000);
const NODES = 8;
const PER_NODE = 100;
const REQUESTS_AT_ONCE = 8;
/** Of the time that a swap takes: nine tenths of its rate. */
const MOST_OF_SWAP = 1.11;
const MOST_CONFLICTS_PERCENT = 5;
const KEYS = 50_000;
const KEYS_PER_COMMIT = 100;
const MOST_HELD_MS = 50;

export async function benchEtcd({rounds, progress}: BenchOptions): Promise<Report> {
  const rows: Row[] = [];
  {
    await using etcd = await startEtcd();
    progress('single calls');
    rows.push(...(await callRows(etcd, rounds)));
  }
  {
    await using etcd = await startEtcd();
    progress(`${NODES} nodes`);
    rows.push(...(await nodeRows(etcd, rounds)));
  }
  {
    await using etcd = await startEtcd();
    progress(`start with ${KEYS} keys`);
    rows.push(...(await startRows(etcd, rounds)));
  }
  return {
    name: 'etcd',
    notes: [
      `Debian's etcd with its own defaults, data in ${DISK_FOLDER}; values of ${VALUE.length} bytes; ${rounds} rounds`,
      'single calls: floor: C, the same messages on one connection, answers thrown away',
      `${NODES} nodes: a process each; peer: as many processes that swap a key of their own, as large as a block`,
      'start: peer: all keys in one range by the bare client, floor: the same by C; each in a new process',
    ],
    rows,
  };
}

async function callRows(etcd: RunningEtcd, rounds: number): Promise<Row[]> {
  const store = openEtcd(etcd.endpoint);
  try {
    const key = '/bench/key';
    const bytes = keyBytes(key);
    await store.commit([{kind: 'put', key, value: VALUE}]);
    const put = {kind: 'put', key: bytes, value: Buffer.from(VALUE)} as const;
    const txn = (compares: Parameters<typeof encodeTxn>[0]['compares']) =>
      encodeTxn({compares, success: [put], failure: [{kind: 'get', key: bytes}]});
    const inC = (method: Method, message: Uint8Array): Contestant<'ms'> => {
      return async () => ({ms: await callInC(etcd, method, message, CALLS_PER_ROUND)});
    };
    const repeat = (work: () => Promise<unknown>): Contestant<'ms'> => {
      return async () => {
        const ms: number[] = [];
        for (let n = 0; n < CALLS_PER_ROUND; n++) ms.push(await timeMs(work));
        return {ms};
      };
    };
    const swap = await Swap.start(store, 'single');
    const calls = await interleave(
      {
        getFloor: inC('/etcdserverpb.KV/Range', encodeRange({key: bytes})),
        get: repeat(() => store.get(key)),
        putFloor: inC('/etcdserverpb.KV/Txn', txn([])),
        put: repeat(() => store.commit([{kind: 'put', key, value: VALUE}])),
        // The same message again and again: it compares that the key is there, not its revision.
        swapFloor: inC('/etcdserverpb.KV/Txn', txn([{kind: 'exists', key: bytes}])),
        swap: repeat(() => swap.once()),
      },
      {rounds, warmUpRounds: 2},
    );
    const row = (what: string, ours: 'get' | 'put' | 'swap') =>
      compare({what, unit: 'ms', ours: calls[ours].ms, floor: calls[`${ours}Floor`].ms});
    return [row('get', 'get'), row('put', 'put'), row('compare-and-swap', 'swap')];
  } finally {
    await store.close();
  }
}

async function callInC(etcd: RunningEtcd, method: Method, message: Uint8Array, times: number): Promise<number[]> {
  return timesMs([floor.grpc, String(etcd.port), method, String(times)], {stdin: message});
}

async function nodeRows(etcd: RunningEtcd, rounds: number): Promise<Row[]> {
  const store = openEtcd(etcd.endpoint);
  try {
    await putPool(store);
  } finally {
    await store.close();
  }
  await using clients = await EtcdClients.start(etcd.endpoint, NODES);
  const conflicts: number[] = [];
  const perAddress = (atOnce: number): Contestant<'ms'> => {
    return async () => {
      const startMs = performance.now();
      const answer = await clients.run({kind: 'assign', count: PER_NODE, atOnce});
      const ms = (performance.now() - startMs) / (NODES * PER_NODE);
      conflicts.push((100 * answer.conflicts) / answer.commits);
      await clients.run({kind: 'give back'});
      return {ms: [ms]};
    };
  };
  const perSwap: Contestant<'ms'> = async () => {
    const ms = await timeMs(() => clients.run({kind: 'swap', count: PER_NODE}));
    return {ms: [ms / (NODES * PER_NODE)]};
  };
  const contest = await interleave(
    {swaps: perSwap, single: perAddress(1), several: perAddress(REQUESTS_AT_ONCE)},
    {rounds, warmUpRounds: 1},
  );
  const peer = contest.swaps.ms;
  const goal = {number: 4, limit: MOST_OF_SWAP};
  return [
    compare({
      what: `${NODES} nodes, one request at a time each: wall per address`,
      unit: 'ms',
      ours: contest.single.ms,
      peer,
      goal,
    }),
    compare({
      what: `${NODES} nodes, ${REQUESTS_AT_ONCE} requests at a time each: wall per address`,
      unit: 'ms',
      ours: contest.several.ms,
      peer,
    }),
    count('  commits that met another one', '%', conflicts, {number: 4, limit: MOST_CONFLICTS_PERCENT}),
  ];
}

async function startRows(etcd: RunningEtcd, rounds: number): Promise<Row[]> {
  const store = openEtcd(etcd.endpoint);
  try {
    await fill(store);
  } finally {
    await store.close();
  }
  const message = encodeRange(prefixRange(CALICO_PREFIX));
  const starts: Record<'syncer' | 'range', EtcdStart[]> = {syncer: [], range: []};
  const start = (way: 'syncer' | 'range'): Contestant<'ms'> => {
    return async () => {
      const facts = await startOnEtcd(way, etcd.endpoint);
      if (facts.keys !== KEYS) throw new Error(`${facts.keys} keys were read, not ${KEYS}`);
      starts[way].push(facts);
      return {ms: [facts.ms]};
    };
  };
  const inC: Contestant<'ms'> = async () => ({ms: await callInC(etcd, '/etcdserverpb.KV/Range', message, 1)});
  const contest = await interleave({floor: inC, peer: start('range'), ours: start('syncer')}, {rounds});
  const of = (value: (facts: EtcdStart) => number) => ({
    ours: starts.syncer.map(value),
    peer: starts.range.map(value),
    floor: starts.syncer.map(({before}) => before),
  });
  const memory = of(({after}) => after);
  const cpuMs = Math.max(...starts.syncer.map(({longest}) => longest?.cpuMs ?? 0));
  const held = of(({longest}) => longest?.wallMs ?? 0);
  const heldRow = count(`  event loop held (${cpuMs.toFixed(0)} ms of CPU)`, 'ms', held.ours);
  return [
    compare({
      what: `start with ${KEYS} keys`,
      unit: 'ms',
      ours: contest.ours.ms,
      peer: contest.peer.ms,
      floor: contest.floor.ms,
    }),
    {
      ...heldRow,
      peer: count('', '', held.peer).ours,
      goal: {number: 14, text: `<= ${MOST_HELD_MS} (CPU)`, isMet: cpuMs <= MOST_HELD_MS},
    },
    {
      ...count('  resident memory (floor: before)', 'MB', memory.ours),
      peer: count('', '', memory.peer).ours,
      floor: count('', '', memory.floor).ours,
    },
  ];
}

/** Endpoints of other nodes, the bulk of any cluster. */
async function fill(store: Store): Promise<void> {
  const content = remoteEndpoints(0, KEYS, 100);
  for (let from = 0; from < content.length; from += KEYS_PER_COMMIT) {
    const part = content.slice(from, from + KEYS_PER_COMMIT);
    await store.commit(part.map(([key, value]) => ({kind: 'put', key, value})));
  }
}
