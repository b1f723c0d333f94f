/** The syncer over the embedded store, with faults put between them: it always converges and never claims too much. */
import {join} from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import t, {type Test} from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import type {Operation, Store, SyncStatus, Update} from '../../../src/datastore/store.ts';
import {Syncer} from '../../../src/datastore/syncer.ts';
import {type Clock, systemClock} from '../../../src/lib/clock.ts';
import type {ErrorCode} from '../../../src/lib/errors.ts';
import {type LogFields, type Logger, silentLogger} from '../../../src/lib/log.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';
import {FaultyStore} from '../../helpers/faulty-store.ts';
import {forAll, type Random} from '../../helpers/random.ts';

/** A small history, so that it can be lost. */
const HISTORY_LIMIT = 50;

/** What a consumer knows, and what it was told in order. */
class RecordingSink {
  readonly content = new Map<string, string>();
  readonly statuses: SyncStatus[] = [];
  /** One per status. */
  readonly reasons: (string | undefined)[] = [];
  readonly portions: (readonly Update[])[] = [];
  /** Status changes and portions as they came. */
  readonly events: string[] = [];
  readonly #waiting = new Set<() => void>();

  onStatus(status: SyncStatus, reason?: string): void {
    this.statuses.push(status);
    this.reasons.push(reason);
    this.events.push(status);
    for (const wake of this.#waiting) wake();
  }

  onUpdates(updates: readonly Update[]): void {
    this.portions.push(updates);
    this.events.push(...updates.map(({key, value}) => `${key}=${value ?? 'gone'}`));
    for (const {key, value} of updates) {
      if (value === undefined) this.content.delete(key);
      else this.content.set(key, value);
    }
    for (const wake of this.#waiting) wake();
  }

  get status(): SyncStatus | undefined {
    return this.statuses.at(-1);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }
}

interface Setup {
  readonly store: EmbeddedStore;
  readonly faulty: FaultyStore;
  readonly sink: RecordingSink;
  readonly syncer: Syncer;
}

async function setUp(
  t: Test,
  options: {readonly prefixes?: string[]; readonly clock?: Clock; readonly log?: Logger; readonly folder?: string} = {},
): Promise<Setup> {
  const {
    prefixes = ['/a/', '/b/'],
    clock = impatient,
    log = silentLogger,
    folder = join(t.testdir(), 'store'),
  } = options;
  const store = await EmbeddedStore.open(
    {folder, historyLimit: HISTORY_LIMIT},
    {clock: systemClock, log: silentLogger},
  );
  t.teardown(() => store.close());
  const faulty = new FaultyStore(store);
  const sink = new RecordingSink();
  const syncer = new Syncer({prefixes}, {store: faulty, clock, log, sink});
  t.teardown(() => syncer.stop());
  return {store, faulty, sink, syncer};
}

/** The pauses between attempts cost no time. */
const impatient: Clock = {...systemClock, schedule: (_delayMs, task) => systemClock.schedule(0, task)};

const put = (store: Store, ...pairs: [key: string, value: string][]) =>
  store.commit(pairs.map(([key, value]): Operation => ({kind: 'put', key, value})));

async function listed(store: Store, ...prefixes: string[]): Promise<Map<string, string>> {
  const listings = await Promise.all(prefixes.map((prefix) => store.list(prefix)));
  return new Map(listings.flatMap(({entries}) => entries.map(({key, value}) => [key, value])));
}

async function untilSame(sink: RecordingSink, store: Store, ...prefixes: string[]): Promise<void> {
  const wanted = await listed(store, ...prefixes);
  await sink.until(
    () => sink.content.size === wanted.size && [...wanted].every(([key, value]) => sink.content.get(key) === value),
  );
}

await t.test('waiting, resyncing, everything, in-sync, changes', async (t) => {
  const {store, sink, syncer} = await setUp(t);
  await put(store, ['/a/1', 'x'], ['/b/1', 'y'], ['/c/1', 'not ours']);
  syncer.start();
  t.same(sink.events, ['waiting']);
  await sink.until(() => sink.status === 'in-sync');
  t.same(sink.statuses, ['waiting', 'resyncing', 'in-sync']);
  t.same(sink.content, await listed(store, '/a/', '/b/'));
  await store.commit([{kind: 'delete', key: '/a/1'}]);
  await sink.until(() => !sink.content.has('/a/1'));
  await put(store, ['/b/2', 'z'], ['/c/2', 'not ours']);
  await untilSame(sink, store, '/a/', '/b/');
  t.same(sink.statuses, ['waiting', 'resyncing', 'in-sync'], 'changes are no reason to leave in-sync');
});

await t.test('not in-sync while one prefix is missing', async (t) => {
  const clock = new FakeClock();
  const {store, faulty, sink, syncer} = await setUp(t, {clock});
  await put(store, ['/a/1', 'x'], ['/b/1', 'y']);
  // The lists are called in the order of the prefixes: the second succeeds only the second time.
  const list = faulty.list.bind(faulty);
  let isBAway = true;
  faulty.list = (prefix, options) => {
    if (prefix === '/b/' && isBAway) faulty.failNext('list', 'E_UNREACHABLE');
    return list(prefix, options);
  };
  syncer.start();
  await sink.until(() => sink.content.has('/a/1'));
  t.equal(sink.status, 'waiting');
  isBAway = false;
  await clock.advance(200);
  await sink.until(() => sink.status === 'in-sync');
  t.same(sink.content, await listed(store, '/a/', '/b/'));
});

await t.test('an outage: waiting, then on from where it was', async (t) => {
  const {store, faulty, sink, syncer} = await setUp(t, {prefixes: ['/a/']});
  await put(store, ['/a/1', 'x'], ['/a/2', 'x'], ['/a/3', 'x']);
  syncer.start();
  await sink.until(() => sink.status === 'in-sync');
  const portions = sink.portions.length;
  faulty.breakDown('E_UNREACHABLE');
  await sink.until(() => sink.status === 'waiting');
  await put(store, ['/a/1', 'changed']);
  await store.commit([{kind: 'delete', key: '/a/2'}]);
  t.equal(sink.content.get('/a/2'), 'x', 'nothing is taken away because the datastore is');
  faulty.recover();
  await sink.until(() => sink.status === 'in-sync');
  await untilSame(sink, store, '/a/');
  t.equal(faulty.calls.list, 1, 'no second listing');
  const later = sink.portions
    .slice(portions)
    .flat()
    .map(({key}) => key);
  t.same(later.sort(), ['/a/1', '/a/2'], 'only what had changed');
});

await t.test('lost history: the difference to a new listing, deletions included', async (t) => {
  const {store, faulty, sink, syncer} = await setUp(t, {prefixes: ['/a/']});
  await put(store, ['/a/1', 'x'], ['/a/2', 'x'], ['/a/3', 'x']);
  syncer.start();
  await sink.until(() => sink.status === 'in-sync');
  const events = sink.events.length;
  faulty.breakDown('E_UNREACHABLE');
  await sink.until(() => sink.status === 'waiting');
  await put(store, ['/a/1', 'changed']);
  await store.commit([{kind: 'delete', key: '/a/2'}]);
  for (let i = 0; i < 2 * HISTORY_LIMIT; i++) await put(store, ['/other', String(i)]);
  faulty.recover();
  await sink.until(() => sink.status === 'in-sync');
  t.same(sink.events.slice(events), ['waiting', 'resyncing', '/a/1=changed', '/a/2=gone', 'in-sync']);
  t.equal(faulty.calls.list, 2);
});

await t.test('a listing that fails half way or is refused is tried again', async (t) => {
  const codes: ErrorCode[] = ['E_UNREACHABLE', 'E_DEADLINE', 'E_UNAUTHORISED', 'E_CURSOR_LOST', 'E_STORE_IO'];
  const {store, faulty, sink, syncer} = await setUp(t, {prefixes: ['/a/']});
  await put(store, ['/a/1', 'x']);
  faulty.failNext('list', ...codes);
  faulty.failNext('watch', ...codes);
  syncer.start();
  await sink.until(() => sink.status === 'in-sync');
  t.same(sink.content, await listed(store, '/a/'));
  t.equal(sink.statuses.filter((status) => status === 'in-sync').length, 1, 'not before the watch stands');
});

await t.test('pauses grow, are bounded, and start anew after success', async (t) => {
  const clock = new FakeClock();
  const {faulty, sink, syncer} = await setUp(t, {prefixes: ['/a/'], clock});
  faulty.breakDown('E_UNREACHABLE');
  syncer.start();
  const pauses: number[] = [];
  for (let i = 0; i < 12; i++) {
    await clock.advance(0);
    const pauseMs = clock.nextInMs ?? 0;
    pauses.push(pauseMs);
    await clock.advance(pauseMs);
  }
  for (const [i, pauseMs] of pauses.entries()) {
    const fullMs = Math.min(10_000, 100 * 2 ** i);
    t.ok(pauseMs >= fullMs / 2 && pauseMs <= fullMs, `pause ${i}: ${pauseMs} ms`);
  }
  faulty.recover();
  await clock.advance(10_000);
  await sink.until(() => sink.status === 'in-sync');
  faulty.endWatches('E_UNREACHABLE');
  await sink.until(() => sink.status === 'waiting');
  t.ok((clock.nextInMs ?? Infinity) <= 100);
});

await t.test('an outage is logged once, and so is its end', async (t) => {
  const lines: string[] = [];
  const note = (level: string) => (fields: LogFields, message: string) => {
    lines.push(`${level}: ${message} ${JSON.stringify(fields.code ?? fields.failures)}`);
  };
  const log: Logger = {
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    child: () => log,
  };
  const {faulty, sink, syncer} = await setUp(t, {prefixes: ['/a/'], log});
  faulty.failNext('list', 'E_UNREACHABLE', 'E_UNREACHABLE', 'E_UNREACHABLE');
  syncer.start();
  await sink.until(() => sink.status === 'in-sync');
  t.same(lines, ['warn: datastore out of step "E_UNREACHABLE"', 'info: datastore in step again 3']);
});

await t.test('a large snapshot comes in portions with room between them', async (t) => {
  const {store, sink, syncer} = await setUp(t, {prefixes: ['/a/']});
  const total = 5000;
  for (let from = 0; from < total; from += 1000) {
    await put(store, ...Array.from({length: 1000}, (_, i): [string, string] => [`/a/${from + i}`, 'x']));
  }
  let turns = 0;
  let isRunning = true;
  const turn = () => {
    turns++;
    if (isRunning) setImmediate(turn);
  };
  syncer.start();
  await sink.until(() => sink.status === 'resyncing');
  turn();
  await sink.until(() => sink.status === 'in-sync');
  isRunning = false;
  t.equal(sink.content.size, total);
  t.ok(Math.max(...sink.portions.map(({length}) => length)) <= 500);
  t.ok(turns >= sink.portions.length - 1, `${turns} turns of the event loop for ${sink.portions.length} portions`);
});

await t.test('after stop the sink hears nothing', async (t) => {
  const {store, sink, syncer} = await setUp(t);
  await put(store, ['/a/1', 'x']);
  syncer.start();
  await sink.until(() => sink.status === 'in-sync');
  const stopping = syncer.stop();
  const events = sink.events.length;
  await put(store, ['/a/2', 'x']);
  await stopping;
  await store.get('/a/2');
  t.equal(sink.events.length, events);
  t.throws(() => syncer.start(), /started before/);
});

await t.test('the sink hears why the datastore is away, once per reason', async (t) => {
  const {faulty, sink, syncer} = await setUp(t, {prefixes: ['/a/']});
  syncer.start();
  await sink.until(() => sink.status === 'in-sync');
  t.same(sink.reasons, [undefined, undefined, undefined], 'waiting, resyncing and in-sync need none');
  faulty.breakDown('E_UNREACHABLE');
  await sink.until(() => sink.status === 'waiting');
  const attempts = faulty.calls.watch;
  while (faulty.calls.watch < attempts + 5) await pause(1);
  t.same(sink.reasons.slice(3), ['made to fail'], 'what stays as it was is not told again');
  faulty.recover();
  await sink.until(() => sink.status === 'in-sync');
  t.equal(sink.reasons.at(-1), undefined);
  await syncer.stop();
});

await t.test('stop ends a pause and a listing', async (t) => {
  const clock = new FakeClock();
  const {faulty, sink, syncer} = await setUp(t, {clock});
  faulty.breakDown('E_UNREACHABLE');
  syncer.start();
  await clock.advance(0);
  t.same([...new Set(sink.statuses)], ['waiting']);
  await syncer.stop();
  t.equal(clock.waiting, 0, 'no timer is left');
});

await t.test('a store that is closed is the end, without a defect', async (t) => {
  const {store, sink, syncer} = await setUp(t);
  syncer.start();
  await sink.until(() => sink.status === 'in-sync');
  await store.close();
  await sink.until(() => sink.status === 'waiting');
  await syncer.stop();
});

/** Random writes and faults in any order; whatever happened, the end is what the store holds. */
async function randomRun(t: Test, random: Random, folder: string): Promise<void> {
  const {store, faulty, sink, syncer} = await setUp(t, {folder});
  syncer.start();
  const codes: ErrorCode[] = ['E_UNREACHABLE', 'E_DEADLINE', 'E_CURSOR_LOST'];
  for (let step = 0; step < 150; step++) {
    const key = `${random.pick(['/a/', '/b/'])}${random.below(10)}`;
    switch (random.below(8)) {
      case 0:
        await store.commit([{kind: 'delete', key}]).catch(() => {});
        break;
      case 1:
        faulty.failNext(random.pick(['list', 'watch']), random.pick(codes));
        break;
      case 2:
        faulty.endWatches(random.pick(codes));
        break;
      case 3:
        if (random.chance(0.3)) faulty.breakDown(random.pick(codes));
        else faulty.recover();
        break;
      default:
        await put(store, [key, String(step)]);
    }
  }
  faulty.recover();
  const converged = sink.until(() => sink.status === 'in-sync').then(() => untilSame(sink, store, '/a/', '/b/'));
  // Only a run that never converges meets this, and then the seed is wanted more than a time-out of the whole file.
  const limit = new AbortController();
  const never = pause(20_000, undefined, {signal: limit.signal}).then(() => {
    throw new Error(`it does not converge: ${JSON.stringify([...sink.content])}`);
  });
  await Promise.race([converged, never]);
  limit.abort();
  await syncer.stop();
}

await t.test('random writes and faults', async (t) => {
  const base = t.testdir();
  let run = 0;
  await forAll(6, (random) => randomRun(t, random, join(base, `run-${run++}`)));
  t.pass('the end is what the store holds');
});
