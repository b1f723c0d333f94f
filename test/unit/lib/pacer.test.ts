/** When a Pacer runs, told by a clock that only the test moves. */
import assert from 'node:assert/strict';
import t from 'tap';
import {Pacer} from '../../../src/lib/pacer.ts';
import {FakeClock, settle} from '../../helpers/fake-clock.ts';
import {forAll} from '../../helpers/random.ts';

const GAPS = {minGapMs: 100, retryGapMs: 1000, maxGapMs: 10_000};

/** A pacer whose runs end at once with the next of `outcomes` (then 'done'), or when the test says so. */
function createPacer(outcomes: ('done' | 'retry')[] = [], gaps: typeof GAPS = GAPS) {
  const clock = new FakeClock();
  const startsMs: number[] = [];
  const pacer = new Pacer(gaps, {
    clock,
    run: async () => {
      startsMs.push(clock.monotonicMs());
      return outcomes.shift() ?? 'done';
    },
  });
  return {clock, pacer, startsMs};
}

void t.test('nothing runs before the first trigger, which runs at once', async (t) => {
  const {clock, pacer, startsMs} = createPacer();
  await clock.advance(5000);
  t.same(startsMs, []);
  pacer.trigger();
  pacer.trigger();
  await clock.advance(0);
  t.same(startsMs, [5000], 'two triggers before a run are one run');
});

void t.test('triggers in a row run with the minimal gap between them', async (t) => {
  const {clock, pacer, startsMs} = createPacer();
  for (let i = 0; i < 50; i++) {
    pacer.trigger();
    await clock.advance(10);
  }
  t.same(startsMs, [0, 100, 200, 300, 400, 500]);
});

void t.test('without a trigger it runs after the longest gap', async (t) => {
  const {clock, startsMs} = createPacer();
  await clock.advance(35_000);
  t.same(startsMs, [10_000, 20_000, 30_000]);
});

void t.test('after a failure it runs by itself, waiting longer each time, and recovers', async (t) => {
  const {clock, pacer, startsMs} = createPacer(['retry', 'retry', 'retry', 'retry', 'retry', 'retry', 'done', 'retry']);
  pacer.trigger();
  await clock.advance(51_000);
  t.same(
    startsMs,
    [0, 1000, 3000, 7000, 15_000, 25_000, 35_000, 45_000, 46_000],
    'one success and the gap is short again',
  );
});

void t.test('a trigger does not wait for the retry', async (t) => {
  const {clock, pacer, startsMs} = createPacer(['retry', 'retry', 'retry']);
  pacer.trigger();
  await clock.advance(50);
  pacer.trigger();
  await clock.advance(500);
  t.same(startsMs, [0, 100]);
});

void t.test('a retry gap below the minimal gap does not undercut it', async (t) => {
  const {clock, pacer, startsMs} = createPacer(['retry', 'retry', 'retry'], {
    minGapMs: 500,
    retryGapMs: 10,
    maxGapMs: 10_000,
  });
  pacer.trigger();
  await clock.advance(1600);
  t.same(startsMs, [0, 500, 1000, 1500]);
});

void t.test('a trigger during a run leads to another; the gap counts from the end of the run', async (t) => {
  const clock = new FakeClock();
  const startsMs: number[] = [];
  const runs: PromiseWithResolvers<'done'>[] = [];
  const pacer = new Pacer(GAPS, {
    clock,
    run: () => {
      startsMs.push(clock.monotonicMs());
      const run = Promise.withResolvers<'done'>();
      runs.push(run);
      return run.promise;
    },
  });
  pacer.trigger();
  await clock.advance(300);
  pacer.trigger();
  await clock.advance(50_000);
  t.same(startsMs, [0], 'never two at a time, however long it takes');
  runs[0]?.resolve('done');
  await clock.advance(99);
  t.same(startsMs, [0]);
  await clock.advance(1);
  t.same(startsMs, [0, 50_400]);
});

void t.test('stop() aborts the run under way, waits for it, and nothing starts again', async (t) => {
  const clock = new FakeClock();
  const events: string[] = [];
  const pacer = new Pacer(GAPS, {
    clock,
    run: (signal) => {
      events.push('start');
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          events.push('aborted');
          setImmediate(() => {
            events.push('end');
            reject(signal.reason as Error);
          });
        }),
      );
    },
  });
  pacer.trigger();
  await clock.advance(0);
  pacer.trigger();
  await pacer.stop(new Error('stopping'));
  t.same(events, ['start', 'aborted', 'end']);
  pacer.trigger();
  await clock.advance(100_000);
  t.equal(events.length, 3);
  t.equal(clock.waiting, 0, 'no timer is left');
  await pacer.stop();
});

void t.test('stop() before a trigger comes due', async (t) => {
  const {clock, pacer, startsMs} = createPacer();
  pacer.trigger();
  await pacer.stop();
  await clock.advance(100_000);
  t.same(startsMs, []);
  const idle = createPacer();
  await idle.pacer.stop();
  idle.pacer.trigger();
  await idle.clock.advance(100_000);
  t.same(idle.startsMs, [], 'a trigger after it');
});

void t.test('a run that rejects is a defect and is not swallowed', async (t) => {
  const clock = new FakeClock();
  const defect = new Error('defect');
  const pacer = new Pacer(GAPS, {clock, run: () => Promise.reject(defect)});
  const unhandled = new Promise((resolve) => process.once('unhandledRejection', resolve));
  pacer.trigger();
  await clock.advance(0);
  t.equal(await unhandled, defect);
});

void t.test('for any triggers, outcomes and durations: gaps are kept and every trigger is followed by a run', () =>
  forAll(300, async (random) => {
    const clock = new FakeClock();
    const gaps = {
      minGapMs: random.between(0, 50),
      retryGapMs: random.between(1, 200),
      maxGapMs: random.between(200, 500),
    };
    let isRunning = false;
    let lastEndMs = Number.NEGATIVE_INFINITY;
    let lastStartMs = Number.NEGATIVE_INFINITY;
    const pacer = new Pacer(gaps, {
      clock,
      async run() {
        assert.ok(!isRunning, 'one at a time');
        isRunning = true;
        lastStartMs = clock.monotonicMs();
        const gapMs = lastStartMs - lastEndMs;
        assert.ok(gapMs >= gaps.minGapMs, `gap of ${gapMs}`);
        assert.ok(lastEndMs < 0 || gapMs <= gaps.maxGapMs, `gap of ${gapMs}`);
        await new Promise<void>((resolve) => clock.schedule(random.below(60), resolve));
        isRunning = false;
        lastEndMs = clock.monotonicMs();
        return random.chance(0.3) ? 'retry' : 'done';
      },
    });
    for (let step = 0; step < 30; step++) {
      const atMs = clock.monotonicMs();
      pacer.trigger();
      await clock.advance(60 + gaps.minGapMs);
      assert.ok(lastStartMs >= atMs, 'a run began after the trigger');
      await clock.advance(random.below(700));
    }
    await Promise.all([pacer.stop(), clock.advance(100)]);
    await settle();
  }),
);
