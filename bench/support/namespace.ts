/** A network namespace of a measurement, with two ends of a wire in it: `wire0` is up and has an address. */
import {closeSync, openSync} from 'node:fs';
import {mustRun} from '../../test/lab/run-program.ts';

export interface BenchNamespace extends AsyncDisposable {
  readonly name: string;
  readonly fd: number;
  /** Prefix of a command line that runs inside. */
  readonly enter: readonly string[];
  ip(words: string): Promise<string>;
}

export async function makeNamespace(): Promise<BenchNamespace> {
  const name = `bench-${process.pid}`;
  await mustRun(['ip', 'netns', 'add', name]);
  const fd = openSync(`/run/netns/${name}`, 'r');
  const ip = (words: string) => mustRun(['ip', '-n', name, ...words.split(' ')]);
  const namespace: BenchNamespace = {
    name,
    fd,
    enter: ['nsenter', `--net=/run/netns/${name}`, '--'],
    ip,
    async [Symbol.asyncDispose]() {
      closeSync(fd);
      await mustRun(['ip', 'netns', 'del', name]);
    },
  };
  try {
    for (const words of [
      'link set lo up',
      'link add wire0 type veth peer name wire1',
      'link set wire0 up',
      'link set wire1 up',
      'addr add 10.95.0.1/16 dev wire0',
    ])
      await ip(words);
    return namespace;
  } catch (error) {
    await namespace[Symbol.asyncDispose]();
    throw error;
  }
}
