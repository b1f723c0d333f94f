/**
 * How long an unknown route on a workload interface is left alone. Whoever makes the interface may write its routes
 * before we hear of the workload; taking them away at once would cut a pod off that has just started. After ten seconds,
 * or once we have written a route on the interface ourselves, what we do not know there is a leftover.
 */
import type {Clock} from '../../lib/clock.ts';

export interface RouteGraceDependencies {
  readonly clock: Clock;
  /** Some route of ours is wanted on that link. */
  readonly isClaimed: (link: string) => boolean;
  /** Routes that were held back may now be judged: they have to be read again. */
  onRelease(): void;
}

export class RouteGrace {
  readonly #graceMs: number;
  readonly #dependencies: RouteGraceDependencies;
  /** By index, because a link made again deserves its grace again. */
  readonly #firstSeenMs = new Map<number, number>();
  readonly #claimed = new Set<number>();
  /** Links on which a route is being held back. */
  readonly #holding = new Set<string>();
  #cancelTimer: (() => void) | undefined;

  constructor(options: {readonly graceMs: number}, dependencies: RouteGraceDependencies) {
    this.#graceMs = options.graceMs;
    this.#dependencies = dependencies;
  }

  /** Whether an unknown route on this link is to be overlooked for now. */
  holds(link: string, index: number): boolean {
    const {clock, isClaimed} = this.#dependencies;
    if (isClaimed(link)) this.#claimed.add(index);
    if (this.#claimed.has(index)) return false;
    const nowMs = clock.monotonicMs();
    const firstSeenMs = this.#firstSeenMs.get(index) ?? nowMs;
    this.#firstSeenMs.set(index, firstSeenMs);
    const leftMs = firstSeenMs + this.#graceMs - nowMs;
    if (leftMs <= 0) return false;
    this.#holding.add(link);
    this.#cancelTimer ??= clock.schedule(leftMs, () => this.#release());
    return true;
  }

  /** Releases links that got a wanted route since. */
  review(): void {
    for (const link of this.#holding)
      if (this.#dependencies.isClaimed(link)) {
        this.#release();
        return;
      }
  }

  onLinkGone(index: number): void {
    this.#firstSeenMs.delete(index);
    this.#claimed.delete(index);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  /** Judging again puts back on the list what is still to be held. */
  #release(): void {
    this.stop();
    this.#holding.clear();
    this.#dependencies.onRelease();
  }
}
