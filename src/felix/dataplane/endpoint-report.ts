/**
 * What is now true of each local endpoint, and who waits to hear it.
 *
 *   up      its interface, routes and neighbours are in the kernel as wanted
 *   down    not yet: the reason says what is awaited (the interface, the next run)
 *   error   the kernel, or a guard, refused something of it; it is tried again, but whoever waits should know
 *
 * A waiter is answered by the first verdict that follows its call, so an endpoint whose intent changed must be marked
 * down before anybody waits for it (`expect`).
 */
import {AgentError} from '../../lib/errors.ts';
import type {EndpointId} from '../calc/intent.ts';

export interface EndpointStatus {
  readonly state: 'up' | 'down' | 'error';
  /** Why it is not up. */
  readonly reason: string | undefined;
  /** Kernel objects that failed, as `kind key`, with the kernel's answer. */
  readonly failures: readonly EndpointFailure[];
}

export interface EndpointFailure {
  readonly kind: string;
  readonly key: string;
  readonly error: Error;
}

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

const UP: EndpointStatus = {state: 'up', reason: undefined, failures: []};

export const upStatus = (): EndpointStatus => UP;
export const downStatus = (reason: string): EndpointStatus => ({state: 'down', reason, failures: []});
export const errorStatus = (reason: string, failures: readonly EndpointFailure[]): EndpointStatus => ({
  state: 'error',
  reason,
  failures,
});

export class EndpointReport {
  readonly #statuses = new Map<EndpointId, EndpointStatus>();
  readonly #waiters = new Map<EndpointId, Set<Waiter>>();
  readonly #onChange: (id: EndpointId, status: EndpointStatus | undefined) => void;

  /** `onChange` hears every change of state or reason; undefined when the endpoint is gone. */
  constructor(onChange: (id: EndpointId, status: EndpointStatus | undefined) => void) {
    this.#onChange = onChange;
  }

  get statuses(): ReadonlyMap<EndpointId, EndpointStatus> {
    return this.#statuses;
  }

  /** The endpoint is wanted anew or otherwise: what was said of it no longer holds. */
  expect(id: EndpointId): void {
    this.set(id, downStatus('not applied yet'));
  }

  set(id: EndpointId, status: EndpointStatus): void {
    const before = this.#statuses.get(id);
    this.#statuses.set(id, status);
    if (before?.state !== status.state || before.reason !== status.reason) this.#onChange(id, status);
    if (status.state !== 'down') this.#answer(id, status);
  }

  delete(id: EndpointId): void {
    if (this.#statuses.delete(id)) this.#onChange(id, undefined);
  }

  /**
   * Resolves when the endpoint's host side is in place; rejects with E_ENDPOINT_FAILED when something of it could not
   * be written, and with E_DEADLINE or E_ABORTED, naming what is awaited, when the signal aborts. An endpoint that is
   * not known yet is waited for.
   */
  waitFor(id: EndpointId, signal: AbortSignal): Promise<void> {
    const status = this.#statuses.get(id);
    if (status?.state === 'up') return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(id) ?? new Set();
      this.#waiters.set(id, waiters);
      const finish = (settle: () => void) => {
        signal.removeEventListener('abort', onAbort);
        waiters.delete(waiter);
        if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id);
        settle();
      };
      const waiter: Waiter = {
        resolve: () => finish(resolve),
        reject: (error) => finish(() => reject(error)),
      };
      const onAbort = () => waiter.reject(this.#gaveUp(id, signal.reason));
      waiters.add(waiter);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, {once: true});
    });
  }

  #answer(id: EndpointId, status: EndpointStatus): void {
    for (const waiter of this.#waiters.get(id) ?? [])
      if (status.state === 'up') waiter.resolve();
      else waiter.reject(failedError(id, status));
  }

  #gaveUp(id: EndpointId, cause: unknown): AgentError {
    const isTimeout = cause instanceof DOMException && cause.name === 'TimeoutError';
    const reason = this.#statuses.get(id)?.reason ?? 'the endpoint is not known to the calculation yet';
    return new AgentError(
      isTimeout ? 'E_DEADLINE' : 'E_ABORTED',
      `the network of ${id} is not in place: ${reason}`,
      {endpoint: id, reason},
      cause,
    );
  }
}

function failedError(id: EndpointId, {reason, failures}: EndpointStatus): AgentError {
  return new AgentError(
    'E_ENDPOINT_FAILED',
    `the network of ${id} cannot be put in place: ${reason}`,
    {endpoint: id, failed: failures.map(({kind, key}) => `${kind} ${key}`)},
    failures[0]?.error,
  );
}
