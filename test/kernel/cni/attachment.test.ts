/** The life of a pod's network: what ADD makes, what DEL leaves, and everything a runtime may do in between. */
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import t from 'tap';
import {decodeBlock} from '../../../src/model/ipam-records.ts';
import {BLOCKS_PREFIX} from '../../../src/model/keys.ts';
import {ClusterInformation} from '../../../src/model/kinds/cluster-information.ts';
import {IPPool} from '../../../src/model/kinds/ip-pool.ts';
import {WorkloadEndpoint} from '../../../src/model/kinds/workload-endpoint.ts';
import {podInterfaceName} from '../../../src/model/names.ts';
import {type AgentState, hostLinks, Pod, TestAgent} from './support/test-agent.ts';

const DUAL = {ipam: {type: 'calico-ipam', assign_ipv6: 'true'}};
const k8s = (pod: string, namespace = 'ns1') => ({
  CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${pod}`,
});

t.setTimeout(180_000);

let agent: TestAgent;
let before: AgentState;

t.before(async () => {
  agent = await TestAgent.start();
  // The host answers for the pod's gateway only while it has a way to it itself.
  agent.node.batch([
    'link add eth0 type veth peer name uplink',
    'link set uplink up',
    'link set eth0 up',
    'addr add 10.95.1.11/24 dev eth0',
    'addr add fd00:95:1::11/64 dev eth0 nodad',
    'route add default via 10.95.1.254',
  ]);
  // The first call makes the profile of the network and opens what stays open.
  const pod = new Pod('first');
  await agent.add(pod);
  await agent.del(pod);
  pod[Symbol.dispose]();
});
t.teardown(() => agent.dispose());
t.beforeEach(async () => {
  before = await agent.state();
});

/** Nothing of any pod is left. */
const nothingLeft = async (t: {same(found: unknown, wanted: unknown, message: string): unknown}) =>
  t.same(await agent.state(), {...before, links: [], routes: [], endpoints: [], handles: []}, 'nothing is left');

/** One of many packets: all namespaces of a machine share one table of neighbours, and others may have filled it. */
function isReached(ip: string): boolean {
  const ping = ['ping', '-c', '1', '-i', '0.05', '-w', '5', ip];
  const {stdout} = spawnSync('ip', ['netns', 'exec', agent.node.name, ...ping], {encoding: 'utf8'});
  return / [1-9]\d* received/.test(stdout);
}

void t.test('ADD connects a pod with both families', async (t) => {
  using pod = new Pod('both');
  const {interfaces, ips, routes} = await agent.add(pod, {config: DUAL});
  const [ipv4 = '', ipv6 = ''] = ips.map(({address}) => address);
  t.match(ipv4, /^10\.244\.\d+\.\d+\/32$/);
  t.match(ipv6, /^fd00:10:244:.*\/128$/);
  t.match(routes, [{dst: ipv4.replace(/32$/, '26')}, {dst: ipv6.replace(/128$/, '122')}]);
  t.equal(interfaces[0]?.name, 'caliboth');
  t.match(interfaces[1], {name: 'eth0', mtu: 1400, sandbox: pod.path});

  t.same(pod.addresses(), [ipv4, ipv6]);
  t.same(pod.routes(4), ['default via 169.254.1.1 dev eth0', '169.254.1.1 dev eth0 scope link']);
  t.ok(pod.routes(6).includes('default via fe80::ecee:eeff:feee:eeee dev eth0 metric 1024 pref medium'));
  t.equal(pod.sysctl('net/ipv4/ip_forward'), '0');
  t.equal(pod.sysctl('net/ipv6/conf/all/forwarding'), '0');
  t.equal(pod.sysctl('net/ipv6/conf/eth0/accept_dad'), '0');
  const [link] = agent.node.ipJson('link', 'show', 'caliboth');
  t.match(link, {address: 'ee:ee:ee:ee:ee:ee', operstate: 'UP', mtu: 1400});
  for (const net of [ipv4, ipv6]) t.ok(isReached(net.split('/')[0] ?? ''), `packets to ${net} and back`);

  const endpoint = await agent.resources.get(WorkloadEndpoint, {namespace: 'default', name: 'node1-cni-both-eth0'});
  t.match(endpoint?.spec, {
    orchestrator: 'cni',
    node: 'node1',
    containerID: 'both',
    endpoint: 'eth0',
    ipNetworks: [ipv4, ipv6],
    profiles: ['k8s-pod-network'],
    interfaceName: 'caliboth',
    mac: interfaces[1]?.mac,
  });
  await agent.del(pod, {config: DUAL});
  await nothingLeft(t);
});

void t.test('a pod of Kubernetes has names and attributes of its own', async (t) => {
  using pod = new Pod('sandbox1');
  const {ips, interfaces} = await agent.add(pod, {env: k8s('web-0')});
  t.equal(interfaces[0]?.name, podInterfaceName('ns1', 'web-0'));
  t.same((await agent.state()).endpoints, ['ns1/node1-k8s-web--0-eth0']);
  const [block] = (await agent.store.list(BLOCKS_PREFIX)).entries.map(({value}) => decodeBlock(value));
  const attribute = block?.attributes.find(({secondary}) => secondary.get('pod') === 'web-0');
  t.equal(attribute?.secondary.get('namespace'), 'ns1');
  t.equal(attribute?.secondary.get('node'), 'node1');
  t.match(attribute?.secondary.get('timestamp'), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC$/);
  t.equal(ips.length, 1);
  await agent.del(pod, {env: k8s('web-0')});
  await nothingLeft(t);
});

void t.test('a new sandbox of a pod takes its place, and DEL of the old one leaves it alone', async (t) => {
  using old = new Pod('old');
  using fresh = new Pod('new');
  const first = await agent.add(old, {env: k8s('web')});
  const second = await agent.add(fresh, {env: k8s('web')});
  t.not(first.ips[0]?.address, second.ips[0]?.address, 'another address');
  t.same(old.links(), [], 'the old sandbox is cut off');
  t.same(hostLinks(agent.node), [podInterfaceName('ns1', 'web')]);
  await agent.del(old, {env: k8s('web')});
  t.same((await agent.state()).handles, ['k8s-pod-network.new'], 'only the old addresses are free');
  t.same(fresh.addresses(), [second.ips[0]?.address]);
  t.equal((await agent.call('CHECK', fresh, {env: k8s('web')})).stdout, 'OK\n');
  await agent.del(fresh, {env: k8s('web')});
  await nothingLeft(t);
});

void t.test('two ADDs of one pod at once: one sandbox has the network, nothing leaks', async (t) => {
  using one = new Pod('one');
  using two = new Pod('two');
  const answers = await Promise.all([
    agent.call('ADD', one, {env: k8s('twin')}),
    agent.call('ADD', two, {env: k8s('twin')}),
  ]);
  t.same(
    answers.map(({code}) => code),
    [0, 0],
  );
  const connected = [one, two].filter((pod) => pod.links().includes('eth0'));
  t.equal(connected.length, 1);
  await Promise.all([agent.del(one, {env: k8s('twin')}), agent.del(two, {env: k8s('twin')})]);
  await nothingLeft(t);
});

void t.test('ADD and DEL of one container at once end in one of the two states', async (t) => {
  for (let round = 0; round < 5; round++) {
    using pod = new Pod(`race${round}`);
    const [added, deleted] = await Promise.all([agent.call('ADD', pod), agent.call('DEL', pod)]);
    t.same([added?.code, deleted?.code], [0, 0]);
    const {endpoints, handles, links} = await agent.state();
    t.ok(endpoints.length === handles.length && handles.length === links.length, 'all of it or nothing');
    await agent.del(pod);
  }
  await nothingLeft(t);
});

void t.test('ADD again: of a container by itself the same answer, of a pod of Kubernetes a new network', async (t) => {
  using alone = new Pod('alone');
  const first = await agent.add(alone);
  const again = await agent.add(alone);
  t.same(again.ips, first.ips);
  t.equal(again.interfaces[1]?.mac, first.interfaces[1]?.mac);
  await agent.del(alone);

  using pod = new Pod('pod');
  await agent.add(pod, {env: k8s('again')});
  const second = await agent.add(pod, {env: k8s('again')});
  t.same(pod.addresses(), [second.ips[0]?.address]);
  const [block] = (await agent.store.list(BLOCKS_PREFIX)).entries.map(({value}) => decodeBlock(value));
  t.equal(block?.allocations.filter((each) => each !== null).length, 1, 'the first address is free again');
  await agent.del(pod, {env: k8s('again')});
  await nothingLeft(t);
});

void t.test('a container whose link vanished is connected anew', async (t) => {
  using pod = new Pod('lost');
  await agent.add(pod);
  pod.namespace.ip('link', 'del', 'eth0');
  const again = await agent.add(pod);
  t.same(pod.addresses(), [again.ips[0]?.address]);
  await agent.del(pod);
  await nothingLeft(t);
});

void t.test('DEL twice, without a namespace, for what never was', async (t) => {
  using pod = new Pod('gone');
  await agent.del(pod);
  await agent.add(pod);
  await agent.del(pod, {env: {CNI_NETNS: ''}});
  t.same(pod.links(), []);
  await agent.del(pod);
  await agent.del(pod);
  await agent.add(pod);
  await agent.del(pod, {env: {CNI_NETNS: '/run/netns/nope'}});
  t.same(pod.links(), []);
  await nothingLeft(t);
});

void t.test('a namespace given by process', async (t) => {
  const child = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec cat'], {stdio: ['pipe', 'pipe', 'ignore']});
  await once(child.stdout, 'data');
  using pod = new Pod('process');
  const env = {CNI_NETNS: `/proc/${child.pid}/ns/net`};
  const {interfaces} = await agent.add(pod, {env});
  t.equal(interfaces[1]?.sandbox, env.CNI_NETNS);
  await agent.del(pod, {env});
  child.stdin.end();
  await once(child, 'close');
  await nothingLeft(t);
});

void t.test('an ADD that fails takes everything back', async (t) => {
  using pod = new Pod('fails');
  const mtu = await agent.call('ADD', pod, {config: {mtu: 67}});
  t.equal(mtu.code, 1);
  t.match(mtu.stdout, /EINVAL/);
  const pool = await agent.call('ADD', pod, {config: {ipam: {type: 'calico-ipam', ipv4_pools: ['nope']}}});
  t.equal(pool.code, 1);
  pod.namespace.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other');
  const taken = await agent.call('ADD', pod);
  t.match(taken.stdout, /EEXIST/);
  t.ok(pod.links().includes('eth0'), 'what was there stays');
  t.same(hostLinks(agent.node), []);
  pod.namespace.ip('link', 'del', 'eth0');
  await nothingLeft(t);
});

void t.test('an ADD whose plugin is ended is taken back', async (t) => {
  using pod = new Pod('ended');
  const child = spawn(
    'sh',
    ['-c', 'exec timeout -s KILL 0.003 "$0"', new URL('../../../native/build/calico', import.meta.url).pathname],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {
        PATH: '/usr/bin:/bin',
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: 'ended',
        CNI_NETNS: pod.path,
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/usr/lib/cni',
      },
    },
  );
  child.stdin.on('error', () => undefined);
  child.stdin.end(agent.config());
  await once(child, 'close');
  // Whatever point it had come to: DEL waits for it and leaves nothing.
  await agent.del(pod);
  await nothingLeft(t);
});

void t.test('the MTU of Felix is used where the configuration has none', async (t) => {
  using pod = new Pod('mtu');
  const late = await agent.call('ADD', pod, {config: {mtu: 0, require_mtu_file: true}});
  t.match(late.stdout, /failed to read MTU file/);
  writeFileSync(join(agent.folder, 'mtu'), '1450');
  const {interfaces} = await agent.add(pod, {
    config: {mtu: 0, num_queues: 2, container_settings: {allow_ip_forwarding: true}},
  });
  t.equal(interfaces[1]?.mtu, 1450);
  t.equal(pod.sysctl('net/ipv4/ip_forward'), '1');
  const [link] = pod.namespace.ipJson('-d', 'link', 'show', 'eth0');
  t.match(link, {mtu: 1450, num_tx_queues: 2, num_rx_queues: 2});
  await agent.del(pod);
  await nothingLeft(t);
});

void t.test('addresses of another IPAM plugin, which the CNI plugin runs', async (t) => {
  using pod = new Pod('delegated');
  const ipam = {type: 'host-local', dataDir: join(agent.folder, 'host-local'), subnet: '10.77.0.0/24'};
  const {ips} = await agent.add(pod, {config: {ipam}});
  t.same(ips, [{address: '10.77.0.2/32', interface: 1}]);
  t.same(pod.addresses(), ['10.77.0.2/32']);
  await agent.del(pod, {config: {ipam}});
  const again = await agent.add(pod, {config: {ipam: {...ipam, rangeStart: '10.77.0.2', rangeEnd: '10.77.0.2'}}});
  t.equal(again.ips[0]?.address, '10.77.0.2/32', 'it was given back');
  await agent.del(pod, {config: {ipam}});
  await nothingLeft(t);
});

void t.test('CHECK says what is wrong', async (t) => {
  using pod = new Pod('checked');
  const problem = async () => (await agent.call('CHECK', pod)).stdout;
  t.match(await problem(), /has no WorkloadEndpoint/);
  const {ips} = await agent.add(pod);
  t.equal(await problem(), 'OK\n');
  pod.namespace.ip('addr', 'flush', 'dev', 'eth0', 'scope', 'global');
  t.match(await problem(), /lacks an address/);
  pod.namespace.ip('addr', 'add', ips[0]?.address ?? '', 'dev', 'eth0');
  pod.namespace.ip('link', 'set', 'eth0', 'down');
  t.match(await problem(), /is down/);
  pod.namespace.ip('link', 'del', 'eth0');
  t.match(await problem(), /is gone/);
  await agent.del(pod);
  await nothingLeft(t);
});

void t.test('GC removes what the runtime does not list, of this network only', async (t) => {
  using kept = new Pod('kept');
  using lost = new Pod('lost');
  using other = new Pod('other');
  const config = {cniVersion: '1.1.0'};
  await agent.add(kept, {config});
  await agent.add(lost, {config});
  await agent.add(other, {config: {...config, name: 'other-net'}});
  const listed = {'cni.dev/valid-attachments': [{containerID: 'kept', ifname: 'eth0'}]};
  const answer = await agent.call('GC', kept, {config: {...config, ...listed}});
  t.same([answer.code, answer.stdout], [0, '']);
  const {endpoints, handles} = await agent.state();
  t.same(endpoints, ['default/node1-cni-kept-eth0', 'default/node1-cni-other-eth0']);
  t.same(handles, ['k8s-pod-network.kept', 'other-net.other']);
  t.same(lost.links(), []);
  t.match((await agent.call('GC', kept, {config})).stdout, /valid-attachments is missing/);
  await agent.del(kept);
  await agent.del(other, {config: {name: 'other-net'}});
  await nothingLeft(t);
});

void t.test('STATUS answers for the whole cluster too', async (t) => {
  using pod = new Pod('status');
  const config = {cniVersion: '1.1.0'};
  const ask = async () => {
    const {code, stdout} = await agent.call('STATUS', pod, {config});
    return code === 0 ? stdout : (JSON.parse(stdout) as {code: number}).code;
  };
  t.equal(await ask(), '');
  const setReady = (datastoreReady: boolean) =>
    agent.resources.apply(
      ClusterInformation,
      ClusterInformation.create({metadata: {name: 'default'}, spec: {datastoreReady}}),
    );
  await setReady(false);
  t.equal(await ask(), 50);
  await setReady(true);
  t.equal(await ask(), '');
});

void t.test('a hundred at once', async (t) => {
  const pods = Array.from({length: 100}, (_, i) => new Pod(`many${i}`));
  const results = await Promise.all(pods.map((pod) => agent.add(pod)));
  t.equal(new Set(results.map(({ips}) => ips[0]?.address)).size, 100, 'each has an address of its own');
  await Promise.all(pods.map((pod) => agent.del(pod)));
  for (const pod of pods) pod[Symbol.dispose]();
  await nothingLeft(t);
  await agent.resources.get(IPPool, {name: 'default-ipv4-ippool'});
});
