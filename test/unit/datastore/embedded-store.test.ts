/** What the embedded store promises beyond the contract of all stores. */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {DatabaseSync} from 'node:sqlite';
import t, {type Test} from 'tap';
import {EmbeddedStore, type EmbeddedStoreOptions} from '../../../src/datastore/embedded/embedded-store.ts';
import type {Operation} from '../../../src/datastore/store.ts';
import {type Clock, systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';
import {StoreWatcher} from '../../helpers/store-watcher.ts';

async function open(
  t: Test,
  options: EmbeddedStoreOptions = {folder: join(t.testdir(), 'store')},
  clock: Clock = systemClock,
): Promise<{store: EmbeddedStore; folder: string}> {
  const store = await EmbeddedStore.open(options, {clock, log: silentLogger});
  t.teardown(() => store.close());
  return {store, folder: options.folder};
}

/** Holds the lock that writers need. */
function lock(t: Test, folder: string): () => void {
  const connection = new DatabaseSync(join(folder, 'store.db'), {timeout: 1000});
  t.teardown(() => connection.close());
  connection.exec('BEGIN IMMEDIATE');
  return () => connection.exec('ROLLBACK');
}

const create = (key: string, value = ''): Operation => ({kind: 'create', key, value});

/** Transactions in the write-ahead log: frames whose header says how large the database is after them. */
function transactionsIn(file: string): number {
  const log = readFileSync(file);
  const frameBytes = 24 + log.readUInt32BE(8);
  const salt = log.readBigUInt64BE(16);
  let transactions = 0;
  for (let at = 32; at + frameBytes <= log.length; at += frameBytes) {
    if (log.readBigUInt64BE(at + 8) !== salt) break;
    if (log.readUInt32BE(at + 4) !== 0) transactions++;
  }
  return transactions;
}

await t.test('commits that wait together are one transaction', async (t) => {
  const {store, folder} = await open(t);
  const log = join(folder, 'store.db-wal');
  const before = transactionsIn(log);
  const release = lock(t, folder);
  const names = Array.from({length: 100}, (_, i) => `/a/${i}`);
  const commits = names.map((name) => store.commit([create(name), {kind: 'put', key: `${name}/b`, value: ''}]));
  // The get is answered although the commits wait; so they have arrived.
  await store.get('/a');
  release();
  await Promise.all(commits);
  t.equal(transactionsIn(log) - before, 1);
  await store.commit([create('/b')]);
  t.equal(transactionsIn(log) - before, 2);
});

await t.test('a refused commit writes nothing, so that it costs no disk access', async (t) => {
  const {store, folder} = await open(t);
  await store.commit([create('/a')]);
  const log = readFileSync(join(folder, 'store.db-wal'));
  await t.rejects(store.commit([{kind: 'put', key: '/b', value: ''}, create('/a')]), {code: 'E_EXISTS'});
  t.ok(readFileSync(join(folder, 'store.db-wal')).equals(log));
});

await t.test('reads go on while the writers’ lock is taken', async (t) => {
  const {store, folder} = await open(t);
  await store.commit([create('/a', '1')]);
  const release = lock(t, folder);
  const commit = store.commit([create('/b')]);
  t.equal((await store.get('/a'))?.value, '1');
  t.equal((await store.list('/')).entries.length, 1);
  release();
  await commit;
});

await t.test('a commit that was given up is not made later', async (t) => {
  const clock = new FakeClock();
  const {store, folder} = await open(t, undefined, clock);
  const release = lock(t, folder);
  const late = store.commit([create('/late')], {deadlineMs: 50});
  const abort = new AbortController();
  const aborted = store.commit([create('/aborted')], {signal: abort.signal});
  await store.get('/');
  const outcomes = Promise.allSettled([late, aborted]);
  await clock.advance(50);
  abort.abort(new Error('enough'));
  t.match(await outcomes, [
    {reason: {code: 'E_DEADLINE', message: /commit within 50 ms/}},
    {reason: {code: 'E_ABORTED', cause: {message: 'enough'}}},
  ]);
  // Asked after both were called off, and answered after them.
  await store.get('/');
  release();
  await store.commit([create('/after')]);
  t.same(
    (await store.list('/')).entries.map(({key}) => key),
    ['/after'],
  );
  t.equal(clock.waiting, 0, 'no timer is left');
});

await t.test('calls without a deadline have that of the store', async (t) => {
  const clock = new FakeClock();
  const {store, folder} = await open(t, {folder: join(t.testdir(), 'store'), deadlineMs: 700}, clock);
  const release = lock(t, folder);
  const late = store.commit([create('/late')]);
  const outcome = t.rejects(late, {code: 'E_DEADLINE'});
  await clock.advance(699);
  t.equal(clock.waiting, 1);
  await clock.advance(1);
  await outcome;
  release();
});

await t.test('one signal for many calls leaves nothing behind', async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const {store} = await open(t);
  const {signal} = new AbortController();
  await Promise.all(Array.from({length: 50}, (_, i) => store.commit([create(`/${i}`)], {signal})));
  await new Promise((resolve) => setImmediate(resolve));
  t.same(warnings, []);
});

await t.test('a cursor of another store is lost, and so is what is none', async (t) => {
  const base = t.testdir();
  const {store} = await open(t, {folder: join(base, 'a')});
  const {store: other} = await open(t, {folder: join(base, 'b')});
  await store.commit([create('/a')]);
  const {cursor} = await store.list('/');
  const [identity = ''] = cursor.split(':');
  for (const wrong of [
    (await other.list('/')).cursor,
    '',
    'x',
    '1',
    `${identity}:`,
    `${identity}:99`,
    `${identity}:-1`,
  ]) {
    const watch = store.watch(['/'], wrong, {signal: new AbortController().signal});
    await t.rejects(watch.next(), {code: 'E_CURSOR_LOST'}, JSON.stringify(wrong));
  }
});

await t.test('history is bounded, and a watch that keeps up never loses it', async (t) => {
  const {store, folder} = await open(t, {folder: join(t.testdir(), 'store'), historyLimit: 20});
  const watcher = await StoreWatcher.start(store, '/never/');
  await watcher.until(({batches}) => batches > 0);
  for (let i = 0; i < 100; i++) await store.commit([{kind: 'put', key: '/a', value: String(i)}]);
  const database = new DatabaseSync(join(folder, 'store.db'));
  t.teardown(() => database.close());
  const rows = Number(database.prepare('SELECT count(*) AS rows FROM changes').get()?.rows);
  t.ok(rows >= 20 && rows <= 22, `${rows} changes are kept`);
  await store.commit([create('/never/mind')]);
  await watcher.until(({content}) => content.has('/never/mind'));
  await watcher.stop();
});

await t.test('revisions go on after the store was empty and closed', async (t) => {
  const options = {folder: join(t.testdir(), 'store'), historyLimit: 1};
  const {store} = await open(t, options);
  const {revisions} = await store.commit([create('/a')]);
  await store.commit([{kind: 'delete', key: '/a'}]);
  await store.close();
  const {store: again} = await open(t, options);
  const {revisions: later} = await again.commit([create('/a')]);
  t.ok(Number(later[0]) > Number(revisions[0]) + 1);
});

await t.test('whoever gives up opening gets the thread’s end', async (t) => {
  const folder = join(t.testdir(), 'store');
  const dependencies = {clock: systemClock, log: silentLogger};
  await t.rejects(EmbeddedStore.open({folder}, dependencies, {signal: AbortSignal.abort()}), {code: 'E_ABORTED'});
  const {store} = await open(t, {folder});
  t.equal(await store.get('/a'), undefined);
});
