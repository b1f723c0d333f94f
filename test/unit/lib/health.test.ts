import t from 'tap';
import {HealthRegistry, renderHealth} from '../../../src/lib/health.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';

const WELL = {live: true, ready: true};

function createHealth(timeoutOverridesMs?: ReadonlyMap<string, number>) {
  const clock = new FakeClock();
  return {clock, health: new HealthRegistry({timeoutOverridesMs}, {clock})};
}

void t.test('nobody registered is well', async (t) => {
  const {health} = createHealth();
  t.match(health.snapshot(), {live: true, ready: true, reporters: []});
  t.equal(renderHealth(health.snapshot()), '');
});

void t.test('the whole is live and ready when every part is', async (t) => {
  const {health} = createHealth();
  health.register('a');
  health.register('b');
  t.match(health.snapshot(), {live: true, ready: false}, 'before the first report: live, not ready');
  health.report('a', WELL);
  t.match(health.snapshot(), {live: true, ready: false});
  health.report('b', WELL);
  t.match(health.snapshot(), {live: true, ready: true});
  health.report('a', {live: false, ready: true, detail: 'stuck'});
  t.match(health.snapshot(), {live: false, ready: true});
  health.unregister('a');
  t.match(health.snapshot(), {live: true, ready: true}, 'a part that was taken away does not count');
});

void t.test('a part counts only for what it reports on', async (t) => {
  const {health} = createHealth();
  health.register('live only', {readiness: false});
  health.register('ready only', {liveness: false});
  health.report('live only', {live: true, ready: false});
  health.report('ready only', {live: false, ready: true});
  t.match(health.snapshot(), {live: true, ready: true});
  t.match(health.snapshot().reporters, [
    {live: true, ready: undefined},
    {live: undefined, ready: true},
  ]);
});

void t.test('silence beyond the limit is neither live nor ready, until the next report', async (t) => {
  const {clock, health} = createHealth();
  health.register('loop', {timeoutMs: 1000});
  health.register('patient');
  health.report('patient', WELL);
  await clock.advance(1001);
  t.match(health.snapshot(), {live: false, ready: false}, 'the limit runs from the registration');
  health.report('loop', WELL);
  await clock.advance(1000);
  t.match(health.snapshot(), {live: true, ready: true}, 'exactly at the limit');
  t.match(health.snapshot(clock.monotonicMs() + 1), {live: false, ready: false});
  await clock.advance(1);
  t.match(health.snapshot().reporters[0], {name: 'loop', isTimedOut: true, live: false, ready: false});
  health.touch('loop');
  t.match(health.snapshot(), {live: true, ready: true}, 'still alive: the last report holds');
});

void t.test('limits can be overridden by name, and taken away', async (t) => {
  const {clock, health} = createHealth(
    new Map([
      ['strict', 10],
      ['free', 0],
    ]),
  );
  health.register('strict', {timeoutMs: 1000});
  health.register('free', {timeoutMs: 1000});
  await clock.advance(5000);
  t.match(health.snapshot().reporters, [
    {name: 'free', isTimedOut: false, timeoutMs: undefined},
    {name: 'strict', isTimedOut: true, timeoutMs: 10},
  ]);
});

void t.test('a name belongs to one part', async (t) => {
  const {health} = createHealth();
  health.register('a');
  t.throws(() => health.register('a'), /already registered/);
  t.throws(() => health.report('b', WELL), /not registered/);
  t.doesNotThrow(() => health.touch('b'), 'a late sign of life of something stopped');
});

void t.test('the text is the table that Calico prints', async (t) => {
  const {health} = createHealth();
  health.register('InternalDataplaneMainLoop', {timeoutMs: 90_000});
  health.register('FelixStartup');
  health.register('CalculationGraph', {timeoutMs: 30_000});
  health.report('FelixStartup', WELL);
  health.report('CalculationGraph', WELL);
  health.report('InternalDataplaneMainLoop', {live: true, ready: false});
  t.equal(
    renderHealth(health.snapshot()),
    `
+---------------------------+---------+----------------+---------------------+--------+
|         COMPONENT         | TIMEOUT |    LIVENESS    |      READINESS      | DETAIL |
+---------------------------+---------+----------------+---------------------+--------+
| CalculationGraph          | 30s     | reporting live | reporting ready     |        |
| FelixStartup              | -       | reporting live | reporting ready     |        |
| InternalDataplaneMainLoop | 1m30s   | reporting live | reporting non-ready |        |
+---------------------------+---------+----------------+---------------------+--------+`.slice(1),
  );
});

void t.test('an uneven heading, a part without readiness, and names in the order of Calico', async (t) => {
  const {health} = createHealth();
  const caches = ['bgp-cache', 'felix-cache', 'node-status-cache', 'tunnel-ip-allocation-cache'];
  for (const name of caches) {
    health.register(name, {timeoutMs: 20_000});
    health.report(name, WELL);
  }
  health.register('SyncServer', {timeoutMs: 20_000, readiness: false});
  health.report('SyncServer', WELL);
  t.equal(
    renderHealth(health.snapshot()),
    `
+----------------------------+---------+----------------+-----------------+--------+
|         COMPONENT          | TIMEOUT |    LIVENESS    |    READINESS    | DETAIL |
+----------------------------+---------+----------------+-----------------+--------+
| SyncServer                 | 20s     | reporting live | -               |        |
| bgp-cache                  | 20s     | reporting live | reporting ready |        |
| felix-cache                | 20s     | reporting live | reporting ready |        |
| node-status-cache          | 20s     | reporting live | reporting ready |        |
| tunnel-ip-allocation-cache | 20s     | reporting live | reporting ready |        |
+----------------------------+---------+----------------+-----------------+--------+`.slice(1),
  );
});

void t.test('details stay in their row, whatever they are made of', async (t) => {
  const {clock, health} = createHealth();
  health.register('a', {timeoutMs: 10});
  health.report('a', {live: true, ready: false, detail: 'not in sync:\r\n\u001b[31mforged | row\u0000'});
  await clock.advance(11);
  const lines = renderHealth(health.snapshot()).split('\n');
  t.equal(lines.length, 5);
  t.match(lines[3], '| a         | 10ms    | timed out | timed out | not in sync: [31mforged | row  |');
  t.equal(new Set(lines.map((line) => line.length)).size, 1, 'all lines are of one width');
});
