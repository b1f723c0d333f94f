import t from 'tap';
import {sleep, systemClock} from '../../../src/lib/clock.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';

void t.test('sleep ends when its time has come', async (t) => {
  const clock = new FakeClock();
  let isAwake = false;
  const slept = sleep(clock, 100).then(() => {
    isAwake = true;
  });
  await clock.advance(99);
  t.notOk(isAwake);
  await clock.advance(1);
  await slept;
  t.equal(clock.waiting, 0);
});

void t.test('sleep ends at once when the signal aborts, and leaves no timer and no listener', async (t) => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const slept = sleep(clock, 100, stop.signal);
  stop.abort(new Error('stopping'));
  await t.rejects(slept, {message: 'stopping'});
  t.equal(clock.waiting, 0);
  await t.rejects(sleep(clock, 100, stop.signal), {message: 'stopping'});
  t.equal(clock.waiting, 0, 'not even started');

  let listeners = 0;
  const {signal} = new AbortController();
  signal.addEventListener = () => listeners++;
  signal.removeEventListener = () => listeners--;
  const again = sleep(clock, 1, signal);
  await clock.advance(1);
  await again;
  t.equal(listeners, 0);
});

void t.test('the clock of the system goes forward and runs what was scheduled and not cancelled', async (t) => {
  const before = systemClock.monotonicMs();
  const cancel = systemClock.schedule(0, () => t.fail('was cancelled'));
  cancel();
  const keepAlive = setInterval(() => {}, 1000);
  await new Promise<void>((resolve) => systemClock.schedule(2, resolve));
  clearInterval(keepAlive);
  t.ok(systemClock.monotonicMs() > before);
  t.ok(Math.abs(systemClock.wallMs() - Date.now()) < 60_000);
});
