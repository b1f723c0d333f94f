/**
 * `make demo`: the main job on real input. Three nodes in namespaces, two on one subnet and one behind a router; one
 * agent each on one embedded store; six pods made through the CNI binary; packets between all of them. With STORE=etcd the
 * agents share an etcd on their network, which is killed and started again in the middle.
 *
 * Exit code 1 as soon as one cell of the matrix, or one expectation about encapsulation, fails. Everything made is
 * removed at the end, on Ctrl-C and on failure; with KEEP=1 it stays, and how to look around is printed.
 */
import {demonstrateOutage} from './demo-outage.ts';
import {heading, printMatrix, step} from './demo-output.ts';
import {Lab, type LabStore, parseLabStore} from './lab.ts';
import type {LabNode} from './lab-node.ts';
import type {LabPod} from './lab-pod.ts';
import {failedCells, measureMatrix, TCP_BYTES, UDP_BYTES} from './matrix.ts';
import {programs} from './programs.ts';
import {VxlanCounters} from './vxlan-counters.ts';

const keep = process.env.KEEP === '1';
const POOL = '10.244.0.0/16';

interface DemoNode {
  readonly name: string;
  readonly subnet: number;
  readonly host: number;
}

const NODES: readonly DemoNode[] = [
  {name: 'node1', subnet: 1, host: 11},
  {name: 'node2', subnet: 1, host: 12},
  {name: 'node3', subnet: 2, host: 13},
];

let lab: Lab | undefined;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    console.log('\ninterrupted: removing the lab');
    void (lab?.close() ?? Promise.resolve()).then(() => process.exit(130));
  });
}

const startedMs = performance.now();
const failures: string[] = [];
try {
  const store = parseLabStore(process.env.STORE);
  lab = await step('three nodes: two on subnet 1, one behind a router', () => Lab.create({subnets: 2, keep, store}));
  console.log(`  namespaces and files of this lab: ${lab.name}-*, ${lab.folder}`);
  await runDemo(lab, store);
} catch (error) {
  if (!interrupted) failures.push(error instanceof Error ? error.message : String(error));
}
if (!interrupted) await finish();

async function runDemo(made: Lab, store: LabStore): Promise<void> {
  for (const node of NODES) await made.addNode(node);
  const shared = store === 'etcd' ? `etcd at ${made.etcd.endpoint}, with client certificates` : 'embedded store';
  await step(`an agent on each node (${shared}, shared by all)`, async () => {
    const pool = {CALICO_IPV4POOL_CIDR: POOL, CALICO_IPV4POOL_VXLAN: 'CrossSubnet', CALICO_IPV6POOL_CIDR: 'none'};
    for (const node of made.nodes) node.startAgent(pool);
    await Promise.all(made.nodes.map((node) => node.waitUntilReady()));
  });
  const pods: LabPod[] = [];
  await step('six pods through the CNI binary', async () => {
    for (const [index, node] of made.nodes.entries()) {
      for (const letter of ['a', 'b']) pods.push(await node.addPod({name: `pod${index + 1}${letter}`}));
    }
  });
  const [first] = made.nodes;
  if (first === undefined) throw new Error('the lab has no node');
  await show(first, pods);

  const counters = await VxlanCounters.install(made);
  await checkMatrix(pods);
  await checkEncapsulation(made, counters);
  await showHealth(made);
  if (store !== 'etcd') return;
  const outage = await demonstrateOutage(made, pods);
  failures.push(...outage.failures);
  await checkMatrix(outage.pods);
}

async function checkMatrix(pods: readonly LabPod[]): Promise<void> {
  const cells = await step(
    `pod-to-pod matrix: ICMP, ${TCP_BYTES / 1e6} MB of TCP there and back, a datagram of ${UDP_BYTES} bytes`,
    () => measureMatrix(pods, {onCell: ({ok}) => process.stdout.write(ok ? '.' : 'x')}),
  );
  printMatrix(pods, cells);
  failures.push(...failedCells(cells));
}

async function show(node: LabNode, pods: readonly LabPod[]): Promise<void> {
  heading('pods');
  for (const pod of pods) console.log(`  ${pod.name}  ${pod.node.name}  ${pod.address(4)}`);
  heading('blocks (calicoctl ipam show --show-blocks)');
  const blocks = await node.calicoctl(['ipam', 'show', '--show-blocks']);
  console.log((blocks.stdout + blocks.stderr).trimEnd());
  if (blocks.code !== 0) failures.push(`calicoctl ipam show: exit code ${blocks.code}`);
  heading(`routes of ${node.name}`);
  console.log((await node.must(['ip', 'route'])).trimEnd());
}

/** Across subnets the router must have seen VXLAN, within a subnet nobody must have. */
async function checkEncapsulation(made: Lab, counters: VxlanCounters): Promise<void> {
  heading('encapsulated packets (UDP 4789) between nodes');
  const subnetOf = new Map(NODES.map((node) => [node.name, node.subnet]));
  for (const [pair, {atRouter, onWire}] of await counters.read()) {
    const [from = '', to = ''] = pair.split('>');
    const crosses = subnetOf.get(from) !== subnetOf.get(to);
    const expected = crosses ? atRouter > 0 && onWire > 0 : atRouter === 0 && onWire === 0;
    const verdict = expected ? (crosses ? 'crosses subnets' : 'same subnet') : 'UNEXPECTED';
    console.log(`  ${from} -> ${to}: ${atRouter} at the router, ${onWire} on the wire  (${verdict})`);
    if (!expected) failures.push(`encapsulation ${from} -> ${to}: ${atRouter} at the router, ${onWire} on the wire`);
  }
  if (made.nodes.length === 0) failures.push('no nodes');
}

async function showHealth(made: Lab): Promise<void> {
  heading('health');
  for (const node of made.nodes) {
    for (const path of ['/liveness', '/readiness']) {
      const answer = await node.httpGet(9099, path);
      console.log(`  ${node.name} ${path}: ${answer.status}`);
      if (answer.status < 200 || answer.status > 299) failures.push(`${node.name} ${path}: ${answer.body}`);
    }
  }
  heading('a few metrics of node1');
  const metrics = await made.nodes[0]?.httpGet(9091, '/metrics');
  const interesting =
    /^(felix_(active_local_endpoints|cluster_num_hosts|resync_state|route_table_num_routes)|calico_cni_\w+_count|calico_ipam_\w+_count)/;
  for (const line of metrics?.body.split('\n') ?? []) if (interesting.test(line)) console.log(`  ${line}`);
}

async function finish(): Promise<void> {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  if (failures.length > 0) console.log(`\nFAILED:\n${failures.map((failure) => `  ${failure}`).join('\n')}`);
  if (keep && lab) {
    await lab.release();
    const [node] = lab.nodes;
    console.log(`\nthe lab ${lab.name} keeps running. Look around:`);
    console.log(`  ${node?.enter.join(' ')} ip route`);
    console.log(`  ${node?.enter.join(' ')} ip netns exec pod1a ping <address>`);
    const settings = Object.entries(lab.storeEnvironment).map(([name, value]) => `${name}=${value}`);
    console.log(`  ${node?.enter.join(' ')} env ${settings.join(' ')} ${programs.calicoctl} get workloadendpoints`);
    console.log(`  tail -f ${node?.agentLogFile}`);
    console.log(`stop it:\n  node_modules/.bin/node test/lab/remove-lab.ts ${lab.name}`);
  } else {
    await lab?.close();
  }
  console.log(`\n${failures.length === 0 ? 'done' : 'failed'} in ${seconds} s`);
  process.exit(failures.length === 0 ? 0 : 1);
}
