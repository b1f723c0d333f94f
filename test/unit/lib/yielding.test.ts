import t from 'tap';
import {createBreather} from '../../../src/lib/yielding.ts';

void t.test('a long loop lets others run whenever its share is used up', async (t) => {
  let nowMs = 0;
  const breather = createBreather({maxHoldMs: 4}, {clock: {monotonicMs: () => nowMs}});
  const turns: number[] = [];
  let others = 0;
  const timer = setImmediate(function again() {
    others++;
    setImmediate(again).unref();
  });
  for (let step = 0; step < 1000; step++) {
    nowMs += 0.1;
    if (breather.isDue()) {
      await breather.breathe();
      turns.push(step);
    }
  }
  clearImmediate(timer);
  t.ok(turns.length >= 15 && turns.length <= 25, `about one turn each 4 ms of 100, were ${turns.length}`);
  t.ok(others >= turns.length - 1, 'others ran at each of them');
});

void t.test('a short loop never waits, an aborted one ends', async (t) => {
  let nowMs = 0;
  const breather = createBreather({}, {clock: {monotonicMs: () => nowMs}});
  for (let step = 0; step < 1000; step++) t.notOk(breather.isDue());
  nowMs = 1000;
  await t.rejects(breather.breathe(AbortSignal.abort(new Error('stopping'))), {message: 'stopping'});
});
