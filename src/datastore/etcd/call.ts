/**
 * One remote call on a connection: a request with one answer, or a stream of messages both ways. Each ends with a status
 * of the server, with the connection, or with the caller's signal, whichever comes first.
 */
import {type ClientHttp2Stream, constants, type OutgoingHttpHeaders, sensitiveHeaders} from 'node:http2';
import {type Connection, cancelStream} from './connection.ts';
import {FrameReader, frame, refusalOf, statusOf} from './grpc-frame.ts';
import type {Method} from './messages.ts';
import {lost, RpcError} from './rpc-error.ts';

/** Beyond any answer etcd gives to what we ask for; pages of a listing shrink when they meet it. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

export interface CallHead {
  readonly method: Method;
  /** Of the user; empty when etcd asks for none. */
  readonly token: string;
  readonly signal: AbortSignal;
  /** Sent along, so that the server does not work on for nobody. */
  readonly deadlineMs?: number | undefined;
}

/** Sends `message` and resolves to the one answer. Rejects with an RpcError, or the signal's reason. */
export function callOnce(connection: Connection, head: CallHead, message: Uint8Array): Promise<Buffer> {
  const {signal} = head;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stream = connection.openStream(headersOf(head));
    const outcome = new Outcome(stream, connection);
    const reader = new FrameReader({maxBytes: MAX_MESSAGE_BYTES});
    let answer: Buffer | undefined;
    const onAbort = () => {
      reject(signal.reason);
      cancelStream(stream);
    };
    signal.addEventListener('abort', onAbort, {once: true});
    stream.on('data', (piece: Buffer) => {
      try {
        for (const part of reader.push(piece)) answer = part;
      } catch (error) {
        outcome.failed(error);
        cancelStream(stream);
      }
    });
    stream.once('close', () => {
      signal.removeEventListener('abort', onAbort);
      const error = outcome.error();
      if (error !== undefined) reject(error);
      else if (answer === undefined) reject(lost('the server answered nothing', true));
      else resolve(answer);
    });
    stream.end(frame(message));
  });
}

/** An open stream of messages. Whoever opens it ends it: by reading to the end, or with `cancel`. */
export class StreamCall {
  readonly #stream: ClientHttp2Stream;
  readonly #outcome: Outcome;
  readonly #reader = new FrameReader({maxBytes: MAX_MESSAGE_BYTES});
  readonly #signal: AbortSignal;

  /** Throws an RpcError when the connection takes no call. */
  constructor(connection: Connection, head: CallHead) {
    this.#signal = head.signal;
    this.#signal.throwIfAborted();
    this.#stream = connection.openStream(headersOf(head));
    this.#outcome = new Outcome(this.#stream, connection);
    const cancel = () => this.cancel();
    this.#signal.addEventListener('abort', cancel, {once: true});
    this.#stream.once('close', () => this.#signal.removeEventListener('abort', cancel));
  }

  send(message: Uint8Array): void {
    this.#stream.write(frame(message));
  }

  /**
   * The messages of the server. Not asking for the next one holds the server back. Ends by throwing: an RpcError or the
   * signal's reason.
   */
  async *messages(): AsyncGenerator<Buffer, never, void> {
    try {
      for await (const piece of this.#stream) {
        for (const message of this.#reader.push(piece)) yield message;
      }
    } catch (error) {
      if (error instanceof RpcError) throw error;
    } finally {
      this.cancel();
    }
    this.#signal.throwIfAborted();
    throw this.#outcome.error() ?? lost('the server ended the stream', true);
  }

  cancel(): void {
    if (!this.#stream.destroyed) cancelStream(this.#stream);
  }
}

/** Gathers how a stream ended. */
class Outcome {
  readonly #stream: ClientHttp2Stream;
  readonly #connection: Connection;
  /** Of the server; null is success. */
  #status: RpcError | null | undefined;
  #failure: unknown;

  constructor(stream: ClientHttp2Stream, connection: Connection) {
    this.#stream = stream;
    this.#connection = connection;
    stream.once('response', (headers) => {
      // An answer without messages has its status among the headers.
      this.#status ??= statusOf(headers);
      const refusal = refusalOf(headers);
      if (this.#status === undefined && refusal !== undefined) this.failed(refusal);
    });
    stream.once('trailers', (trailers) => {
      this.#status ??= statusOf(trailers);
    });
    stream.on('error', (error) => this.failed(error));
  }

  /** The first failure counts: later ones are its consequences. */
  failed(error: unknown): void {
    this.#failure ??= error;
  }

  /** Once the stream is closed: undefined when the server reported success. */
  error(): RpcError | undefined {
    if (this.#failure instanceof RpcError) return this.#failure;
    if (this.#status !== undefined) return this.#status ?? undefined;
    const cause = this.#connection.failure ?? this.#failure;
    const mayHaveActed = this.#stream.rstCode !== constants.NGHTTP2_REFUSED_STREAM;
    return lost('the connection broke', mayHaveActed, cause);
  }
}

function headersOf({method, token, deadlineMs}: CallHead): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':path': method,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(deadlineMs === undefined ? {} : {'grpc-timeout': timeoutText(deadlineMs)}),
    ...HAS_LEADER,
    ...(token === '' ? {} : {token}),
    [sensitiveHeaders]: ['token'],
  };
}

/** A member that is cut off from the others shall say so, not answer late or never. */
const HAS_LEADER = {hasleader: 'true'};

/** At most eight digits. */
function timeoutText(deadlineMs: number): string {
  return `${Math.min(99_999_999, Math.max(1, Math.ceil(deadlineMs)))}m`;
}
