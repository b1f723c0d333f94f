/**
 * A Prometheus histogram for hot paths: an observation is an addition in arrays. prom-client's own finds the series anew
 * with each observation, from its labels as text: all of them together were a twentieth of an ADD's processor time.
 */
import {Histogram, type Registry} from 'prom-client';

export interface SeriesHistogramOptions<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

/** One combination of labels. */
export interface Series {
  observe(value: number): void;
}

export class SeriesHistogram<Label extends string> extends Histogram<Label> {
  readonly #options: SeriesHistogramOptions<Label>;
  readonly #series = new Map<string, CountedSeries>();

  constructor(options: SeriesHistogramOptions<Label>, dependencies: {readonly registry: Registry}) {
    const {name, help, labelNames, buckets} = options;
    super({name, help, labelNames: [...labelNames], buckets: [...buckets], registers: [dependencies.registry]});
    this.#options = options;
  }

  /** The series with these values, in the order of the label names. It shows once something was observed. */
  series(...values: readonly string[]): Series {
    const key = values.join('\0');
    let series = this.#series.get(key);
    if (series === undefined) {
      const {buckets, labelNames} = this.#options;
      if (values.length !== labelNames.length) throw new TypeError(`${this.#options.name} has other labels`);
      series = new CountedSeries(buckets, Object.fromEntries(labelNames.map((label, i) => [label, values[i] ?? ''])));
      this.#series.set(key, series);
    }
    return series;
  }

  /** What prom-client prints, and what its `get` is made of. */
  async getForPromString() {
    const {name, help} = this.#options;
    const observed = [...this.#series.values()].filter(({count}) => count > 0);
    return {name, help, type: 'histogram', aggregator: 'sum', values: observed.flatMap((each) => each.values(name))};
  }
}

class CountedSeries implements Series {
  readonly #bounds: readonly number[];
  readonly #labels: Readonly<Record<string, string>>;
  /** Observations of each bucket alone; the last one has no bound. */
  readonly #counts: Float64Array;
  #sum = 0;
  count = 0;

  constructor(bounds: readonly number[], labels: Readonly<Record<string, string>>) {
    this.#bounds = bounds;
    this.#labels = labels;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let at = 0;
    while (value > (this.#bounds[at] ?? Infinity)) at++;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
    this.count++;
  }

  /** As Prometheus has them: the count of a bucket includes those below. */
  values(name: string) {
    const value = (suffix: string, number: number, more = {}) => ({
      metricName: `${name}_${suffix}`,
      labels: {...more, ...this.#labels},
      sharedLabels: {},
      value: number,
    });
    let below = 0;
    const buckets = Array.from(this.#counts, (count, at) => {
      below += count;
      return value('bucket', below, {le: this.#bounds[at] ?? '+Inf'});
    });
    return [...buckets, value('sum', this.#sum), value('count', this.count)];
  }
}
