/**
 * Which member of etcd is talked to. One connection serves all calls while it stands; when it breaks, or its member turns
 * out to be useless, the next call that needs one makes another, going once through all endpoints. Callers that wait
 * share the attempt, and a round in which all endpoints failed is followed by a pause, so that an etcd that comes back
 * is not run over.
 */
import {type Clock, sleep} from '../../lib/clock.ts';
import {AgentError, messageChain, messageOf} from '../../lib/errors.ts';
import type {Logger} from '../../lib/log.ts';
import {orAborted} from '../../lib/or-aborted.ts';
import {retryDelayMs} from '../../lib/retry.ts';
import {Connection, type DialStep, endpointText} from './connection.ts';
import {dialReason, isAboutCredentials} from './dial-reason.ts';
import {type ResolveSrv, resolveEndpoints} from './discovery.ts';
import type {Endpoint, EtcdSettings} from './settings.ts';

export interface ConnectorOptions {
  readonly settings: EtcdSettings;
  /** Time for one endpoint to be connected to. */
  readonly dialMs: number;
  readonly idleMs: number;
  readonly answerMs: number;
}

export interface ConnectorDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  readonly resolveSrv: ResolveSrv;
  /** Number in [0, 1). */
  readonly random: () => number;
}

const PAUSES = {firstDelayMs: 50, maxDelayMs: 1000};

/** Why an endpoint could not be connected to. */
interface DialFailure {
  readonly endpoint: string;
  readonly step: DialStep;
  readonly reason: string;
  readonly isAboutCredentials: boolean;
}

export class Connector {
  readonly #options: ConnectorOptions;
  readonly #dependencies: ConnectorDependencies;
  readonly #abort = new AbortController();
  /** All that have not ended, the current one among them. */
  readonly #connections = new Set<Connection>();
  #current: Connection | undefined;
  #dialing: Promise<Connection> | undefined;
  /** Index of the endpoint to begin the next round with; spreads the nodes of a cluster over its members. */
  #next: number;
  /** Rounds in a row in which every endpoint failed. */
  #failedRounds = 0;
  #activity = 'not connected yet';

  constructor(options: ConnectorOptions, dependencies: ConnectorDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#next = Math.floor(dependencies.random() * 2 ** 16);
  }

  /** What it is doing, for the message of a call that ran out of time. */
  get activity(): string {
    return this.#activity;
  }

  /**
   * The connection to use now. Rejects with E_UNREACHABLE, or E_UNAUTHORISED when no member takes our credentials or has
   * some we take, after one round over the endpoints; with the signal's reason when that comes first.
   */
  async acquire(signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted();
    if (this.#current?.isUsable) return this.#current;
    // What broke once may break again: a frozen member still accepts connections.
    if (this.#current !== undefined) this.abandon(this.#current);
    this.#dialing ??= this.#dialRound().finally(() => {
      this.#dialing = undefined;
    });
    return orAborted(this.#dialing, signal);
  }

  /** Gives new calls to another member; calls under way end as they will. */
  abandon(connection: Connection): void {
    if (this.#current === connection) {
      this.#current = undefined;
      this.#next++;
    }
    connection.retire();
  }

  close(reason: Error): void {
    this.#abort.abort(reason);
    for (const connection of this.#connections) connection.destroy(reason);
  }

  async #dialRound(): Promise<Connection> {
    const {clock, log, random} = this.#dependencies;
    const {signal} = this.#abort;
    if (this.#failedRounds > 0) await sleep(clock, retryDelayMs(this.#failedRounds, PAUSES, random), signal);
    const result = await this.#dialAny();
    signal.throwIfAborted();
    if (result instanceof Connection) {
      if (this.#failedRounds > 0) log.info({endpoint: result.endpoint}, 'etcd is reachable again');
      this.#failedRounds = 0;
      return result;
    }
    const error = unreachable(result);
    if (this.#failedRounds++ === 0) log.warn({code: error.code, reason: error.message}, 'etcd is not reachable');
    throw error;
  }

  /** The first endpoint that answers, or why none did. */
  async #dialAny(): Promise<Connection | readonly DialFailure[]> {
    const failures: DialFailure[] = [];
    let endpoints: readonly Endpoint[];
    try {
      endpoints = await resolveEndpoints(this.#options.settings.endpoints, this.#dependencies.resolveSrv);
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      const reason = cause === undefined ? messageOf(error) : messageChain(cause);
      return [{endpoint: messageOf(error), step: 'look up in DNS', reason, isAboutCredentials: false}];
    }
    for (const first = this.#next; this.#next < first + endpoints.length; this.#next++) {
      const endpoint = endpoints[this.#next % endpoints.length];
      if (endpoint === undefined || this.#abort.signal.aborted) break;
      const result = await this.#dial(endpoint);
      if (result instanceof Connection) return result;
      failures.push(result);
    }
    return failures;
  }

  async #dial(endpoint: Endpoint): Promise<Connection | DialFailure> {
    const {clock} = this.#dependencies;
    const {settings, dialMs, idleMs, answerMs} = this.#options;
    const text = endpointText(endpoint);
    let step: DialStep = 'connect';
    const onStep = (next: DialStep) => {
      step = next;
      this.#activity = `connecting to ${text}: ${next}`;
    };
    const limit = new AbortController();
    const onClose = () => limit.abort(this.#abort.signal.reason);
    this.#abort.signal.addEventListener('abort', onClose, {once: true});
    const cancelLimit = clock.schedule(dialMs, () => limit.abort(new Error(`no answer within ${dialMs} ms`)));
    try {
      const options = {endpoint, tls: settings.tls, idleMs, answerMs, onStep};
      const connection = await Connection.open(options, clock, limit.signal);
      this.#connections.add(connection);
      connection.onceClosed(() => this.#connections.delete(connection));
      this.#current = connection;
      this.#activity = `connected to ${text}`;
      if (this.#abort.signal.aborted) connection.destroy(new Error('closed'));
      return connection;
    } catch (error) {
      const reason = dialReason(error, step, endpoint, settings.tls);
      return {endpoint: text, step, reason, isAboutCredentials: isAboutCredentials(error, step)};
    } finally {
      cancelLimit();
      this.#abort.signal.removeEventListener('abort', onClose);
    }
  }
}

function unreachable(failures: readonly DialFailure[]): AgentError {
  const reasons = failures.map(({endpoint, step, reason}) => `${endpoint}: ${step}: ${reason}`);
  const isRefused = failures.length > 0 && failures.every((failure) => failure.isAboutCredentials);
  return new AgentError(
    isRefused ? 'E_UNAUTHORISED' : 'E_UNREACHABLE',
    `cannot connect to etcd: ${reasons.join('; ')}`,
    {endpoints: failures.map(({endpoint, step}) => ({endpoint, step}))},
  );
}
