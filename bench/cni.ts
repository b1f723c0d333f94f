/**
 * CNI calls through the real binary and a whole agent, on the embedded store and on etcd, beside Debian's `ptp` with
 * `host-local` and beside the smallest C program that does the same kernel work, started the same way.
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
import {type Comparison, compare, count, type Report, type Row} from './measure/row.ts';
import {medianOf} from './measure/spread.ts';
import {makeLab, ourPlugin, startAgent} from './support/agent.ts';
import {startEtcd} from './support/etcd.ts';
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
  const [node, etcdNode, peerNode, floorNode] = [
    await lab.addNode({name: 'node1', subnet: 1, host: 11}),
    await lab.addNode({name: 'node2', subnet: 1, host: 12}),
    await lab.addNode({name: 'peer', subnet: 1, host: 13}),
    await lab.addNode({name: 'floor', subnet: 1, host: 14}),
  ];
  progress('agents and pods');
  await using etcd = await startEtcd(etcdNode.enter);
  await using _ = await startAgent(node);
  await using __ = await startAgent(etcdNode, {
    environment: {DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: etcd.endpoint},
  });
  const embedded = new Caller(await PodSet.create(node, 'ours', MANY), ourPlugin);
  const onEtcd = new Caller(await PodSet.create(etcdNode, 'ours', MANY), ourPlugin);
  const peer = new Caller(await PodSet.create(peerNode, 'peer', MANY), peerPlugin(lab.folder));
  const least = new Caller(await PodSet.create(floorNode, 'floor', MANY), floorPlugin);

  progress('one by one');
  const alone = await interleave(
    {
      floor: least.oneByOne,
      peer: peer.oneByOne,
      embedded: embedded.oneByOne,
      etcd: onEtcd.oneByOne,
      plumbing: least.inProcess,
    },
    {rounds, warmUpRounds: 2},
  );
  progress(`${FEW} at once`);
  const together = await interleave(
    {
      floor: least.atOnce(FEW),
      peer: peer.atOnce(FEW),
      embedded: embedded.atOnce(FEW),
      etcd: onEtcd.atOnce(FEW),
    },
    {rounds, warmUpRounds: 1},
  );
  progress(`${MANY} at once`);
  const writes = {
    embedded: new BlockWrites(embeddedBlockWrites(node)),
    etcd: new BlockWrites(etcdBlockWrites(etcdNode, etcd.endpoint)),
  };
  const crowd = await interleave(
    {
      floor: least.atOnce(MANY),
      peer: peer.atOnce(MANY),
      embedded: embedded.atOnce(MANY, writes.embedded),
      etcd: onEtcd.atOnce(MANY, writes.etcd),
    },
    {rounds: Math.min(rounds, MOST_ROUNDS_OF_MANY), warmUpRounds: 1},
  );

  const rowsOf = (store: 'embedded' | 'etcd', mostOfPeer: number): Row[] => {
    const row = (
      what: string,
      contest: typeof together,
      series: 'add' | 'del',
      options: Pick<Comparison, 'goal' | 'to'> = {},
    ) =>
      compare({
        what: `${store}: ${what}`,
        unit: 'ms',
        ours: contest[store][series],
        peer: contest.peer[series],
        floor: contest.floor[series],
        ...options,
      });
    return [
      row('ADD, one by one', alone, 'add', {goal: {number: 1, limit: mostOfPeer}}),
      row(`ADD, ${FEW} at once, wall per ADD`, together, 'add', {goal: {number: 2, limit: 0.35}}),
      row(`ADD, ${MANY} at once, wall per ADD`, crowd, 'add'),
      count(`${store}: block writes for ${MANY} ADDs started at once`, '', writes[store].counted),
      count(`${store}: longest / median ADD of ${MANY} at once`, '', crowd[store].unfairness, {
        number: 2,
        limit: MOST_UNFAIR,
      }),
      row('DEL, one by one', alone, 'del', {to: 'floor', goal: {number: 3, limit: 1.1}}),
      row(`DEL, ${FEW} at once, wall per DEL`, together, 'del', {to: 'floor', goal: {number: 3, limit: 1.2}}),
      row(`DEL, ${MANY} at once, wall per DEL`, crowd, 'del', {to: 'floor'}),
    ];
  };
  return {
    name: 'cni',
    notes: [
      'peer: ptp + host-local (no masquerade); floor: C, the same kernel work, started the same way',
      'goal 2, transactions: see ipam, where requests do arrive at once; here they come as fast as processes start',
      `ours: calico -> unix socket -> calico-node, an agent on each store; ${rounds} rounds of ${FEW} calls`,
    ],
    rows: [
      count('the floor in one process: ADD', 'ms', alone.plumbing.add),
      ...rowsOf('embedded', 0.35),
      ...rowsOf('etcd', 0.6),
    ],
  };
}

type Series = 'add' | 'del' | 'unfairness';

interface Hooks {
  before(): Promise<void>;
  /** After the ADDs, before the DELs. */
  between(): Promise<void>;
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
      await hooks?.before();
      const added = await this.#pods.call(this.#plugin, 'ADD', size, size);
      await hooks?.between();
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
 * Writes of IPAM blocks while the ADDs of a round run. A transaction writes a block at most once and at least one, so
 * there were at most that many transactions.
 */
class BlockWrites implements Hooks {
  /** One number a round. */
  readonly counted: number[] = [];
  readonly #total: () => Promise<number>;
  #before = 0;

  /** `total`: block writes so far; only the difference of two of them is used. */
  constructor(total: () => Promise<number>) {
    this.#total = total;
  }

  async before(): Promise<void> {
    this.#before = await this.#total();
  }

  async between(): Promise<void> {
    this.counted.push((await this.#total()) - this.#before);
  }
}

/** From the store's own history. */
function embeddedBlockWrites(node: LabNode): () => Promise<number> {
  const file = join(node.facts.storeFolder, 'store.db');
  return async () => {
    const database = new DatabaseSync(file, {readOnly: true});
    try {
      const query = 'SELECT count(*) AS writes FROM changes WHERE key GLOB ?';
      return Number(database.prepare(query).get(`${BLOCKS_PREFIX}*`)?.writes);
    } finally {
      database.close();
    }
  };
}

/** From the version of each block, which etcd counts up with every write. No block goes while ADDs run. */
function etcdBlockWrites(node: LabNode, endpoint: string): () => Promise<number> {
  const command = ['etcdctl', `--endpoints=${endpoint}`, 'get', '--prefix', BLOCKS_PREFIX, '-w', 'fields'];
  return async () => {
    const text = await node.must(command, {env: {ETCDCTL_API: '3'}});
    return text.matchAll(/^"Version" : ([0-9]+)$/gm).reduce((sum, [, version]) => sum + Number(version), 0);
  };
}
