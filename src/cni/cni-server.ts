/**
 * The CNI server of the agent: answers what the CNI plugin asks for over the socket.
 *
 *   plugin ──frames──> SocketServer ──> ShimSession ──> readRequest ──> one verb ──> result or error, as JSON
 *                                                                        │
 *                       IPAM, datastore, Felix, the pod's namespace  <───┘
 *
 * Promises: every call ends in bounded time; work in progress is bounded; a call that fails leaves nothing behind; what
 * a request names is compared and checked, never opened, contacted or run.
 */
import {fstatSync, statSync} from 'node:fs';
import type {Resources} from '../datastore/resources.ts';
import type {Store} from '../datastore/store.ts';
import {Allocator} from '../ipam/allocator.ts';
import type {NodeAllocator} from '../ipam/node-allocator.ts';
import type {RulesSource} from '../ipam/rules.ts';
import type {Clock} from '../lib/clock.ts';
import {AgentError, codeOf, messageChain} from '../lib/errors.ts';
import {followSignals} from '../lib/follow-signals.ts';
import type {Logger} from '../lib/log.ts';
import type {Registry, StageMetrics, StageRecorder} from '../lib/metrics.ts';
import type {Addon} from '../native/addon.ts';
import type {ShimRequest, ShimResult} from '../native/shim-protocol.ts';
import {add} from './add.ts';
import {OWN_IPAM} from './addresses.ts';
import {AgentSettings} from './agent-settings.ts';
import {AttachmentLock} from './attachment-lock.ts';
import {CallJournal} from './call-journal.ts';
import {check} from './check.ts';
import {type CniFailure, cniFailureOf, printFailure} from './cni-error.ts';
import {CniMetrics} from './cni-metrics.ts';
import {parseVerb} from './cni-version.ts';
import {del} from './del.ts';
import {Endpoints} from './endpoints.ts';
import type {FelixPort} from './felix-port.ts';
import {gc} from './gc.ts';
import {ipamAdd, ipamCheck, ipamDel} from './ipam-plugin.ts';
import {removeLeftOvers} from './left-overs.ts';
import {NodeView} from './node-view.ts';
import {mtuFileReader} from './pod-mtu.ts';
import {PodNetwork} from './pod-network.ts';
import {type AttachmentRequest, type GcRequest, readRequest} from './request.ts';
import {printResult} from './result.ts';
import type {Call, Readiness, Services} from './services.ts';
import type {ShimSession} from './shim-session.ts';
import {SocketServer} from './socket-server.ts';
import {connectionTest, status} from './status.ts';

export interface CniServerOptions {
  /** Default `/var/run/calico/cni/cni.sock`. */
  readonly socketPath?: string | undefined;
  readonly nodeName: string;
  /** As DATASTORE_TYPE has it; only to be compared with what network configurations say. */
  readonly datastoreType: string;
  /** Descriptor of the host's network namespace, open until `stop` has ended; the process's own when absent. */
  readonly hostNetnsFd?: number | undefined;
  /** The first prefix of Felix's InterfacePrefix. */
  readonly interfacePrefix: string;
  /** The file with the MTU of a pod that Felix writes; default `/var/lib/calico/mtu`. */
  readonly mtuFile?: string | undefined;
  /** Notes which calls are under way, for the next start; default `/var/lib/calico/cni/calls`. */
  readonly journalFile?: string | undefined;
  /** A call that takes longer fails and is undone; default 60 s. */
  readonly callLimitMs?: number | undefined;
  /** How long `stop` lets calls under way go on before it has them undone; default 5 s. */
  readonly stopGraceMs?: number | undefined;
}

export interface CniServerDependencies {
  readonly store: Store;
  readonly resources: Resources;
  readonly nodeAllocator: NodeAllocator;
  /** For single looks at addresses; default: read from the store. */
  readonly rules?: RulesSource | undefined;
  readonly felix: FelixPort;
  /** Can a pod be added now? STATUS answers it. */
  readonly readiness: () => Readiness;
  readonly addon: Addon;
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
  readonly stageMetrics: StageMetrics;
}

export const DEFAULT_SOCKET = '/var/run/calico/cni/cni.sock';
const DEFAULT_MTU_FILE = '/var/lib/calico/mtu';
const DEFAULT_JOURNAL_FILE = '/var/lib/calico/cni/calls';
/** Less than the plugin's own 90 s, with room for undoing. */
const CALL_LIMIT_MS = 60_000;
const STOP_GRACE_MS = 5_000;
const LEFT_OVER_RETRY_MS = 30_000;

export class CniServer {
  /** Feed it from the datastore's Syncer: then an ordinary ADD asks the datastore nothing. Works without. */
  readonly sink: NodeView;
  readonly #options: CniServerOptions;
  readonly #services: Services;
  readonly #socket: SocketServer;
  readonly #addon: Addon;
  readonly #clock: Clock;
  readonly #recorder: StageRecorder;
  readonly #hostInode: bigint;
  readonly #startedMs: number;
  /** Aborts calls under way when the agent cannot wait for them any longer. */
  readonly #stopping = new AbortController();
  #leftOvers: Promise<void> = Promise.resolve();
  #cancelLeftOvers: (() => void) | undefined;

  constructor(options: CniServerOptions, dependencies: CniServerDependencies) {
    const {addon, clock, felix, nodeAllocator, readiness, registry, resources, rules, store} = dependencies;
    const log = dependencies.log.child({module: 'cni'});
    const metrics = new CniMetrics({registry});
    this.#options = options;
    this.sink = new NodeView(options);
    this.#addon = addon;
    this.#clock = clock;
    this.#startedMs = clock.wallMs();
    this.#hostInode = namespaceInode(options.hostNetnsFd);
    this.#services = {
      nodeName: options.nodeName,
      interfacePrefix: options.interfacePrefix,
      readPodMtu: mtuFileReader(options.mtuFile ?? DEFAULT_MTU_FILE),
      store,
      resources,
      nodeAllocator,
      allocator: new Allocator({store, clock, log, rules}),
      felix,
      endpoints: new Endpoints({store, resources, felix, clock, view: this.sink}),
      view: this.sink,
      podNetwork: new PodNetwork(options, {addon, clock}),
      settings: new AgentSettings(options, {log}),
      lock: new AttachmentLock(),
      journal: new CallJournal(options.journalFile ?? DEFAULT_JOURNAL_FILE),
      readiness,
      clock,
      log,
      metrics,
    };
    this.#socket = new SocketServer(
      {path: options.socketPath ?? DEFAULT_SOCKET},
      {addon, clock, log, metrics, serve: (request, fd, session) => this.#serve(request, fd, session)},
    );
    metrics.watchCalls(() => this.openCalls);
    this.#recorder = dependencies.stageMetrics.stage('cni', {
      queueDepth: () => this.#socket.waiting,
      oldestPendingMs: () => this.#socket.oldestWaitingMs,
    });
  }

  /** Listens. What earlier runs left behind is looked for meanwhile, until that has succeeded once. */
  async start(): Promise<void> {
    await this.#socket.start();
    this.#services.log.info({socket: this.#options.socketPath ?? DEFAULT_SOCKET}, 'CNI server listens');
    this.#lookForLeftOvers();
  }

  /** Takes no more calls; those under way may end, but not for ever. Pods keep their network. */
  async stop(): Promise<void> {
    this.#cancelLeftOvers?.();
    const reason = new AgentError('E_ABORTED', 'the agent stops');
    const cancel = this.#clock.schedule(this.#options.stopGraceMs ?? STOP_GRACE_MS, () => this.#stopping.abort(reason));
    await this.#socket.stop();
    this.#stopping.abort(reason);
    await this.#leftOvers;
    cancel();
    this.#services.podNetwork.close();
  }

  /** Calls under way, and those that wait for their turn. */
  get openCalls(): number {
    return this.#socket.served + this.#socket.waiting;
  }

  /** Resolves when the look for left-overs that is under way has ended. */
  get leftOversDone(): Promise<void> {
    return this.#leftOvers;
  }

  #lookForLeftOvers(): void {
    const {log} = this.#services;
    const {signal} = this.#stopping;
    this.#leftOvers = removeLeftOvers(this.#services, this.#startedMs, {signal}).then(
      ({endpoints, addresses}) => {
        if (endpoints > 0 || addresses.length > 0)
          log.info({endpoints, addresses: addresses.length}, 'left-overs of containers that are gone removed');
      },
      (error: unknown) => {
        if (signal.aborted) return;
        log.warn(
          {code: codeOf(error), reason: messageChain(error)},
          'left-overs could not be looked for, trying again',
        );
        this.#cancelLeftOvers = this.#clock.schedule(LEFT_OVER_RETRY_MS, () => this.#lookForLeftOvers());
      },
    );
  }

  async #serve(shim: ShimRequest, fd: number | undefined, session: ShimSession): Promise<ShimResult> {
    const startMs = this.#clock.monotonicMs();
    const end = new AbortController();
    const letGo = followSignals(end, [session.gone, this.#stopping.signal]);
    const cancel = this.#clock.schedule(this.#options.callLimitMs ?? CALL_LIMIT_MS, () =>
      end.abort(new DOMException('the call has taken too long', 'TimeoutError')),
    );
    const call: Call = {
      signal: end.signal,
      delegate: (order) => session.delegate(order),
    };
    const answer = await this.#answer(shim, fd, call);
    cancel();
    letGo();
    const durationMs = this.#clock.monotonicMs() - startMs;
    const command = shim.environment.get('CNI_COMMAND') ?? '';
    const verb = shim.argument === '-t' ? 'test' : (parseVerb(command) ?? 'unknown');
    this.#services.metrics.called(shim.program, verb, answer.failure?.code ?? 0, durationMs);
    this.#recorder.ran(durationMs);
    return resultFrame(answer);
  }

  async #answer(shim: ShimRequest, fd: number | undefined, call: Call): Promise<Answer> {
    try {
      if (shim.argument === '-t') return {text: '', failure: await connectionTest(shim.stdin, this.#services, call)};
      const request = readRequest(shim, fd, {addon: this.#addon, hostInode: this.#hostInode});
      const {name, json} = request.config;
      this.#services.settings.compare(name, json, {isAdd: request.verb === 'ADD'});
      if (request.verb === 'STATUS') return {text: '', failure: await status(this.#services, call)};
      return {text: await this.#run(request, call), failure: undefined};
    } catch (error) {
      const failure = cniFailureOf(error);
      this.#recorder.failed(codeOf(error));
      this.#services.log.warn(
        {
          verb: shim.environment.get('CNI_COMMAND')?.slice(0, 16),
          containerId: shim.environment.get('CNI_CONTAINERID')?.slice(0, 128),
          code: codeOf(error) ?? 'E_INTERNAL',
          cniCode: failure.code,
          reason: failure.msg,
          ...(error instanceof AgentError ? {} : {err: error}),
        },
        'CNI call failed',
      );
      return {text: '', failure};
    }
  }

  /** What goes to standard output. */
  async #run(request: AttachmentRequest | GcRequest, call: Call): Promise<string> {
    const services = this.#services;
    const isIpamAlone = request.program === OWN_IPAM;
    switch (request.verb) {
      case 'ADD':
        return printResult(request.version, await (isIpamAlone ? ipamAdd : add)(request, services, call));
      case 'DEL':
        await (isIpamAlone ? ipamDel : del)(request, services, call);
        return '';
      case 'CHECK':
        await (isIpamAlone ? ipamCheck : check)(request, services, call);
        // Calico's; the specification asks for nothing.
        return isIpamAlone ? '' : 'OK\n';
      case 'GC':
        await gc(request, services, call);
        return '';
    }
  }
}

interface Answer {
  readonly text: string;
  readonly failure: CniFailure | undefined;
}

function resultFrame({text, failure}: Answer): ShimResult {
  const output = failure === undefined ? text : printFailure(failure);
  const stdout = new TextEncoder().encode(output);
  return {kind: 'result', exitCode: failure === undefined ? 0 : 1, stdout, stderr: new Uint8Array()};
}

const namespaceInode = (fd: number | undefined): bigint =>
  (fd === undefined ? statSync('/proc/self/ns/net', {bigint: true}) : fstatSync(fd, {bigint: true})).ino;
