/** Start-up begins again for as long as the datastore is away, and ends at once for any other reason. */
import t from 'tap';
import {AgentError} from '../../../src/lib/errors.ts';
import {type LogFields, silentLogger} from '../../../src/lib/log.ts';
import {whenReachable} from '../../../src/node/start-up-wait.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';

const AWAY = () => new AgentError('E_UNREACHABLE', 'cannot connect to etcd: https://10.0.0.1:2379: connect: refused');

/** A start-up that fails so often before it succeeds. */
function failing(...errors: readonly Error[]): {attempts: () => number; startUp: () => Promise<string>} {
  let attempts = 0;
  return {
    attempts: () => attempts,
    startUp: async () => {
      const error = errors[attempts++];
      if (error !== undefined) throw error;
      return 'started';
    },
  };
}

await t.test('it is repeated, with pauses, until the datastore answers', async (t) => {
  const clock = new FakeClock();
  const {startUp, attempts} = failing(AWAY(), new AgentError('E_DEADLINE', 'late'), AWAY());
  const reasons: string[] = [];
  const warnings: LogFields[] = [];
  const log = {...silentLogger, warn: (fields: LogFields) => void warnings.push(fields)};
  const started = whenReachable(startUp, {onAway: (reason) => reasons.push(reason)}, {clock, log});
  await clock.advance(0);
  t.equal(attempts(), 1, 'not without a pause');
  await clock.advance(60_000);
  t.equal(await started, 'started');
  t.same(reasons, [AWAY().message, 'late', AWAY().message], 'every reason is told');
  t.match(warnings, [{code: 'E_UNREACHABLE', reason: AWAY().message}], 'the log hears of the first only');
  t.equal(warnings.length, 1);
});

await t.test('a refusal is not waited for', async (t) => {
  const clock = new FakeClock();
  const {startUp, attempts} = failing(new AgentError('E_UNAUTHORISED', 'permission denied'));
  await t.rejects(whenReachable(startUp, {}, {clock, log: silentLogger}), {code: 'E_UNAUTHORISED'});
  t.equal(attempts(), 1);
});

await t.test('the signal ends it, in a pause and in the middle of an attempt', async (t) => {
  for (const startUp of [failing(AWAY(), AWAY(), AWAY()).startUp, () => new Promise<never>(() => {})]) {
    const clock = new FakeClock();
    const stop = new AbortController();
    const started = whenReachable(startUp, {signal: stop.signal}, {clock, log: silentLogger});
    const outcome = t.rejects(started, /stop/);
    await clock.advance(10);
    stop.abort(new Error('stop'));
    await outcome;
    t.equal(clock.waiting, 0, 'no timer is left');
  }
});
