/**
 * The life of a small cluster, as real Calico v3.32.1 went through it on a real etcd, gone through by our own commands:
 * start-up, tunnel addresses, agents, pods of one and of two families, 70 pods, a small pool, borrowing, release, strict
 * affinity, the end of a node. After every step etcd holds the keys and values that Calico had in it.
 */
import {createHash} from 'node:crypto';
import t from 'tap';
import {type Content, readStages} from '../helpers/stored-stages.ts';
import {Lab} from '../lab/lab.ts';
import type {LabNode} from '../lab/lab-node.ts';
import {networkConfig} from '../lab/lab-pod.ts';
import {programs} from '../lab/programs.ts';
import type {ProgramResult} from '../lab/run-program.ts';
import {type Deliberate, differences, Side} from './support/content-comparison.ts';

t.setTimeout(0);
const lab = await Lab.create({subnets: 1, store: 'etcd'});
t.teardown(() => lab.close());
const node1 = await lab.addNode({name: 'node1', subnet: 1, host: 11});
const node2 = await lab.addNode({name: 'node2', subnet: 1, host: 12});

/** Addresses of the lab, and those of Calico's nodes. */
const OUR_NAMES = {
  '10.99.1.11': '10.96.1.11',
  '10.99.1.12': '10.96.1.12',
  'fd00:99:1::b': 'fd00:96:1::11',
  'fd00:99:1::c': 'fd00:96:1::12',
};
const stages = readStages();

const NODE_SETTINGS = {
  IP6: 'autodetect',
  CALICO_IPV4POOL_CIDR: '10.244.0.0/16',
  CALICO_IPV4POOL_VXLAN: 'Always',
  CALICO_IPV6POOL_CIDR: 'fd10:244::/64',
  CALICO_IPV6POOL_VXLAN: 'Always',
  FELIX_ENDPOINTREPORTINGENABLED: 'true',
  FELIX_REPORTINGINTERVALSECS: '5',
};

async function content(): Promise<Content> {
  const answer = await lab.etcd.etcdctl(['get', '--prefix', '/calico/', '-w', 'json']);
  const {kvs = []} = JSON.parse(answer) as {kvs?: {key: string; value: string}[]};
  const text = (base64: string) => Buffer.from(base64, 'base64').toString();
  return new Map(kvs.map(({key, value}) => [text(key), text(value)]));
}

/** calico-node with a flag: it does its work and ends. */
const calicoNode = (node: LabNode, ...flags: string[]) =>
  node.must([programs.calicoNode, ...flags], {env: node.agentEnvironment(NODE_SETTINGS)});

async function calicoctl(args: readonly string[], stdin = ''): Promise<void> {
  const {code, stdout, stderr} = await node1.calicoctl(args, {stdin});
  if (code !== 0) throw new Error(`calicoctl ${args.join(' ')}: ${code}\n${stdout}${stderr}`);
}

async function startAgents(...nodes: LabNode[]): Promise<void> {
  for (const node of nodes) node.startAgent(NODE_SETTINGS);
  await Promise.all(nodes.map((node) => node.waitUntilReady(60_000)));
}

const containerId = (pod: string) => createHash('sha256').update(pod).digest('hex');

/** A CNI call as a runtime without Kubernetes makes it. */
function cni(node: LabNode, verb: 'ADD' | 'DEL', pod: string, ipam = {}): Promise<ProgramResult> {
  const config = networkConfig({ipam: {type: 'calico-ipam', ...ipam}});
  const env = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerId(pod),
    CNI_NETNS: `/run/netns/${pod}`,
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/opt/cni/bin',
  };
  return node.run([programs.cni], {stdin: JSON.stringify(config), env});
}

async function addPod(node: LabNode, pod: string, ipam = {}): Promise<void> {
  await node.must(['ip', 'netns', 'add', pod]);
  const {code, stdout} = await cni(node, 'ADD', pod, ipam);
  if (code !== 0) throw new Error(`ADD of ${pod}: ${stdout}\n${node.agentLog().slice(-2000)}`);
}

async function deletePod(node: LabNode, pod: string): Promise<void> {
  const {code, stdout} = await cni(node, 'DEL', pod);
  if (code !== 0) throw new Error(`DEL of ${pod}: ${stdout}`);
}

/** pod03, pod04, ... */
const podNames = (from: number, to: number): string[] =>
  Array.from({length: to - from + 1}, (_, i) => `pod${String(from + i).padStart(2, '0')}`);

const SMALL = {ipv4_pools: ['10.245.0.0/29']};
const SMALL_POOL = `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: small}
spec: {cidr: 10.245.0.0/29, blockSize: 29, vxlanMode: Always}`;
const HOST_ENDPOINTS = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: node1-eth0}
spec: {node: node1, interfaceName: eth0}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: node2-eth9}
spec: {node: node2, interfaceName: eth9}`;

const STEPS: readonly (readonly [stage: string, what: string, step: () => Promise<void>])[] = [
  ['01', 'start-up of node1', async () => void (await calicoNode(node1, '-startup'))],
  ['02', 'its tunnel addresses', async () => void (await allocateTunnelAddresses(node1))],
  [
    '03',
    'the same of node2',
    async () => {
      await calicoNode(node2, '-startup');
      await allocateTunnelAddresses(node2);
    },
  ],
  ['04', 'agents on both nodes', () => startAgents(node1, node2)],
  ['05', 'a pod', () => addPod(node1, 'pod01')],
  ['06', 'a pod of two families', () => addPod(node1, 'pod02', {assign_ipv4: 'true', assign_ipv6: 'true'})],
  ['07', 'calico-ipam for a pod of Kubernetes', assignDirectly],
  [
    '08',
    '70 pods',
    async () => {
      for (const pod of podNames(3, 70)) await addPod(node1, pod);
    },
  ],
  [
    '09',
    'pods on node2',
    async () => {
      for (const pod of ['podb1', 'podb2', 'podb3']) await addPod(node2, pod);
    },
  ],
  [
    '10',
    'a small pool, and a block of it',
    async () => {
      await calicoctl(['apply', '-f', '-'], SMALL_POOL);
      for (const pod of ['small1', 'small2', 'small3']) await addPod(node1, pod, SMALL);
    },
  ],
  [
    '11',
    'node2 borrows from it',
    async () => {
      for (const pod of ['small4', 'small5']) await addPod(node2, pod, SMALL);
    },
  ],
  [
    '12',
    'until it is full',
    async () => {
      for (const pod of ['small6', 'small7', 'small8']) await addPod(node2, pod, SMALL);
      await node2.must(['ip', 'netns', 'add', 'small9']);
      const {code} = await cni(node2, 'ADD', 'small9', SMALL);
      t.equal(code, 1, 'no address is left for small9');
    },
  ],
  [
    '13',
    'pods deleted',
    async () => {
      await deletePod(node1, 'pod03');
      await deletePod(node1, 'small2');
      await deletePod(node2, 'small5');
    },
  ],
  ['14', 'a pod deleted again', () => deletePod(node1, 'pod03')],
  ['15', 'an address released', () => calicoctl(['ipam', 'release', '--ip=10.244.166.129'])],
  ['16', 'strict affinity', () => calicoctl(['ipam', 'configure', '--strictaffinity=true'])],
  ['17', 'blocks per host', () => calicoctl(['ipam', 'configure', '--strictaffinity=true', '--max-blocks-per-host=3'])],
  ['18', 'host endpoints', () => calicoctl(['apply', '-f', '-'], HOST_ENDPOINTS)],
  [
    '19',
    'agents stopped, node2 deleted',
    async () => {
      await Promise.all([node1.stopAgent(), node2.stopAgent()]);
      await calicoctl(['delete', 'node', 'node2']);
    },
  ],
  [
    '20',
    'all pods of node1 deleted',
    async () => {
      await startAgents(node1);
      for (const pod of [...podNames(1, 70), 'small1', 'small2', 'small3']) await deletePod(node1, pod);
      await node1.stopAgent();
    },
  ],
];

const allocateTunnelAddresses = (node: LabNode) =>
  calicoNode(node, '-allocate-tunnel-addrs', '-allocate-tunnel-addrs-run-once');

async function assignDirectly(): Promise<void> {
  const stdin = JSON.stringify({...networkConfig(), ipam: {type: 'calico-ipam'}});
  const env = {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: '252ec5b979ef1fdd4905c895190568256f70328b655a5383bf57cba90d121f96',
    CNI_NETNS: '/run/netns/pod01',
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/opt/cni/bin',
    CNI_ARGS: 'K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0',
  };
  await node1.must([programs.cniIpam], {stdin, env});
}

/** What we do otherwise on purpose; docs/operations/differences-datastore.md says why. */
const DELIBERATE: readonly Deliberate[] = [
  {
    name: 'numbers of addresses that are free again',
    adapt: (key, value) => (key.includes('/assignment/') ? withoutNumbersOfFree(value) : value),
  },
  {
    name: 'status of Felix',
    adapt: (key, value) => (key.startsWith('/calico/felix/') ? undefined : value),
  },
];

function withoutNumbersOfFree(block: string): string {
  const [, list = ''] = /"allocations":\[([^\]]*)\]/.exec(block) ?? [];
  const allocations = list.split(',');
  return block.replace(/(?<="sequenceNumberForAllocation":\{)[^}]*/, (numbers) =>
    numbers
      .split(',')
      .filter((entry) => allocations[Number(/\d+/.exec(entry)?.[0])] !== 'null')
      .join(','),
  );
}

const seen: {readonly found: Content; readonly wanted: Content}[] = [];

/** How the content after each step so far differs from Calico's when only these differences are allowed. */
function differing(allowed: readonly Deliberate[]): string[][] {
  const [ours, theirs] = [new Side(OUR_NAMES), new Side()];
  return seen.map(({found, wanted}) =>
    differences(ours.comparable(found, allowed), theirs.comparable(wanted, allowed)),
  );
}

for (const [number, what, step] of STEPS)
  await t.test(`${number}: ${what}`, async (t) => {
    await step();
    const wanted = stages.get(number) ?? new Map();
    seen.push({found: await content(), wanted});
    t.same(differing(DELIBERATE).at(-1), [], `${wanted.size} keys`);
  });

await t.test('every stage is walked, and every difference is there', async (t) => {
  t.same(
    STEPS.map(([number]) => number),
    [...stages.keys()],
  );
  for (const {name} of DELIBERATE) {
    const others = DELIBERATE.filter((other) => other.name !== name);
    t.ok(differing(others).flat().length > 0, name);
  }
});
