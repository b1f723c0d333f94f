import assert from 'node:assert/strict';
import t from 'tap';
import {AgentError, hasCode} from '../../../src/lib/errors.ts';
import {retry, retryDelayMs} from '../../../src/lib/retry.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';
import {forAll} from '../../helpers/random.ts';

const POLICY = {firstDelayMs: 100, maxDelayMs: 1000};
const always = (value: number) => () => value;

/** An operation that fails with each of `errors` and then succeeds. */
function createOperation(clock: FakeClock, errors: readonly Error[]) {
  const startsMs: number[] = [];
  const operation = async (attempt: number) => {
    startsMs.push(clock.monotonicMs());
    const error = errors[attempt - 1];
    if (error !== undefined) throw error;
    return `attempt ${attempt}`;
  };
  return {operation, startsMs};
}

const failures = (count: number) => Array.from({length: count}, (_, i) => new Error(`failure ${i + 1}`));

void t.test('waits grow to the limit, and the value comes through', async (t) => {
  const clock = new FakeClock();
  const {operation, startsMs} = createOperation(clock, failures(6));
  const result = retry(operation, POLICY, {clock, random: always(1)});
  await clock.advance(10_000);
  t.equal(await result, 'attempt 7');
  t.same(startsMs, [0, 100, 300, 700, 1500, 2500, 3500]);
});

void t.test('success at once waits for nothing', async (t) => {
  const clock = new FakeClock();
  t.equal(await retry(createOperation(clock, []).operation, POLICY, {clock}), 'attempt 1');
  t.equal(clock.waiting, 0);
});

void t.test('the last error comes through after the last attempt', async (t) => {
  const clock = new FakeClock();
  const {operation, startsMs} = createOperation(clock, failures(9));
  const result = retry(operation, {...POLICY, maxAttempts: 3, factor: 3}, {clock, random: always(0)});
  const rejected = t.rejects(result, {message: 'failure 3'});
  await clock.advance(10_000);
  await rejected;
  t.same(startsMs, [0, 50, 200], 'the lowest jitter is half');
});

void t.test('what is not worth repeating is not repeated', async (t) => {
  const clock = new FakeClock();
  const error = new AgentError('E_UNAUTHORISED', 'no');
  const {operation, startsMs} = createOperation(clock, [new AgentError('E_CONFLICT', 'again'), error]);
  const result = retry(operation, {...POLICY, isRetryable: (e) => hasCode(e, 'E_CONFLICT')}, {clock});
  const rejected = t.rejects(result, error);
  await clock.advance(10_000);
  await rejected;
  t.equal(startsMs.length, 2);
});

void t.test('an abort ends the wait at once, and is what the caller sees', async (t) => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const {operation, startsMs} = createOperation(clock, failures(9));
  const rejected = t.rejects(retry(operation, POLICY, {clock, signal: stop.signal, random: always(1)}), {
    message: 'stopping',
  });
  await clock.advance(150);
  stop.abort(new Error('stopping'));
  await rejected;
  t.equal(clock.waiting, 0, 'no timer is left');
  t.same(startsMs, [0, 100]);
  await t.rejects(retry(operation, POLICY, {clock, signal: stop.signal}), {message: 'stopping'});
  t.equal(startsMs.length, 2, 'not even started');
});

void t.test('an abort during an attempt wins over the failure of the attempt', async (t) => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const result = retry(
    async () => {
      stop.abort(new Error('stopping'));
      throw new Error('failure');
    },
    {...POLICY, maxAttempts: 1},
    {clock, signal: stop.signal},
  );
  await t.rejects(result, {message: 'stopping'});
});

void t.test('any wait lies between half and the whole of its step, and below the limit', () =>
  forAll(1000, (random) => {
    const policy = {
      firstDelayMs: random.between(1, 1000),
      maxDelayMs: random.between(1000, 60_000),
      factor: 1 + random.next() * 3,
    };
    const attempt = random.between(1, 2000);
    const delayMs = retryDelayMs(attempt, policy, () => random.next());
    const stepMs = Math.min(policy.maxDelayMs, policy.firstDelayMs * policy.factor ** (attempt - 1));
    assert.ok(delayMs >= stepMs / 2 && delayMs <= stepMs, `${delayMs} of ${stepMs}`);
  }),
);
