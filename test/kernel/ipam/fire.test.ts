/**
 * IPAM under fire: eight nodes allocate from the same small pools on one store, each in a process of its own, and are
 * killed again and again, between any two calls of the store or wherever they happen to be. After every round and at the
 * end the raw keys are looked at: no address has two owners, no record breaks a rule of the format, after the reclaim
 * exactly the living have addresses, and when all have left nothing is left.
 *
 * IPAM_FIRE_OPERATIONS and IPAM_FIRE_SEEDS make it burn longer. TEST_SEED repeats the requests and deaths; how the
 * processes interleave is theirs.
 */
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import t, {type Test} from 'tap';
import {openStore, parseStoreConfig} from '../../../src/datastore/open-store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {EtcdServer} from '../../helpers/etcd-server.ts';
import {forAll, type Random} from '../../helpers/random.ts';
import {Fire} from './support/fire.ts';
import type {StoreAddress} from './support/protocol.ts';

const OPERATIONS = Number(process.env.IPAM_FIRE_OPERATIONS ?? 1000);
const SEEDS = Number(process.env.IPAM_FIRE_SEEDS ?? 1);
const NODES = 8;
const LONGEST_LIFE = 1200;

t.setTimeout(0);

const cache = mkdtempSync(join(tmpdir(), 'ct-ipam-code-'));
t.teardown(() => rmSync(cache, {recursive: true, force: true}));
// Workers start often: what the first one compiled, the others load.
process.env.NODE_COMPILE_CACHE = cache;

async function burn(t: Test, address: StoreAddress, isAtomic: readonly boolean[], random: Random): Promise<void> {
  const environment =
    address.type === 'embedded'
      ? {DATASTORE_TYPE: 'embedded', CALICO_STORE: address.folder}
      : {DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: address.endpoint};
  const store = await openStore(parseStoreConfig(environment), {clock: systemClock, log: silentLogger});
  t.teardown(() => store.close());
  const options = {address, isAtomic, operations: OPERATIONS, rounds: 3, longestLife: LONGEST_LIFE};
  const result = await Fire.burn(t, options, {store, random});
  t.comment(JSON.stringify(result));
  for (const kind of ['added', 'refused', 'removed', 'tunnel']) t.ok((result.seen[kind] ?? 0) > 0, `${kind} was seen`);
  t.ok(result.kills > 0, 'some were killed');
}

const start: Readonly<Record<StoreAddress['type'], (t: Test) => Promise<StoreAddress>>> = {
  async etcdv3(t) {
    return {type: 'etcdv3', endpoint: (await EtcdServer.start(t)).endpoint};
  },
  async embedded(t) {
    const folder = mkdtempSync(join(tmpdir(), 'ct-ipam-'));
    t.teardown(() => rmSync(folder, {recursive: true, force: true}));
    return {type: 'embedded', folder};
  },
};

/** Whether a node writes in transactions; the others write key by key, as Calico's programs do. */
type Way = (place: number) => boolean;
const inTransactions: Way = () => true;
const halfKeyByKey: Way = (place) => place % 2 === 0;
const keyByKey: Way = () => false;

for (const [name, type, isAtomic] of [
  ['etcd, in transactions', 'etcdv3', inTransactions],
  ['etcd, half of them key by key', 'etcdv3', halfKeyByKey],
  ['the embedded store, in transactions', 'embedded', inTransactions],
  ['the embedded store, key by key', 'embedded', keyByKey],
] as const)
  void t.test(`eight processes on ${name}, killed at random`, (t) =>
    forAll(SEEDS, async (random) => {
      const ways = Array.from({length: NODES}, (_, place) => isAtomic(place));
      await burn(t, await start[type](t), ways, random);
    }),
  );
