/**
 * Felix's own metrics, with Calico's names and types, so that its dashboards work. Numbers that somebody else keeps are
 * read when they are asked for.
 */
import {Counter, Gauge} from 'prom-client';
import type {Clock} from '../lib/clock.ts';
import type {Registry} from '../lib/metrics.ts';
import {WindowSummary} from '../lib/window-summary.ts';
import type {CalcCounters} from './calc/calc-graph.ts';
import type {Intent} from './calc/intent.ts';
import type {RunSummary} from './dataplane/data-plane.ts';

/** Calico's: half, nine tenths, 99 of 100. */
const QUANTILES = [0.5, 0.9, 0.99];
/** How far back the quantiles of a summary look. */
const WINDOW_MS = 600_000;

/** Names of the messages in Calico; kinds without one have none there. */
const MESSAGE_TYPE: Readonly<Record<Exclude<Intent['kind'], 'flush'>, string>> = {
  config: 'ConfigUpdate',
  encapsulation: 'Encapsulation',
  'local-tunnel': 'HostMetadataUpdate',
  vtep: 'VXLANTunnelEndpointUpdate',
  route: 'RouteUpdate',
  'workload-endpoint': 'WorkloadEndpointUpdate',
};
const REMOVAL_TYPE: Partial<Record<Intent['kind'], string>> = {
  vtep: 'VXLANTunnelEndpointRemove',
  route: 'RouteRemove',
  'workload-endpoint': 'WorkloadEndpointRemove',
};

const RESYNC_STATE = {waiting: 1, resyncing: 2, 'in-sync': 3} as const;

export interface FelixMetricsDependencies {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly counters: () => CalcCounters;
  /** Routes wanted in the main table, by family, and interfaces with some. */
  readonly routes: (family: 4 | 6) => number;
  readonly interfaces: () => number;
}

export class FelixMetrics {
  readonly #messages: Counter<'type'>;
  readonly #batchSize: WindowSummary;
  readonly #applySeconds: WindowSummary;
  readonly #initialSeconds: Gauge;
  readonly #failures: Counter;
  readonly #updateSeconds: WindowSummary;

  constructor(options: {readonly nodeName: string}, dependencies: FelixMetricsDependencies) {
    const {clock, counters, interfaces, registry, routes} = dependencies;
    const registers = [registry];
    const summary = (name: string, help: string) =>
      new WindowSummary({name, help, quantiles: QUANTILES, maxAgeMs: WINDOW_MS}, {clock, registry});
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    /** A counter that is kept elsewhere. */
    const counter = (name: string, help: string, read: () => number) => {
      let told = 0;
      return new Counter({
        name,
        help,
        registers,
        collect() {
          const now = read();
          this.inc(now - told);
          told = now;
        },
      });
    };

    new Gauge({name: 'felix_host', help: 'Constant 1, labelled with the node.', labelNames: ['host'], registers}).set(
      {host: options.nodeName},
      1,
    );
    gauge('felix_resync_state', 'State of the datastore: 1 waiting, 2 resyncing, 3 in sync.', () => {
      return RESYNC_STATE[counters().status];
    });
    counter('felix_resyncs_started', 'Times the datastore was read as a whole.', () => counters().resyncsStarted);
    counter('felix_calc_graph_output_events', 'Messages from calculation to the data plane.', () => {
      return counters().intentsEmitted;
    });
    gauge('felix_active_local_endpoints', 'Endpoints of this node.', () => counters().localEndpoints);
    gauge('felix_cluster_num_hosts', 'Nodes of the cluster.', () => counters().cluster.host);
    gauge('felix_cluster_num_workload_endpoints', 'Workload endpoints of the cluster.', () => {
      return counters().cluster['workload-endpoint'];
    });
    gauge('felix_cluster_num_host_endpoints', 'Host endpoints of the cluster.', () => {
      return counters().cluster['host-endpoint'];
    });
    gauge('felix_cluster_num_tiers', 'Tiers of the cluster.', () => counters().cluster.tier);
    gauge('felix_cluster_num_policies', 'Policies of the cluster.', () => counters().cluster.policy);
    gauge('felix_cluster_num_profiles', 'Profiles of the cluster.', () => counters().cluster.profile);
    this.#updateSeconds = summary('felix_calc_graph_update_time_seconds', 'Time to calculate one batch of updates.');

    this.#messages = new Counter({
      name: 'felix_int_dataplane_messages',
      help: 'Messages received by the data plane.',
      labelNames: ['type'],
      registers,
    });
    this.#batchSize = summary('felix_int_dataplane_msg_batch_size', 'Messages the data plane took at once.');
    this.#applySeconds = summary('felix_int_dataplane_apply_time_seconds', 'Time of a run, the first left out.');
    this.#initialSeconds = new Gauge({
      name: 'felix_int_dataplane_initial_resync_time_seconds',
      help: 'Time of the first run.',
      registers,
    });
    this.#failures = new Counter({
      name: 'felix_int_dataplane_failures',
      help: 'Runs that left something undone.',
      registers,
    });
    new Gauge({
      name: 'felix_route_table_num_routes',
      help: 'Routes wanted in the table.',
      labelNames: ['table'],
      registers,
      collect() {
        this.set({table: 'IPv4:254'}, routes(4));
        this.set({table: 'IPv6:254'}, routes(6));
      },
    });
    gauge('felix_route_table_num_ifaces', 'Workload interfaces.', interfaces);
  }

  updated(seconds: number): void {
    this.#updateSeconds.observe(seconds);
  }

  emitted(batch: readonly Intent[]): void {
    this.#batchSize.observe(batch.length);
    for (const intent of batch) {
      if (intent.kind === 'flush') continue;
      const isRemoval = 'value' in intent && intent.value === undefined;
      const type = (isRemoval ? REMOVAL_TYPE[intent.kind] : undefined) ?? MESSAGE_TYPE[intent.kind];
      this.#messages.inc({type});
    }
  }

  applied({durationMs, failures, isFirst}: RunSummary): void {
    if (isFirst) this.#initialSeconds.set(durationMs / 1000);
    else this.#applySeconds.observe(durationMs / 1000);
    if (failures > 0) this.#failures.inc();
  }
}
