/** The C programs of bench/floor: built on demand. */
import {join} from 'node:path';
import {mustRun} from '../../test/lab/run-program.ts';

const root = new URL('../..', import.meta.url).pathname;
const built = join(root, 'native/build/bench');

export const floor = {
  /** Calls a gRPC server with the same message again and again. */
  grpc: join(built, 'grpc'),
  /** A pod's kernel work, as a CNI plugin or in one process. */
  plumb: join(built, 'plumb'),
  /** Routes added, deleted and dumped. */
  routes: join(built, 'routes'),
  /** Calls a CNI plugin as a container runtime does, and times it. */
  runtime: join(built, 'runtime'),
  /** Runs a program and times it. */
  stopwatch: join(built, 'stopwatch'),
} as const;

export async function buildFloor(): Promise<void> {
  await mustRun(['make', '--no-print-directory', '-C', join(root, 'bench/floor')]);
}

/** Runs a program that prints microseconds, alone in a line or behind the word given; in milliseconds. */
export async function timesMs(
  command: readonly string[],
  {word = '', stdin}: {readonly word?: string; readonly stdin?: string | Uint8Array} = {},
): Promise<number[]> {
  const text = await mustRun(command, {stdin});
  const lines = text.split('\n').filter((line) => line.startsWith(word) && line !== '');
  return lines.map((line) => Number(line.slice(word.length)) / 1000);
}
