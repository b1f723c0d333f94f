import {deepEqual} from 'node:assert/strict';
import {Histogram} from 'prom-client';
import t from 'tap';
import {createRegistry} from '../../../src/lib/metrics.ts';
import {SeriesHistogram} from '../../../src/lib/series-histogram.ts';
import {forAll} from '../../helpers/random.ts';

const OPTIONS = {name: 'call_seconds', help: 'Time of a call.', labelNames: ['verb', 'code'], buckets: [0.5, 1, 2.5]};

void t.test('it shows what prom-client’s own does', async (t) => {
  await forAll(5, async (random) => {
    const [registry, theirRegistry] = [createRegistry(), createRegistry()];
    const ours = new SeriesHistogram(OPTIONS, {registry});
    const theirs = new Histogram({...OPTIONS, registers: [theirRegistry]});
    ours.series('GC', '0');
    for (const observations of [0, 1, 200]) {
      for (let n = 0; n < observations; n++) {
        const [verb, code] = [random.pick(['ADD', 'DEL']), random.pick(['0', '11'])];
        const seconds = random.pick([random.next() * 4, 0, 0.5, 1, 2.5]);
        ours.series(verb, code).observe(seconds);
        theirs.observe({verb, code}, seconds);
      }
      deepEqual(await registry.metrics(), await theirRegistry.metrics());
      const values = async (histogram: Histogram) =>
        (await histogram.get()).values.map(({metricName, labels, value}) => ({metricName, labels: {...labels}, value}));
      deepEqual(await values(ours), await values(theirs));
    }
  });
  t.pass();
});

void t.test('labels are those it was made with', (t) => {
  const histogram = new SeriesHistogram(OPTIONS, {registry: createRegistry()});
  t.throws(() => histogram.series('ADD'), /has other labels/);
  t.end();
});
