/**
 * Loaded into a process (`NODE_OPTIONS=--import=...`) to see how long its event loop is held. On SIGUSR2 it writes what
 * it saw since the last time to the file named by BENCH_LOOP_PROBE, and starts anew.
 *
 * While the program itself is being loaded nothing can arrive yet: what was seen before the first worker thread was
 * started (a process without one: nothing) is forgotten.
 */
import {renameSync, writeFileSync} from 'node:fs';
import {LoopGaps} from './loop-gaps.ts';

const file = process.env.BENCH_LOOP_PROBE;
if (file !== undefined) {
  const gaps = new LoopGaps();
  process.once('worker', () => gaps.restart());
  process.on('SIGUSR2', () => {
    writeFileSync(`${file}.new`, JSON.stringify(gaps.take()));
    renameSync(`${file}.new`, file);
  });
}
