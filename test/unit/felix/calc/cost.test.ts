/**
 * What a change costs, counted and not timed: routes worked out, intents emitted. Neither may depend on how large the
 * cluster is.
 */
import t from 'tap';
import {CalcGraph} from '../../../../src/felix/calc/calc-graph.ts';
import {silentLogger} from '../../../../src/lib/log.ts';
import {block, describe, node, pool, ready, type Stored, workload} from './cluster.ts';

const NODES = 400;
const BLOCKS_PER_NODE = 5;
/** As many endpoints as updates; they are other nodes' except the few of node0. */
const ENDPOINTS = 100_000;

const address = (i: number, last: number) => `10.${64 + Math.floor(i / 256)}.${i % 256}.${last}`;
const nodeRecord = (i: number, ip = `192.168.${i >> 8}.${i & 255}/24`, labels = {}) =>
  node(`node${i}`, {ip, vxlan: address(i * BLOCKS_PER_NODE, 0), labels});
const blockRecord = (i: number, has = {}) =>
  block(`${address(i, 0)}/26`, `node${Math.floor(i / BLOCKS_PER_NODE)}`, has);

class Cluster {
  readonly graph = new CalcGraph({nodeName: 'node0'}, {log: silentLogger});
  #revision = 0;

  constructor() {
    this.graph.onStatus('resyncing');
    this.set(
      ready(),
      pool('one', '10.64.0.0/14', {vxlanMode: 'CrossSubnet'}),
      pool('two', '10.68.0.0/14'),
      pool('three', '10.72.0.0/14'),
    );
    for (let i = 0; i < NODES; i++) this.set(nodeRecord(i));
    for (let i = 0; i < NODES * BLOCKS_PER_NODE; i++) this.set(blockRecord(i));
    const [key, value] = workload('node399', 'pod', 'cali', ['10.70.0.1/32']);
    for (let i = 0; i < ENDPOINTS; i++) this.set([key.replace('-pod-', `-pod${i}-`), value]);
    this.graph.onStatus('in-sync');
    this.graph.flush();
  }

  set(...records: readonly Stored[]): void {
    this.graph.onUpdates(records.map(([key, value]) => ({key, value, revision: `r${++this.#revision}`})));
  }

  /** Routes worked out and intents emitted by one change. */
  cost(...records: readonly Stored[]): {resolved: number; emitted: string[]} {
    const before = this.graph.counters.routesResolved;
    this.set(...records);
    const emitted = this.graph.flush().map(describe);
    return {resolved: this.graph.counters.routesResolved - before, emitted};
  }
}

void t.test('a change costs what it touches', async (t) => {
  const cluster = new Cluster();
  t.match(cluster.graph.counters, {cluster: {host: NODES, 'workload-endpoint': ENDPOINTS}, invalidObjects: 0});
  t.equal(cluster.graph.counters.routesResolved, NODES * (BLOCKS_PER_NODE + 1), 'at first each once');

  t.same(cluster.cost(workload('node399', 'pod7', 'cali', ['10.70.0.9/32'])), {resolved: 0, emitted: []});
  t.same(cluster.cost(workload('node0', 'web', 'caliweb', ['10.64.0.1/32'])), {
    resolved: 0,
    emitted: ['endpoint k8s/default/web/eth0 caliweb ? 10.64.0.1/32 kns.default', 'flush'],
  });

  const allocated = blockRecord(50, {1: 'node10', 2: 'node10'});
  t.same(cluster.cost(allocated), {resolved: 0, emitted: []}, 'an address of the owner');
  t.same(cluster.cost(blockRecord(50, {1: 'node10', 2: 'node11'})), {
    resolved: 1,
    emitted: ['route 10.64.50.2/32 remote-workload vxlan node11 192.168.0.11 same-subnet', 'flush'],
  });
  t.same(cluster.cost(blockRecord(50, {1: 'node10', 2: 'node11', 3: 'node11'})).resolved, 1, 'a second one');

  t.same(cluster.cost(nodeRecord(11, undefined, {heartbeat: '1'})), {resolved: 0, emitted: []}, 'nothing that counts');
  t.equal(cluster.cost(nodeRecord(11, '192.168.7.7/24')).resolved, BLOCKS_PER_NODE + 1 + 2, 'blocks, tunnel, borrowed');
  cluster.cost(blockRecord(50, {1: 'node10', 2: 'node12', 3: 'node12'}));
  t.equal(cluster.cost(nodeRecord(11)).resolved, BLOCKS_PER_NODE + 1, 'what is no longer its own is not touched');

  cluster.cost(pool('six', 'fd00:64::/48'), block('fd00:64::40/122', 'node12'));
  t.equal(cluster.cost(nodeRecord(12, '192.168.7.8/24')).resolved, BLOCKS_PER_NODE + 1 + 2, 'not the other family');

  t.equal(cluster.cost(pool('three', '10.72.0.0/14', {vxlanMode: 'Always'})).resolved, 0, 'a pool without blocks');
  t.equal(cluster.cost(pool('one', '10.64.0.0/14', {vxlanMode: 'CrossSubnet', natOutgoing: true})).resolved, 0);
  t.equal(
    cluster.cost(pool('part', '10.64.50.0/24', {vxlanMode: 'Always'})).resolved,
    1 + 2 + 1,
    'a pool around one block, two borrowed addresses and the tunnel of its node',
  );

  // Our subnet changes from 192.168.0.0/24 to /25: half of its nodes leave it, the other subnet's are not looked at.
  const {resolved} = cluster.cost(nodeRecord(0, '192.168.0.0/25'));
  t.equal(resolved, 128 * (BLOCKS_PER_NODE + 1));
});

void t.test('routes can be worked out in portions', async (t) => {
  const graph = new CalcGraph({nodeName: 'node0'}, {log: silentLogger});
  const records = [ready(), pool('one', '10.64.0.0/14'), ...Array.from({length: 20}, (_, i) => blockRecord(i))];
  graph.onUpdates(records.map(([key, value]) => ({key, value, revision: '1'})));
  t.equal(graph.prepare(15), true, 'more is left');
  t.equal(graph.counters.routesResolved, 15);
  t.equal(graph.prepare(15), false);
  t.equal(graph.counters.routesResolved, 20);
});
