/**
 * What an operator sees of a running agent: probes with their reasons, metrics, logs, exit codes, and an end within
 * bounded time.
 */
import {once} from 'node:events';
import t from 'tap';
import {ClusterInformation} from '../../src/model/kinds/cluster-information.ts';
import type {LabNode} from '../lab/lab-node.ts';
import {programs} from '../lab/programs.ts';
import {Cluster, POOL4, POOL6, THREE_NODES} from './support/cluster.ts';
import {eventually} from './support/eventually.ts';
import {kernelPicture} from './support/kernel-picture.ts';
import {addPod} from './support/pods.ts';

const cluster = await Cluster.start(t, {nodes: THREE_NODES.slice(0, 2), pools: [POOL4, POOL6]});
const node = cluster.node('node1');

await t.test('probes', async (t) => {
  for (const path of ['/liveness', '/readiness']) {
    const answer = await node.httpGet(9099, path);
    t.equal(answer.status, 200, path);
    for (const component of ['CalculationGraph', 'InternalDataplaneMainLoop'])
      t.match(answer.body, new RegExp(`\\| ${component} .*\\| reporting live .*\\| reporting ready `), component);
  }
  t.same(await probe('-felix-live', '-felix-ready'), {code: 0, stdout: '', stderr: ''});
  t.equal((await node.httpGet(9099, '/other')).status, 404);
});

await t.test(
  'an agent that stands still does not answer: probes fail, and are well again when it goes on',
  async (t) => {
    const {agent} = node;
    if (agent === undefined) throw new Error('no agent');
    t.teardown(() => agent.kill('SIGCONT'));
    // Whoever asks is answered by the event loop that does the work; the kernel goes on taking connections for it.
    agent.kill('SIGSTOP');
    const [live, ready] = await Promise.all([probe('-felix-live'), probe('-felix-ready')]);
    t.same(live, {code: 1, stdout: 'calico/node is not ready: Felix is not live: no answer within 5 s\n', stderr: ''});
    t.same(ready, {
      code: 1,
      stdout: 'calico/node is not ready: felix is not ready: no answer within 5 s\n',
      stderr: '',
    });
    agent.kill('SIGCONT');
    t.same(await probe('-felix-live', '-felix-ready'), {code: 0, stdout: '', stderr: ''});
    t.equal(node.agent?.exitCode, null, 'the same process');
  },
);

await t.test('the datastore is not ready: not ready either, and the kernel stays as it was', async (t) => {
  await setDatastoreReady(false);
  await node.stopAgent();
  await node.must(['ip', 'link', 'del', 'vxlan.calico']);
  const before = await kernelPicture(node);
  cluster.startAgent(node);
  const body = await eventually('it says why', async () => {
    const answer = await node.httpGet(9099, '/readiness');
    return (
      answer.status === 503 && /CalculationGraph .*reporting non-ready .*datastore/.test(answer.body) && answer.body
    );
  });
  t.match(body, /InternalDataplaneMainLoop .*\| no run yet/);
  t.equal((await node.httpGet(9099, '/liveness')).status, 200, 'it is live: a restart would not help');
  const told = await probe('-felix-ready');
  t.equal(told.code, 1);
  t.match(told.stdout, /^calico\/node is not ready: felix is not ready: \/readiness answered 503/);
  t.same(await kernelPicture(node), before, 'nothing was written');

  await setDatastoreReady(true);
  await node.waitUntilReady();
  t.match((await kernelPicture(node)).join('\n'), /^link vxlan\.calico/m, 'and then it goes on');
});

await t.test('metrics', async (t) => {
  const pod = await addPod(node, 'measured');
  await pod.remove();
  const {status, body} = await node.httpGet(9091, '/metrics');
  t.equal(status, 200);
  for (const metric of ['queue_depth', 'oldest_pending_seconds', 'duration_seconds_count'])
    for (const stage of ['route ipv4', 'route ipv6', 'fdb', 'neighbour'])
      t.match(body, `calico_stage_${metric}{stage="${stage}"}`);
  t.match(body, '# TYPE calico_stage_failures_total counter');
  t.match(body, /^felix_resync_state 3$/m);
  t.match(body, /^felix_cluster_num_hosts 2$/m);
  t.match(body, /^felix_host\{host="node1"\} 1$/m);
  t.match(body, /^felix_route_table_num_routes\{table="IPv4:254"\} [1-9]/m);
  t.match(body, /^felix_int_dataplane_apply_time_seconds_count \d+$/m);
  t.match(body, /^calico_cni_request_duration_seconds_count\{.*verb="ADD",code="0"\} 1$/m, 'latency of CNI');
  t.match(body, /^calico_cni_request_duration_seconds_count\{.*verb="DEL",code="0"\} 1$/m);
  t.match(body, /^calico_cni_ipam_duration_seconds_count\{operation="assign",outcome="ok"\} 1$/m, 'latency of IPAM');
  t.match(body, /^calico_cni_ipam_duration_seconds_count\{operation="release",outcome="ok"\} 1$/m);
  t.match(body, /^process_resident_memory_bytes \d+$/m);
});

await t.test('an end on SIGTERM and on SIGINT', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const before = await kernelPicture(node);
    const {agent} = node;
    if (agent === undefined) throw new Error('no agent');
    const ended = once(agent, 'exit');
    agent.kill(signal);
    t.same(await ended, [0, null], `${signal}: exit code 0, not killed by the limit of 10 s`);
    const last = logLines(node).at(-1);
    t.match(last, {level: 'info', msg: 'stopped; pods stay connected'});
    t.same(await kernelPicture(node), before, 'the kernel stays as it was');
    t.equal((await node.httpGet(9099, '/liveness')).status, 0, 'the port is closed');
    t.equal((await probe('-felix-live')).code, 1);
    cluster.startAgent(node);
    await node.waitUntilReady();
  }
});

await t.test('logs are one JSON object a line', (t) => {
  const lines = logLines(node);
  t.ok(lines.length > 10);
  for (const line of lines) {
    const hasAll = typeof line.msg === 'string' && typeof line.level === 'string' && 'time' in line;
    if (!hasAll) t.fail('a line without msg, level or time', {line});
  }
  t.ok(
    lines.some(({level, msg}) => level === 'warn' && msg === 'there is no policy yet: every pod of this node is open'),
    'the start says that every pod is open',
  );
  t.end();
});

await t.test('a second agent on the node says why it cannot run, and ends', async (t) => {
  const before = await kernelPicture(node);
  const second = await node.run([programs.calicoNode], {env: node.agentEnvironment({NO_DEFAULT_POOLS: 'true'})});
  t.equal(second.code, 1);
  const last = parseLine(second.stdout.trim().split('\n').at(-1) ?? '');
  t.match(last, {level: 'error', code: 'E_EXISTS', reason: /another agent answers/, msg: 'calico-node cannot run'});
  t.same(await kernelPicture(node), before, 'it has written nothing');
  await node.waitUntilReady();
  const pod = await addPod(node, 'undisturbed');
  await pod.remove();
});

await t.test('what cannot run says why and ends', async (t) => {
  const other = cluster.node('node2');
  const run = (args: readonly string[], extra: Record<string, string> = {}) =>
    other.run([programs.calicoNode, ...args], {env: {...other.agentEnvironment(extra)}});

  t.match(await run(['-v']), {code: 0, stdout: /^v\d+\.\d+\.\d+/});
  t.match(await run(['-nonsense']), {code: 1, stderr: /unknown flag -nonsense[\s\S]*usage: calico-node/});
  t.match(await run(['-v', '-startup']), {code: 1, stderr: /incompatible/});

  const [EMBEDDED, ETCD] = [{DATASTORE_TYPE: 'embedded'}, {DATASTORE_TYPE: 'etcdv3'}];
  const cases: readonly (readonly [what: string, environment: Record<string, string>, code: string, says: RegExp])[] = [
    ['a mode that is none', {CALICO_IPV4POOL_VXLAN: 'Perhaps'}, 'E_BAD_CONFIG', /CALICO_IPV4POOL_VXLAN=Perhaps/],
    ['a store that is no absolute path', {...EMBEDDED, CALICO_STORE: 'here'}, 'E_BAD_CONFIG', /CALICO_STORE/],
    ['an etcd that is nowhere', {...ETCD, ETCD_ENDPOINTS: 'etcd:port'}, 'E_BAD_CONFIG', /ETCD_ENDPOINTS/],
    ['a kind of store that is none', {DATASTORE_TYPE: 'paper'}, 'E_BAD_CONFIG', /DATASTORE_TYPE/],
    ['an address that is none', {IP: '10.0.0.300'}, 'E_BAD_CONFIG', /10\.0\.0\.300/],
  ];
  for (const [what, environment, code, says] of cases) {
    const result = await run([], environment);
    t.equal(result.code, 1, what);
    const last = parseLine(result.stdout.trim().split('\n').at(-1) ?? '');
    t.match(last, {level: 'error', code, reason: says, msg: 'calico-node cannot run'});
    t.type(last.remedy, 'string', 'with what to do about it');
  }
});

function probe(...flags: string[]) {
  return node.run([programs.calicoNode, ...flags]);
}

async function setDatastoreReady(datastoreReady: boolean): Promise<void> {
  await cluster.resources.modify(ClusterInformation, {name: 'default'}, (current) => {
    if (current === undefined) throw new Error('the agents made no ClusterInformation');
    return {...current, spec: {...current.spec, datastoreReady}};
  });
}

function parseLine(line: string): Record<string, unknown> {
  return JSON.parse(line) as Record<string, unknown>;
}

function logLines(where: LabNode): Record<string, unknown>[] {
  return where.agentLog().trim().split('\n').map(parseLine);
}
