/**
 * How long the event loop of this process is held.
 *
 * A machine with other work to do holds a loop as well: each gap comes with the processor time that the main thread had
 * in it. A gap with little of it was somebody else's, or a wait in the kernel.
 */
export interface LoopGap {
  readonly wallMs: number;
  /** Processor time of the main thread within. */
  readonly cpuMs: number;
}

const TICK_MS = 1;
/** So many of the longest gaps are kept. */
const KEPT = 10;

export class LoopGaps {
  #gaps: LoopGap[] = [];
  #lastMs = performance.now();
  #lastCpu = process.threadCpuUsage();

  /** Watches until the process ends; it does not keep it alive. */
  constructor() {
    setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** The longest since the last call, longest first. */
  take(): readonly LoopGap[] {
    const gaps = this.#gaps;
    this.#gaps = [];
    return gaps;
  }

  /** Forgets what was seen so far. */
  restart(): void {
    this.#gaps = [];
    this.#lastMs = performance.now();
    this.#lastCpu = process.threadCpuUsage();
  }

  #tick(): void {
    const nowMs = performance.now();
    const wallMs = nowMs - this.#lastMs - TICK_MS;
    this.#lastMs = nowMs;
    const cpu = process.threadCpuUsage();
    const last = this.#lastCpu;
    this.#lastCpu = cpu;
    if (this.#gaps.length === KEPT && wallMs <= (this.#gaps.at(-1)?.wallMs ?? 0)) return;
    const cpuMs = (cpu.user - last.user + cpu.system - last.system) / 1000;
    this.#gaps = [...this.#gaps, {wallMs, cpuMs}].toSorted((a, b) => b.wallMs - a.wallMs).slice(0, KEPT);
  }
}
