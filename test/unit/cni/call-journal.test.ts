import {appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import t from 'tap';
import {CallJournal} from '../../../src/cni/call-journal.ts';
import {hasCode} from '../../../src/lib/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'journal-'));
t.teardown(() => rmSync(folder, {recursive: true, force: true}));
let count = 0;
const freshPath = () => join(folder, String(++count), 'calls');
/** What the next start would find. */
const leftAfter = (path: string) => new CallJournal(path).leftOpen;

await t.test('what ended leaves nothing, what was under way does', async (t) => {
  const path = freshPath();
  const journal = new CallJournal(path);
  journal.begin('net.a');
  journal.begin('net.b');
  journal.end('net.a', true);
  t.strictSame(journal.leftOpen, [], 'a call under way is nothing left behind');
  t.strictSame(leftAfter(path), ['net.b']);
  t.equal(statSync(path).mode & 0o777, 0o600);
});

await t.test('a call that could not be undone stays until one with that handle is clean', async (t) => {
  const path = freshPath();
  const journal = new CallJournal(path);
  journal.begin('net.a');
  journal.end('net.a', false);
  t.strictSame(leftAfter(path), ['net.a']);
  journal.begin('net.a');
  journal.end('net.a', true);
  t.strictSame(leftAfter(path), []);
});

await t.test('of twins the last one decides', async (t) => {
  const path = freshPath();
  const journal = new CallJournal(path);
  journal.begin('net.a');
  journal.begin('net.a');
  journal.end('net.a', true);
  t.strictSame(leftAfter(path), ['net.a']);
});

await t.test('settled is settled', async (t) => {
  const path = freshPath();
  new CallJournal(path).begin('net.a');
  const journal = new CallJournal(path);
  t.strictSame(journal.leftOpen, ['net.a']);
  journal.settle('net.a');
  t.strictSame(leftAfter(path), []);
});

await t.test('the file stays small, and keeps what is open', async (t) => {
  const path = freshPath();
  const journal = new CallJournal(path);
  journal.begin('net.open');
  for (let i = 0; i < 20_000; i++) {
    journal.begin(`net.${i}`);
    journal.end(`net.${i}`, true);
  }
  t.ok(readFileSync(path).length <= 256 * 1024);
  t.strictSame(leftAfter(path), ['net.open']);
});

await t.test('damage costs one line', async (t) => {
  const path = freshPath();
  new CallJournal(path).begin('net.a');
  appendFileSync(path, 'nonsense\n\n+net.cut');
  t.strictSame(leftAfter(path), ['net.a']);
});

await t.test('a place that cannot be used is said', async (t) => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  try {
    new CallJournal(join(file, 'calls'));
    t.fail('must throw');
  } catch (error) {
    t.ok(hasCode(error, 'E_FILE'));
  }
});
