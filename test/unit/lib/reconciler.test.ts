/**
 * The reconciler against a kernel that starts with anything in it, refuses at random, fails without an answer half way,
 * and is changed by others.
 */
import assert from 'node:assert/strict';
import t from 'tap';
import type {Changes, Driver} from '../../../src/lib/driver.ts';
import {AgentError} from '../../../src/lib/errors.ts';
import {createRegistry, StageMetrics} from '../../../src/lib/metrics.ts';
import {Reconciler} from '../../../src/lib/reconciler.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';
import {forAll, type Random} from '../../helpers/random.ts';

type Entries = Record<string, number>;

/** A driver over a map. What goes wrong is the test's decision, taken in the hooks. */
class MapDriver implements Driver<string, number> {
  readonly kind = 'thing';
  readonly kernel: Map<string, number>;
  readonly calls: string[] = [];
  refuses: (key: string) => boolean = () => false;
  /** Called before every single change; throwing leaves the rest undone and the outcome unknown. */
  beforeChange: (key: string) => void = () => {};
  duringList: () => void | Promise<void> = () => {};
  duringApply: () => void | Promise<void> = () => {};

  constructor(kernel: Entries = {}) {
    this.kernel = new Map(Object.entries(kernel));
  }

  equal(desired: number, actual: number): boolean {
    return desired === actual;
  }

  async list(): Promise<Iterable<readonly [string, number]>> {
    this.calls.push('list');
    const seen = [...this.kernel];
    await this.duringList();
    return seen;
  }

  async apply(changes: Changes<string, number>): Promise<ReadonlyMap<string, Error>> {
    const texts = [
      ...[...changes.writes].map(([k, v]) => `${k}=${v}`),
      ...[...changes.removals].map(([k, v]) => `-${k}=${v}`),
    ];
    this.calls.push(`apply ${texts.join(' ')}`);
    const failed = new Map<string, Error>();
    const change = (key: string, make: () => void) => {
      this.beforeChange(key);
      if (this.refuses(key)) failed.set(key, new AgentError('E_NETLINK', 'refused'));
      else make();
    };
    for (const [key, value] of changes.writes) change(key, () => this.kernel.set(key, value));
    await this.duringApply();
    for (const key of changes.removals.keys()) change(key, () => this.kernel.delete(key));
    return failed;
  }
}

const signal = new AbortController().signal;

function createReconciler(kernel: Entries = {}) {
  const driver = new MapDriver(kernel);
  const clock = new FakeClock();
  const registry = createRegistry();
  const metrics = new StageMetrics({}, {registry});
  const reconciler = new Reconciler({driver}, {clock, metrics});
  return {driver, clock, registry, reconciler};
}

void t.test('a round reads back, writes the difference, and knows what it did', async (t) => {
  const {driver, reconciler} = createReconciler({old: 1, same: 2, other: 3});
  reconciler.tracker.replaceDesired([
    ['same', 2],
    ['other', 4],
    ['new', 5],
  ]);
  t.ok(reconciler.isPending && reconciler.isStale);
  t.same(await reconciler.reconcile(signal), new Map());
  t.same(Object.fromEntries(driver.kernel), {same: 2, other: 4, new: 5});
  t.same(driver.calls, ['list', 'apply other=4 new=5 -old=1']);
  t.notOk(reconciler.isPending);
  await reconciler.reconcile(signal);
  t.equal(driver.calls.length, 2, 'nothing is pending or in doubt: neither listed nor applied');
});

void t.test('a restart with nothing to change applies nothing', async (t) => {
  const {driver, reconciler} = createReconciler({a: 1, b: 2});
  reconciler.tracker.replaceDesired([
    ['a', 1],
    ['b', 2],
  ]);
  await reconciler.reconcile(signal);
  t.same(driver.calls, ['list']);
});

void t.test('what failed stays pending and is tried alone', async (t) => {
  const {driver, reconciler} = createReconciler({gone: 1});
  reconciler.tracker.replaceDesired([
    ['a', 1],
    ['b', 2],
  ]);
  driver.refuses = (key) => key !== 'a';
  const failed = await reconciler.reconcile(signal);
  t.same([...failed.keys()], ['b', 'gone']);
  t.same(Object.fromEntries(reconciler.tracker.actual), {a: 1, gone: 1});
  driver.refuses = () => false;
  await reconciler.reconcile(signal);
  t.same(driver.calls, ['list', 'apply a=1 b=2 -gone=1', 'apply b=2 -gone=1']);
});

void t.test('an unknown outcome is read back before anything else is written', async (t) => {
  const {driver, reconciler} = createReconciler();
  reconciler.tracker.replaceDesired([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  driver.beforeChange = (key) => {
    if (key === 'c') throw new AgentError('E_DEADLINE', 'no answer');
  };
  await t.rejects(reconciler.reconcile(signal), {code: 'E_DEADLINE'});
  t.ok(reconciler.isStale);
  t.equal(reconciler.tracker.actual.size, 0, 'nothing is believed');
  driver.beforeChange = () => {};
  await reconciler.reconcile(signal);
  t.same(driver.calls.slice(2), ['list', 'apply c=3'], 'what had been done is not done again');
});

void t.test('a read-back that fails is repeated', async (t) => {
  const {driver, reconciler} = createReconciler({a: 1});
  driver.duringList = () => {
    throw new AgentError('E_NETLINK_INTERRUPTED', 'changed meanwhile');
  };
  await t.rejects(reconciler.reconcile(signal), {code: 'E_NETLINK_INTERRUPTED'});
  driver.duringList = () => {};
  await reconciler.reconcile(signal);
  t.same(driver.calls, ['list', 'list', 'apply -a=1']);
});

void t.test('news from before a read-back do not cause another', async (t) => {
  const {reconciler} = createReconciler({a: 1});
  reconciler.tracker.setActual('a', 7);
  reconciler.tracker.setActual('b', 7);
  await reconciler.reconcile(signal);
  t.notOk(reconciler.isStale);
});

void t.test('an invalidation is never lost', async (t) => {
  const {driver, reconciler} = createReconciler();
  reconciler.tracker.setDesired('a', 1);
  driver.duringList = () => reconciler.invalidate();
  await reconciler.reconcile(signal);
  t.ok(reconciler.isStale, 'during the read-back');
  driver.duringList = () => {};
  driver.duringApply = () => reconciler.invalidate();
  reconciler.tracker.setDesired('a', 2);
  await reconciler.reconcile(signal);
  t.ok(reconciler.isStale, 'during a write');
  driver.kernel.set('a', 77);
  driver.duringApply = () => {};
  await reconciler.reconcile(signal);
  t.equal(driver.kernel.get('a'), 2, 'what somebody changed is repaired');
});

void t.test('a change of mind during a write is not lost', async (t) => {
  const {driver, reconciler} = createReconciler();
  reconciler.tracker.replaceDesired([
    ['a', 1],
    ['b', 1],
  ]);
  driver.duringApply = () => {
    reconciler.tracker.setDesired('a', 2);
    reconciler.tracker.deleteDesired('b');
    reconciler.tracker.setDesired('c', 3);
  };
  await reconciler.reconcile(signal);
  driver.duringApply = () => {};
  await reconciler.reconcile(signal);
  t.same(Object.fromEntries(driver.kernel), {a: 2, c: 3});
  t.equal(driver.calls.at(-1), 'apply a=2 c=3 -b=1');
});

void t.test('an aborted signal stops before anything is done, and one round runs at a time', async (t) => {
  const {driver, reconciler} = createReconciler({a: 1});
  await t.rejects(reconciler.reconcile(AbortSignal.abort(new Error('stopping'))), {message: 'stopping'});
  t.same(driver.calls, []);
  const first = reconciler.reconcile(signal);
  await t.rejects(reconciler.reconcile(signal), /already under way/);
  await first;
  await t.resolves(reconciler.reconcile(signal), 'and the next may run again');
});

void t.test('the stage reports what it does', async (t) => {
  const {driver, clock, registry, reconciler} = createReconciler();
  reconciler.tracker.setDesired('a', 1);
  reconciler.tracker.setDesired('b', 1);
  await clock.advance(2500);
  const metric = async () => (await registry.metrics()).split('\n').filter((line) => line.includes('stage="thing"'));
  t.ok((await metric()).includes('calico_stage_queue_depth{stage="thing"} 2'));
  t.ok((await metric()).includes('calico_stage_oldest_pending_seconds{stage="thing"} 2.5'));
  driver.refuses = (key) => key === 'b';
  driver.duringApply = () => clock.advance(40);
  await reconciler.reconcile(signal);
  driver.beforeChange = () => {
    throw new Error('no code');
  };
  await t.rejects(reconciler.reconcile(signal));
  const lines = await metric();
  t.ok(lines.includes('calico_stage_queue_depth{stage="thing"} 1'));
  t.ok(lines.includes('calico_stage_failures_total{stage="thing",code="E_NETLINK"} 1'));
  t.ok(lines.includes('calico_stage_failures_total{stage="thing",code="unknown"} 1'));
  t.ok(lines.includes('calico_stage_duration_seconds_count{stage="thing"} 2'));
  t.ok(lines.includes('calico_stage_duration_seconds_sum{stage="thing"} 0.04'));
});

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];
const randomEntries = (random: Random): Entries =>
  Object.fromEntries(KEYS.filter(() => random.chance()).map((key) => [key, random.below(3)]));

void t.test('it converges from any kernel through any failures, and then rests', () =>
  forAll(500, async (random) => {
    const {driver, reconciler} = createReconciler(randomEntries(random));
    let isHostile = true;
    driver.refuses = () => isHostile && random.chance(0.2);
    const meddle = () => {
      if (!isHostile) return;
      if (random.chance(0.1)) throw new Error('outcome unknown');
      if (random.chance(0.2)) reconciler.tracker.setDesired(random.pick(KEYS), random.below(3));
      if (random.chance(0.2)) reconciler.tracker.deleteDesired(random.pick(KEYS));
      if (random.chance(0.1)) {
        // Somebody else changes the kernel; a monitor notices, and says what it saw or only that it saw something.
        const key = random.pick(KEYS);
        const value = random.chance() ? random.below(3) : undefined;
        if (value === undefined) driver.kernel.delete(key);
        else driver.kernel.set(key, value);
        if (random.chance()) reconciler.invalidate();
        else if (value === undefined) reconciler.tracker.deleteActual(key);
        else reconciler.tracker.setActual(key, value);
      }
    };
    driver.beforeChange = meddle;
    driver.duringApply = meddle;
    driver.duringList = meddle;
    for (let round = 0; round < 40; round++) {
      if (random.chance(0.3)) reconciler.tracker.replaceDesired(Object.entries(randomEntries(random)));
      await reconciler.reconcile(signal).catch((error: unknown) => {
        if (!/outcome unknown/.test(String(error))) throw error;
      });
    }
    isHostile = false;
    for (let round = 0; round < 2; round++) await reconciler.reconcile(signal);
    const sorted = (map: ReadonlyMap<string, number>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(sorted(driver.kernel), sorted(reconciler.tracker.desired));
    const {length} = driver.calls;
    await reconciler.reconcile(signal);
    assert.equal(driver.calls.length, length, 'nothing is done any more');
  }),
);
