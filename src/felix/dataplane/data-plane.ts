/**
 * Keeps the kernel as the intents want it: remembers what comes in, and at each run brings every kind of object to its
 * desired state, in the order of the plan.
 *
 *   intents ──> Desired ──render──> KernelState: a stage per kind ──plan──> drivers ──> kernel
 *   kernel's news ─────────────────────^                                       │
 *   waiting ADD <── EndpointReport <── what each step could and could not do <─┘
 *
 * Promises: nothing is written before the first complete batch of intents (the sequencer makes none before the
 * datastore is in sync). News from the kernel invalidate what they concern; lost news, an unknown outcome and a slow
 * timer make a kind read back as a whole. A run that finds nothing to change writes nothing.
 */
import type {Clock} from '../../lib/clock.ts';
import {messageChain} from '../../lib/errors.ts';
import type {Logger} from '../../lib/log.ts';
import type {StageMetrics} from '../../lib/metrics.ts';
import type {EndpointId, Intent} from '../calc/intent.ts';
import {Desired} from './desired.ts';
import {EndpointJudge} from './endpoint-judge.ts';
import {EndpointReport, type EndpointStatus} from './endpoint-report.ts';
import {endpointStatusFileName, endpointStatusText} from './endpoint-status-file.ts';
import {type FileEntry, type FileKey, fileKey} from './entries.ts';
import {FailureLog} from './failure-log.ts';
import type {LinkChange} from './host-links.ts';
import {HostWatcher} from './host-watcher.ts';
import {type DataPlaneDrivers, type FileDriver, KernelState} from './kernel-state.ts';
import {kernelSteps} from './kernel-steps.ts';
import type {HostReader, KernelMonitor} from './kernel-view.ts';
import {type PlanResult, runPlan, type Step} from './plan.ts';
import type {RulesStep} from './rules-step.ts';
import type {DataPlaneSettings} from './settings.ts';
import {Stage} from './stage.ts';

export interface DataPlaneOptions {
  readonly settings: DataPlaneSettings;
  /** Path of the file that tells the CNI plugin the MTU of a pod; none is written without it. */
  readonly mtuFilePath?: string | undefined;
  /** Folder of the files that say which endpoints are up; none are written without it. */
  readonly endpointStatusFolder?: string | undefined;
  /** How long an unknown route on a workload interface is left alone. */
  readonly routeGraceMs?: number | undefined;
}

export interface DataPlaneDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: StageMetrics | undefined;
  /** Number in [0, 1); spreads the refreshes of many nodes. */
  readonly random: () => number;
  readonly drivers: DataPlaneDrivers;
  /** For `mtuFilePath`. */
  readonly mtuFile?: FileDriver | undefined;
  /** For `endpointStatusFolder`. */
  readonly statusFiles?: FileDriver | undefined;
  readonly host: HostReader;
  readonly monitor: KernelMonitor;
  readonly rules: RulesStep;
  readonly listener: DataPlaneListener;
}

/** What the data plane tells. Called synchronously; must not throw. */
export interface DataPlaneListener {
  /** There is something to do: `run` wants to be called. */
  onWork(): void;
  /** A run goes on: the sign of life of a long one. */
  onStep(): void;
  /** A run has ended. */
  onRun(run: RunSummary): void;
  /** An endpoint's state or reason changed; undefined when the endpoint is gone. */
  onEndpoint(id: EndpointId, status: EndpointStatus | undefined): void;
}

export interface RunSummary {
  readonly durationMs: number;
  readonly isFirst: boolean;
  /** Written and removed objects by kind; empty when the kernel was as wanted. */
  readonly changes: ReadonlyMap<string, {readonly written: number; readonly removed: number}>;
  readonly failures: number;
}

const ROUTE_GRACE_MS = 10_000;
/** A refresh comes up to this share later, so that timers of many nodes drift apart. */
const REFRESH_JITTER = 0.1;

export class DataPlane {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #random: () => number;
  readonly #host: HostReader;
  readonly #listener: DataPlaneListener;

  readonly #state: KernelState;
  readonly #watcher: HostWatcher;
  readonly #desired: Desired;
  readonly #judge: EndpointJudge;
  readonly #report: EndpointReport;
  readonly #failureLog: FailureLog;
  readonly #statusFiles: Stage<FileKey, FileEntry> | undefined;
  readonly #statusFolder: string | undefined;
  readonly #plan: readonly Step[];
  #settings: DataPlaneSettings;

  /** The batch that is arriving. */
  #batch: Intent[] = [];
  /** A first batch has come: from now on the kernel may be touched. */
  #mayWrite = false;
  #hasRun = false;
  #isInSync = false;
  #isRunning = false;
  /** A link or address changed since the run under way began to render. */
  #hostChanged = false;
  /** Endpoints whose verdict may change with the next run; the others are as they were unless something failed. */
  readonly #unsettled = new Set<EndpointId>();
  #mustJudgeAll = false;
  /** Written and removed in the run under way. */
  #changes = new Map<string, {readonly written: number; readonly removed: number}>();
  readonly #cancelTimers = new Map<string, () => void>();

  constructor(options: DataPlaneOptions, dependencies: DataPlaneDependencies) {
    const {clock, listener, metrics} = dependencies;
    this.#settings = options.settings;
    this.#clock = clock;
    this.#log = dependencies.log;
    this.#random = dependencies.random;
    this.#host = dependencies.host;
    this.#listener = listener;
    this.#state = new KernelState(
      {routeGraceMs: options.routeGraceMs ?? ROUTE_GRACE_MS},
      {clock, metrics, drivers: dependencies.drivers, onPending: () => this.#askForRun()},
    );
    const {mtuFilePath} = options;
    const mtuFile = dependencies.mtuFile && new Stage(dependencies.mtuFile, {clock, metrics});
    this.#desired = new Desired(options, {
      clock,
      hostLinks: this.#state.hostLinks,
      sinks: {
        sysctls: this.#state.sysctls.tracker,
        tunnels: this.#state.tunnels.tracker,
        addresses: this.#state.addressGate,
        fdb: this.#state.fdbGate,
        interfaces: this.#state.interfaceGate,
        neighbours: this.#state.neighbourGate,
        routes: this.#state.routeClaims,
        setPodMtu: (mtu) => {
          if (mtuFile === undefined || mtuFilePath === undefined) return;
          mtuFile.tracker.setDesired(fileKey(mtuFilePath), {path: mtuFilePath, text: `${mtu}`});
        },
      },
    });
    this.#judge = new EndpointJudge({state: this.#state, desired: this.#desired});
    this.#report = new EndpointReport((id, status) => this.#onEndpoint(id, status));
    this.#statusFolder = options.endpointStatusFolder;
    this.#statusFiles = dependencies.statusFiles && new Stage(dependencies.statusFiles, {clock, metrics});
    this.#failureLog = new FailureLog(dependencies);
    this.#watcher = new HostWatcher({
      ...dependencies,
      state: this.#state,
      listener: {
        onNews: (changes) => this.#onNews(changes),
        onHostChange: () => this.#onHostChange(),
      },
    });
    this.#plan = kernelSteps({
      state: this.#state,
      desired: this.#desired,
      watcher: this.#watcher,
      rules: dependencies.rules,
      mtuFile,
      onChanges: (kind, count) => this.#changes.set(kind, count),
    });
  }

  /** Every kind of object is as wanted: at least one run has ended without failures. */
  get isInSync(): boolean {
    return this.#isInSync;
  }

  get statuses(): ReadonlyMap<EndpointId, EndpointStatus> {
    return this.#report.statuses;
  }

  /** Wanted and real state of every kind, for metrics and for whoever explains. Do not change it. */
  get state(): KernelState {
    return this.#state;
  }

  /** True for links on which routes of ours are wanted, or whose settings are. */
  isClaimed(link: string): boolean {
    return this.#state.interfaceGate.hasOn(link);
  }

  /** Starts listening to the kernel, and the refresh timers. */
  start(): void {
    this.#watcher.start();
    this.#scheduleRefreshes();
  }

  /** Stops listening. What is in the kernel stays: pods keep their network. */
  stop(): void {
    this.#watcher.stop();
    this.#state.grace.stop();
    for (const cancel of this.#cancelTimers.values()) cancel();
    this.#cancelTimers.clear();
  }

  /** Takes intents in; acts after the end of their batch. */
  accept(intents: readonly Intent[]): void {
    for (const intent of intents) {
      if (intent.kind !== 'flush') this.#batch.push(intent);
      else this.#takeBatch();
    }
  }

  /**
   * The interface was made, perhaps made again under its name: what was said of its endpoint no longer holds, although
   * no intent has changed and the kernel's news may not have come yet.
   */
  recheck(interfaceName: string): void {
    const id = this.#desired.endpointOn(interfaceName);
    if (id !== undefined) this.#expect(id, interfaceName);
    this.#askForRun();
  }

  /** Other settings, in place. */
  configure(settings: DataPlaneSettings): void {
    this.#settings = settings;
    this.#desired.setSettings(settings);
    // What is ours, and so what a read-back shows, may be another thing now.
    this.#state.invalidate('all');
    if (this.#cancelTimers.size > 0) this.#scheduleRefreshes();
    this.#askForRun();
  }

  /**
   * Resolves when the endpoint's host side (settings, link up, routes, neighbours) is in place. Rejects with
   * E_ENDPOINT_FAILED and what failed, or with E_DEADLINE or E_ABORTED and what is still awaited.
   */
  waitForEndpoint(id: EndpointId, signal: AbortSignal): Promise<void> {
    return this.#report.waitFor(id, signal);
  }

  /** Brings the kernel to the desired state. `retry` says that something failed. One run at a time. */
  async run(signal: AbortSignal): Promise<'done' | 'retry'> {
    if (!this.#mayWrite) return 'done';
    const startMs = this.#clock.monotonicMs();
    this.#changes = new Map();
    this.#isRunning = true;
    let outcome: 'done' | 'retry' = 'retry';
    try {
      await this.#lookAtHost(signal);
      this.#hostChanged = false;
      await this.#desired.render(signal);
      this.#state.grace.review();
      const result = await runPlan(this.#plan, signal, () => this.#listener.onStep());
      this.#conclude(result, this.#clock.monotonicMs() - startMs);
      await this.#tellOthers(signal);
      outcome = result.failures.size === 0 ? 'done' : 'retry';
      return outcome;
    } finally {
      this.#isRunning = false;
      // News that came too late for this run. What is pending after a failure waits for the retry.
      const isLeft = outcome === 'done' && (this.#watcher.isStale || this.#state.isPending);
      if (this.#hostChanged || isLeft) this.#askForRun();
    }
  }

  async #lookAtHost(signal: AbortSignal): Promise<void> {
    const wasStale = this.#watcher.isStale;
    await this.#watcher.look(signal);
    if (wasStale) this.#desired.setDefaultRpFilter(this.#host.sysctl('net/ipv4/conf/default/rp_filter') ?? '1');
  }

  #takeBatch(): void {
    const batch = this.#batch;
    this.#batch = [];
    for (const intent of batch) {
      this.#desired.take(intent);
      if (intent.kind !== 'workload-endpoint') continue;
      if (intent.value === undefined) {
        this.#report.delete(intent.key);
        this.#unsettled.delete(intent.key);
      } else this.#expect(intent.key, intent.value.interfaceName);
    }
    this.#mayWrite = true;
    this.#askForRun();
  }

  #expect(id: EndpointId, interfaceName: string): void {
    this.#report.expect(id);
    this.#unsettled.add(id);
    this.#watcher.expect(interfaceName);
  }

  #askForRun(): void {
    if (this.#mayWrite) this.#listener.onWork();
  }

  /** A workload interface concerns its own endpoint; one that nobody has asked for yet, or any more, concerns nobody. */
  #onNews(changes: readonly LinkChange[]): void {
    for (const {name} of changes) {
      const id = this.#desired.endpointOn(name);
      if (this.#desired.isHostLink(name)) this.#onHostChange();
      else if (id !== undefined) {
        this.#unsettled.add(id);
        this.#hostChanged = true;
      }
    }
    // During a run its own end decides: most news then are the echo of what it writes.
    if (!this.#isRunning && (this.#hostChanged || this.#state.isPending)) this.#askForRun();
  }

  #onHostChange(): void {
    this.#mustJudgeAll = true;
    this.#hostChanged = true;
    if (!this.#isRunning) this.#askForRun();
  }

  #conclude(result: PlanResult, durationMs: number): void {
    this.#judgeEndpoints(result);
    this.#failureLog.note(result);
    let failures = 0;
    for (const failed of result.failures.values()) failures += failed.length;
    const isFirst = !this.#hasRun;
    this.#hasRun = true;
    if (failures === 0) this.#isInSync = true;
    const changes = this.#changes;
    if (changes.size > 0)
      this.#log.info({changes: Object.fromEntries(changes), failures, ms: Math.round(durationMs * 10) / 10}, 'applied');
    this.#listener.onRun({durationMs, isFirst, changes, failures});
  }

  #judgeEndpoints(result: PlanResult): void {
    const hasFailed = result.failures.size > 0;
    const ids = hasFailed || this.#mustJudgeAll ? [...this.#desired.endpoints.keys()] : [...this.#unsettled];
    this.#mustJudgeAll = hasFailed;
    for (const id of ids) {
      // It was made again during this run, which may have seen the one before.
      const interfaceName = this.#desired.endpoints.get(id)?.interfaceName;
      if (interfaceName !== undefined && this.#watcher.isExpected(interfaceName)) continue;
      const status = this.#judge.judge(id, result);
      if (status.state === 'up') this.#unsettled.delete(id);
      else this.#unsettled.add(id);
      this.#report.set(id, status);
    }
  }

  #onEndpoint(id: EndpointId, status: EndpointStatus | undefined): void {
    this.#listener.onEndpoint(id, status);
    if (this.#statusFiles === undefined || this.#statusFolder === undefined) return;
    const path = `${this.#statusFolder}/${endpointStatusFileName({id})}`;
    const endpoint = this.#desired.endpoints.get(id);
    const {tracker} = this.#statusFiles;
    if (status?.state === 'up' && endpoint !== undefined)
      tracker.setDesired(fileKey(path), {path, text: endpointStatusText(endpoint)});
    else tracker.deleteDesired(fileKey(path));
  }

  /** After the verdicts, and not before everything was in place once: until then what an earlier run wrote may hold. */
  async #tellOthers(signal: AbortSignal): Promise<void> {
    if (this.#statusFiles === undefined || !this.#isInSync || !this.#statusFiles.isPending) return;
    const {error, failed} = await this.#statusFiles.run(signal);
    const failure = error ?? failed.values().next().value;
    if (failure !== undefined) this.#log.warn({reason: messageChain(failure)}, 'endpoint status files not written');
  }

  #scheduleRefreshes(): void {
    this.#scheduleRefresh('routes', this.#settings.routeRefreshMs);
    this.#scheduleRefresh('links', this.#settings.interfaceRefreshMs);
  }

  #scheduleRefresh(what: 'routes' | 'links', intervalMs: number): void {
    this.#cancelTimers.get(what)?.();
    if (intervalMs <= 0) return;
    const delayMs = intervalMs * (1 + this.#random() * REFRESH_JITTER);
    const cancel = this.#clock.schedule(delayMs, () => {
      this.#state.invalidate(what);
      if (what === 'links') this.#watcher.invalidate();
      this.#scheduleRefresh(what, intervalMs);
      this.#askForRun();
    });
    this.#cancelTimers.set(what, cancel);
  }
}
