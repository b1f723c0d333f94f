/** What goes wrong in the middle: the agent is killed, the datastore is away, Felix cannot bring the host's side up. */
import {fork} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import t from 'tap';
import type {Readiness} from '../../../src/cni/services.ts';
import type {Store} from '../../../src/datastore/store.ts';
import {AgentError} from '../../../src/lib/errors.ts';
import {createNamespace} from '../netlink/support/test-namespace.ts';
import {runPlugin} from './support/run-plugin.ts';
import {hostLinks, networkConfig, Pod, TestAgent} from './support/test-agent.ts';

const MAIN = fileURLToPath(new URL('support/mortal-agent-main.ts', import.meta.url));
/** Every point at which an ADD does something that lasts. */
const POINTS: readonly (readonly [kind: string, number: number])[] = [
  ['commit-before', 1],
  ['commit-after', 1],
  ['commit-after', 2],
  ['commit-before', 2],
  ['netlink', 1],
  ['netlink', 2],
];

t.setTimeout(120_000);

void t.test('an agent killed in the middle of an ADD leaves nothing that the next one does not clear up', async (t) => {
  const node = createNamespace('node');
  const folder = mkdtempSync(join(tmpdir(), 'cni-killed-'));
  t.teardown(() => {
    node[Symbol.dispose]();
    rmSync(folder, {recursive: true, force: true});
  });
  for (const [kind, number] of POINTS) {
    const name = `${kind} ${number}`;
    using pod = new Pod(`killed-${kind}-${number}`);
    await killDuringAdd({folder, node: node.name, kind, number}, pod, t);
    // The runtime repeats the call.
    const agent = await TestAgent.start({storeFolder: folder}, node);
    const {ips} = await agent.add(pod);
    t.same(pod.addresses(), [ips[0]?.address], `${name}: connected by the repeated ADD`);
    t.equal((await agent.call('CHECK', pod)).stdout, 'OK\n', `${name}: as it must be`);
    await agent.del(pod);
    const {endpoints, handles, links, routes} = await agent.state();
    t.same(
      {endpoints, handles, links, routes},
      {endpoints: [], handles: [], links: [], routes: []},
      `${name}: nothing left`,
    );
    await agent.stop();
  }
});

void t.test('a sandbox that vanished with the agent is cleared up at the next start', async (t) => {
  const node = createNamespace('node');
  const folder = mkdtempSync(join(tmpdir(), 'cni-vanished-'));
  t.teardown(() => {
    node[Symbol.dispose]();
    rmSync(folder, {recursive: true, force: true});
  });
  using survivor = new Pod('survivor');
  const first = await TestAgent.start({storeFolder: folder}, node);
  const {ips} = await first.add(survivor);
  using alone = new Pod('ipam-alone');
  t.equal((await first.call('ADD', alone, {program: 'calico-ipam'})).code, 0);
  await first.stop();
  for (const [kind, number] of POINTS) {
    const pod = new Pod(`lost-${kind}-${number}`);
    await killDuringAdd({folder, node: node.name, kind, number}, pod, t);
    pod[Symbol.dispose]();
  }
  // The kernel removes a namespace some time after its name is gone.
  while (hostLinks(node).length > 1) await new Promise((resolve) => setImmediate(resolve));
  const agent = await TestAgent.start({storeFolder: folder}, node);
  const {endpoints, handles, links} = await agent.state();
  t.same(endpoints, ['default/node1-cni-survivor-eth0']);
  t.same(handles, ['k8s-pod-network.ipam-alone', 'k8s-pod-network.survivor'], 'addresses of another main plugin stay');
  t.same(links, ['calisurvivor']);
  t.same(survivor.addresses(), [ips[0]?.address]);
  await agent.stop();
});

/** Before the endpoint is in the datastore: from then on it speaks for the sandbox. */
const BEFORE_ENDPOINT: typeof POINTS = [
  ['commit-before', 1],
  ['commit-after', 1],
  ['commit-before', 2],
  ['netlink', 1],
];

void t.test('a sandbox that stays, but that nobody asks for again, keeps neither address nor link', async (t) => {
  const node = createNamespace('node');
  const folder = mkdtempSync(join(tmpdir(), 'cni-forgotten-'));
  t.teardown(() => {
    node[Symbol.dispose]();
    rmSync(folder, {recursive: true, force: true});
  });
  for (const [kind, number] of BEFORE_ENDPOINT) {
    const name = `${kind} ${number}`;
    using pod = new Pod(`forgotten-${kind}-${number}`);
    await killDuringAdd({folder, node: node.name, kind, number}, pod, t);
    const agent = await TestAgent.start({storeFolder: folder}, node);
    await agent.server.leftOversDone;
    const {endpoints, handles, links, routes} = await agent.state();
    t.same({endpoints, handles, links, routes}, {endpoints: [], handles: [], links: [], routes: []}, name);
    await agent.stop();
  }
});

async function killDuringAdd(
  at: {readonly folder: string; readonly node: string; readonly kind: string; readonly number: number},
  pod: Pod,
  t: {ok(value: unknown, message: string): unknown},
): Promise<void> {
  const child = fork(MAIN, [at.folder, at.node, at.kind, String(at.number)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  await once(child, 'message');
  child.send('go');
  await once(child, 'message');
  const ended = once(child, 'exit');
  const answer = await runPlugin({
    env: {...pod.environment(), CNI_COMMAND: 'ADD'},
    stdin: networkConfig(join(at.folder, 'cni', 'cni.sock')),
  });
  if (answer.code === 0) child.kill('SIGKILL');
  const [, signal] = (await ended) as [number | null, string | null];
  t.ok(
    signal === 'SIGKILL',
    `${at.kind} ${at.number}: the agent was killed ${answer.code === 0 ? 'after' : 'during'} the ADD`,
  );
}

void t.test('DEL with the datastore away fails and touches nothing', async (t) => {
  let isAway = false;
  const wrapStore = (store: Store): Store => {
    const unreachable = <T>(work: () => Promise<T>): Promise<T> =>
      isAway ? Promise.reject(new AgentError('E_UNREACHABLE', 'the datastore does not answer')) : work();
    return {
      capabilities: store.capabilities,
      get: (key, options) => unreachable(() => store.get(key, options)),
      list: (prefix, options) => unreachable(() => store.list(prefix, options)),
      commit: (operations, options) => unreachable(() => store.commit(operations, options)),
      watch: (prefixes, cursor, options) => store.watch(prefixes, cursor, options),
      close: () => store.close(),
    };
  };
  const agent = await TestAgent.start({wrapStore});
  t.teardown(() => agent.dispose());
  using pod = new Pod('kept');
  using fresh = new Pod('fresh');
  await agent.add(pod);
  const before = await agent.state();
  isAway = true;
  const deleted = await agent.call('DEL', pod);
  t.equal(deleted.code, 1);
  t.match(deleted.stdout, /does not answer/);
  const added = await agent.call('ADD', fresh);
  t.equal(added.code, 1);
  isAway = false;
  t.same(await agent.state(), before, 'the pod has its network');
  t.same(fresh.links(), []);
  await agent.del(pod);
});

void t.test('an ADD whose endpoint cannot be written fails at once and is undone', async (t) => {
  let isRefusing = false;
  const wrapStore = (store: Store): Store => ({
    capabilities: store.capabilities,
    get: (key, options) => store.get(key, options),
    list: (prefix, options) => store.list(prefix, options),
    watch: (prefixes, cursor, options) => store.watch(prefixes, cursor, options),
    close: () => store.close(),
    commit: (operations, options) =>
      isRefusing && operations.some(({key}) => key.includes('/workloadendpoints/'))
        ? Promise.reject(new AgentError('E_STORE_FULL', 'no space left'))
        : store.commit(operations, options),
  });
  // Longer than the test may take: the answer must not wait for Felix.
  const agent = await TestAgent.start({wrapStore, callLimitMs: 600_000});
  t.teardown(() => agent.dispose());
  using pod = new Pod('full');
  await agent.add(pod);
  await agent.del(pod);
  isRefusing = true;
  const answer = await agent.call('ADD', pod);
  t.match(answer.stdout, /no space left/);
  const {endpoints, handles, links} = await agent.state();
  t.same({endpoints, handles, links, pod: pod.links()}, {endpoints: [], handles: [], links: [], pod: []});
});

void t.test('an ADD that waits for Felix ends in bounded time and is undone', async (t) => {
  let failsRules = true;
  const rules = {apply: () => (failsRules ? Promise.reject(new Error('no rules today')) : Promise.resolve())};
  const agent = await TestAgent.start({rules, callLimitMs: 3000});
  t.teardown(() => agent.dispose());
  using pod = new Pod('closed');
  const answer = await agent.call('ADD', pod);
  t.equal(answer.code, 1);
  t.match(answer.stdout, /rules/);
  const {endpoints, handles, links} = await agent.state();
  t.same({endpoints, handles, links, pod: pod.links()}, {endpoints: [], handles: [], links: [], pod: []});
  failsRules = false;
  await agent.add(pod);
  await agent.del(pod);
});

void t.test('stopping lets calls end, and pods keep their network', async (t) => {
  const agent = await TestAgent.start();
  t.teardown(() => agent.dispose());
  using first = new Pod('first');
  using second = new Pod('second');
  await agent.add(first);
  const adding = agent.add(second);
  while (!hostLinks(agent.node).includes('calisecond')) await new Promise((resolve) => setImmediate(resolve));
  const stopped = agent.stop();
  const {ips} = await adding;
  await stopped;
  t.same(second.addresses(), [ips[0]?.address]);
  t.same(hostLinks(agent.node), ['califirst', 'calisecond']);
  t.match((await agent.call('ADD', first)).stdout, /"code": 11/, 'nobody answers any more');
});

void t.test('STATUS says when no pod can be added, and when those that are there may lack connectivity', async (t) => {
  let readiness: Readiness = {state: 'unavailable', reason: 'the datastore is not in sync'};
  const agent = await TestAgent.start({readiness: () => readiness});
  t.teardown(() => agent.dispose());
  using pod = new Pod('status');
  const ask = async () => JSON.parse((await agent.call('STATUS', pod, {config: {cniVersion: '1.1.0'}})).stdout || '{}');
  t.match(await ask(), {code: 50, details: 'the datastore is not in sync'});
  readiness = {state: 'limited', reason: 'the data plane fails'};
  t.match(await ask(), {code: 51, details: 'the data plane fails'});
  readiness = {state: 'ready'};
  t.same(await ask(), {});
});
