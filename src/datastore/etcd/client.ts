/**
 * Remote calls to etcd, wherever it can be reached: chooses the connection, presents the user's token and gets a new one
 * when it is refused, and repeats what may be repeated.
 *
 * A call that can have had an effect is repeated only when the server certainly did nothing; one that only reads,
 * whenever another try may help. A member that turned out useless, or that was silent for the whole of a call, is not
 * asked again before the others.
 */
import type {Clock} from '../../lib/clock.ts';
import {orAborted} from '../../lib/or-aborted.ts';
import {type RetryPolicy, retry} from '../../lib/retry.ts';
import {callOnce, StreamCall} from './call.ts';
import type {Connection} from './connection.ts';
import {Connector, type ConnectorDependencies, type ConnectorOptions} from './connector.ts';
import {decodeToken, encodeAuthenticate, type Method} from './messages.ts';
import {MalformedMessage} from './protobuf.ts';
import {agentErrorOf, type CallContext, isMemberUseless, isTokenRefused, lost, RpcError, STATUS} from './rpc-error.ts';
import {Turns} from './turns.ts';

export interface Request<T> {
  readonly method: Method;
  readonly message: Uint8Array;
  /** Reads an answer; throws an RpcError when it is a refusal. */
  readonly decode: (answer: Buffer) => T;
  readonly signal: AbortSignal;
}

export interface CallRequest<T> extends Request<T> {
  /** Asking twice does no harm. */
  readonly isRead: boolean;
  readonly deadlineMs: number;
}

export interface OpenStream<T> {
  readonly first: T;
  /** Ends by throwing an AgentError or the signal's reason. */
  readonly rest: AsyncGenerator<T, never, void>;
}

/** Spans an election of a leader: one to three seconds. */
const RETRIES: RetryPolicy = {firstDelayMs: 50, maxDelayMs: 1000, maxAttempts: 8};
/** Watches come on top. */
const CALLS_AT_ONCE = 128;
/** A call that waited so long without anything being heard tells that the server may be gone. */
const SUSPICIOUS_SILENCE_MS = 1000;

export class EtcdClient {
  readonly #connector: Connector;
  readonly #user: ConnectorOptions['settings']['user'];
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #turns = new Turns({atOnce: CALLS_AT_ONCE});
  /** Empty when etcd asks for none; undefined when it must be asked for one. */
  #token: string | undefined;
  #authenticating: Promise<string> | undefined;

  constructor(options: ConnectorOptions, dependencies: ConnectorDependencies) {
    this.#connector = new Connector(options, dependencies);
    this.#user = options.settings.user;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
  }

  /** What it is doing, for the message of a call that ran out of time. */
  get activity(): string {
    return this.#connector.activity;
  }

  /** Calls, and repeats where that is right. Rejects with an AgentError or the signal's reason. */
  call<T>(request: CallRequest<T>): Promise<T> {
    return this.#turns.run(request.signal, () => this.#call(request));
  }

  #call<T>({method, message, decode, isRead, signal, deadlineMs}: CallRequest<T>): Promise<T> {
    return this.#withRetries(isRead, signal, async (connection, token) => {
      const heardBytes = connection.heardBytes;
      const sinceMs = this.#clock.monotonicMs();
      try {
        return decoded(await callOnce(connection, {method, token, signal, deadlineMs}, message), decode);
      } catch (error) {
        const isSilent = connection.heardBytes === heardBytes;
        if (isSilent && this.#clock.monotonicMs() - sinceMs >= SUSPICIOUS_SILENCE_MS) {
          this.#connector.abandon(connection);
        }
        throw error;
      }
    });
  }

  /** Opens a stream with `message` and waits for the first answer; the signal ends it at any time. */
  open<T>({method, message, decode, signal}: Request<T>): Promise<OpenStream<T>> {
    return this.#withRetries(true, signal, async (connection, token) => {
      const stream = new StreamCall(connection, {method, token, signal});
      stream.send(message);
      try {
        const messages = stream.messages();
        const {value} = await messages.next();
        const context: CallContext = {endpoint: connection.endpoint, step: 'call', user: this.#user?.name};
        return {first: decoded(value, decode), rest: rest(messages, decode, context)};
      } catch (error) {
        stream.cancel();
        throw error;
      }
    });
  }

  close(reason: Error): void {
    this.#connector.close(reason);
  }

  async #withRetries<T>(
    isRead: boolean,
    signal: AbortSignal,
    attempt: (connection: Connection, token: string) => Promise<T>,
  ): Promise<T> {
    let endpoint = '';
    let step: CallContext['step'] = 'call';
    let hasNewToken = false;
    let isTokenOld = false;
    const isRetryable = (error: unknown): boolean => {
      if (!(error instanceof RpcError)) return false;
      return isTokenOld || (error.status === STATUS.unavailable && (isRead || !error.mayHaveActed));
    };
    const operation = async () => {
      const connection = await this.#connector.acquire(signal);
      endpoint = connection.endpoint;
      step = 'authenticate';
      const token = await this.#tokenFrom(connection, signal);
      step = 'call';
      try {
        return await attempt(connection, token);
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        if (isMemberUseless(error)) this.#connector.abandon(connection);
        // One new token is enough to know: what it is refused for is not its age.
        isTokenOld = isTokenRefused(error) && this.#user !== undefined && !hasNewToken;
        hasNewToken ||= isTokenOld;
        // Another call may have got a new one meanwhile.
        if (isTokenOld && this.#token === token) this.#token = undefined;
        throw error;
      }
    };
    try {
      return await retry(operation, {...RETRIES, isRetryable}, {clock: this.#clock, signal, random: this.#random});
    } catch (error) {
      throw error instanceof RpcError ? agentErrorOf(error, {endpoint, step, user: this.#user?.name}) : error;
    }
  }

  async #tokenFrom(connection: Connection, signal: AbortSignal): Promise<string> {
    if (this.#user === undefined) return '';
    if (this.#token !== undefined) return this.#token;
    const {name, password} = this.#user;
    this.#authenticating ??= authenticate(connection, name, password.reveal()).finally(() => {
      this.#authenticating = undefined;
    });
    this.#token = await orAborted(this.#authenticating, signal);
    return this.#token;
  }
}

/** Ends with the connection at the latest; a caller who gives up must not end it for the others. */
async function authenticate(connection: Connection, name: string, password: string): Promise<string> {
  const head = {method: '/etcdserverpb.Auth/Authenticate', token: '', signal: new AbortController().signal} as const;
  try {
    return decoded(await callOnce(connection, head, encodeAuthenticate(name, password)), decodeToken);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    // Authentication is not enabled: a user that is not asked for does no harm.
    if (error.status === STATUS.failedPrecondition) return '';
    // What is to be called has not been sent yet.
    throw new RpcError(error.status, error.message, {mayHaveActed: false}, error.cause);
  }
}

async function* rest<T>(
  messages: AsyncGenerator<Buffer, never, void>,
  decode: (answer: Buffer) => T,
  context: CallContext,
): AsyncGenerator<T, never, void> {
  try {
    for await (const message of messages) yield decoded(message, decode);
    throw lost('the server ended the stream', true);
  } catch (error) {
    throw error instanceof RpcError ? agentErrorOf(error, context) : error;
  }
}

function decoded<T>(answer: Buffer, decode: (answer: Buffer) => T): T {
  try {
    return decode(answer);
  } catch (error) {
    if (error instanceof MalformedMessage) throw new RpcError(STATUS.internal, error.message, {mayHaveActed: true});
    throw error;
  }
}
