/** What the CNI server counts: calls by verb and outcome, the time IPAM takes of them, and who was turned away. */
import {Counter, Gauge} from 'prom-client';
import type {Registry} from '../lib/metrics.ts';
import {SeriesHistogram} from '../lib/series-histogram.ts';
import type {Program} from '../native/shim-protocol.ts';
import type {Verb} from './cni-version.ts';

const SECONDS = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class CniMetrics {
  readonly #calls: SeriesHistogram<'plugin' | 'verb' | 'code'>;
  readonly #ipam: SeriesHistogram<'operation' | 'outcome'>;
  readonly #refused: Counter<'cause'>;
  readonly #registry: Registry;

  constructor(dependencies: {readonly registry: Registry}) {
    const registers = [dependencies.registry];
    this.#registry = dependencies.registry;
    this.#calls = new SeriesHistogram(
      {
        name: 'calico_cni_request_duration_seconds',
        help: 'Duration of CNI calls from the whole request to its answer, by verb and CNI error code (0: success).',
        labelNames: ['plugin', 'verb', 'code'],
        buckets: SECONDS,
      },
      dependencies,
    );
    this.#ipam = new SeriesHistogram(
      {
        name: 'calico_cni_ipam_duration_seconds',
        help: 'Duration of assigning and releasing the addresses of one CNI call.',
        labelNames: ['operation', 'outcome'],
        buckets: SECONDS,
      },
      dependencies,
    );
    this.#refused = new Counter({
      name: 'calico_cni_refused_connections_total',
      help: 'Connections to the CNI socket that were turned away, by cause.',
      labelNames: ['cause'],
      registers,
    });
  }

  /** `count` is asked when somebody scrapes. */
  watchCalls(count: () => number): void {
    new Gauge({
      name: 'calico_cni_open_calls',
      help: 'CNI calls under way or waiting for their turn.',
      registers: [this.#registry],
      collect() {
        this.set(count());
      },
    });
  }

  called(plugin: Program, verb: Verb | 'test' | 'unknown', code: number, durationMs: number): void {
    this.#calls.series(plugin, verb, String(code)).observe(durationMs / 1000);
  }

  ipam(operation: 'assign' | 'release', outcome: 'ok' | 'failed', durationMs: number): void {
    this.#ipam.series(operation, outcome).observe(durationMs / 1000);
  }

  refused(cause: string): void {
    this.#refused.inc({cause});
  }
}
