import t from 'tap';
import {createRegistry} from '../../../src/lib/metrics.ts';
import {WindowSummary} from '../../../src/lib/window-summary.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';

const OPTIONS = {name: 'run_seconds', help: 'Time of a run.', quantiles: [0.5, 0.9, 0.99], maxAgeMs: 600_000};

function makeSummary() {
  const clock = new FakeClock();
  const registry = createRegistry();
  const summary = new WindowSummary(OPTIONS, {clock, registry});
  const lines = async () => (await registry.metrics()).trim().split('\n');
  return {clock, summary, lines};
}

const printed = (quantiles: readonly number[], sum: number, count: number) => [
  '# HELP run_seconds Time of a run.',
  '# TYPE run_seconds summary',
  ...OPTIONS.quantiles.map((quantile, i) => `run_seconds{quantile="${quantile}"} ${quantiles[i]}`),
  `run_seconds_sum ${sum}`,
  `run_seconds_count ${count}`,
];

void t.test('quantiles are over the window, sum and count over all', async (t) => {
  const {clock, lines, summary} = makeSummary();
  t.same(await lines(), printed([0, 0, 0], 0, 0));
  for (let value = 100; value >= 1; value--) summary.observe(value);
  t.same(await lines(), printed([50, 90, 99], 5050, 100));
  await clock.advance(500_000);
  summary.observe(7);
  await clock.advance(200_000);
  t.same(await lines(), printed([7, 7, 7], 5057, 101));
});

void t.test('only the newest thousand are kept', async (t) => {
  const {lines, summary} = makeSummary();
  for (let i = 0; i < 999; i++) summary.observe(1000);
  for (let i = 0; i < 501; i++) summary.observe(2);
  t.same(await lines(), printed([2, 1000, 1000], 1_000_002, 1500));
});

void t.test('it has no labels', (t) => {
  const {summary} = makeSummary();
  t.throws(() => summary.observe({stage: 'route'}), /has no labels/);
  t.end();
});
