/**
 * Felix of one node, wired:
 *
 *   datastore's Syncer ──> CalcGraph ──batch──> DataPlane ──> drivers ──> kernel
 *   CNI server ──endpoint──^   │                  ^   │
 *      ^                       └─ config layers ──┘   ├──> endpoint status: the answer to a waiting ADD
 *      └──────────────────────────────────────────────┘──> health, metrics
 *
 * Nothing touches the kernel before the datastore is in sync; stopping leaves everything in the kernel, so that pods
 * keep their network while we are away. One run of the data plane at a time, paced.
 */
import type {Clock} from '../lib/clock.ts';
import {codeOf, hasCode, messageChain, messageOf} from '../lib/errors.ts';
import type {HealthRegistry} from '../lib/health.ts';
import type {Logger} from '../lib/log.ts';
import type {Registry, StageMetrics} from '../lib/metrics.ts';
import {Pacer} from '../lib/pacer.ts';
import {createBreather} from '../lib/yielding.ts';
import type {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';
import type {Addon} from '../native/addon.ts';
import {CalcGraph} from './calc/calc-graph.ts';
import type {DatastoreConfigLayer, EndpointId, Intent} from './calc/intent.ts';
import type {LocalWrite} from './calc/local-endpoints.ts';
import type {SyncStatus, Update} from './calc/update.ts';
import type {Config} from './config.ts';
import {DATA_PLANE_PARAMETERS, dataPlaneSettings} from './data-plane-settings.ts';
import {DataPlane, type RunSummary} from './dataplane/data-plane.ts';
import type {EndpointStatus} from './dataplane/endpoint-report.ts';
import {renderHostSysctls} from './dataplane/render-host.ts';
import type {RulesStep} from './dataplane/rules-step.ts';
import {type DataPlaneSettings, isWorkloadInterface} from './dataplane/settings.ts';
import {FileDriver} from './drivers/files/file-driver.ts';
import {FelixMetrics} from './felix-metrics.ts';
import {type Kernel, openKernel} from './kernel.ts';

export interface FelixOptions {
  readonly nodeName: string;
  /** Descriptor of the network namespace to work in, open until `stop` has ended; the process's own when absent. */
  readonly netnsFd?: number | undefined;
  /** Folder of the file `mtu` that the CNI plugin reads; none is written without it. */
  readonly mtuFolder?: string | undefined;
  /** Folder of the files that say which endpoints are up (`<EndpointStatusPathPrefix>/endpoint-status`), or none. */
  readonly endpointStatusFolder?: string | undefined;
  /** DataplaneWatchdogTimeout: a main loop that is silent for longer is not live. */
  readonly watchdogTimeoutMs?: number | undefined;
}

export interface FelixDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
  readonly stageMetrics: StageMetrics;
  readonly health: HealthRegistry;
  /** Felix feeds the layers of the datastore in; the others are the caller's. */
  readonly config: Config;
  readonly rules: RulesStep;
  /** Number in [0, 1); default Math.random. */
  readonly random?: (() => number) | undefined;
  readonly addon?: Pick<Addon, 'openNetlink' | 'readSysctls' | 'writeSysctls'> | undefined;
}

/** The CNI server's side: endpoints of this node before (and while) they are written to the datastore. */
export interface LocalEndpointPort {
  /** `endpoint` holds from now on. Tell the outcome of the write to the handle, exactly once. */
  put(key: string, endpoint: WorkloadEndpoint): LocalWrite;
  /** The endpoint is gone from now on; otherwise as `put`. */
  remove(key: string): LocalWrite;
}

/** Between two runs of the data plane: enough to gather what comes together, too short for an ADD to notice. */
const PACING = {minGapMs: 1, retryGapMs: 100, maxGapMs: 10_000};
const CALC_HEALTH = 'CalculationGraph';
const CALC_TIMEOUT_MS = 30_000;
const DATA_PLANE_HEALTH = 'InternalDataplaneMainLoop';
const WATCHDOG_TIMEOUT_MS = 90_000;
const MIN_WATCHDOG_TIMEOUT_MS = 20_000;
const HEALTH_TICK_MS = 10_000;
/** Routes worked out before the event loop has a turn. */
const CALC_PORTION = 256;

export class Felix {
  readonly localEndpoints: LocalEndpointPort;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #health: HealthRegistry;
  readonly #config: Config;
  readonly #metrics: FelixMetrics;
  readonly #calc: CalcGraph;
  readonly #kernel: Kernel;
  readonly #dataPlane: DataPlane;
  readonly #pacer: Pacer;
  #settings: DataPlaneSettings;
  readonly #routeProtocols = new Set<number>();
  /** What the datastore has is known here. */
  #isInStep = false;
  /** Why the datastore is away, if it is and that is known. */
  #awayReason: string | undefined;
  #isStarted = false;
  #isStopped = false;
  #isCalculating = false;
  /** A run has been going on since; undefined between runs. */
  #isRunning = false;
  #lastRun: RunSummary | undefined;
  #cancelHealthTick: (() => void) | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: FelixOptions, dependencies: FelixDependencies) {
    const {clock, config, health, registry, stageMetrics} = dependencies;
    const log = dependencies.log.child({module: 'felix'});
    this.#clock = clock;
    this.#log = log;
    this.#health = health;
    this.#config = config;
    this.#settings = dataPlaneSettings(config);
    this.#routeProtocols.add(this.#settings.deviceRouteProtocol);
    this.#calc = new CalcGraph(options, {log, onChange: () => this.#onCalcChange()});
    this.#kernel = openKernel(options, {
      clock,
      addon: dependencies.addon,
      ownership: this.#ownership(),
      links: {get: (name) => this.#dataPlane.state.hostLinks.get(name)},
    });
    const {endpointStatusFolder, mtuFolder} = options;
    const files = (kind: string, folder: string | undefined, isOurs: (name: string) => boolean) =>
      folder === undefined ? undefined : new FileDriver({kind, folder, isOurs});
    this.#dataPlane = new DataPlane(
      {
        settings: this.#settings,
        mtuFilePath: mtuFolder === undefined ? undefined : `${mtuFolder}/mtu`,
        endpointStatusFolder,
      },
      {
        clock,
        log,
        metrics: stageMetrics,
        random: dependencies.random ?? Math.random,
        drivers: this.#kernel.drivers,
        host: this.#kernel.host,
        monitor: this.#kernel.monitor,
        mtuFile: files('mtu file', mtuFolder, (name) => name === 'mtu'),
        // All of that folder is ours, but for the files that are being written.
        statusFiles: files('endpoint status file', endpointStatusFolder, (name) => !name.startsWith('.')),
        rules: dependencies.rules,
        listener: {
          onWork: () => this.#pacer.trigger(),
          onStep: () => this.#health.touch(DATA_PLANE_HEALTH),
          onRun: (run) => this.#onRun(run),
          onEndpoint: (id, status) => this.#onEndpoint(id, status),
        },
      },
    );
    this.#pacer = new Pacer(PACING, {clock, run: (signal) => this.#run(signal)});
    this.#metrics = new FelixMetrics(options, {
      clock,
      registry,
      counters: () => this.#calc.counters,
      routes: (family) => this.#routeStage(family).tracker.desired.size,
      interfaces: () => this.#dataPlane.state.interfaces.tracker.desired.size,
    });
    const watchdogMs = Math.max(options.watchdogTimeoutMs ?? WATCHDOG_TIMEOUT_MS, MIN_WATCHDOG_TIMEOUT_MS);
    health.register(CALC_HEALTH, {timeoutMs: CALC_TIMEOUT_MS});
    health.register(DATA_PLANE_HEALTH, {timeoutMs: watchdogMs});
    this.localEndpoints = {
      put: (key, endpoint) => {
        const write = this.#writeLocal(() => this.#calc.setLocalEndpoint(key, endpoint));
        const {interfaceName} = endpoint.spec;
        if (interfaceName !== undefined) this.#dataPlane.recheck(interfaceName);
        return write;
      },
      remove: (key) => this.#writeLocal(() => this.#calc.clearLocalEndpoint(key)),
    };
  }

  /** True once the datastore was in sync and a run has brought everything about. */
  get isInSync(): boolean {
    return this.#calc.holdReason === undefined && this.#dataPlane.isInSync;
  }

  /** What is true of each endpoint of this node, by `orchestrator/workload/endpoint`. */
  get endpointStatuses(): ReadonlyMap<EndpointId, EndpointStatus> {
    return this.#dataPlane.statuses;
  }

  /** Starts listening to the kernel. Runs begin when the datastore, through the two calls below, is in sync. */
  start(): void {
    if (this.#isStarted) throw new Error('Felix has been started already');
    this.#isStarted = true;
    this.#unsubscribe = this.#config.subscribe(DATA_PLANE_PARAMETERS, () => this.#configure());
    this.#dataPlane.start();
    this.#reportHealth();
  }

  /** Ends the run under way and every timer. Leaves in the kernel what is there. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#cancelHealthTick?.();
    this.#unsubscribe?.();
    this.#dataPlane.stop();
    await this.#pacer.stop(new Error('Felix is stopping'));
    this.#kernel.close();
    this.#health.unregister(CALC_HEALTH);
    this.#health.unregister(DATA_PLANE_HEALTH);
  }

  /** From the datastore's Syncer. */
  onStatus(status: SyncStatus, reason?: string): void {
    this.#isInStep = status === 'in-sync';
    this.#awayReason = reason;
    this.#calc.onStatus(status);
  }

  /** From the datastore's Syncer. */
  onUpdates(updates: readonly Update[]): void {
    const startMs = this.#clock.monotonicMs();
    this.#calc.onUpdates(updates);
    this.#metrics.updated((this.#clock.monotonicMs() - startMs) / 1000);
  }

  /**
   * Resolves when the host side of the endpoint's network (settings, link up, routes, neighbours) is in the kernel.
   * Rejects with E_ENDPOINT_FAILED when something of it was refused, with E_DEADLINE or E_ABORTED when the signal aborts
   * before; the message says what failed or what is awaited. An endpoint is waited for also before it is known.
   */
  waitForEndpoint(id: EndpointId, signal: AbortSignal): Promise<void> {
    return this.#dataPlane.waitForEndpoint(id, signal);
  }

  #ownership() {
    return {
      isWorkloadInterface: (link: string) => isWorkloadInterface(this.#settings, link),
      isClaimed: (link: string) => this.#dataPlane.isClaimed(link),
      hostSettings: () => renderHostSysctls(this.#settings).map(({path}) => path),
      deviceRouteProtocols: () => this.#routeProtocols,
      removesExternalRoutes: () => this.#settings.removesExternalRoutes,
      holdsBack: (link: string, index: number) => this.#dataPlane.state.grace.holds(link, index),
    };
  }

  #routeStage(family: 4 | 6) {
    const {routes4, routes6} = this.#dataPlane.state;
    return family === 4 ? routes4 : routes6;
  }

  /** An endpoint that is being added waits for nothing: what it changes goes to the data plane before we return. */
  #writeLocal(begin: () => LocalWrite): LocalWrite {
    const write = begin();
    this.#hand(this.#calc.flush());
    return write;
  }

  #onCalcChange(): void {
    if (this.#isCalculating) return;
    this.#isCalculating = true;
    // Later, so that updates that come together are calculated together.
    setImmediate(() => {
      void this.#calculate();
    });
  }

  async #calculate(): Promise<void> {
    const breather = createBreather({}, {clock: this.#clock});
    while (this.#calc.prepare(CALC_PORTION)) {
      this.#health.touch(CALC_HEALTH);
      await breather.breathe();
    }
    this.#isCalculating = false;
    if (this.#isStopped) return;
    this.#hand(this.#calc.flush());
    this.#reportCalculation();
  }

  /** Config first: the rest of the batch is rendered with it. */
  #hand(batch: readonly Intent[]): void {
    if (batch.length === 0) return;
    for (const intent of batch) if (intent.kind === 'config') this.#setLayer(intent.layer, intent.values);
    this.#metrics.emitted(batch);
    this.#dataPlane.accept(batch);
  }

  /** A layer with a value that must not be wrong is refused as a whole: the last good one stays in force. */
  #setLayer(layer: DatastoreConfigLayer, values: ReadonlyMap<string, string>): void {
    try {
      this.#config.setLayer(layer, values);
    } catch (error) {
      if (!hasCode(error, 'E_BAD_CONFIG')) throw error;
      this.#log.error({layer, code: codeOf(error), reason: messageOf(error)}, 'configuration of the datastore refused');
    }
  }

  #configure(): void {
    this.#settings = dataPlaneSettings(this.#config);
    this.#routeProtocols.add(this.#settings.deviceRouteProtocol);
    this.#dataPlane.configure(this.#settings);
  }

  async #run(signal: AbortSignal): Promise<'done' | 'retry'> {
    this.#isRunning = true;
    try {
      return await this.#dataPlane.run(signal);
    } catch (error) {
      if (!signal.aborted)
        this.#log.warn({code: codeOf(error), reason: messageChain(error), err: error}, 'data plane run broke off');
      return 'retry';
    } finally {
      this.#isRunning = false;
      if (!this.#isStopped) this.#reportDataPlane();
    }
  }

  #onRun(run: RunSummary): void {
    this.#lastRun = run;
    this.#metrics.applied(run);
  }

  #onEndpoint(id: EndpointId, status: EndpointStatus | undefined): void {
    if (status === undefined) this.#log.info({endpoint: id}, 'endpoint removed');
    else if (status.state === 'up') this.#log.info({endpoint: id}, 'endpoint up');
    else if (status.state === 'error') this.#log.warn({endpoint: id, reason: status.reason}, 'endpoint failed');
    else this.#log.debug({endpoint: id, reason: status.reason}, 'endpoint down');
  }

  /** Silence is not health: this says from time to time that the event loop turns and that no run hangs. */
  #reportHealth(): void {
    this.#reportCalculation();
    if (!this.#isRunning) this.#reportDataPlane();
    this.#cancelHealthTick = this.#clock.schedule(HEALTH_TICK_MS, () => this.#reportHealth());
  }

  /** Ready as long as it is in step with the datastore: what is enforced while that is away stays, but grows old. */
  #reportCalculation(): void {
    const hold = this.#calc.holdReason ?? (this.#isInStep ? undefined : 'datastore out of step');
    const detail = [hold, this.#awayReason].filter((part) => part !== undefined).join(': ');
    this.#health.report(CALC_HEALTH, {live: true, ready: hold === undefined, detail});
  }

  #reportDataPlane(): void {
    this.#health.report(DATA_PLANE_HEALTH, {live: true, ready: this.isInSync, detail: this.#detail()});
  }

  #detail(): string | undefined {
    if (this.#lastRun === undefined) return 'no run yet';
    const {failures} = this.#lastRun;
    return failures === 0 ? undefined : `${failures} objects could not be written`;
  }
}
