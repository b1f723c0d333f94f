/**
 * Calculation, wired: from what the datastore says to what this node needs.
 *
 *        Update                                        endpoint from the CNI server
 *          |                                                       |
 *     UpdateDecoder --- invalid: as if absent, one log line        |
 *          |                                                       |
 *          +-- pool ----> EncapsulationResolver --------------+    |
 *          |      \                                           |    |
 *          |       +---> RouteResolver <---+----------------->|    |
 *          +-- block -----^     ^          | routes           |    |
 *          |                    |          |                  |    |
 *          +-- node ------------+--> VxlanResolver ---------->|    |
 *          |                    |      VTEPs, own tunnel      |    |
 *          |                    +--> ConfigLayers ----------->|    |
 *          +-- FelixConfiguration, ClusterInformation --^     |    |
 *          |                                                  |    |
 *          +-- endpoint of this node --> LocalEndpoints <-----|----+
 *                                             |               |
 *                                       InterfaceClaims ----->|
 *                                                             v
 *                                                       EventSequencer --> batch of Intents
 *
 * Everything is synchronous and pure: the same final objects give the same intents, whatever the order and number of
 * updates, and a change costs what it touches. Nothing comes out before the datastore was in sync once, nor while
 * ClusterInformation says that it is not ready (or is missing): what is enforced stays as it is.
 */
import type {Logger} from '../../lib/log.ts';
import {parseKey} from '../../model/keys.ts';
import type {WorkloadEndpoint} from '../../model/kinds/workload-endpoint.ts';
import {ClusterCounts, type CountedKind} from './cluster-counts.ts';
import {ConfigLayers} from './config-layers.ts';
import {EncapsulationResolver} from './encapsulation-resolver.ts';
import {EventSequencer} from './event-sequencer.ts';
import type {Input} from './inputs.ts';
import type {EndpointId, Intent, WorkloadEndpointIntent} from './intent.ts';
import {InterfaceClaims} from './interface-claims.ts';
import {LocalEndpoints, type LocalWrite} from './local-endpoints.ts';
import {RouteResolver} from './route-resolver.ts';
import type {SyncStatus, Update} from './update.ts';
import {UpdateDecoder} from './update-decoder.ts';
import {VxlanResolver} from './vxlan-resolver.ts';

export interface CalcDependencies {
  readonly log: Logger;
  /** There may be something to `flush`. Called within every call that feeds the graph: only make a note of it. */
  readonly onChange?: (() => void) | undefined;
}

/** Why `flush` gives nothing yet. */
export type HoldReason = 'datastore not in sync yet' | 'datastore not ready';

export interface CalcCounters {
  readonly status: SyncStatus;
  readonly resyncsStarted: number;
  readonly updatesProcessed: number;
  readonly intentsEmitted: number;
  /** Routes worked out since the start. */
  readonly routesResolved: number;
  readonly invalidObjects: number;
  /** Of this node, shadowed ones included. */
  readonly localEndpoints: number;
  /** Endpoints whose local view still wins over the datastore's. */
  readonly contestedEndpoints: number;
  readonly cluster: Readonly<Record<CountedKind, number>>;
}

export class CalcGraph {
  readonly #nodeName: string;
  readonly #onChange: () => void;
  readonly #decoder: UpdateDecoder;
  readonly #sequencer = new EventSequencer();
  readonly #encapsulation = new EncapsulationResolver();
  readonly #routes: RouteResolver;
  readonly #vxlan: VxlanResolver;
  readonly #config: ConfigLayers;
  readonly #interfaces: InterfaceClaims;
  readonly #localEndpoints: LocalEndpoints<WorkloadEndpointIntent>;
  readonly #counts = new ClusterCounts();

  #status: SyncStatus = 'waiting';
  #wasInSync = false;
  #datastoreReady = false;
  #resyncsStarted = 0;
  #updatesProcessed = 0;
  #intentsEmitted = 0;

  constructor(options: {readonly nodeName: string}, dependencies: CalcDependencies) {
    const {nodeName} = options;
    const {log, onChange} = dependencies;
    const sequencer = this.#sequencer;
    this.#nodeName = nodeName;
    this.#onChange = onChange ?? (() => {});
    this.#routes = new RouteResolver({nodeName}, {emit: (key, value) => sequencer.put({kind: 'route', key, value})});
    this.#vxlan = new VxlanResolver(
      {nodeName},
      {
        sink: {
          emitVtep: (key, value) => sequencer.put({kind: 'vtep', key, value}),
          emitLocalTunnel: (family, value) => sequencer.put({kind: 'local-tunnel', family, value}),
        },
      },
    );
    this.#config = new ConfigLayers(
      {nodeName},
      {emit: (layer, values) => sequencer.put({kind: 'config', layer, values})},
    );
    this.#interfaces = new InterfaceClaims({
      sink: {
        emitEndpoint: (key, value) => sequencer.put({kind: 'workload-endpoint', key, value}),
        onShadowed: (endpoint, winner, interfaceName) =>
          log.warn({endpoint, winner, interfaceName}, 'endpoint ignored: another one has its interface'),
      },
    });
    this.#localEndpoints = new LocalEndpoints((id, endpoint) => this.#interfaces.setEndpoint(id, endpoint));
    this.#decoder = new UpdateDecoder(
      {nodeName},
      {log, written: (id, revision) => this.#localEndpoints.written(id, revision)},
    );
    sequencer.put({kind: 'encapsulation', value: this.#encapsulation.encapsulation});
  }

  onStatus(status: SyncStatus): void {
    if (status === 'resyncing' && this.#status !== 'resyncing') {
      this.#resyncsStarted++;
      this.#localEndpoints.snapshotBegins();
    }
    if (status === 'in-sync') {
      if (this.#status === 'resyncing') this.#localEndpoints.snapshotEnds();
      this.#wasInSync = true;
    }
    this.#status = status;
    this.#onChange();
  }

  /**
   * Reading an object of this node, a block or a Node takes up to 0.3 ms while the code is cold, so whoever has thousands
   * hands them over in portions.
   */
  onUpdates(updates: readonly Update[]): void {
    for (const update of updates) this.#onUpdate(update);
    this.#onChange();
  }

  /**
   * The CNI server writes an endpoint of this node: it holds from now on, and the datastore takes over when the watch
   * has come as far as the write. Tell the outcome to the handle. Throws E_INVALID_RESOURCE when the endpoint is invalid
   * or another node's.
   */
  setLocalEndpoint(key: string, endpoint: WorkloadEndpoint): LocalWrite {
    const {id, value} = this.#decoder.localEndpoint(key, endpoint);
    return this.#beginWrite(id, value);
  }

  /** The CNI server deletes an endpoint of this node: it is gone from now on. As `setLocalEndpoint`. */
  clearLocalEndpoint(key: string): LocalWrite {
    return this.#beginWrite(this.#decoder.localEndpointId(key), undefined);
  }

  /**
   * Does up to `limit` routes of the work that `flush` would do; true while there is more. For a caller that has much to
   * do and must let others have the thread between: `flush` alone is enough otherwise.
   */
  prepare(limit: number): boolean {
    this.#routes.resolve(limit);
    return this.#routes.marked > 0;
  }

  /** What the data plane has to be told since the last call, as one batch; empty when nothing. */
  flush(): readonly Intent[] {
    if (this.holdReason !== undefined) return [];
    this.#config.resolve();
    this.#routes.resolve();
    const batch = this.#sequencer.flush(this.#status === 'in-sync');
    this.#intentsEmitted += batch.length;
    return batch;
  }

  /** Undefined when `flush` gives what there is. */
  get holdReason(): HoldReason | undefined {
    if (!this.#wasInSync) return 'datastore not in sync yet';
    return this.#datastoreReady ? undefined : 'datastore not ready';
  }

  get counters(): CalcCounters {
    return {
      status: this.#status,
      resyncsStarted: this.#resyncsStarted,
      updatesProcessed: this.#updatesProcessed,
      intentsEmitted: this.#intentsEmitted,
      routesResolved: this.#routes.resolved,
      invalidObjects: this.#decoder.invalidObjects,
      localEndpoints: this.#interfaces.size,
      contestedEndpoints: this.#localEndpoints.contested,
      cluster: this.#counts.all(),
    };
  }

  #onUpdate(update: Update): void {
    const key = parseKey(update.key);
    if (key === undefined) return;
    this.#updatesProcessed++;
    this.#counts.note(update.key, key, update.value !== undefined);
    const input = this.#decoder.decode(key, update);
    if (input !== undefined) this.#feed(input, update);
  }

  #feed(input: Input, {value, revision}: Update): void {
    switch (input.kind) {
      case 'pool':
        this.#encapsulation.setPool(input.name, input.value);
        this.#routes.setPool(input.name, input.value);
        this.#sequencer.put({kind: 'encapsulation', value: this.#encapsulation.encapsulation});
        return;
      case 'node':
        this.#routes.setNode(input.name, input.value);
        this.#vxlan.setNode(input.name, input.value);
        if (input.name === this.#nodeName) this.#config.setNode(input.value);
        return;
      case 'block':
        this.#routes.setBlock(input.cidr, input.value);
        return;
      case 'workload-endpoint':
        this.#localEndpoints.deliver(input.id, input.value, value !== undefined, revision);
        return;
      case 'felix-configuration':
        this.#config.setFelixConfiguration(input.name, input.value);
        return;
      case 'cluster-information':
        this.#config.setClusterInformation(input.value);
        this.#datastoreReady = input.value?.datastoreReady === true;
        return;
      default:
        input satisfies never;
    }
  }

  #beginWrite(id: EndpointId, value: WorkloadEndpointIntent | undefined): LocalWrite {
    const write = this.#localEndpoints.begin(id, value);
    this.#onChange();
    return {
      succeeded: (outcome) => {
        write.succeeded(outcome);
        this.#onChange();
      },
      failed: () => {
        write.failed();
        this.#onChange();
      },
    };
  }
}
