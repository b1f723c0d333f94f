/**
 * What every Store must do, as one suite: run it for each engine, with the other writer wherever one can be (the same
 * handle, another handle, another process).
 *
 * An engine gives the suite two ways in, `own` and `other`, to the same content, and faults where it can make them.
 * Every test has a folder of keys for itself, so a store that holds other things as well will do.
 */
import type {Test} from 'tap';
import {commitFailureOf} from '../../src/datastore/precondition.ts';
import type {CommitFailure, CommitResult, Operation, Store} from '../../src/datastore/store.ts';
import {compareBytes} from '../../src/lib/byte-order.ts';
import {codeOf, type ErrorCode} from '../../src/lib/errors.ts';
import {forAll} from './random.ts';
import {StoreModel} from './store-model.ts';
import {StoreWatcher} from './store-watcher.ts';

/** Somebody else who reads and writes the same content. */
export type OtherWriter = Pick<Store, 'get' | 'list' | 'commit'>;

export interface StoreSubject {
  /** What the test output calls it. */
  readonly name: string;
  /** Opened once for the suite; closed by it. */
  open(t: Test): Promise<{readonly own: Store; readonly other: OtherWriter}>;
  /** A further handle, which a test may close. */
  openAnother(t: Test): Promise<Store>;
  /** Makes commits hang until the returned function is called. */
  stall?(t: Test): Promise<() => void>;
  /** Makes the store forget the changes up to now. */
  forgetHistory?(own: Store): Promise<void>;
}

/** One test of the suite. */
type Case = (t: Test, stores: Stores) => Promise<void>;

interface Stores {
  readonly own: Store;
  readonly other: OtherWriter;
  /** Begins with a slash and ends with one; no other test uses it. */
  readonly folder: string;
  readonly subject: StoreSubject;
}

const MEBIBYTE = 1024 * 1024;

// biome-ignore format: a table
/** Names in a folder that sort, match or encode differently than one might think. */
const ODD_NAMES = [
  'a', 'a/', 'a/b', 'a-b', 'a_b', 'a%b', 'a%', 'a%25', 'a.b', 'a0', 'aa', 'ab', 'A', 'B/b', 'b', 'b-/x', 'b/x', 'b0',
  '__proto__', 'constructor', 'toString', '10', '9', ' ', "'", '"', '\\', '*', '?', '[a]', 'line\nbreak', 'nul\u0000l',
  '\u007f', '\u0080', 'é', 'e\u0301', 'ÿ', 'ý', '\ud7ff', '\ue000', '\ufffd', '\uffff', '😀', '😀a', '😁', '\u{10ffff}',
  '\u{10ffff}a', '名前', '名',
];

/** Runs the suite as sub-tests of `t`. */
export async function storeContract(t: Test, subject: StoreSubject): Promise<void> {
  await t.test(`${subject.name}: the contract of a store`, async (suite) => {
    const {own, other} = await subject.open(suite);
    suite.teardown(() => own.close());
    // Every run has keys of its own: a datastore that outlives the suite is not emptied for it.
    const run = Date.now().toString(36);
    for (const [index, [name, test]] of Object.entries(CASES).entries()) {
      await suite.test(name, (child) => test(child, {own, other, subject, folder: `/contract/${run}-${index}/`}));
    }
  });
}

const CASES: Readonly<Record<string, Case>> = {
  'a key that is not there is undefined': async (t, {own, folder}) => {
    t.equal(await own.get(`${folder}none`), undefined);
    t.same((await own.list(`${folder}none`)).entries, []);
  },

  'create makes an entry once': async (t, {own, other, folder}) => {
    const key = `${folder}a`;
    const revision = await write(own, {kind: 'create', key, value: '1'});
    const entry = {key, value: '1', revision};
    t.same(await own.get(key), entry);
    t.same(await other.get(key), entry);
    await refused(t, other, [{kind: 'create', key, value: '2'}], {code: 'E_EXISTS', index: 0, key, current: entry});
    t.same(await own.get(key), entry);
  },

  'update needs the revision that is there': async (t, {own, other, folder}) => {
    const key = `${folder}a`;
    const first = await write(own, {kind: 'create', key, value: '1'});
    const second = await write(other, {kind: 'update', key, value: '2', revision: first});
    t.not(second, first);
    const current = {key, value: '2', revision: second};
    await refused(t, own, [{kind: 'update', key, value: '3', revision: first}], {
      code: 'E_CONFLICT',
      index: 0,
      key,
      current,
    });
    t.same(await own.get(key), current);
    const none = `${folder}none`;
    await refused(t, own, [{kind: 'update', key: none, value: '3', revision: first}], {
      code: 'E_NOT_FOUND',
      index: 0,
      key: none,
      current: undefined,
    });
  },

  'a revision does not come back when a key is made again': async (t, {own, other, folder}) => {
    const key = `${folder}a`;
    const first = await write(own, {kind: 'create', key, value: '1'});
    await other.commit([{kind: 'delete', key}]);
    const second = await write(own, {kind: 'create', key, value: '1'});
    t.not(second, first);
    const failure = {code: 'E_CONFLICT', index: 0, key, current: {key, value: '1', revision: second}} as const;
    await refused(t, own, [{kind: 'update', key, value: '2', revision: first}], failure);
    await refused(t, own, [{kind: 'delete', key, revision: first}], failure);
  },

  'put writes whatever is there, and the same value is a new revision': async (t, {own, other, folder}) => {
    const key = `${folder}a`;
    const first = await write(own, {kind: 'put', key, value: '1'});
    const second = await write(other, {kind: 'put', key, value: '1'});
    t.not(second, first);
    t.same(await own.get(key), {key, value: '1', revision: second});
  },

  'delete takes an entry away, with or without its revision': async (t, {own, other, folder}) => {
    const [a, b] = [`${folder}a`, `${folder}b`];
    const revision = await write(own, {kind: 'create', key: a, value: '1'});
    const ofB = await write(own, {kind: 'create', key: b, value: '1'});
    const current = {key: a, value: '1', revision};
    await refused(t, other, [{kind: 'delete', key: a, revision: ofB}], {code: 'E_CONFLICT', index: 0, key: a, current});
    t.same(await own.commit([{kind: 'delete', key: a, revision}]), {revisions: [undefined]});
    t.same(await other.commit([{kind: 'delete', key: b}]), {revisions: [undefined]});
    t.same((await own.list(folder)).entries, []);
    const gone = {code: 'E_NOT_FOUND', index: 0, key: a, current: undefined} as const;
    await refused(t, own, [{kind: 'delete', key: a}], gone);
    await refused(t, own, [{kind: 'delete', key: a, revision}], gone);
  },

  'check demands and writes nothing': async (t, {own, folder}) => {
    const [a, none] = [`${folder}a`, `${folder}none`];
    const revision = await write(own, {kind: 'create', key: a, value: '1'});
    const current = {key: a, value: '1', revision};
    t.same(await own.commit([{kind: 'check', key: a, revision}]), {revisions: [undefined]});
    t.same(await own.commit([{kind: 'check', key: none, revision: undefined}]), {revisions: [undefined]});
    await refused(t, own, [{kind: 'check', key: a, revision: undefined}], {
      code: 'E_CONFLICT',
      index: 0,
      key: a,
      current,
    });
    await refused(t, own, [{kind: 'check', key: none, revision}], {
      code: 'E_CONFLICT',
      index: 0,
      key: none,
      current: undefined,
    });
    t.same(await own.get(a), current);
  },

  'several operations happen together or not at all': async (t, {own, other, folder}) => {
    if (!own.capabilities.atomicAcrossKeys) return skip(t, 'this store does not promise it');
    const [a, b, c, d] = [`${folder}a`, `${folder}b`, `${folder}c`, `${folder}d`];
    const stale = await write(own, {kind: 'create', key: b, value: 'b0'});
    const {revisions} = await own.commit([
      {kind: 'create', key: a, value: 'a1'},
      {kind: 'check', key: d, revision: undefined},
      {kind: 'put', key: b, value: 'b1'},
    ]);
    const [ofA, ofCheck, ofB] = revisions;
    t.equal(ofCheck, undefined);
    const before = [
      {key: a, value: 'a1', revision: ofA},
      {key: b, value: 'b1', revision: ofB},
    ];
    t.same((await other.list(folder)).entries, before);
    const operations: Operation[] = [
      {kind: 'put', key: c, value: 'c1'},
      {kind: 'delete', key: a},
      {kind: 'update', key: b, value: 'b2', revision: stale},
      {kind: 'create', key: d, value: 'd1'},
    ];
    const current = await own.get(b);
    await refused(t, other, operations, {code: 'E_CONFLICT', index: 2, key: b, current});
    t.same((await own.list(folder)).entries, before, 'nothing of a refused commit is written');
  },

  'a commit has bounds': async (t, {own, folder}) => {
    t.same(await own.commit([]), {revisions: []});
    const {maxOps} = own.capabilities;
    const puts = (count: number) =>
      Array.from({length: count}, (_, i): Operation => ({kind: 'put', key: `${folder}${i}`, value: ''}));
    await t.rejects(own.commit(puts(maxOps + 1)), {code: 'E_UNSUPPORTED'});
    const twice: Operation[] = [
      {kind: 'put', key: `${folder}a`, value: '1'},
      {kind: 'delete', key: `${folder}a`},
    ];
    const error: unknown = await own.commit(twice).catch((reason: unknown) => reason);
    t.ok(error instanceof Error && codeOf(error) === undefined, 'a key named twice is a bug of the caller');
    t.same((await own.list(folder)).entries, []);
    t.equal((await own.commit(puts(maxOps))).revisions.length, maxOps);
    t.equal((await own.list(folder)).entries.length, maxOps);
  },

  'values come back as they are': async (t, {own, other, folder}) => {
    const values = {
      empty: '',
      json: '{"a":"\\u003c\\"","n":1800000000000000001}',
      unicode: 'é 名 😀 \u{10ffff} \uffff \u2028',
      control: 'line\nreturn\r\ttab\u0000nul\u007f',
      large: 'x'.repeat(MEBIBYTE),
      'large and wide': '名'.repeat(MEBIBYTE / 3),
    };
    for (const [name, value] of Object.entries(values)) {
      const key = `${folder}${name}`;
      await own.commit([{kind: 'put', key, value}]);
      t.ok((await other.get(key))?.value === value, name);
      t.ok((await own.list(key)).entries[0]?.value === value, `${name}, listed`);
    }
  },

  'a listing has exactly the keys with the prefix, in the order of their bytes': async (t, {own, folder}) => {
    const keys = ODD_NAMES.map((name) => `${folder}${name}`).sort(compareBytes);
    for (const key of keys) await own.commit([{kind: 'create', key, value: key}]);
    t.same(
      (await own.list(folder)).entries.map(({key}) => key),
      keys,
    );
    for (const name of ['', ...ODD_NAMES, 'a\u0300', '\ud7fe', '😀b']) {
      const prefix = `${folder}${name}`;
      const {entries} = await own.list(prefix);
      const expected = keys.filter((key) => key.startsWith(prefix));
      t.same(
        entries.map(({key}) => key),
        expected,
        `prefix ${JSON.stringify(name)}`,
      );
      t.ok(entries.every(({key, value}) => key === value));
      const entry = await own.get(prefix);
      t.equal(entry?.key, keys.includes(prefix) ? prefix : undefined);
    }
  },

  'a long listing is complete': async (t, {own, other, folder}) => {
    const total = 10_000;
    const perCommit = Math.min(500, own.capabilities.maxOps);
    const keys = Array.from({length: total}, (_, i) => `${folder}${String(i).padStart(5, '0')}`);
    for (let from = 0; from < total; from += perCommit) {
      const writer = from % (2 * perCommit) === 0 ? own : other;
      const part = keys.slice(from, from + perCommit);
      await writer.commit(part.map((key): Operation => ({kind: 'create', key, value: `${key} `.repeat(10)})));
    }
    const [{entries}, half] = await Promise.all([own.list(folder), own.list(`${folder}0`)]);
    t.same(
      entries.map(({key}) => key),
      keys,
    );
    t.ok(entries.every(({key, value}) => value === `${key} `.repeat(10)));
    t.equal(half.entries.length, total);
  },

  'a listing is of one moment, also while others write': async (t, {own, other, folder}) => {
    if (!own.capabilities.atomicAcrossKeys) return skip(t, 'this store does not promise it');
    // Many pages apart, and always written together.
    const filler = Array.from(
      {length: Math.min(100, own.capabilities.maxOps)},
      (_, i): Operation => ({kind: 'put', key: `${folder}m${i}`, value: 'x'.repeat(20_000)}),
    );
    // A store bounds the bytes of a commit as well: etcd takes 1.5 MiB.
    for (let from = 0; from < filler.length; from += 50) await own.commit(filler.slice(from, from + 50));
    const both = (value: string): Operation[] => [
      {kind: 'put', key: `${folder}a`, value},
      {kind: 'put', key: `${folder}z`, value},
    ];
    await own.commit(both('0'));
    let isDone = false;
    const writing = (async () => {
      for (let i = 1; !isDone; i++) await other.commit(both(String(i)));
    })();
    for (let i = 0; i < 20; i++) {
      const {entries} = await own.list(folder);
      if (entries[0]?.value !== entries.at(-1)?.value)
        t.fail(`a is ${entries[0]?.value}, z is ${entries.at(-1)?.value}`);
    }
    isDone = true;
    await writing;
  },

  'a watch goes on where the listing ended': async (t, {own, other, folder}) => {
    const [a, b, c] = [`${folder}a`, `${folder}b`, `${folder}c`];
    await own.commit([{kind: 'create', key: a, value: '1'}]);
    await own.commit([{kind: 'create', key: b, value: '1'}]);
    const {cursor} = await own.list(folder);
    // All of this happens before the watch begins.
    const ofA = await write(own, {kind: 'put', key: a, value: '2'});
    await other.commit([{kind: 'delete', key: b}]);
    const ofC = await write(other, {kind: 'create', key: c, value: '1'});
    const watcher = StoreWatcher.from(own, cursor, folder);
    await watcher.until(({updates}) => updates.length >= 3);
    t.same(
      new Map(watcher.updates.map(({key, value}) => [key, value])),
      new Map([
        [a, '2'],
        [b, undefined],
        [c, '1'],
      ]),
    );
    t.same(watcher.content.get(a), {key: a, value: '2', revision: ofA});
    t.same(watcher.content.get(c), {key: c, value: '1', revision: ofC});
    const ofB = await write(other, {kind: 'create', key: b, value: '2'});
    await watcher.until(({content}) => content.get(b)?.revision === ofB);
    await own.commit([{kind: 'delete', key: a}]);
    await watcher.until(({content}) => !content.has(a));
    t.equal(codeOf(await watcher.stop()), 'E_ABORTED');
  },

  'a watch says at once that it stands': async (t, {own, folder}) => {
    await own.commit([{kind: 'create', key: `${folder}a`, value: '1'}]);
    const watcher = await StoreWatcher.start(own, folder);
    await watcher.until(({batches}) => batches > 0);
    t.same(watcher.updates, []);
    await own.commit([{kind: 'create', key: `${folder}b`, value: '1'}]);
    await watcher.until(({updates}) => updates.length > 0);
    t.same(
      watcher.updates.map(({key}) => key),
      [`${folder}b`],
    );
    await watcher.stop();
  },

  'a watch sees its prefixes and nothing else': async (t, {own, other, folder}) => {
    const {cursor} = await own.list(folder);
    const wanted = [`${folder}a/`, `${folder}b_`, `${folder}名`];
    const watcher = StoreWatcher.from(own, cursor, ...wanted);
    const names = ['a/1', 'a', 'a-1', 'b_1', 'bx1', 'b', '名1', '名', 'é', 'c/1', 'a/2'];
    for (const [i, name] of names.entries()) {
      await (i % 2 === 0 ? own : other).commit([{kind: 'put', key: `${folder}${name}`, value: name}]);
    }
    const expected = ['a/1', 'b_1', '名1', '名', 'a/2'].map((name) => `${folder}${name}`).sort(compareBytes);
    await watcher.until(({content}) => content.size === expected.length);
    t.same([...watcher.content.keys()].sort(compareBytes), expected);
    await watcher.stop();
    t.ok(watcher.updates.every(({key}) => expected.includes(key)));
  },

  'a watch goes on from the cursor of any batch': async (t, {own, other, folder}) => {
    const total = 300;
    const {cursor: start} = await own.list(folder);
    for (let i = 0; i < total; i++) {
      const value = String(i);
      await (i % 2 === 0 ? own : other).commit([{kind: 'put', key: `${folder}${i % 50}`, value}]);
    }
    const seen = new Map<string, string | undefined>();
    const isComplete = () =>
      Array.from({length: 50}, (_, i) => seen.get(`${folder}${i}`)).every((v, i) => v === String(250 + i));
    for (let cursor = start; !isComplete(); ) {
      for await (const batch of own.watch([folder], cursor, {signal: new AbortController().signal})) {
        for (const {key, value} of batch.updates) seen.set(key, value);
        cursor = batch.cursor;
        if (batch.updates.length > 0) break;
      }
    }
    t.equal(seen.size, 50);
  },

  'several watches see the same': async (t, {own, other, folder}) => {
    const watchers = await Promise.all(Array.from({length: 5}, () => StoreWatcher.start(own, folder)));
    for (let i = 0; i < 50; i++) {
      await (i % 3 === 0 ? other : own).commit([{kind: 'put', key: `${folder}${i % 7}`, value: String(i)}]);
    }
    for (const watcher of watchers) await watcher.untilSame(own, folder);
    for (const watcher of watchers) await watcher.stop();
    t.pass('all have the final content');
  },

  'a watch that falls behind the history is told so': async (t, {own, folder, subject}) => {
    if (subject.forgetHistory === undefined) return skip(t, 'this engine cannot be made to forget');
    await own.commit([{kind: 'put', key: `${folder}a`, value: '1'}]);
    const {cursor} = await own.list(folder);
    await own.commit([{kind: 'put', key: `${folder}a`, value: '2'}]);
    await subject.forgetHistory(own);
    const watcher = StoreWatcher.from(own, cursor, folder);
    t.equal(codeOf(await watcher.ended), 'E_CURSOR_LOST');
    const again = await StoreWatcher.start(own, folder);
    await own.commit([{kind: 'put', key: `${folder}a`, value: '3'}]);
    await again.until(({content}) => content.get(`${folder}a`)?.value === '3');
    await again.stop();
  },

  'a call whose signal has aborted does nothing': async (t, {own, folder}) => {
    const signal = AbortSignal.abort(new Error('no longer wanted'));
    const key = `${folder}a`;
    await t.rejects(own.commit([{kind: 'create', key, value: '1'}], {signal}), {code: 'E_ABORTED'});
    await t.rejects(own.get(key, {signal}), {code: 'E_ABORTED'});
    await t.rejects(own.list(folder, {signal}), {code: 'E_ABORTED'});
    const {cursor} = await own.list(folder);
    await t.rejects(own.watch([folder], cursor, {signal})[Symbol.asyncIterator]().next(), {code: 'E_ABORTED'});
    t.equal(await own.get(key), undefined);
  },

  'a signal ends a watch that waits': async (t, {own, folder}) => {
    const watcher = await StoreWatcher.start(own, folder);
    const error = await watcher.stop();
    t.equal(codeOf(error), 'E_ABORTED');
  },

  'a commit that cannot go on ends at its deadline or with its signal': async (t, {own, folder, subject}) => {
    if (subject.stall === undefined) return skip(t, 'this engine cannot be made to hang');
    const key = `${folder}a`;
    const release = await subject.stall(t);
    await t.rejects(own.commit([{kind: 'put', key, value: 'late'}], {deadlineMs: 30}), {code: 'E_DEADLINE'});
    const abort = new AbortController();
    const waiting = own.commit([{kind: 'put', key, value: 'aborted'}], {signal: abort.signal});
    abort.abort();
    await t.rejects(waiting, {code: 'E_ABORTED'});
    // Under another key: whether those given up are done after all, and when, nobody knows.
    const patient = own.commit([{kind: 'put', key: `${key}b`, value: 'patient'}]);
    release();
    await patient;
    t.equal((await own.get(`${key}b`))?.value, 'patient');
  },

  'one of many creates wins': async (t, {own, other, folder}) => {
    const key = `${folder}a`;
    const attempts = Array.from({length: 20}, (_, i) =>
      (i % 2 === 0 ? own : other).commit([{kind: 'create', key, value: String(i)}]),
    );
    const outcomes = await Promise.allSettled(attempts);
    const winners = outcomes.flatMap(({status}, i) => (status === 'fulfilled' ? [String(i)] : []));
    t.same(winners, [(await own.get(key))?.value]);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected' && codeOf(outcome.reason) !== 'E_EXISTS') throw outcome.reason;
    }
  },

  'concurrent increments lose nothing': async (t, {own, other, folder}) => {
    const key = `${folder}counter`;
    await own.commit([{kind: 'create', key, value: '0'}]);
    const each = 40;
    const increment = async (store: OtherWriter) => {
      for (let done = 0; done < each; ) {
        const entry = await store.get(key);
        if (entry === undefined) throw new Error('the counter is gone');
        const value = String(Number(entry.value) + 1);
        const {code} = await settle(store.commit([{kind: 'update', key, value, revision: entry.revision}]));
        if (code === undefined) done++;
        else if (code !== 'E_CONFLICT') throw new Error(`unexpected ${code}`);
      }
    };
    await Promise.all([increment(own), increment(other), increment(own), increment(other)]);
    t.equal((await other.get(key))?.value, String(4 * each));
  },

  'commits that wait together stand alone': async (t, {own, folder}) => {
    const outcomes = await Promise.all(
      Array.from({length: 60}, (_, i) => {
        // Every third one creates what the one before it has just created.
        const created = `${folder}${i - (i % 3 === 1 ? 1 : 0)}`;
        const operations: Operation[] = [{kind: 'create', key: created, value: ''}];
        if (own.capabilities.maxOps > 1) operations.unshift({kind: 'put', key: `${folder}put-${i}`, value: ''});
        return settle(own.commit(operations));
      }),
    );
    const codes = outcomes.map(({code}) => code);
    for (let i = 0; i < codes.length; i += 3) {
      // Which of the two that create the same comes first is open: they were under way together.
      const refused = codes.slice(i, i + 2).filter((code) => code !== undefined);
      t.same(refused, ['E_EXISTS'], `one of ${i} and ${i + 1}`);
      t.equal(codes[i + 2], undefined);
    }
    if (!own.capabilities.atomicAcrossKeys) return;
    const {entries} = await own.list(`${folder}put-`);
    const written = codes.flatMap((code, i) => (code === undefined ? [`${folder}put-${i}`] : []));
    t.same(
      entries.map(({key}) => key),
      written.sort(compareBytes),
    );
  },

  'a random run is what a map would do': async (t, {own, other, folder}) => {
    const watcher = await StoreWatcher.start(own, folder);
    await forAll(4, async (random) => {
      const model = new StoreModel(random, `${folder}${random.below(2 ** 31)}/`);
      for (let step = 0; step < 150; step++) {
        const operations = model.randomCommit(own.capabilities.atomicAcrossKeys ? 4 : 1);
        const expected = model.refusal(operations);
        const outcome = await settle((random.chance() ? own : other).commit(operations));
        const found = outcome.failure === undefined ? undefined : `${outcome.code} ${outcome.failure.index}`;
        if (found !== expected)
          throw new Error(`step ${step} ${JSON.stringify(operations)}: ${found}, not ${expected}`);
        if (outcome.result !== undefined) model.apply(operations, outcome.result);
        if (random.chance(0.1)) await model.compare(random.chance() ? own : other);
      }
      await model.compare(own);
    });
    await watcher.untilSame(own, folder);
    await watcher.stop();
    t.pass('the watch ends with what is listed');
  },

  'close ends what waits and keeps what was written': async (t, {own, folder, subject}) => {
    const store = await subject.openAnother(t);
    t.teardown(() => store.close());
    const watcher = await StoreWatcher.start(store, folder);
    const key = `${folder}a`;
    const commit = store.commit([{kind: 'create', key, value: '1'}]);
    const closing = store.close();
    const outcome = await commit.then(
      () => 'written',
      (error: unknown) => codeOf(error),
    );
    await closing;
    await store.close();
    t.match(outcome, /^(written|E_ABORTED)$/);
    if (outcome === 'written') t.equal((await own.get(key))?.value, '1');
    t.equal(codeOf(await watcher.ended), 'E_ABORTED');
    await t.rejects(store.get(key), {code: 'E_ABORTED'});
    await t.rejects(store.list(folder), {code: 'E_ABORTED'});
    await t.rejects(store.commit([{kind: 'put', key, value: '2'}]), {code: 'E_ABORTED'});
    const cursor = (await own.list(folder)).cursor;
    await t.rejects(
      store.watch([folder], cursor, {signal: new AbortController().signal})[Symbol.asyncIterator]().next(),
      {
        code: 'E_ABORTED',
      },
    );
  },
};

/** A test that does not apply to this engine; the reason is in the output. */
function skip(t: Test, reason: string): void {
  t.pass(reason);
}

/** The revision that a commit of one write gives. */
async function write(store: OtherWriter, operation: Exclude<Operation, {kind: 'delete' | 'check'}>): Promise<string> {
  const {revisions} = await store.commit([operation]);
  const [revision] = revisions;
  if (revision === undefined) throw new Error(`no revision for ${operation.key}`);
  return revision;
}

type Outcome =
  | {readonly result: CommitResult; readonly code: undefined; readonly failure: undefined}
  | {readonly result: undefined; readonly code: string | undefined; readonly failure: CommitFailure};

/** A commit that was done, or refused as one may be; anything else is thrown. */
async function settle(commit: Promise<CommitResult>): Promise<Outcome> {
  try {
    return {result: await commit, code: undefined, failure: undefined};
  } catch (error) {
    const failure = commitFailureOf(error);
    if (failure === undefined) throw error;
    return {result: undefined, code: codeOf(error), failure};
  }
}

async function refused(
  t: Test,
  store: OtherWriter,
  operations: readonly Operation[],
  expected: CommitFailure & {readonly code: ErrorCode},
): Promise<void> {
  const {code, failure} = await settle(store.commit(operations));
  const {index, key, current} = failure ?? {};
  t.same({code, index, key, current}, expected);
}
