/**
 * Writers on one folder are killed at random moments, again and again, also while they open the store. Whatever they
 * had been told is written must be there, whole; and who watches meanwhile ends with what is listed.
 */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {DatabaseSync} from 'node:sqlite';
import type {Readable} from 'node:stream';
import {setTimeout as pause} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import t from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {StoreWatcher} from '../../helpers/store-watcher.ts';

const WRITER = fileURLToPath(new URL('support/numbered-writer.ts', import.meta.url));
const WRITERS_AT_ONCE = 3;
const KILLS_PER_WRITER = 8;
/** A writer needs some 150 ms to open the store. */
const OPENING_MS = 200;
const LONGEST_REPORT = 500;

const folder = join(t.testdir(), 'store');
const open = () => EmbeddedStore.open({folder}, {clock: systemClock, log: silentLogger});

/**
 * Runs one writer until it is killed, and gives the numbers it was told are written. It dies at a random moment while
 * it opens the store, or soon after it has reported a random count.
 */
async function acknowledgedBy(prefix: string, moment: 'opening' | 'writing'): Promise<number[]> {
  const child = spawn(process.execPath, [WRITER, folder, prefix], {stdio: ['ignore', 'inherit', 'inherit', 'pipe']});
  const exited = once(child, 'exit');
  const closed = once(child, 'close');
  const lifeLines = moment === 'opening' ? Infinity : Math.random() * LONGEST_REPORT;
  let report = '';
  (child.stdio[3] as Readable).on('data', (chunk: Buffer) => {
    report += chunk.toString();
    if (report.split('\n').length > lifeLines) child.kill('SIGKILL');
  });
  if (moment === 'opening') {
    // A random moment is what this is about; nothing is expected to have happened by then.
    await pause(Math.random() * OPENING_MS);
    child.kill('SIGKILL');
  }
  const [, signal] = await exited;
  await closed;
  if (signal !== 'SIGKILL') throw new Error(`a writer ended by itself (${signal})`);
  // What follows the last line feed is a number cut off.
  return report.split('\n').slice(0, -1).map(Number);
}

await t.test('kill -9 loses no acknowledged write', async (t) => {
  const store = await open();
  t.teardown(() => store.close());
  const watcher = await StoreWatcher.start(store, '/kill/');
  const acknowledged = new Map<string, number[]>();
  await Promise.all(
    Array.from({length: WRITERS_AT_ONCE}, async (_, writer) => {
      for (let life = 0; life < KILLS_PER_WRITER; life++) {
        const prefix = `/kill/${writer}-${life}/`;
        acknowledged.set(prefix, await acknowledgedBy(prefix, life % 3 === 0 ? 'opening' : 'writing'));
      }
    }),
  );

  const fresh = await open();
  t.teardown(() => fresh.close());
  const {entries} = await fresh.list('/kill/');
  const keys = new Set(entries.map(({key}) => key));
  let total = 0;
  for (const [prefix, numbers] of acknowledged) {
    total += numbers.length;
    const lost = numbers.filter((n) => !keys.has(`${prefix}${n}/left`) || !keys.has(`${prefix}${n}/right`));
    t.same(lost, [], `${prefix}: ${numbers.length} acknowledged`);
  }
  t.comment(`${total} acknowledged commits, ${WRITERS_AT_ONCE * KILLS_PER_WRITER} kills`);
  t.ok(total > 0, 'the writers did write');
  const halves = entries.filter(({key}) => /\/(left|right)$/.test(key));
  const whole = Map.groupBy(halves, ({key}) => key.slice(0, key.lastIndexOf('/')));
  t.same(
    [...whole].filter(([, pair]) => pair.length !== 2),
    [],
    'every commit is there as a whole or not at all',
  );

  await watcher.untilSame(fresh, '/kill/');
  await watcher.stop();
  t.pass('the watch ends with what is listed');

  const database = new DatabaseSync(join(folder, 'store.db'));
  t.teardown(() => database.close());
  t.equal(database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok');
  const gaps = 'SELECT max(sequence) - min(sequence) + 1 - count(*) AS gaps FROM changes';
  t.equal(database.prepare(gaps).get()?.gaps, 0, 'the history has no gaps');
});
