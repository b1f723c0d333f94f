/**
 * One HTTP/2 connection to one member of etcd.
 *
 * It stands only when the server has sent its HTTP/2 settings: the kernel of a frozen server still accepts connections,
 * and a server that refuses our certificate says so only after the TLS handshake. While calls are open and nothing is
 * heard, it asks for a sign of life; without an answer it is given up with all its calls, so a server that is frozen or
 * cut off in one direction costs a bounded time and no call waits for ever.
 *
 * No ping is sent while no call is open, nor more often than every five seconds: etcd ends connections that do.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2';
import {createConnection as connectTcp, isIP, type Socket} from 'node:net';
import {connect as connectTls} from 'node:tls';
import type {Clock} from '../../lib/clock.ts';
import {messageOf} from '../../lib/errors.ts';
import {readTlsOptions} from './credentials.ts';
import {lost} from './rpc-error.ts';
import type {Endpoint, TlsSettings} from './settings.ts';

/** How much may be under way to us on one stream, and on all together: watches whose consumers rest must not stop others. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 128 * 1024 * 1024;
const SESSION_MEMORY_MEBIBYTES = 512;
/** etcd names no limit; the default of the library, meant for the time before it could, is 100. */
const MAX_STREAMS = 100_000;

export interface ConnectionOptions {
  readonly endpoint: Endpoint;
  readonly tls: TlsSettings;
  /** Silence after which a sign of life is asked for. */
  readonly idleMs: number;
  /** Time for it to come. */
  readonly answerMs: number;
  /** Told of each step of connecting; an error that follows happened in the last one. */
  readonly onStep: (step: DialStep) => void;
}

export type DialStep = 'read credentials' | 'look up in DNS' | 'connect' | 'TLS handshake' | 'HTTP/2 settings';

export class Connection {
  readonly endpoint: string;
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #clock: Clock;
  #openStreams = 0;
  #isRetired = false;
  #cancelCheck: (() => void) | undefined;
  #heardBytes = 0;
  #failure: Error | undefined;

  private constructor(session: ClientHttp2Session, socket: Socket, options: ConnectionOptions, clock: Clock) {
    this.endpoint = endpointText(options.endpoint);
    this.#session = session;
    this.#socket = socket;
    this.#options = options;
    this.#clock = clock;
    session.on('error', (error) => {
      this.#failure ??= error;
    });
    // The server is about to stop, or tired of us. What it has accepted it answers.
    session.once('goaway', () => this.retire());
    session.once('close', () => this.#cancelCheck?.());
  }

  /** Connects, and resolves when the server answers; rejects as soon as the signal aborts. */
  static async open(options: ConnectionOptions, clock: Clock, signal: AbortSignal): Promise<Connection> {
    const {endpoint, tls, onStep} = options;
    onStep('read credentials');
    const tlsOptions = endpoint.isTls ? await readTlsOptions(tls, endpoint) : undefined;
    signal.throwIfAborted();
    onStep(isIP(endpoint.host) === 0 ? 'look up in DNS' : 'connect');
    const socket = tlsOptions === undefined ? connectTcp(endpoint.port, endpoint.host) : connectTls(tlsOptions);
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        signal.removeEventListener('abort', onAbort);
        socket.destroy();
        reject(error);
      };
      const onAbort = () => fail(signal.reason);
      const onClose = () => fail(new Error('the server closed the connection'));
      signal.addEventListener('abort', onAbort, {once: true});
      // Stays: an error after the failure must not end the process.
      socket.on('error', fail);
      socket.once('close', onClose);
      socket.once('lookup', (error: Error | null) => {
        if (error === null) onStep('connect');
      });
      if (tlsOptions !== undefined) socket.once('connect', () => onStep('TLS handshake'));
      socket.once(tlsOptions === undefined ? 'connect' : 'secureConnect', () => {
        onStep('HTTP/2 settings');
        socket.setNoDelay();
        const session = startSession(endpoint, socket);
        session.on('error', fail);
        session.once('close', onClose);
        session.once('remoteSettings', () => {
          signal.removeEventListener('abort', onAbort);
          socket.off('error', fail);
          socket.off('close', onClose);
          session.off('error', fail);
          session.off('close', onClose);
          session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
          resolve(new Connection(session, socket, options, clock));
        });
      });
    });
  }

  /** Takes new calls. */
  get isUsable(): boolean {
    return !this.#isRetired && !this.#session.closed && !this.#session.destroyed;
  }

  /** Bytes that have come so far. */
  get heardBytes(): number {
    return this.#socket.bytesRead;
  }

  /** Why it broke, for the message of a call that broke with it. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Calls `task` when it has ended, whoever ended it. */
  onceClosed(task: () => void): void {
    this.#socket.once('close', task);
  }

  /** Opens a stream. Throws an RpcError that says that nothing was sent. */
  openStream(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(headers);
    } catch (error) {
      throw lost(`the connection is closed: ${messageOf(error)}`, false, error);
    }
    this.#openStreams++;
    stream.once('close', () => {
      this.#openStreams--;
      if (this.#isRetired && this.#openStreams === 0) this.destroy(new Error('retired'));
    });
    if (this.#cancelCheck === undefined) {
      this.#heardBytes = this.heardBytes;
      this.#checkLater();
    }
    return stream;
  }

  /** Takes no new call; ends when the last one has. */
  retire(): void {
    this.#isRetired = true;
    if (this.#openStreams === 0) this.destroy(new Error('retired'));
  }

  /** Ends it and all its calls. */
  destroy(reason: Error): void {
    this.#failure ??= reason;
    this.#session.destroy();
    // A session that was closing waits for the peer to close as well, and a frozen one never does.
    this.#socket.destroy();
  }

  /** Looks for signs of life while calls are open. */
  #checkLater(): void {
    this.#cancelCheck = this.#clock.schedule(this.#options.idleMs, () => {
      this.#cancelCheck = undefined;
      if (this.#session.destroyed || this.#openStreams === 0) return;
      const heard = this.heardBytes;
      if (heard === this.#heardBytes) return this.#ping();
      this.#heardBytes = heard;
      this.#checkLater();
    });
  }

  #ping(): void {
    this.#cancelCheck = this.#clock.schedule(this.#options.answerMs, () => {
      const silentMs = this.#options.idleMs + this.#options.answerMs;
      this.destroy(new Error(`no sign of life for ${silentMs} ms`));
    });
    this.#session.ping(() => {
      if (this.#session.destroyed) return;
      this.#cancelCheck?.();
      this.#heardBytes = this.heardBytes;
      this.#checkLater();
    });
  }
}

export function endpointText({host, port, isTls}: Endpoint): string {
  return `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function startSession(endpoint: Endpoint, socket: Socket): ClientHttp2Session {
  return connect(endpointText(endpoint), {
    createConnection: () => socket,
    settings: {enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES},
    peerMaxConcurrentStreams: MAX_STREAMS,
    maxSessionMemory: SESSION_MEMORY_MEBIBYTES,
  });
}

/** Gives up one stream, whether or not the server takes note. */
export function cancelStream(stream: ClientHttp2Stream): void {
  stream.close(constants.NGHTTP2_CANCEL);
  stream.destroy();
}
