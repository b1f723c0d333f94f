/**
 * CNI calls through the real binary and a whole agent on the embedded store, beside Debian's `ptp` with `host-local`
 * and beside the smallest C program that does the same kernel work, started the same way.
 *
 * Every contestant has a node (namespaces) and pods of its own; the same small C runtime calls all of them. Pods keep
 * their namespaces: only interfaces come and go, as in each round every ADD is followed by its DEL.
 */
import {join} from 'node:path';
import {DatabaseSync} from 'node:sqlite';
import {BLOCKS_PREFIX} from '../src/model/keys.ts';
import type {LabNode} from '../test/lab/lab-node.ts';
import type {BenchOptions} from './measure/bench.ts';
import {type Contestant, interleave} from './measure/interleave.ts';
import {compare, count, type Report} from './measure/row.ts';
import {medianOf} from './measure/spread.ts';
import {makeLab, ourPlugin, startAgent} from './support/agent.ts';
import {type Plugin, PodSet} from './support/plugin-calls.ts';
import {floor} from './support/programs.ts';

const FEW = 8;
const MANY = 100;
const MOST_UNFAIR = 3;
/** A round of a hundred takes seconds where the peer is slow. */
const MOST_ROUNDS_OF_MANY = 3;

const floorPlugin: Plugin = {path: floor.plumb, config: {}};

function peerPlugin(folder: string): Plugin {
  const ipam = {
    type: 'host-local',
    subnet: '10.220.0.0/16',
    dataDir: join(folder, 'host-local'),
    routes: [{dst: '0.0.0.0/0'}],
  };
  return {path: '/usr/lib/cni/ptp', config: {cniVersion: '1.0.0', name: 'bench', type: 'ptp', mtu: 1450, ipam}};
}

export async function benchCni({rounds, progress}: BenchOptions): Promise<Report> {
  await using made = await makeLab();
  const {lab} = made;
  const [node, peerNode, floorNode] = [
    await lab.addNode({name: 'node1', subnet: 1, host: 11}),
    await lab.addNode({name: 'peer', subnet: 1, host: 12}),
    await lab.addNode({name: 'floor', subnet: 1, host: 13}),
  ];
  progress('agent and pods');
  await using _ = await startAgent(node);
  const ours = new Caller(await PodSet.create(node, 'ours', MANY), ourPlugin);
  const peer = new Caller(await PodSet.create(peerNode, 'peer', MANY), peerPlugin(lab.folder));
  const least = new Caller(await PodSet.create(floorNode, 'floor', MANY), floorPlugin);

  progress('one by one');
  const alone = await interleave(
    {floor: least.oneByOne, peer: peer.oneByOne, ours: ours.oneByOne, plumbing: least.inProcess},
    {rounds, warmUpRounds: 2},
  );
  progress(`${FEW} at once`);
  const together = await interleave(
    {floor: least.atOnce(FEW), peer: peer.atOnce(FEW), ours: ours.atOnce(FEW)},
    {rounds, warmUpRounds: 1},
  );
  progress(`${MANY} at once`);
  const blockWrites = new BlockWrites(node);
  const writes: number[] = [];
  const crowd = await interleave(
    {
      floor: least.atOnce(MANY),
      peer: peer.atOnce(MANY),
      ours: ours.atOnce(MANY, {
        before: () => blockWrites.take(),
        between: () => writes.push(blockWrites.take()),
      }),
    },
    {rounds: Math.min(rounds, MOST_ROUNDS_OF_MANY), warmUpRounds: 1},
  );

  const unit = 'ms';
  const columns = (contest: typeof together, series: 'add' | 'del') => ({
    unit,
    ours: contest.ours[series],
    peer: contest.peer[series],
    floor: contest.floor[series],
  });
  return {
    name: 'cni',
    notes: [
      'peer: ptp + host-local (no masquerade); floor: C, the same kernel work, started the same way',
      'goal 2, transactions: see ipam, where requests do arrive at once; here they come as fast as processes start',
      `ours: calico -> unix socket -> calico-node on the embedded store; ${rounds} rounds of ${FEW} calls`,
    ],
    rows: [
      compare({...columns(alone, 'add'), what: 'ADD, one by one', goal: {number: 1, limit: 0.35}}),
      compare({...columns(alone, 'add'), what: '  against the floor', to: 'floor'}),
      compare({
        ...columns(alone, 'add'),
        what: '  against the floor in one process',
        floor: alone.plumbing.add,
        to: 'floor',
      }),
      compare({...columns(together, 'add'), what: `ADD, ${FEW} at once, wall per ADD`, goal: {number: 2, limit: 0.35}}),
      compare({...columns(crowd, 'add'), what: `ADD, ${MANY} at once, wall per ADD`}),
      count(`block writes for ${MANY} ADDs started at once`, '', writes),
      count(`longest / median ADD of ${MANY} at once`, '', crowd.ours.unfairness, {number: 2, limit: MOST_UNFAIR}),
      compare({...columns(alone, 'del'), what: 'DEL, one by one', to: 'floor', goal: {number: 3, limit: 1.1}}),
      compare({
        ...columns(together, 'del'),
        what: `DEL, ${FEW} at once, wall per DEL`,
        to: 'floor',
        goal: {number: 3, limit: 1.2},
      }),
      compare({...columns(crowd, 'del'), what: `DEL, ${MANY} at once, wall per DEL`, to: 'floor'}),
    ],
  };
}

type Series = 'add' | 'del' | 'unfairness';

interface Hooks {
  before(): unknown;
  /** After the ADDs, before the DELs. */
  between(): unknown;
}

/** One plugin and its pods. */
class Caller {
  readonly #pods: PodSet;
  readonly #plugin: Plugin;

  constructor(pods: PodSet, plugin: Plugin) {
    this.#pods = pods;
    this.#plugin = plugin;
  }

  readonly oneByOne: Contestant<Series> = async () => {
    const added = await this.#pods.call(this.#plugin, 'ADD', FEW, 1);
    const deleted = await this.#pods.call(this.#plugin, 'DEL', FEW, 1);
    return {add: added.callsMs, del: deleted.callsMs, unfairness: [1]};
  };

  readonly inProcess: Contestant<Series> = async () => ({
    add: await this.#pods.plumbInProcess('ADD', FEW),
    del: await this.#pods.plumbInProcess('DEL', FEW),
    unfairness: [1],
  });

  atOnce(size: number, hooks?: Hooks): Contestant<Series> {
    const perCall = (groupsMs: readonly number[]) => groupsMs.map((ms) => ms / size);
    return async () => {
      hooks?.before();
      const added = await this.#pods.call(this.#plugin, 'ADD', size, size);
      hooks?.between();
      const deleted = await this.#pods.call(this.#plugin, 'DEL', size, size);
      return {
        add: perCall(added.groupsMs),
        del: perCall(deleted.groupsMs),
        unfairness: [Math.max(...added.callsMs) / medianOf(added.callsMs)],
      };
    };
  }
}

/**
 * Writes of IPAM blocks, read from the store's own history. A transaction writes a block at most once and at least one,
 * so there were at most that many transactions.
 */
class BlockWrites {
  readonly #file: string;
  #seen = 0;

  constructor(node: LabNode) {
    this.#file = join(node.facts.storeFolder, 'store.db');
  }

  /** Their number since the last call. */
  take(): number {
    const database = new DatabaseSync(this.#file, {readOnly: true});
    try {
      const query = 'SELECT count(*) AS writes, max(sequence) AS last FROM changes WHERE sequence > ? AND key GLOB ?';
      const {writes, last} = database.prepare(query).get(this.#seen, `${BLOCKS_PREFIX}*`) ?? {};
      if (typeof last === 'number') this.#seen = last;
      return Number(writes);
    } finally {
      database.close();
    }
  }
}
