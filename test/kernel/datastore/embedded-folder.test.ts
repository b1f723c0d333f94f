/** Who may have a hand in the store folder: made private, refused when it is not, never half made. Needs root. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import t, {type Test} from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {AgentError, messageChain} from '../../../src/lib/errors.ts';
import {silentLogger} from '../../../src/lib/log.ts';

const NOBODY = 65534;
const open = (folder: string) => EmbeddedStore.open({folder}, {clock: systemClock, log: silentLogger});
const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

async function made(t: Test): Promise<string> {
  const folder = join(t.testdir(), 'store');
  const store = await open(folder);
  await store.commit([{kind: 'put', key: '/a', value: '1'}]);
  await store.close();
  return folder;
}

async function refuses(t: Test, folder: string, what: string): Promise<void> {
  const error: unknown = await open(folder).then(
    (store) => store.close(),
    (reason: unknown) => reason,
  );
  if (!(error instanceof AgentError)) throw error ?? new Error(`${what}: the store was opened`);
  t.equal(error.code, 'E_STORE_UNSAFE', `${what}: ${messageChain(error)}`);
}

await t.test('the folder and its parents are made, private', async (t) => {
  const folder = join(t.testdir(), 'var', 'lib', 'store');
  const store = await open(folder);
  t.teardown(() => store.close());
  await store.commit([{kind: 'put', key: '/a', value: '1'}]);
  t.equal(modeOf(folder), '700');
  for (const file of ['store.db', 'store.db-wal', 'store.db-shm', 'bell'])
    t.equal(modeOf(join(folder, file)), '600', file);
  t.equal(modeOf(join(folder, '..')), '755');
});

await t.test('rights to read are taken away from others', async (t) => {
  const folder = await made(t);
  chmodSync(folder, 0o755);
  chmodSync(join(folder, 'store.db'), 0o644);
  const store = await open(folder);
  t.teardown(() => store.close());
  t.equal(modeOf(folder), '700');
  t.equal(modeOf(join(folder, 'store.db')), '600');
});

await t.test('what others may write is refused', async (t) => {
  const folder = await made(t);
  for (const mode of [0o770, 0o702, 0o777, 0o1777]) {
    chmodSync(folder, mode);
    await refuses(t, folder, `folder with mode ${mode.toString(8)}`);
  }
  chmodSync(folder, 0o700);
  for (const file of ['store.db', 'bell']) {
    for (const mode of [0o620, 0o602]) {
      chmodSync(join(folder, file), mode);
      await refuses(t, folder, `${file} with mode ${mode.toString(8)}`);
    }
    chmodSync(join(folder, file), 0o600);
  }
  await (await open(folder)).close();
});

await t.test('what belongs to another user is refused', async (t) => {
  const folder = await made(t);
  chownSync(folder, NOBODY, 0);
  await refuses(t, folder, 'folder');
  chownSync(folder, 0, 0);
  for (const file of ['store.db', 'bell']) {
    chownSync(join(folder, file), NOBODY, 0);
    await refuses(t, folder, file);
    chownSync(join(folder, file), 0, 0);
  }
  writeFileSync(join(folder, 'store.db-wal'), '', {mode: 0o600});
  chownSync(join(folder, 'store.db-wal'), NOBODY, 0);
  await refuses(t, folder, 'store.db-wal');
  rmSync(join(folder, 'store.db-wal'));
  await (await open(folder)).close();
});

await t.test('symbolic links are refused and not followed', async (t) => {
  const folder = await made(t);
  const link = `${folder}-link`;
  symlinkSync(folder, link);
  await refuses(t, link, 'folder');
  symlinkSync(`${folder}-none`, `${folder}-dangling`);
  await refuses(t, `${folder}-dangling`, 'dangling folder');
  t.notOk(existsSync(`${folder}-none`));
  for (const file of ['store.db', 'store.db-wal', 'store.db-shm', 'bell']) {
    const path = join(folder, file);
    const aside = join(folder, '..', `${file}-aside`);
    if (existsSync(path)) renameSync(path, aside);
    symlinkSync(aside, path);
    await refuses(t, folder, file);
    rmSync(path);
    if (existsSync(aside)) renameSync(aside, path);
  }
  await (await open(folder)).close();
});

await t.test('a link above the folder is the administrator’s business', async (t) => {
  const base = t.testdir();
  mkdirSync(join(base, 'disk'), {mode: 0o755});
  symlinkSync(join(base, 'disk'), join(base, 'lib'));
  const store = await open(join(base, 'lib', 'store'));
  await store.close();
  t.ok(existsSync(join(base, 'disk', 'store', 'store.db')));
});

await t.test('a folder above that others may rename in is refused', async (t) => {
  const base = join(t.testdir(), 'shared');
  mkdirSync(base);
  chmodSync(base, 0o777);
  await refuses(t, join(base, 'store'), 'parent with mode 777');
  chmodSync(base, 0o755);
  chownSync(base, NOBODY, 0);
  await refuses(t, join(base, 'store'), 'parent of another user');
  chownSync(base, 0, 0);
  chmodSync(base, 0o1777);
  await (await open(join(base, 'store'))).close();
  t.pass('a sticky one, like /tmp, is accepted');
});

await t.test('a file in place of the folder or of a parent is refused', async (t) => {
  const base = t.testdir({file: ''});
  await refuses(t, join(base, 'file'), 'folder');
  await refuses(t, join(base, 'file', 'store'), 'parent');
});
