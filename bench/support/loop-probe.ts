/**
 * Loaded into a process (`NODE_OPTIONS=--import=...`) to see how long its event loop is held. On SIGUSR2 it writes what
 * it saw since the last time to the file named by BENCH_LOOP_PROBE, and starts anew.
 *
 * While the program itself is being loaded nothing can arrive yet: what was seen before the first worker thread was
 * started (a process without one: nothing) is forgotten.
 *
 * A machine with other work to do holds a loop as well: each gap comes with the processor time that the main thread had
 * in it. A gap with little of it was somebody else's, or a wait in the kernel.
 */
import {renameSync, writeFileSync} from 'node:fs';

export interface LoopGap {
  readonly wallMs: number;
  /** Processor time of the main thread within. */
  readonly cpuMs: number;
}

const TICK_MS = 1;
/** So many of the longest gaps are told. */
const KEPT = 10;

const file = process.env.BENCH_LOOP_PROBE;
if (file !== undefined) {
  let gaps: LoopGap[] = [];
  let lastMs = performance.now();
  let lastCpu = process.threadCpuUsage();
  setInterval(() => {
    const nowMs = performance.now();
    const wallMs = nowMs - lastMs - TICK_MS;
    lastMs = nowMs;
    const cpu = process.threadCpuUsage();
    const cpuMs = (cpu.user - lastCpu.user + cpu.system - lastCpu.system) / 1000;
    lastCpu = cpu;
    if (gaps.length < KEPT || wallMs > (gaps.at(-1)?.wallMs ?? 0)) {
      gaps = [...gaps, {wallMs, cpuMs}].toSorted((a, b) => b.wallMs - a.wallMs).slice(0, KEPT);
    }
  }, TICK_MS).unref();
  let isLoaded = false;
  process.on('worker', () => {
    if (isLoaded) return;
    isLoaded = true;
    gaps = [];
    lastMs = performance.now();
    lastCpu = process.threadCpuUsage();
  });
  process.on('SIGUSR2', () => {
    writeFileSync(`${file}.new`, JSON.stringify(gaps));
    renameSync(`${file}.new`, file);
    gaps = [];
  });
}
