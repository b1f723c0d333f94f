/** Facts about a running process, from outside. */
import {readFileSync, rmSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import type {LoopGap} from './loop-gaps.ts';

/** Resident memory in megabytes. */
export function residentMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kibibytes = /^VmRSS:\s*([0-9]+) kB$/m.exec(status)?.[1];
  if (kibibytes === undefined) throw new Error(`process ${pid} has no resident memory`);
  return (Number(kibibytes) * 1024) / 1e6;
}

/** Environment that loads the probe into a process. */
export function probeEnvironment(file: string): Readonly<Record<string, string>> {
  return {
    NODE_OPTIONS: `--import=${new URL('loop-probe.ts', import.meta.url).pathname}`,
    BENCH_LOOP_PROBE: file,
  };
}

/** The longest gaps that the probe saw since the last call, longest first. */
export async function takeGaps(pid: number, file: string): Promise<readonly LoopGap[]> {
  rmSync(file, {force: true});
  process.kill(pid, 'SIGUSR2');
  for (;;) {
    await sleep(5);
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as LoopGap[];
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
}
