/**
 * One connection of the CNI plugin: a request in, with at most one descriptor; perhaps some delegates; a result out.
 *
 * Whatever does not keep the protocol ends the connection without harm: its descriptors are closed, its cause is told to
 * whoever counts. The namespace's descriptor belongs to the session and is open until its work has ended.
 */
import {closeSync} from 'node:fs';
import type {Clock} from '../lib/clock.ts';
import {AgentError, codeOf, messageOf} from '../lib/errors.ts';
import type {UnixConnection} from '../native/addon.ts';
import {
  type DelegateOrder,
  type DelegateReport,
  encodeFrame,
  type Frame,
  FrameDecoder,
  LIMITS,
  type ShimRequest,
  type ShimResult,
} from '../native/shim-protocol.ts';
import {cniFailureOf, printFailure} from './cni-error.ts';

export interface SessionOptions {
  /** A connection that says nothing for so long ends, while it is its turn. */
  readonly idleMs: number;
}

export interface SessionDependencies {
  readonly connection: UnixConnection;
  readonly clock: Clock;
  /** Does what is asked; must not throw. */
  readonly serve: (request: ShimRequest, netnsFd: number | undefined, session: ShimSession) => Promise<ShimResult>;
  /** The connection is turned away because of `cause`; the error says more. */
  readonly onRefused: (cause: RefusalCause, error: AgentError) => void;
}

export type RefusalCause = 'credentials' | 'too-many' | 'idle' | 'descriptors' | 'protocol' | 'broken-off';

/** Of a delegate that the plugin itself should have ended. */
const DELEGATE_GRACE_MS = 5_000;

export class ShimSession {
  readonly #options: SessionOptions;
  readonly #dependencies: SessionDependencies;
  readonly #decoder = new FrameDecoder();
  readonly #gone = new AbortController();
  #descriptors: number[] = [];
  #cancelIdle: (() => void) | undefined;
  #request: ShimRequest | undefined;
  #delegate: {resolve(report: DelegateReport): void; reject(error: AgentError): void} | undefined;
  #delegates = 0;
  #isAnswered = false;
  readonly #ended = Promise.withResolvers<void>();

  constructor(options: SessionOptions, dependencies: SessionDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** Aborts when the plugin is gone before it was answered: nobody will hear the result. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Reads, serves and answers; resolves when the connection has ended. Never rejects. */
  run(): Promise<void> {
    this.#awaitInput(this.#options.idleMs, () => this.#refuse('idle', idle(this.#options.idleMs)));
    this.#dependencies.connection.read((data, fds, truncated) => this.#onData(data, fds, truncated));
    return this.#ended.promise;
  }

  /** Ends a connection that has asked for nothing yet. */
  end(): void {
    if (this.#request === undefined) this.#close();
  }

  /** Has the plugin run a program, and waits for its report. */
  delegate(order: DelegateOrder): Promise<DelegateReport> {
    if (this.#gone.signal.aborted) return Promise.reject(this.#goneError());
    if (this.#delegate !== undefined || this.#delegates >= LIMITS.MAX_DELEGATES)
      return Promise.reject(new AgentError('E_INTERNAL', 'too many delegates in one call'));
    this.#delegates++;
    const {promise, resolve, reject} = Promise.withResolvers<DelegateReport>();
    this.#delegate = {resolve, reject};
    const limitMs = order.timeLimitMs + DELEGATE_GRACE_MS;
    this.#awaitInput(limitMs, () => this.#refuse('idle', idle(limitMs)));
    this.#send(order).catch((error: unknown) => reject(writeFailed(error)));
    return promise.finally(() => {
      this.#delegate = undefined;
    });
  }

  #onData(data: Uint8Array, fds: readonly number[], truncated: boolean): void {
    this.#descriptors.push(...fds);
    if (this.#gone.signal.aborted) this.#closeDescriptors();
    else if (truncated || this.#descriptors.length > 1) {
      this.#refuse('descriptors', new AgentError('E_SHIM_PROTOCOL', 'more descriptors came than one', {truncated}));
    } else if (data.length === 0) this.#onEnd();
    else this.#decode(data, fds);
  }

  #decode(data: Uint8Array, fds: readonly number[]): void {
    try {
      this.#decoder.push(data);
      for (let frame = this.#decoder.next(); frame !== undefined; frame = this.#decoder.next())
        this.#onFrame(frame, fds);
      this.#requireNoStrayDescriptor();
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      this.#refuse('protocol', error);
    }
  }

  /** The end of the stream: the plugin was ended, or it has its answer. */
  #onEnd(): void {
    if (this.#request === undefined && this.#decoder.pendingBytes > 0) {
      this.#refuse('broken-off', new AgentError('E_SHIM_PROTOCOL', 'the request broke off'));
    } else this.#close();
  }

  #onFrame(frame: Frame, fds: readonly number[]): void {
    if (frame.kind === 'request' && this.#request === undefined) this.#start(frame);
    else if (frame.kind === 'delegated' && this.#delegate !== undefined && fds.length === 0) {
      this.#cancelIdle?.();
      this.#delegate.resolve(frame);
    } else throw new AgentError('E_SHIM_PROTOCOL', 'a frame came that nobody waits for', {kind: frame.kind});
  }

  #start(request: ShimRequest): void {
    const [fd] = this.#descriptors;
    if ((request.netns.kind === 'attached') !== (fd !== undefined))
      throw new AgentError('E_SHIM_PROTOCOL', 'the descriptor of the namespace is missing or was not announced');
    this.#cancelIdle?.();
    this.#request = request;
    void this.#serve(request, fd);
  }

  /** A descriptor that comes after the request belongs to nothing. */
  #requireNoStrayDescriptor(): void {
    if (this.#request !== undefined && this.#request.netns.kind !== 'attached' && this.#descriptors.length > 0)
      throw new AgentError('E_SHIM_PROTOCOL', 'a descriptor came that was not announced');
  }

  async #serve(request: ShimRequest, fd: number | undefined): Promise<void> {
    try {
      const result = await this.#dependencies.serve(request, fd, this);
      if (!this.#gone.signal.aborted) await this.#send(result);
      this.#isAnswered = true;
    } catch {
      // The plugin was ended while it was answered; what the runtime does then is DEL.
    } finally {
      this.#close();
      this.#closeDescriptors();
      this.#ended.resolve();
    }
  }

  #send(frame: ShimResult | DelegateOrder): Promise<void> {
    return this.#dependencies.connection.write(encodeFrame(frame));
  }

  #awaitInput(limitMs: number, onLate: () => void): void {
    this.#cancelIdle?.();
    this.#cancelIdle = this.#dependencies.clock.schedule(limitMs, onLate);
  }

  /** Tells the plugin why, as far as it listens, and ends. */
  #refuse(cause: RefusalCause, error: AgentError): void {
    this.#dependencies.onRefused(cause, error);
    const hasAnswer = cause === 'descriptors' || cause === 'protocol';
    if (hasAnswer && this.#request === undefined) {
      this.#send(refusal(error)).then(
        () => this.#close(),
        () => this.#close(),
      );
      this.#closeDescriptors();
      this.#gone.abort(error);
    } else this.#close();
  }

  #close(): void {
    this.#cancelIdle?.();
    this.#dependencies.connection.close();
    if (!this.#isAnswered && !this.#gone.signal.aborted) this.#gone.abort(this.#goneError());
    this.#delegate?.reject(this.#goneError());
    // While work is going on its namespace must stay open; it closes it.
    if (this.#request !== undefined) return;
    this.#closeDescriptors();
    this.#ended.resolve();
  }

  #closeDescriptors(): void {
    for (const fd of this.#descriptors.splice(0)) closeSync(fd);
  }

  #goneError(): AgentError {
    return new AgentError('E_ABORTED', 'the CNI plugin that asked is gone');
  }
}

function refusal(error: AgentError): ShimResult {
  const later = new AgentError('E_CNI_TRY_LATER', 'the agent and the CNI plugin do not understand each other', {
    details: messageOf(error),
  });
  const stdout = new TextEncoder().encode(printFailure(cniFailureOf(later)));
  return {kind: 'result', exitCode: 1, stdout, stderr: new Uint8Array()};
}

const idle = (limitMs: number): AgentError =>
  new AgentError('E_SHIM_PROTOCOL', `nothing came for ${limitMs / 1000} s`, {limitMs});

const writeFailed = (error: unknown): AgentError =>
  new AgentError('E_ABORTED', 'the CNI plugin could not be reached', {code: codeOf(error)}, error);
