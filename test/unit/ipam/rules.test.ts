import t from 'tap';
import {StoreRules, WatchedRules} from '../../../src/ipam/rules.ts';
import {requireIp} from '../../../src/lib/cidr.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {blockKey, IPAM_CONFIG_KEY} from '../../../src/model/keys.ts';
import {IPPool} from '../../../src/model/kinds/ip-pool.ts';
import {Node} from '../../../src/model/kinds/node.ts';
import {putConfig, putNode, putPool, putReservation} from './support/cluster.ts';
import {MemoryStore} from './support/memory-store.ts';

const summary = async (rules: StoreRules | WatchedRules) => {
  const {config, pools, reservations, nodeLabels} = await rules.load('n1', {isAllocating: true});
  return {
    strict: config.strictAffinity,
    pools: pools.map(({name, enabled}) => `${name} ${enabled}`),
    reserved: reservations.contains(requireIp('10.0.0.1')),
    labels: nodeLabels && Object.fromEntries(nodeLabels),
  };
};

void t.test(
  'the first allocation stores the default configuration, as v3.32 does, and nothing else does',
  async (t) => {
    const store = new MemoryStore();
    const rules = new StoreRules({store, log: silentLogger});
    t.match(await rules.load('n1', {}), {config: {autoAllocateBlocks: true}});
    t.equal(store.commits.length, 0);
    t.same(await summary(rules), {strict: false, pools: [], reserved: false, labels: undefined});
    t.equal(
      store.entries.get(IPAM_CONFIG_KEY)?.value,
      '{"auto_allocate_blocks":true,"kubeVirtVMAddressPersistence":"Enabled"}',
    );
    await rules.load(undefined, {isAllocating: true});
    t.equal(store.commits.length, 1);
  },
);

void t.test('somebody else stores a configuration in the same moment', async (t) => {
  const store = new MemoryStore();
  store.before = async (call) => {
    if (call.kind === 'commit') {
      store.before = undefined;
      await putConfig(store, {strictAffinity: true});
    }
  };
  t.match(await summary(new StoreRules({store, log: silentLogger})), {strict: true});
});

void t.test('watched rules are those of the store, and ask it only while they know too little', async (t) => {
  const store = new MemoryStore();
  const watched = new WatchedRules({store, log: silentLogger});
  await putPool(store, 'b', {cidr: '10.0.0.0/24'});
  await putPool(store, 'a', {cidr: '10.1.0.0/24', disabled: true});
  await putNode(store, 'n1', {rack: '1'});
  await putReservation(store, 'r', ['10.0.0.0/30']);
  await putConfig(store, {});
  const wanted = {strict: false, pools: ['a false', 'b true'], reserved: true, labels: {rack: '1'}};
  t.same(await summary(watched), wanted, 'before the watch stands, from the store');
  watched.onStatus('resyncing');
  watched.onUpdates([...store.entries.values()]);
  watched.onStatus('in-sync');
  store.calls.length = 0;
  t.same(await summary(watched), wanted);
  watched.onUpdates([{key: IPPool.key({name: 'b'}), value: undefined, revision: '99'}]);
  t.same((await summary(watched)).pools, ['a false']);
  t.equal(store.calls.length, 0);
  t.same((await watched.load(undefined, {})).nodeLabels, undefined);
  t.same(
    WatchedRules.prefixes('n1').filter((prefix) => [...store.entries.keys()].some((key) => key.startsWith(prefix)))
      .length,
    4,
  );
});

void t.test('what is no rule costs nothing', async (t) => {
  const store = new MemoryStore();
  const watched = new WatchedRules({store, log: silentLogger});
  await putPool(store, 'a', {cidr: '10.0.0.0/24'});
  await putNode(store, 'n1');
  await putConfig(store, {});
  watched.onUpdates([...store.entries.values()]);
  watched.onStatus('in-sync');
  const {pools} = await watched.load('n1', {});
  watched.onUpdates([{key: blockKey('10.0.0.0/26'), value: '{}', revision: '99'}]);
  t.equal((await watched.load('n1', {})).pools, pools, 'not worked out again for a block');
  watched.onUpdates([{key: Node.key({name: 'n2'}), value: undefined, revision: '100'}]);
  t.equal((await watched.load('n1', {})).pools, pools, 'nor for another node');
  watched.onUpdates([{key: IPPool.key({name: 'b'}), value: undefined, revision: '101'}]);
  t.not((await watched.load('n1', {})).pools, pools, 'but for a pool');
});
