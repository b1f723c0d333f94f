/** The ensure rules of tunnel addresses; what Calico stores for them is in stages.test.ts. */
import t from 'tap';
import {Allocator} from '../../../src/ipam/allocator.ts';
import {ensureTunnelAddresses, type TunnelAddressOptions} from '../../../src/ipam/tunnel-addresses.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {Node} from '../../../src/model/kinds/node.ts';
import {putPool, readIpamState} from './support/cluster.ts';
import {MemoryStore, type StoreCall} from './support/memory-store.ts';

const KEY = Node.key({name: 'n1'});
const VXLAN = {cidr: '10.0.0.0/24', vxlanMode: 'Always', nodeSelector: '!has(off)'};

async function rig() {
  const store = new MemoryStore();
  const allocator = new Allocator({store, clock: systemClock, log: silentLogger});
  const putNode = (spec: object = {}, status: object = {}, labels: object = {}) =>
    store.commit([
      {
        kind: 'put',
        key: KEY,
        value: JSON.stringify({
          kind: 'Node',
          apiVersion: 'projectcalico.org/v3',
          metadata: {name: 'n1', labels},
          spec,
          status,
        }),
      },
    ]);
  await putNode();
  return {
    store,
    allocator,
    putNode,
    ensure: async (options: Partial<TunnelAddressOptions> = {}) =>
      Object.fromEntries(await ensureTunnelAddresses({node: 'n1', ...options}, {store, allocator, log: silentLogger})),
    spec: () => Node.decode(store.entries.get(KEY)?.value ?? '', KEY).spec,
    handles: async () => [...(await readIpamState(store)).handles.keys()].sort(),
  };
}

void t.test('each type has the pools it needs', async (t) => {
  const {store, ensure, putNode, handles, spec} = await rig();
  t.same(await ensure(), {});
  await putPool(store, 'a', VXLAN);
  await putPool(store, 'b', {cidr: '10.1.0.0/24', ipipMode: 'CrossSubnet'});
  await putPool(store, 'c', {cidr: 'fd00::/64', vxlanMode: 'CrossSubnet'});
  await putPool(store, 'd', {cidr: 'fd01::/64'});
  const first = await ensure();
  t.same(Object.keys(first).sort(), ['ipip', 'vxlan', 'vxlan-v6']);
  t.match(first, {ipip: /^10\.1\./, vxlan: /^10\.0\.0/, 'vxlan-v6': /^fd00:/});
  t.match(spec(), {
    ipv4VXLANTunnelAddr: first.vxlan,
    ipv6VXLANTunnelAddr: first['vxlan-v6'],
    bgp: {ipv4IPIPTunnelAddr: first.ipip},
  });
  t.same(await ensure(), first, 'kept');
  await putNode(spec(), {wireguardPublicKey: `${'a'.repeat(43)}=`, wireguardPublicKeyV6: `${'b'.repeat(43)}=`});
  t.same(Object.keys(await ensure()).sort(), ['ipip', 'vxlan', 'vxlan-v6', 'wireguard', 'wireguard-v6']);
  t.equal((await handles()).length, 5);
  const encrypted = await ensure({wireguardHostEncryption: true});
  t.same(Object.keys(encrypted).sort(), ['ipip', 'vxlan', 'vxlan-v6']);
  t.equal(spec().wireguard, undefined, 'no empty object is left');
});

void t.test(
  'pools that do not count: disabled, not for tunnels, not selecting, of another encapsulation',
  async (t) => {
    const {store, ensure, putNode} = await rig();
    await putPool(store, 'a', {...VXLAN, disabled: true});
    await putPool(store, 'b', {...VXLAN, cidr: '10.1.0.0/24', allowedUses: ['Workload']});
    await putPool(store, 'c', {...VXLAN, cidr: '10.2.0.0/24', nodeSelector: 'has(rack)'});
    await putPool(store, 'd', {cidr: '10.3.0.0/24'});
    t.same(await ensure(), {});
    await putNode({}, {}, {rack: 'r'});
    t.match(await ensure(), {vxlan: /^10\.2\./});
  },
);

void t.test('an address outside the eligible pools is exchanged; none is left when no pool asks for one', async (t) => {
  const {store, ensure, spec, handles} = await rig();
  await putPool(store, 'a', VXLAN);
  const before = await ensure();
  await putPool(store, 'a', {...VXLAN, disabled: true});
  await putPool(store, 'b', {...VXLAN, cidr: '10.1.0.0/24'});
  const after = await ensure();
  t.match([before.vxlan, after.vxlan], [/^10\.0\./, /^10\.1\./]);
  t.same(await handles(), ['vxlan-tunnel-addr-n1']);
  await putPool(store, 'b', {...VXLAN, cidr: '10.1.0.0/24', disabled: true});
  t.same(await ensure(), {});
  t.same(spec(), {});
  t.same(await handles(), []);
});

void t.test('what belongs to somebody else is left to him', async (t) => {
  const {store, allocator, ensure, putNode, handles} = await rig();
  await putPool(store, 'a', VXLAN);
  await allocator.assignIp('n1', {ip: '10.0.0.9', owner: {handleId: 'net.pod', attributes: new Map([['node', 'n1']])}});
  await putNode({ipv4VXLANTunnelAddr: '10.0.0.9'});
  t.not((await ensure()).vxlan, '10.0.0.9');
  t.same(await handles(), ['net.pod', 'vxlan-tunnel-addr-n1']);
  await putPool(store, 'a', {...VXLAN, disabled: true});
  await putNode({ipv4VXLANTunnelAddr: '10.0.0.9'});
  await allocator.releaseByHandle('vxlan-tunnel-addr-n1');
  t.same(await ensure(), {});
  t.same(await handles(), ['net.pod']);
});

void t.test('an address from before handles is kept, and has one from now on', async (t) => {
  const {store, allocator, ensure, putNode, handles} = await rig();
  await putPool(store, 'a', VXLAN);
  await allocator.assignIp('n1', {ip: '10.0.0.9', owner: {attributes: new Map()}});
  await putNode({ipv4VXLANTunnelAddr: '10.0.0.9'});
  t.same(await ensure(), {vxlan: '10.0.0.9'});
  t.same(await handles(), ['vxlan-tunnel-addr-n1']);
});

void t.test('the node says an address that nobody has, or a handle has one that the node does not say', async (t) => {
  const {store, allocator, ensure, putNode} = await rig();
  await putPool(store, 'a', VXLAN);
  await ensure();
  await putNode({});
  await ensure();
  await putNode({ipv4VXLANTunnelAddr: '10.0.0.200'});
  const {vxlan} = await ensure();
  t.same(
    (await allocator.ipsByHandle('vxlan-tunnel-addr-n1')).map(({ip}) => ip),
    [vxlan],
    'exactly one',
  );
});

void t.test('a node that changed meanwhile: what was assigned goes back, and the next attempt succeeds', async (t) => {
  const {store, ensure, handles, putNode} = await rig();
  await putPool(store, 'a', VXLAN);
  let isChanged = false;
  store.before = async (call: StoreCall) => {
    if (isChanged || call.kind !== 'commit' || call.operations[0]?.key !== KEY) return;
    isChanged = true;
    await putNode({interfaces: [{name: 'eth9', addresses: []}]});
  };
  await t.rejects(ensure(), {code: 'E_CONFLICT'});
  t.same(await handles(), []);
  await ensure();
  t.same(await handles(), ['vxlan-tunnel-addr-n1']);
});

void t.test('no Node, no address left, USE_POD_CIDR', async (t) => {
  const {store, ensure, allocator} = await rig();
  await putPool(store, 'a', {...VXLAN, cidr: '10.0.0.0/32', blockSize: 32});
  t.same(await ensure({usePodCidr: true}), {});
  await t.rejects(ensure({node: 'n2'}), {code: 'E_NOT_FOUND'});
  await allocator.assignIp('n1', {ip: '10.0.0.0', owner: {handleId: 'x', attributes: new Map()}});
  await t.rejects(ensure(), {code: 'E_IPAM_NO_ADDRESS'});
});
