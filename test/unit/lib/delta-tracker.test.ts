/** The tracker against a model that compares the two maps key by key, every time. */
import assert from 'node:assert/strict';
import t from 'tap';
import {DeltaTracker} from '../../../src/lib/delta-tracker.ts';
import type {Changes} from '../../../src/lib/driver.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';
import {forAll, type Random} from '../../helpers/random.ts';

/** Values are lists, so that equality is the tracker's `equal` and never identity. */
type Value = readonly number[];
const equal = (a: Value, b: Value): boolean => a.join() === b.join();

const createTracker = (clock: FakeClock = new FakeClock()) => new DeltaTracker<string, Value>({equal}, {clock});

class Model {
  desired = new Map<string, Value>();
  actual = new Map<string, Value>();

  pending(): Changes<string, Value> {
    const writes = new Map<string, Value>();
    const removals = new Map<string, Value>();
    for (const [key, value] of this.desired) {
      const actual = this.actual.get(key);
      if (actual === undefined || !equal(value, actual)) writes.set(key, value);
    }
    for (const [key, value] of this.actual) if (!this.desired.has(key)) removals.set(key, value);
    return {writes, removals};
  }
}

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', '__proto__'];
const sorted = (map: ReadonlyMap<string, Value>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

function assertAgree(tracker: DeltaTracker<string, Value>, model: Model): void {
  const {writes, removals} = tracker.pending();
  const expected = model.pending();
  assert.deepEqual(sorted(writes), sorted(expected.writes));
  assert.deepEqual(sorted(removals), sorted(expected.removals));
  assert.equal(tracker.pendingCount, writes.size + removals.size);
  for (const key of KEYS) assert.equal(tracker.isPending(key), writes.has(key) || removals.has(key));
  assert.deepEqual(sorted(tracker.desired), sorted(model.desired));
  assert.deepEqual(sorted(tracker.actual), sorted(model.actual));
}

function randomStep(random: Random, tracker: DeltaTracker<string, Value>, model: Model): void {
  const key = random.pick(KEYS);
  const value = [random.below(3), random.below(2)];
  const entries = random
    .shuffle(KEYS)
    .slice(random.below(KEYS.length))
    .map((k) => [k, [random.below(3), 0]] as const);
  switch (random.below(7)) {
    case 0:
    case 1:
      tracker.setDesired(key, value);
      model.desired.set(key, value);
      break;
    case 2:
      tracker.deleteDesired(key);
      model.desired.delete(key);
      break;
    case 3:
      tracker.replaceDesired(entries.values());
      model.desired = new Map(entries);
      break;
    case 4:
      tracker.setActual(key, value);
      model.actual.set(key, value);
      break;
    case 5:
      tracker.deleteActual(key);
      model.actual.delete(key);
      break;
    default:
      tracker.replaceActual(entries.values());
      model.actual = new Map(entries);
  }
}

void t.test('a key is pending exactly when the maps disagree, after any steps', () =>
  forAll(300, (random) => {
    const tracker = createTracker();
    const model = new Model();
    for (let step = 0; step < 200; step++) {
      randomStep(random, tracker, model);
      if (random.chance(0.3)) {
        const changes = tracker.pending();
        const failed = new Map(
          [...changes.writes.keys(), ...changes.removals.keys()]
            .filter(() => random.chance(0.3))
            .map((k) => [k, new Error('refused')]),
        );
        // The desired state may change while the write is under way.
        const laterKey = random.pick(KEYS);
        if (random.chance()) {
          tracker.setDesired(laterKey, [7]);
          model.desired.set(laterKey, [7]);
        }
        tracker.record(changes, failed);
        for (const [k, v] of changes.writes) if (!failed.has(k)) model.actual.set(k, v);
        for (const k of changes.removals.keys()) if (!failed.has(k)) model.actual.delete(k);
      }
      assertAgree(tracker, model);
    }
  }),
);

void t.test('a change during a write stays pending', async (t) => {
  const tracker = createTracker();
  tracker.setDesired('a', [1]);
  const changes = tracker.pending();
  tracker.setDesired('a', [2]);
  tracker.record(changes, new Map());
  t.same(tracker.actual.get('a'), [1], 'the write that was made is known');
  t.same([...tracker.pending().writes], [['a', [2]]]);

  const second = tracker.pending();
  tracker.deleteDesired('a');
  tracker.record(second, new Map());
  t.same([...tracker.pending().removals], [['a', [2]]], 'removed with the value that is there');
});

void t.test('news that contradict a write are reported, news that agree are not', async (t) => {
  const during = (news: (tracker: DeltaTracker<string, Value>) => void, failed: readonly string[] = []) => {
    const tracker = createTracker();
    tracker.replaceActual([['old', [1]]]);
    tracker.setDesired('a', [1]);
    tracker.setActual('a', [8]);
    const changes = tracker.pending();
    news(tracker);
    return tracker.record(changes, new Map(failed.map((key) => [key, new Error('refused')])));
  };
  t.ok(
    during(() => {}),
    'news from before the snapshot do not count',
  );
  t.ok(
    during((tracker) => tracker.setActual('a', [1])),
    'the echo of our own write',
  );
  t.ok(
    during((tracker) => tracker.deleteActual('old')),
    'the echo of our own removal',
  );
  t.ok(
    during((tracker) => tracker.setActual('z', [1])),
    'a key that was not written',
  );
  t.ok(
    during((tracker) => tracker.setActual('a', [9]), ['a']),
    'a key whose write failed',
  );
  t.notOk(during((tracker) => tracker.setActual('a', [9])));
  t.notOk(during((tracker) => tracker.deleteActual('a')));
  t.notOk(during((tracker) => tracker.setActual('old', [9])));
});

void t.test('news that contradict a read-back are reported, news that agree are not', async (t) => {
  const during = (news: (tracker: DeltaTracker<string, Value>) => void) => {
    const tracker = createTracker();
    tracker.setActual('a', [8]);
    tracker.beginReadBack();
    news(tracker);
    return tracker.replaceActual([['a', [1]]]);
  };
  t.ok(during(() => {}));
  t.ok(during((tracker) => tracker.setActual('a', [1])));
  t.ok(during((tracker) => tracker.deleteActual('b')));
  t.notOk(during((tracker) => tracker.setActual('a', [2])));
  t.notOk(during((tracker) => tracker.deleteActual('a')));
  t.notOk(during((tracker) => tracker.setActual('b', [2])));
});

void t.test('a snapshot does not change afterwards and keeps the order of waiting', async (t) => {
  const tracker = createTracker();
  for (const key of ['c', 'a', 'b']) tracker.setDesired(key, [1]);
  tracker.setDesired('c', [2]);
  const {writes} = tracker.pending();
  tracker.setDesired('d', [1]);
  tracker.deleteDesired('a');
  t.same(
    [...writes],
    [
      ['c', [2]],
      ['a', [1]],
      ['b', [1]],
    ],
  );
});

void t.test('a value of undefined or falsy is a value like any other', async (t) => {
  const tracker = new DeltaTracker<string, number | undefined>({equal: (a, b) => a === b}, {clock: new FakeClock()});
  tracker.setDesired('a', undefined);
  tracker.setDesired('b', 0);
  t.same([...tracker.pending().writes.keys()], ['a', 'b']);
  tracker.record(tracker.pending(), new Map());
  t.equal(tracker.pendingCount, 0);
  tracker.deleteDesired('a');
  t.ok(tracker.pending().removals.has('a'));
});

void t.test('the age of the oldest pending key', async (t) => {
  const clock = new FakeClock();
  const tracker = createTracker(clock);
  t.equal(tracker.oldestPendingMs(), 0);
  tracker.setDesired('a', [1]);
  await clock.advance(100);
  tracker.setDesired('b', [1]);
  await clock.advance(50);
  t.equal(tracker.oldestPendingMs(), 150);
  tracker.setDesired('a', [2]);
  t.equal(tracker.oldestPendingMs(), 150, 'another value does not make it younger');
  tracker.setActual('a', [2]);
  t.equal(tracker.oldestPendingMs(), 50, 'then the next is the oldest');
  tracker.record(tracker.pending(), new Map([['b', new Error('refused')]]));
  t.equal(tracker.oldestPendingMs(), 50, 'a failure keeps its age');
  tracker.deleteDesired('b');
  t.equal(tracker.oldestPendingMs(), 0);
});
