import {appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import t from 'tap';
import {CallJournal, type JournalEntry} from '../../../src/cni/call-journal.ts';
import {hasCode} from '../../../src/lib/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'journal-'));
t.teardown(() => rmSync(folder, {recursive: true, force: true}));
let count = 0;
const freshPath = () => join(folder, String(++count), 'calls');
const entry = (handleId: string): JournalEntry => ({handleId, hostInterface: 'cali1', lockNames: ['c', 'k8s/ns/pod']});
const handles = (entries: readonly JournalEntry[]) => entries.map(({handleId}) => handleId);
/** What the next start would find. */
const leftAfter = (path: string) => handles(new CallJournal(path).leftOpen);

await t.test('what ended leaves nothing, what was under way does', async (t) => {
  const path = freshPath();
  const journal = new CallJournal(path);
  journal.begin(entry('net.a'));
  journal.begin(entry('net.b'));
  journal.end(entry('net.a'), true);
  t.strictSame(journal.leftOpen, [], 'a call under way is nothing left behind');
  t.strictSame(leftAfter(path), ['net.b']);
  t.equal(statSync(path).mode & 0o777, 0o600);
});

await t.test('a call that could not be undone stays until one with that handle is clean', async (t) => {
  const path = freshPath();
  const journal = new CallJournal(path);
  journal.begin(entry('net.a'));
  journal.end(entry('net.a'), false);
  t.strictSame(leftAfter(path), ['net.a']);
  journal.begin(entry('net.a'));
  journal.end(entry('net.a'), true);
  t.strictSame(leftAfter(path), []);
});

await t.test('of twins the last one decides', async (t) => {
  const path = freshPath();
  const journal = new CallJournal(path);
  journal.begin(entry('net.a'));
  journal.begin(entry('net.a'));
  journal.end(entry('net.a'), true);
  t.strictSame(leftAfter(path), ['net.a']);
});

await t.test('settled is settled', async (t) => {
  const path = freshPath();
  new CallJournal(path).begin(entry('net.a'));
  const journal = new CallJournal(path);
  t.strictSame(journal.leftOpen, [entry('net.a')], 'with all that is needed to remove what it left');
  journal.settle('net.a');
  t.strictSame(leftAfter(path), []);
});

await t.test('the file stays small, and keeps what is open', async (t) => {
  const path = freshPath();
  const journal = new CallJournal(path);
  journal.begin(entry('net.open'));
  for (let i = 0; i < 20_000; i++) {
    journal.begin(entry(`net.${i}`));
    journal.end(entry(`net.${i}`), true);
  }
  t.ok(readFileSync(path).length <= 256 * 1024);
  t.strictSame(leftAfter(path), ['net.open']);
});

await t.test('damage costs one line', async (t) => {
  const path = freshPath();
  new CallJournal(path).begin(entry('net.a'));
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
