/** Files that are not, or no longer, a store of ours: each is refused by name, and nothing is written over it. */
import {mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {DatabaseSync} from 'node:sqlite';
import t, {type Test} from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import {connect} from '../../../src/datastore/embedded/schema.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {AgentError, messageChain} from '../../../src/lib/errors.ts';
import {silentLogger} from '../../../src/lib/log.ts';

const open = (folder: string) => EmbeddedStore.open({folder}, {clock: systemClock, log: silentLogger});

/** A folder with a store of some hundred pages in it, not open. */
async function filledStore(t: Test): Promise<{folder: string; file: string}> {
  const folder = join(t.testdir(), 'store');
  const store = await open(folder);
  for (let i = 0; i < 4; i++) {
    const names = Array.from({length: 100}, (_, j) => `/k/${i}/${j}`);
    await store.commit(names.map((key) => ({kind: 'create', key, value: key.repeat(100)})));
  }
  await store.close();
  return {folder, file: join(folder, 'store.db')};
}

async function refuses(t: Test, folder: string, code: string): Promise<AgentError> {
  const error: unknown = await open(folder).then(
    (store) => store.close(),
    (reason: unknown) => reason,
  );
  if (!(error instanceof AgentError)) throw error ?? new Error('the store was opened');
  t.equal(error.code, code, messageChain(error));
  return error;
}

await t.test('every commit goes to disk', async (t) => {
  const {file} = await filledStore(t);
  const connection = connect(file);
  t.teardown(() => connection.close());
  const FULL = 2;
  t.equal(connection.prepare('PRAGMA synchronous').get()?.synchronous, FULL);
  t.equal(connection.prepare('PRAGMA journal_mode').get()?.journal_mode, 'wal');
});

await t.test('garbage in the header', async (t) => {
  const {folder, file} = await filledStore(t);
  const damaged = readFileSync(file);
  damaged.fill(0xa5, 0, 100);
  writeFileSync(file, damaged);
  const error = await refuses(t, folder, 'E_STORE_CORRUPT');
  t.match(error.message, folder);
  t.match(error.remedy, 'Restore');
  t.ok(readFileSync(file).equals(damaged), 'the file is as it was');
});

await t.test('a text file', async (t) => {
  const {folder, file} = await filledStore(t);
  writeFileSync(file, 'this is not a database\n'.repeat(500));
  await refuses(t, folder, 'E_STORE_CORRUPT');
});

await t.test('a truncated file', async (t) => {
  const {folder, file} = await filledStore(t);
  const size = statSync(file).size;
  for (const kept of [size - 4096, size / 2, 4096, 1000]) {
    truncateSync(file, kept);
    await refuses(t, folder, 'E_STORE_CORRUPT');
  }
});

await t.test('pages in the middle overwritten: the calls that meet them fail', async (t) => {
  const {folder, file} = await filledStore(t);
  const damaged = readFileSync(file);
  const page = 4096;
  for (let at = 8 * page; at < damaged.length; at += page) damaged.fill(0xa5, at, at + page);
  writeFileSync(file, damaged);
  const store = await open(folder);
  t.teardown(() => store.close());
  await t.rejects(store.list('/k/'), {code: 'E_STORE_CORRUPT'});
  await t.rejects(store.list('/k/'), {code: 'E_STORE_CORRUPT'}, 'a failed listing leaves no trace in the next one');
});

await t.test('a database of another program', async (t) => {
  const folder = join(t.testdir(), 'store');
  mkdirSync(folder, {mode: 0o700});
  const foreign = new DatabaseSync(join(folder, 'store.db'));
  foreign.exec('CREATE TABLE theirs (a)');
  foreign.close();
  const error = await refuses(t, folder, 'E_STORE_CORRUPT');
  t.match(error.message, 'another program');
});

await t.test('a schema of a newer release', async (t) => {
  const {folder, file} = await filledStore(t);
  const newer = new DatabaseSync(file);
  newer.exec('PRAGMA user_version = 7');
  newer.close();
  const error = await refuses(t, folder, 'E_UNSUPPORTED');
  t.match(error.message, 'schema version 7');
});

await t.test('a file that vanishes or is replaced while in use', async (t) => {
  for (const disturb of [
    (file: string) => rmSync(file),
    (file: string) => {
      renameSync(file, `${file}.old`);
      writeFileSync(file, '', {mode: 0o600});
    },
  ]) {
    const {folder, file} = await filledStore(t);
    const store = await open(folder);
    t.teardown(() => store.close());
    const {cursor} = await store.list('/k/');
    const watch = store.watch(['/k/'], cursor, {signal: new AbortController().signal});
    t.same((await watch.next()).value.updates, []);
    const waiting = watch.next();
    waiting.catch(() => {});
    disturb(file);
    await t.rejects(store.commit([{kind: 'put', key: '/k/new', value: ''}]), {code: 'E_STORE_CORRUPT'});
    await t.rejects(waiting, {code: 'E_STORE_CORRUPT'});
    await t.rejects(store.get('/k/0/0'), {code: 'E_STORE_CORRUPT'});
  }
});

await t.test('an empty file is a new store: its maker was killed before the first write', async (t) => {
  const folder = join(t.testdir(), 'store');
  mkdirSync(folder, {mode: 0o700});
  writeFileSync(join(folder, 'store.db'), '', {mode: 0o600});
  const store = await open(folder);
  t.teardown(() => store.close());
  t.same((await store.list('')).entries, []);
});
