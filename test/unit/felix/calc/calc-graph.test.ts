/** The graph as its callers use it: what holds back, the local view of endpoints, counters, and what it says about objects. */
import t from 'tap';
import type {SyncSink} from '../../../../src/datastore/store.ts';
import {CalcGraph} from '../../../../src/felix/calc/calc-graph.ts';
import type {LogFields, Logger} from '../../../../src/lib/log.ts';
import {silentLogger} from '../../../../src/lib/log.ts';
import {WorkloadEndpoint} from '../../../../src/model/kinds/workload-endpoint.ts';
import {describe, node, ready, resource, type Stored, workload} from './cluster.ts';

const update = ([key, value]: Stored, revision: string) => ({key, value, revision});
const gone = ([key]: Stored, revision: string) => ({key, value: undefined, revision});
const web = workload('node1', 'web', 'caliweb', ['10.65.0.1/32']);
const webElsewhere = workload('node1', 'web', 'caliweb', ['10.65.0.2/32']);
const endpointOf = ([key, value]: Stored) => WorkloadEndpoint.decode(value, key);

function graphInSync(log: Logger = silentLogger): {graph: CalcGraph; lines: () => string[]; changes: () => number} {
  let changes = 0;
  const graph = new CalcGraph({nodeName: 'node1'}, {log, onChange: () => changes++});
  graph.onUpdates([update(ready(), 'r1')]);
  graph.onStatus('in-sync');
  graph.flush();
  return {graph, lines: () => graph.flush().map(describe), changes: () => changes};
}

void t.test('a Syncer of the datastore fills it as it is', async () => {
  const sink: SyncSink = new CalcGraph({nodeName: 'node1'}, {log: silentLogger});
  sink.onStatus('waiting');
});

void t.test('nothing comes out before the datastore was in sync and says that it is ready', async (t) => {
  const graph = new CalcGraph({nodeName: 'node1'}, {log: silentLogger});
  const write = graph.setLocalEndpoint(web[0], endpointOf(web));
  graph.onStatus('resyncing');
  graph.onUpdates([update(node('node1', {ip: '10.0.1.1/24'}), 'r1')]);
  t.equal(graph.holdReason, 'datastore not in sync yet');
  t.same(graph.flush(), []);
  graph.onStatus('in-sync');
  t.equal(graph.holdReason, 'datastore not ready');
  t.same(graph.flush(), []);
  graph.onUpdates([update(resource('ClusterInformation', 'default', {datastoreReady: false}), 'r2')]);
  t.same(graph.flush(), []);
  graph.onUpdates([update(ready(), 'r3')]);
  t.equal(graph.holdReason, undefined);
  t.same(graph.flush().map(describe), [
    'config global:',
    'config selector:',
    'config node:',
    'encapsulation',
    'local-tunnel 4 66:f9:37:c3:7e:94 ? on 10.0.1.1',
    'endpoint k8s/default/web/eth0 caliweb ? 10.65.0.1/32 kns.default',
    'flush',
  ]);

  graph.onUpdates([gone(ready(), 'r4')]);
  write.failed();
  t.same(graph.flush(), [], 'what is enforced stays while the cluster is not ready');
  graph.onUpdates([update(ready(), 'r5')]);
  t.same(graph.flush().map(describe), ['- endpoint k8s/default/web/eth0', 'flush']);
});

void t.test('the datastore goes away and comes back', async (t) => {
  const {graph, lines} = graphInSync();
  graph.onStatus('waiting');
  t.same(lines(), ['flush (not in sync)']);
  graph.setLocalEndpoint(web[0], endpointOf(web)).succeeded({revision: 'r7', replaced: undefined});
  t.equal(lines().length, 2, 'a pod gets its network meanwhile');
  t.equal(graph.counters.contestedEndpoints, 1);
  graph.onStatus('resyncing');
  graph.onUpdates([update(ready(), 'r1')]);
  t.same(lines(), [], 'the snapshot has not come to it');
  graph.onStatus('in-sync');
  t.same(lines(), ['- endpoint k8s/default/web/eth0', 'flush'], 'a snapshot without it: somebody deleted it');
  t.match(graph.counters, {status: 'in-sync', resyncsStarted: 1, contestedEndpoints: 0, localEndpoints: 0});
});

void t.test('an endpoint is in force before the watch tells of it, and the watch has the last word', async (t) => {
  const {graph, lines, changes} = graphInSync();
  const before = changes();
  const write = graph.setLocalEndpoint(web[0], endpointOf(web));
  t.ok(changes() > before, 'the owner of the loop is told');
  t.same(lines(), ['endpoint k8s/default/web/eth0 caliweb ? 10.65.0.1/32 kns.default', 'flush']);
  write.succeeded({revision: 'r2', replaced: undefined});
  graph.onUpdates([update(web, 'r2')]);
  t.same(lines(), [], 'the same endpoint from the datastore is no change');
  graph.onUpdates([update(webElsewhere, 'r3')]);
  t.same(lines(), ['endpoint k8s/default/web/eth0 caliweb ? 10.65.0.2/32 kns.default', 'flush']);

  const deletion = graph.clearLocalEndpoint(web[0]);
  t.same(lines(), ['- endpoint k8s/default/web/eth0', 'flush']);
  graph.onUpdates([update(webElsewhere, 'r3')]);
  t.same(lines(), [], 'the datastore still has it');
  deletion.failed();
  t.same(lines(), ['endpoint k8s/default/web/eth0 caliweb ? 10.65.0.2/32 kns.default', 'flush']);
});

void t.test('what we wrote ourselves is not read again when the watch brings it', async (t) => {
  const {graph, lines} = graphInSync();
  const unreadable: Stored = [web[0], 'not JSON'];
  const write = graph.setLocalEndpoint(web[0], endpointOf(web));
  write.succeeded({revision: 'r2', replaced: undefined});
  lines();
  graph.onUpdates([update(unreadable, 'r2')]);
  t.same(lines(), []);
  t.match(graph.counters, {invalidObjects: 0, contestedEndpoints: 0, localEndpoints: 1});
  graph.onUpdates([update(unreadable, 'r3')]);
  t.same(lines(), ['- endpoint k8s/default/web/eth0', 'flush'], 'another revision is');
  t.equal(graph.counters.invalidObjects, 1);
});

void t.test('what is no endpoint of this node is refused', async (t) => {
  const {graph, lines} = graphInSync();
  const alien = workload('node2', 'web', 'caliweb', ['10.65.0.1/32']);
  t.throws(() => graph.setLocalEndpoint(alien[0], endpointOf(alien)), {code: 'E_INVALID_RESOURCE'});
  t.throws(() => graph.setLocalEndpoint(web[0], endpointOf(alien)), {code: 'E_INVALID_RESOURCE'});
  t.throws(() => graph.clearLocalEndpoint('/calico/ipam/v2/config'), {code: 'E_INVALID_RESOURCE'});
  const broken = workload('node1', 'web', '..', ['10.65.0.1/32']);
  t.throws(() => graph.setLocalEndpoint(broken[0], endpointOf(broken)), {code: 'E_INVALID_RESOURCE'});
  t.same(lines(), []);
});

void t.test('an invalid object is named once, and once more when it is well', async (t) => {
  const said: LogFields[] = [];
  const log: Logger = {...silentLogger, warn: (fields) => said.push(fields), info: (fields) => said.push(fields)};
  const {graph, lines} = graphInSync(log);
  const wrong: Stored = [web[0], web[1].replace('caliweb', 'not/an/interface')];
  graph.onUpdates([update(wrong, 'r2'), update(wrong, 'r3')]);
  t.same(lines(), []);
  t.equal(said.length, 1);
  t.equal(said[0]?.key, web[0]);
  t.match(said[0]?.reason, /spec\.interfaceName/);
  t.equal(graph.counters.invalidObjects, 1);
  t.equal(graph.counters.cluster['workload-endpoint'], 1, 'it is there all the same');

  graph.onUpdates([update(web, 'r4')]);
  t.equal(said.length, 2);
  t.equal(graph.counters.invalidObjects, 0);
  graph.onUpdates([update(wrong, 'r5'), gone(web, 'r6')]);
  t.same([said.length, graph.counters.invalidObjects], [4, 0]);
  graph.onUpdates([update(workload('node1-x', 'web', '..', []), 'r7')]);
  t.same([said.length, graph.counters.invalidObjects], [4, 0], 'another node’s endpoint is not even read');
});

void t.test('two endpoints with one interface are named once', async (t) => {
  const said: LogFields[] = [];
  const {graph} = graphInSync({...silentLogger, warn: (fields) => said.push(fields)});
  const second = workload('node1', 'zeb', 'caliweb', ['10.65.0.9/32']);
  graph.onUpdates([update(web, 'r2'), update(second, 'r3'), update(second, 'r4'), update(web, 'r5')]);
  t.same(said, [{endpoint: 'k8s/default/zeb/eth0', winner: 'k8s/default/web/eth0', interfaceName: 'caliweb'}]);
  graph.onUpdates([gone(web, 'r6'), update(web, 'r7')]);
  t.equal(said.length, 2, 'promoted and shadowed again');
});
