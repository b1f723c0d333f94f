/**
 * Disks that are full or read-only, and folders seen through several mounts. The file systems are mounted in a mount namespace of the test's own: the file runs
 * itself again inside one.
 */
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import t, {type Test} from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import type {Operation} from '../../../src/datastore/store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {codeOf} from '../../../src/lib/errors.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {StoreWatcher} from '../../helpers/store-watcher.ts';

const INSIDE = 'CT_OWN_MOUNTS';
const KIBIBYTE = 1024;

const open = (folder: string) => EmbeddedStore.open({folder}, {clock: systemClock, log: silentLogger});
const mount = (...args: string[]) => execFileSync('mount', args, {stdio: ['ignore', 'inherit', 'inherit']});

/** A file system of this size, gone with the test. */
function smallDisk(t: Test, size: string): string {
  const path = mkdtempSync(join(tmpdir(), `ct-${process.pid}-disk-`));
  mount('-t', 'tmpfs', '-o', `mode=700,size=${size}`, 'tmpfs', path);
  t.teardown(() => {
    execFileSync('umount', ['--lazy', path]);
    rmdirSync(path);
  });
  return path;
}

const put = (key: string, sizeKiB: number): Operation => ({kind: 'put', key, value: 'x'.repeat(sizeKiB * KIBIBYTE)});

async function fullDisk(t: Test): Promise<void> {
  const disk = smallDisk(t, '1m');
  const folder = join(disk, 'store');
  const store = await open(folder);
  t.teardown(() => store.close());
  const written: string[] = [];
  let failure: unknown;
  for (let i = 0; failure === undefined; i++) {
    await store.commit([put(`/a/${i}`, 4)]).then(
      () => written.push(`/a/${i}`),
      (error: unknown) => {
        failure = error;
      },
    );
  }
  t.equal(codeOf(failure), 'E_STORE_FULL');
  t.match(failure, {remedy: /Free space/});
  t.ok(written.length > 10);
  const keysNow = async (from: EmbeddedStore) => new Set((await from.list('/a/')).entries.map(({key}) => key));
  t.same(await keysNow(store), new Set(written), 'what was acknowledged is there, and nothing else');
  await t.rejects(store.commit([put('/a/again', 4)]), {code: 'E_STORE_FULL'}, 'it stays full');

  mount('-o', 'remount,size=4m', disk);
  await store.commit([put('/a/after', 4)]);
  await store.close();
  const again = await open(folder);
  t.teardown(() => again.close());
  t.same(await keysNow(again), new Set([...written, '/a/after']), 'with space again it goes on');
}

async function oneTooLarge(t: Test): Promise<void> {
  const store = await open(join(smallDisk(t, '2m'), 'store'));
  t.teardown(() => store.close());
  const outcomes = await Promise.allSettled([
    store.commit([put('/a/small-1', 1)]),
    store.commit([put('/a/large', 4096)]),
    store.commit([put('/a/small-2', 1)]),
  ]);
  t.same(
    outcomes.map(({status}) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
    'the others do not fail with it',
  );
  t.same(
    (await store.list('/a/')).entries.map(({key}) => key),
    ['/a/small-1', '/a/small-2'],
  );
}

async function fullBefore(t: Test): Promise<void> {
  const disk = smallDisk(t, '256k');
  try {
    writeFileSync(join(disk, 'filler'), Buffer.alloc(KIBIBYTE * KIBIBYTE));
  } catch {
    // As meant: whatever fitted is there.
  }
  await t.rejects(open(join(disk, 'store')), {code: 'E_STORE_FULL'});
  rmSync(join(disk, 'filler'));
  await (await open(join(disk, 'store'))).close();
  t.pass('with space it is made');
}

async function readOnly(t: Test): Promise<void> {
  const disk = smallDisk(t, '4m');
  const folder = join(disk, 'store');
  const store = await open(folder);
  await store.commit([put('/a/1', 1)]);
  await store.close();
  mount('-o', 'remount,ro', disk);
  await t.rejects(open(folder), {code: 'E_STORE_READ_ONLY', remedy: /read-write/});
  await t.rejects(open(join(disk, 'none', 'store')), {code: 'E_STORE_READ_ONLY'});
  mount('-o', 'remount,rw', disk);
  const again = await open(folder);
  t.teardown(() => again.close());
  t.ok(await again.get('/a/1'));
}

/** As containers do it: the same folder mounted twice, once read-only, in use on the writable side. */
async function readOnlyMount(t: Test): Promise<void> {
  const disk = smallDisk(t, '4m');
  const folder = join(disk, 'store');
  const store = await open(folder);
  t.teardown(() => store.close());
  const view = join(disk, 'view');
  mkdirSync(view);
  mount('--bind', '-o', 'ro', folder, view);
  t.teardown(() => execFileSync('umount', ['--lazy', view]));
  await t.rejects(open(view), {code: 'E_STORE_READ_ONLY'});
  await store.commit([put('/a/1', 1)]);
}

/** Agents in containers see one folder through mounts of their own. */
async function sharedByMounts(t: Test): Promise<void> {
  const disk = smallDisk(t, '4m');
  const [folder, view] = [join(disk, 'store'), join(disk, 'view')];
  mkdirSync(folder, {mode: 0o700});
  mkdirSync(view);
  mount('--bind', folder, view);
  t.teardown(() => execFileSync('umount', ['--lazy', view]));
  const writer = await open(folder);
  t.teardown(() => writer.close());
  const reader = await EmbeddedStore.open(
    {folder: view, slowLookMs: 2 ** 31 - 1},
    {clock: systemClock, log: silentLogger},
  );
  t.teardown(() => reader.close());
  const watcher = await StoreWatcher.start(reader, '/a/');
  await writer.commit([put('/a/1', 1)]);
  await watcher.until(({content}) => content.has('/a/1'));
  await watcher.stop();
}

/** Nobody rings: the folder was copied about, inotify has no watches left. */
async function slowLook(t: Test): Promise<void> {
  const folder = join(smallDisk(t, '4m'), 'store');
  const writer = await open(folder);
  t.teardown(() => writer.close());
  rmSync(join(folder, 'bell'));
  const reader = await EmbeddedStore.open({folder, slowLookMs: 20}, {clock: systemClock, log: silentLogger});
  t.teardown(() => reader.close());
  const watcher = await StoreWatcher.start(reader, '/a/');
  await watcher.until(({batches}) => batches > 0);
  await writer.commit([put('/a/1', 1)]);
  await watcher.until(({content}) => content.has('/a/1'));
  await watcher.stop();
}

if (process.env[INSIDE] === undefined) {
  const command = [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)];
  const {status} = spawnSync('unshare', ['--mount', '--propagation', 'private', ...command], {
    stdio: 'inherit',
    env: {...process.env, [INSIDE]: '1'},
  });
  process.exitCode = status ?? 1;
} else {
  await t.test('a disk that fills up', fullDisk);
  await t.test('a commit larger than the disk among others', oneTooLarge);
  await t.test('a disk that is full from the start', fullBefore);
  await t.test('a disk that is read-only', readOnly);
  await t.test('a read-only mount of a folder in use', readOnlyMount);
  await t.test('one folder through two mounts', sharedByMounts);
  await t.test('changes are found without the bell', slowLook);
}
