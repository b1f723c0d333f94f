/**
 * The one retry loop. Exponential backoff with full-range jitter below the cap, so that many nodes that failed together
 * do not come back together. What is worth repeating is the caller's knowledge; how to wait is ours.
 */
import {type Clock, sleep} from './clock.ts';

export interface RetryPolicy {
  /** Wait before the second attempt, in milliseconds, before jitter. */
  readonly firstDelayMs: number;
  /** No wait is longer than this. */
  readonly maxDelayMs: number;
  /** Growth per attempt; default 2. */
  readonly factor?: number | undefined;
  /** Attempts in all, the first included; unlimited when absent. */
  readonly maxAttempts?: number | undefined;
  /** False ends the loop: the error goes to the caller as it is. Everything is repeated when absent. */
  readonly isRetryable?: ((error: unknown) => boolean) | undefined;
}

export interface RetryDependencies {
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Number in [0, 1); default Math.random. */
  readonly random?: (() => number) | undefined;
}

/**
 * Runs `operation` until it resolves, and resolves to its value. Rejects with the last error when the policy says stop,
 * and with the signal's reason as soon as it aborts between attempts; during one, `operation` sees the signal itself.
 */
export async function retry<T>(
  operation: (attempt: number) => Promise<T>,
  policy: RetryPolicy,
  dependencies: RetryDependencies,
): Promise<T> {
  const {clock, signal, random} = dependencies;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await operation(attempt);
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt === policy.maxAttempts || policy.isRetryable?.(error) === false) throw error;
    }
    await sleep(clock, retryDelayMs(attempt, policy, random), signal);
  }
}

/** Wait after failed attempt number `attempt` (from 1): between half and the whole of the exponential step. */
export function retryDelayMs(
  attempt: number,
  policy: Pick<RetryPolicy, 'firstDelayMs' | 'maxDelayMs' | 'factor'>,
  random: () => number = Math.random,
): number {
  const step = Math.min(policy.maxDelayMs, policy.firstDelayMs * (policy.factor ?? 2) ** (attempt - 1));
  return step * (0.5 + random() / 2);
}
