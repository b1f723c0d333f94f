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
import {AgentError} from '../../lib/errors.ts';
import type {Logger} from '../../lib/log.ts';
import type {StageMetrics} from '../../lib/metrics.ts';
import type {EndpointId, Intent} from '../calc/intent.ts';
import {Desired} from './desired.ts';
import {EndpointJudge} from './endpoint-judge.ts';
import {EndpointReport, type EndpointStatus} from './endpoint-report.ts';
import {type FileEntry, type FileKey, fileKey} from './entries.ts';
import {FailureLog} from './failure-log.ts';
import {type DataPlaneDrivers, type FileDriver, KernelState} from './kernel-state.ts';
import type {HostReader, KernelMonitor, KernelNews} from './kernel-view.ts';
import {buildPlan, type PlanResult, runPlan, type Step, type StepFailure} from './plan.ts';
import type {RulesStep} from './rules-step.ts';
import type {DataPlaneSettings} from './settings.ts';
import {Stage, type StageOutcome} from './stage.ts';

export interface DataPlaneOptions {
  readonly settings: DataPlaneSettings;
  /** Path of the file that tells the CNI plugin the MTU of a pod; none is written without it. */
  readonly mtuFilePath?: string | undefined;
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
  readonly #monitor: KernelMonitor;
  readonly #rules: RulesStep;
  readonly #listener: DataPlaneListener;

  readonly #state: KernelState;
  readonly #desired: Desired;
  readonly #judge: EndpointJudge;
  readonly #report: EndpointReport;
  readonly #failureLog: FailureLog;
  readonly #mtuFile: Stage<FileKey, FileEntry> | undefined;
  readonly #plan: readonly Step[];
  #settings: DataPlaneSettings;

  /** The batch that is arriving. */
  #batch: Intent[] = [];
  /** A first batch has come: from now on the kernel may be touched. */
  #mayWrite = false;
  #hasRun = false;
  #isInSync = false;
  #isRunning = false;
  /** A link or address changed during the run under way. */
  #hostChanged = false;
  /** Endpoints whose verdict may change with the next run; the others are as they were unless something failed. */
  readonly #unsettled = new Set<EndpointId>();
  #mustJudgeAll = false;
  /** The picture of the host has to be read. */
  #isHostStale = true;
  /** News that wait while the host is being read; undefined otherwise. */
  #waitingNews: Exclude<KernelNews, {kind: 'lost'}>[] | undefined;
  /** Links to look up before the next render: their makers told us of them before the kernel did. */
  readonly #expectedLinks = new Set<string>();
  /** Written and removed in the run under way. */
  #changes = new Map<string, {written: number; removed: number}>();
  readonly #cancelTimers = new Map<string, () => void>();

  constructor(options: DataPlaneOptions, dependencies: DataPlaneDependencies) {
    const {clock, listener, metrics} = dependencies;
    this.#settings = options.settings;
    this.#clock = clock;
    this.#log = dependencies.log;
    this.#random = dependencies.random;
    this.#host = dependencies.host;
    this.#monitor = dependencies.monitor;
    this.#rules = dependencies.rules;
    this.#listener = listener;
    this.#state = new KernelState(
      {routeGraceMs: options.routeGraceMs ?? ROUTE_GRACE_MS},
      {clock, metrics, drivers: dependencies.drivers, onPending: () => this.#askForRun()},
    );
    const {mtuFilePath} = options;
    const mtuFile = dependencies.mtuFile && new Stage(dependencies.mtuFile, {clock, metrics});
    this.#mtuFile = mtuFile;
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
    this.#report = new EndpointReport((id, status) => listener.onEndpoint(id, status));
    this.#failureLog = new FailureLog(dependencies);
    this.#plan = this.#buildPlan();
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
    this.#monitor.start({
      onNews: (news) => this.#onNews(news),
      nameOf: (index) => this.#state.hostLinks.nameOf(index),
    });
    this.#scheduleRefreshes();
  }

  /** Stops listening. What is in the kernel stays: pods keep their network. */
  stop(): void {
    this.#monitor.stop();
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
    this.#hostChanged = false;
    let outcome: 'done' | 'retry' = 'retry';
    try {
      await this.#lookAtHost(signal);
      await this.#desired.render(signal);
      this.#state.grace.review();
      const result = await runPlan(this.#plan, signal, () => this.#listener.onStep());
      this.#conclude(result, this.#clock.monotonicMs() - startMs);
      outcome = result.failures.size === 0 ? 'done' : 'retry';
      return outcome;
    } finally {
      this.#isRunning = false;
      // News that came too late for this run. What is pending after a failure waits for the retry.
      const isLeft = outcome === 'done' && (this.#isHostStale || this.#state.isPending);
      if (this.#hostChanged || isLeft) this.#askForRun();
    }
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
      } else {
        this.#report.expect(intent.key);
        this.#unsettled.add(intent.key);
        this.#expectedLinks.add(intent.value.interfaceName);
      }
    }
    this.#mayWrite = true;
    this.#askForRun();
  }

  #askForRun(): void {
    if (this.#mayWrite) this.#listener.onWork();
  }

  #onNews(news: KernelNews): void {
    if (news.kind === 'lost') {
      this.#log.warn({reason: news.reason}, 'kernel events were lost, reading everything back');
      this.#isHostStale = true;
      this.#state.invalidate('all');
    } else if (this.#waitingNews !== undefined) this.#waitingNews.push(news);
    else this.#takeNews(news);
  }

  #takeNews(news: Exclude<KernelNews, {kind: 'lost'}>): void {
    const isHostChange = this.#state.take(news).length > 0 || news.kind === 'address';
    // Links and addresses decide MTU and parent device; render finds out whether they did.
    if (isHostChange) {
      this.#hostChanged = true;
      this.#mustJudgeAll = true;
    }
    // During a run its own end decides: most news then are the echo of what it writes.
    if (!this.#isRunning && (isHostChange || this.#state.isPending)) this.#askForRun();
  }

  async #lookAtHost(signal: AbortSignal): Promise<void> {
    if (this.#isHostStale) {
      this.#isHostStale = false;
      this.#waitingNews = [];
      try {
        this.#state.replaceHost(await this.#host.read(signal));
      } catch (error) {
        this.#isHostStale = true;
        throw error;
      } finally {
        const news = this.#waitingNews;
        this.#waitingNews = undefined;
        for (const one of news) this.#takeNews(one);
      }
      this.#desired.setDefaultRpFilter(this.#host.sysctl('net/ipv4/conf/default/rp_filter') ?? '1');
    }
    const unseen = [...this.#expectedLinks].filter((name) => this.#state.hostLinks.get(name) === undefined);
    this.#expectedLinks.clear();
    await this.#seek(unseen, signal);
  }

  /** Looks links up now instead of waiting for the kernel to tell of them. */
  async #seek(names: readonly string[], signal: AbortSignal): Promise<void> {
    if (names.length === 0) return;
    for (const link of await this.#host.find(names, signal)) this.#state.take({kind: 'link', link, isGone: false});
  }

  #buildPlan(): readonly Step[] {
    const state = this.#state;
    return buildPlan({
      rules: {name: 'rules', isGuard: true, run: (signal) => this.#applyRules(signal)},
      hostSysctls: this.#step(state.sysctls),
      tunnels: this.#tunnelStep(),
      tunnelAddresses: this.#step(state.addresses),
      fdb: this.#step(state.fdb),
      interfaces: this.#interfaceStep(),
      routes: [this.#step(state.routes4), this.#step(state.routes6)],
      neighbours: this.#step(state.neighbours),
      files: this.#mtuFile ? [this.#step(this.#mtuFile)] : [],
    });
  }

  #step<K extends string, V>(stage: Stage<K, V>): Step {
    return {name: stage.kind, run: async (signal) => this.#note(stage.kind, await stage.run(signal))};
  }

  async #applyRules(signal: AbortSignal): Promise<readonly StepFailure[]> {
    try {
      await this.#rules.apply(this.#desired.endpoints, signal);
      return [];
    } catch (error) {
      signal.throwIfAborted();
      return [{key: undefined, error: new AgentError('E_RULES', 'the rules could not be written', {}, error)}];
    }
  }

  /** What hangs on a device must see it in the same run. */
  #tunnelStep(): Step {
    const {tunnels} = this.#state;
    return {
      name: tunnels.kind,
      run: async (signal) => {
        const undecided = this.#undecidedTunnels();
        // A device that is to exist but cannot be described would be taken for one that is not wanted.
        if (undecided.length > 0) return undecided;
        const outcome = await tunnels.run(signal);
        const made = [...outcome.written.keys()];
        await this.#seek(made, signal);
        return this.#note(tunnels.kind, outcome);
      },
    };
  }

  #undecidedTunnels(): readonly StepFailure[] {
    return [...this.#desired.undecidedTunnels].map(([family, nodeIp]) => ({
      key: `ipv${family}`,
      error: new AgentError('E_TUNNEL_PARENT', `no interface has the node's address ${nodeIp}`, {family, nodeIp}),
    }));
  }

  /** The kernel said that they are up; the routes of this run need not wait until it announces it. */
  #interfaceStep(): Step {
    const {hostLinks, interfaces} = this.#state;
    return {
      name: interfaces.kind,
      run: async (signal) => {
        const outcome = await interfaces.run(signal);
        for (const {isUp, link: name} of outcome.written.values()) {
          const link = hostLinks.get(name);
          if (link !== undefined && link.isUp !== isUp)
            this.#state.take({kind: 'link', link: {...link, isUp}, isGone: false});
        }
        return this.#note(interfaces.kind, outcome);
      },
    };
  }

  #note<K extends string, V>(kind: string, outcome: StageOutcome<K, V>): readonly StepFailure[] {
    const {error, failed, removed, written} = outcome;
    if (written.size > 0 || removed.size > 0) this.#changes.set(kind, {written: written.size, removed: removed.size});
    if (error !== undefined) return [{key: undefined, error}];
    return [...failed].map(([key, failure]) => ({key, error: failure}));
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
      const status = this.#judge.judge(id, result);
      if (status.state === 'up') this.#unsettled.delete(id);
      else this.#unsettled.add(id);
      this.#report.set(id, status);
    }
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
      if (what === 'links') this.#isHostStale = true;
      this.#scheduleRefresh(what, intervalMs);
      this.#askForRun();
    });
    this.#cancelTimers.set(what, cancel);
  }
}
