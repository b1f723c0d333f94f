/** Felix as the agent uses it: fed by a datastore, asked by the CNI server, looked at by probes and Prometheus. */
import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import t, {type Test} from 'tap';
import {hasCode} from '../../../src/lib/errors.ts';
import {WorkloadEndpoint} from '../../../src/model/kinds/workload-endpoint.ts';
import {addon} from '../../../src/native/addon.ts';
import {feed, startFelix} from '../../helpers/felix-instance.ts';
import {block, datastore, node, pool, ready, resource, workload} from '../../unit/felix/calc/cluster.ts';
import {addVeth, makeHost} from './support/host.ts';

const CONTENT = datastore(
  ready(),
  pool('v4', '10.244.0.0/16', {vxlanMode: 'Always'}),
  node('node1', {ip: '10.95.1.11/24', vxlan: '10.244.0.0'}),
  node('node2', {ip: '10.95.1.12/24', vxlan: '10.244.2.0'}),
  block('10.244.0.0/26', 'node1'),
  block('10.244.2.0/26', 'node2'),
);

const POD = workload('node1', 'pod1', 'cali1', ['10.244.0.1/32'], {mac: '02:00:00:00:00:01'});
const patience = () => AbortSignal.timeout(20_000);

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'felix-'));
  t.teardown(() => rmSync(path, {recursive: true}));
  return path;
}

await t.test('from nothing to a pod and back', async (t) => {
  const host = makeHost(t);
  const mtuFolder = folder(t);
  const endpointStatusFolder = join(folder(t), 'endpoint-status');
  const {felix, health, registry} = startFelix(t, {
    nodeName: 'node1',
    netnsFd: host.fd,
    mtuFolder,
    endpointStatusFolder,
  });
  const reporters = () => health.snapshot().reporters.map(({name, live, ready}) => ({name, live, ready}));
  const before = addon().counters();
  felix.onStatus('resyncing');
  felix.onUpdates([...CONTENT].map(([key, value]) => ({key, value, revision: '1'})));
  await new Promise((resolve) => setImmediate(resolve));
  t.same(addon().counters(), before, 'nothing is written before the datastore is in sync');
  t.same(reporters(), [
    {name: 'CalculationGraph', live: true, ready: false},
    {name: 'InternalDataplaneMainLoop', live: true, ready: false},
  ]);
  t.match(health.snapshot().reporters[0]?.detail, /not in sync/);

  felix.onStatus('in-sync');
  const [key, value] = POD;
  const endpoint = WorkloadEndpoint.decode(value, key);
  addVeth(host, 1);
  const write = felix.localEndpoints.put(key, endpoint);
  const [id] = felix.endpointStatuses.keys();
  t.ok(id, 'the endpoint is known although the datastore has not told of it');
  await felix.waitForEndpoint(id ?? '', patience());
  t.match(host.ip('route show'), /10\.244\.0\.1 dev cali1/);
  t.match(host.ip('route show'), /10\.244\.2\.0\/26 via 10\.244\.2\.0 dev vxlan\.calico/);
  t.ok(felix.isInSync);
  write.succeeded({revision: '7', replaced: undefined});
  felix.onUpdates([{key, value, revision: '7'}]);
  t.equal(felix.endpointStatuses.get(id ?? '')?.state, 'up', 'the watch tells nothing new');

  await untilWritten(endpointStatusFolder, 1);
  t.equal(readFileSync(join(mtuFolder, 'mtu'), 'utf8'), '1450');
  const [file = ''] = readdirSync(endpointStatusFolder);
  t.match(JSON.parse(readFileSync(join(endpointStatusFolder, file), 'utf8')), {
    ifaceName: 'cali1',
    ipv4Nets: ['10.244.0.1/32'],
  });
  t.same(
    reporters().map(({ready}) => ready),
    [true, true],
  );

  const metrics = await registry.metrics();
  for (const line of [
    'felix_host{host="node1"} 1',
    'felix_resync_state 3',
    'felix_active_local_endpoints 1',
    'felix_cluster_num_hosts 2',
    'felix_int_dataplane_failures 0',
    'felix_int_dataplane_messages{type="WorkloadEndpointUpdate"} 1',
    'felix_route_table_num_routes{table="IPv4:254"} 3',
    'felix_route_table_num_ifaces 1',
    'calico_stage_queue_depth{stage="route ipv4"} 0',
  ])
    t.ok(metrics.split('\n').includes(line), line);
  t.match(metrics, /felix_int_dataplane_initial_resync_time_seconds 0\.\d+/);

  // The runtime repeats the ADD: the same endpoint on another device, before the kernel's news of it have come.
  host.ip('link del cali1');
  addVeth(host, 1);
  felix.localEndpoints.put(key, endpoint).failed();
  await felix.waitForEndpoint(id ?? '', patience());
  t.match(host.ip('link show cali1'), /[<,]UP[,>]/, 'the new device is up when the ADD is answered');
  t.match(host.ip('route show'), /10\.244\.0\.1 dev cali1/);

  felix.localEndpoints.remove(key).succeeded({revision: undefined, replaced: '7'});
  felix.onUpdates([{key, value: undefined, revision: '8'}]);
  await untilWritten(endpointStatusFolder, 0);
  t.notMatch(host.ip('route show'), /cali1/);
  t.equal(felix.endpointStatuses.size, 0);

  const routes = host.ip('route show');
  await felix.stop();
  t.equal(host.ip('route show'), routes, 'stopping leaves everything in the kernel');
  t.same(reporters(), [], 'and reports no longer');
});

await t.test('parameters of the datastore are taken in place', async (t) => {
  const host = makeHost(t);
  addVeth(host, 1);
  const {felix} = startFelix(t, {nodeName: 'node1', netnsFd: host.fd});
  feed(felix, new Map([...CONTENT, POD]));
  const [id = ''] = await knownEndpoints(felix);
  await felix.waitForEndpoint(id, patience());
  const [key, value] = resource('FelixConfiguration', 'default', {vxlanMTU: 1400, ipv4NormalRoutePriority: 99});
  felix.onUpdates([{key, value, revision: '2'}]);
  await until(() => host.ip('route show').includes('mtu 1400'));
  t.match(host.ip('route show'), /10\.244\.0\.1 dev cali1 scope link metric 99/);
  t.match(host.ip('link show vxlan.calico'), /mtu 1400/);
  const [, wrong] = resource('FelixConfiguration', 'default', {interfacePrefix: 'not/a/prefix'});
  felix.onUpdates([{key, value: wrong, revision: '3'}]);
  felix.onUpdates([
    {key: block('10.244.3.0/26', 'node2')[0], value: block('10.244.3.0/26', 'node2')[1], revision: '4'},
  ]);
  await until(() => host.ip('route show').includes('10.244.3.0/26'));
  t.match(host.ip('route show'), /10\.244\.0\.1 dev cali1/, 'a parameter that must not be wrong takes nothing down');
});

await t.test('an ADD that cannot be answered is told why', async (t) => {
  const host = makeHost(t);
  const {felix} = startFelix(t, {nodeName: 'node1', netnsFd: host.fd});
  feed(felix, CONTENT);
  const [key, value] = POD;
  felix.localEndpoints.put(key, WorkloadEndpoint.decode(value, key));
  const [id = ''] = await knownEndpoints(felix);
  const error = await felix.waitForEndpoint(id, AbortSignal.timeout(200)).catch((reason: unknown) => reason);
  t.ok(hasCode(error, 'E_DEADLINE'));
  t.match(error, {message: /interface cali1 is not there/});
});

/** Something that happens soon and tells nobody: files, and what only the kernel shows. */
async function until(isReached: () => boolean): Promise<void> {
  while (!isReached()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function untilWritten(path: string, files: number): Promise<void> {
  return until(() => {
    try {
      return readdirSync(path).filter((name) => !name.startsWith('.')).length === files;
    } catch {
      return false;
    }
  });
}

async function knownEndpoints(felix: {readonly endpointStatuses: ReadonlyMap<string, unknown>}): Promise<string[]> {
  await until(() => felix.endpointStatuses.size > 0);
  return [...felix.endpointStatuses.keys()];
}
