/**
 * What real Calico answered to 800 calls, answered by us: the same calls in the same order, through the real plugin, on
 * the same state. Results are compared as text (with addresses and MACs made alike), errors by code, and what is left
 * behind by endpoints, handles, links and addresses.
 *
 * Where we differ on purpose, the table below says so, with the reason; docs/operations/differences-cni.md is for people.
 */
import {mkdirSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import t, {type Test} from 'tap';
import {IPAM_CONFIG_KEY} from '../../../src/model/keys.ts';
import {ClusterInformation} from '../../../src/model/kinds/cluster-information.ts';
import {IPPool} from '../../../src/model/kinds/ip-pool.ts';
import {Node} from '../../../src/model/kinds/node.ts';
import {DIFFERENCES, type Difference} from './support/differences.ts';
import {NodeHolder} from './support/node-holder.ts';
import type {CniAnswer} from './support/run-plugin.ts';
import {hostLinks, TestAgent} from './support/test-agent.ts';

interface Case {
  readonly name: string;
  readonly plugin?: 'calico' | 'calico-ipam';
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly exit?: number | 'timeout';
  readonly stdout?: string;
  readonly after?: After;
  readonly observed?: {
    readonly container: Readonly<Record<string, number>>;
    readonly host: Readonly<Record<string, unknown>>;
    readonly forward: string;
  };
}

interface After {
  readonly wep: readonly string[];
  readonly handles: readonly string[];
  readonly links: readonly string[];
  readonly routes: readonly string[];
  readonly pod?: readonly string[];
}

const file = new URL('../../fixtures/cni/cases.jsonl', import.meta.url);
const cases = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Case);

/** From this case on the captures go on with an empty datastore. */
const FRESH = 'del-never-added';

/** Pools of the captures, in which addresses are made alike. */
const POOLS: Readonly<Record<string, string>> = {
  'default-ipv4-ippool': '10.244.0.0/16',
  'pool-b': '10.88.0.0/24',
  'pool-disabled': '10.89.0.0/24',
  'pool-other-node': '10.90.0.0/24',
  'pool-tunnel': '10.91.0.0/24',
  'pool-manual': '10.92.0.0/24',
  'pool-tiny': '10.93.0.0/30',
};

let folder = '';
let holder: NodeHolder;
let agent: TestAgent;

async function startAgent(): Promise<void> {
  agent = await TestAgent.start(
    {storeFolder: mkdtempSync(join(folder, 'agent-')), socketFolder: join(folder, 'cni')},
    holder.namespace,
  );
  await agent.resources.delete(IPPool, {name: 'default-ipv6-ippool'});
}

async function addPools(): Promise<void> {
  const put = (name: string, spec: Readonly<Record<string, unknown>>) =>
    agent.resources.apply(
      IPPool,
      IPPool.create({metadata: {name}, spec: {cidr: POOLS[name], natOutgoing: true, ...spec}}),
    );
  await put('pool-b', {blockSize: 28});
  await put('pool-disabled', {disabled: true});
  await put('pool-other-node', {nodeSelector: 'kubernetes.io/hostname == "elsewhere"'});
  await put('pool-tunnel', {allowedUses: ['Tunnel']});
  await put('pool-manual', {assignmentMode: 'Manual'});
  await put('pool-tiny', {blockSize: 30});
}

const setReady = (datastoreReady: boolean) =>
  agent.resources.apply(
    ClusterInformation,
    ClusterInformation.create({metadata: {name: 'default'}, spec: {datastoreReady}}),
  );

/** What was done by hand between two cases when they were captured. */
const BEFORE: Readonly<Record<string, () => unknown>> = {
  [FRESH]: async () => {
    await agent.stop();
    await startAgent();
    for (const name of ['n4', 'n5', 'n6', 'n7', 'n8', 'n9']) if (!holder.hasNamespace(name)) holder.addNamespace(name);
  },
  'del-after-netns-removed': () => holder.removeNamespace('n4'),
  'del-interface-gone': () => holder.run('ip', '-n', 'n7', 'link', 'del', 'eth0'),
  'ipam-pools-cidr-add': addPools,
  'dual-stack-add-0.2.0': () =>
    agent.resources.create(
      IPPool,
      IPPool.create({metadata: {name: 'default-ipv6-ippool'}, spec: {cidr: 'fd00:10:244::/48', blockSize: 122}}),
    ),
  'datastore-not-ready-add': () => setReady(false),
  'clusterinformation-missing-add': () => agent.resources.delete(ClusterInformation, {name: 'default'}),
  'node-missing-add': async () => {
    await agent.resources.create(
      ClusterInformation,
      ClusterInformation.create({metadata: {name: 'default'}, spec: {datastoreReady: true}}),
    );
    await agent.resources.delete(Node, {name: 'node1'});
  },
  'strict-affinity-add': async () => {
    await agent.resources.create(Node, Node.create({metadata: {name: 'node1'}, spec: {}}));
    const value = JSON.stringify({strictAffinity: true, autoAllocateBlocks: true, maxBlocksPerHost: 0});
    await agent.store.commit([{kind: 'put', key: IPAM_CONFIG_KEY, value}]);
  },
  'no-pools-add': async () => {
    for (const {metadata} of (await agent.resources.list(IPPool)).resources)
      await agent.resources.delete(IPPool, {name: metadata.name});
  },
};

/** Namespaces that are not there when they are named. */
const MISSING = new Set(['nope', 'n4']);

t.setTimeout(300_000);

t.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cni-replay-'));
  mkdirSync(join(folder, 'cni'), {mode: 0o700});
  holder = await NodeHolder.start(join(folder, 'cni'));
  await startAgent();
});

t.teardown(async () => {
  await agent.stop();
  await holder.stop();
  rmSync(folder, {recursive: true, force: true});
});

void t.test('every call of the captures', async (t) => {
  const used = new Set<Difference>();
  for (const each of cases) {
    await BEFORE[each.name]?.();
    if (each.observed !== undefined) {
      compareObserved(t, each.name, each.observed);
      continue;
    }
    ensureNamespace(each);
    const difference = DIFFERENCES.find(({cases: pattern}) => pattern.test(each.name));
    if (difference !== undefined) used.add(difference);
    if (difference?.ours === 'not called') continue;
    const answer = await call(each);
    compareAnswer(t, each, answer, difference);
    if (each.after !== undefined && difference?.leavesOther !== true) await compareAfter(t, each.name, each);
  }
  for (const difference of DIFFERENCES) t.ok(used.has(difference), `difference ${difference.cases.source} is real`);
});

void t.test('nothing is left', async (t) => {
  const {endpoints, links, routes} = await agent.state();
  t.same({endpoints, links, routes}, {endpoints: [], links: [], routes: []});
});

function ensureNamespace({env}: Case): void {
  const name = /^\/run\/netns\/(.+)$/.exec(env?.CNI_NETNS ?? '')?.[1];
  if (name === undefined || MISSING.has(name) || holder.hasNamespace(name)) return;
  holder.addNamespace(name);
}

const call = ({plugin, argv, env, stdin}: Case): Promise<CniAnswer> =>
  holder.call({
    ...(plugin === undefined ? {} : {program: plugin}),
    ...(argv === undefined ? {} : {argv}),
    ...(env === undefined ? {} : {env}),
    stdin: stdin ?? '',
  });

function compareAnswer(t: Test, each: Case, answer: CniAnswer, difference: Difference | undefined): void {
  const {name, stdout = ''} = each;
  if (difference !== undefined) {
    const ours = answer.code === 0 ? 'ok' : codeOf(answer.stdout);
    t.equal(ours, difference.ours, `${name}: ${difference.reason}`, {stdout: answer.stdout});
    return;
  }
  t.equal(answer.code, each.exit, `${name}: exit code`, {stdout: answer.stdout, expected: stdout});
  if (each.exit === 0) t.equal(alike(answer.stdout), alike(stdout), `${name}: result`);
  else if (stdout !== '') compareError(t, name, answer.stdout, stdout);
}

function compareError(t: Test, name: string, ours: string, theirs: string): void {
  t.equal(codeOf(ours), codeOf(theirs), `${name}: error code`, {ours, theirs});
  if (codeOf(ours) === ours) return;
  const error = JSON.parse(ours) as Record<string, unknown>;
  const allowed = new Set(['code', 'msg', 'details']);
  t.ok(
    Object.keys(error).every((key) => allowed.has(key)) && typeof error.msg === 'string' && error.msg.length > 5,
    `${name}: form of the error`,
  );
}

const codeOf = (text: string): unknown => {
  try {
    return (JSON.parse(text) as {code?: unknown}).code;
  } catch {
    return text;
  }
};

/** Text without what differs from run to run: MACs, and which address of a pool. */
function alike(text: string): string {
  return text
    .replaceAll(/"mac": "[0-9a-f:]{17}"/g, '"mac": "MAC"')
    .replaceAll(/fd00:10:244:[0-9a-f:]+(?=\/)/g, 'IPV6')
    .replaceAll(/10\.77\.\d+\.\d+(?=\/32)/g, 'HOST-LOCAL')
    .replaceAll(/10\.(244|88|90|92)\.\d+\.\d+(?=\/(?:26|28)")/g, '10.$1.IP')
    .replaceAll(/10\.(244|88|90|92)\.\d+\.\d+(?=\/32",?\n)/g, '10.$1.IP')
    .replaceAll(/"supportedVersions":\[[^\]]*\]/g, '"supportedVersions":[]');
}

async function compareAfter(t: Test, name: string, {after, env}: Case): Promise<void> {
  if (after === undefined) return;
  const state = await agent.state();
  const strip = (keys: readonly string[], prefix: string) => keys.map((key) => key.slice(prefix.length)).sort();
  t.same(
    state.endpoints,
    strip(after.wep, '/calico/resources/v3/projectcalico.org/workloadendpoints/'),
    `${name}: endpoints`,
  );
  t.same(
    state.handles,
    strip(
      after.handles.filter((key) => !key.includes('tunnel-addr')),
      '/calico/ipam/v2/handle/',
    ),
    `${name}: handles`,
  );
  t.same(hostLinks(holder.namespace), [...after.links].sort(), `${name}: links`);
  t.same(routeShape(state.routes), routeShape(after.routes), `${name}: routes`);
  const pod = /^\/run\/netns\/(.+)$/.exec(env?.CNI_NETNS ?? '')?.[1];
  if (after.pod !== undefined && pod !== undefined && holder.hasNamespace(pod))
    t.same(podState(pod), podShape(after.pod), `${name}: the pod's side`);
}

/** By which link how many addresses are reached. */
const routeShape = (routes: readonly string[]): string[] =>
  routes.map((line) => / dev (\S+) .*scope link/.exec(line)?.[1] ?? line).sort();

function podState(name: string): string[] {
  const ip = (...args: string[]) => holder.run('ip', '-n', name, ...args).split('\n');
  const addresses = ip('-o', 'addr', 'show').filter((line) => / (?:eth0|net1) /.test(line));
  return podShape([...addresses, ...ip('route', 'show'), ...ip('-6', 'route', 'show')]);
}

/** Lines without index, state and the particular address. */
function podShape(lines: readonly string[]): string[] {
  return lines
    .map((line) =>
      line
        .trim()
        .replaceAll(/ +/g, ' ')
        .replace(/^\d+: /, '')
        .replaceAll(/\\? ?valid_lft.*$/g, '')
        .replace(' tentative', '')
        .replaceAll(/fe80::(?!\/64|ecee)[0-9a-f:]+/g, 'LINK-LOCAL')
        .replaceAll(/fd(?:00|77):[0-9a-f:]+/g, 'IPV6')
        .replaceAll(/10\.\d+\.\d+\.\d+/g, 'IPV4')
        .replaceAll(/ (?:proto kernel_ll|nodad|flags \S+)/g, '')
        .trim(),
    )
    .filter((line) => line !== '')
    .sort();
}

function compareObserved(t: Test, name: string, observed: NonNullable<Case['observed']>): void {
  const look = (...args: string[]) =>
    (JSON.parse(holder.run('ip', '-d', '-j', ...args)) as Record<string, unknown>[])[0] ?? {};
  const pod = look('-n', 'e1', 'link', 'show', 'eth0');
  const host = look('link', 'show', 'calie1');
  for (const key of ['mtu', 'num_tx_queues', 'num_rx_queues', 'txqlen'])
    t.equal(pod[key], observed.container[key], `${name}: ${key} of the pod's side`);
  for (const key of ['mtu', 'num_tx_queues', 'num_rx_queues', 'address'])
    t.equal(host[key], observed.host[key], `${name}: ${key} of the host's side`);
  const forward = holder.run('ip', 'netns', 'exec', 'e1', 'cat', '/proc/sys/net/ipv4/ip_forward').trim();
  t.equal(forward, observed.forward, `${name}: forwarding in the pod`);
}
