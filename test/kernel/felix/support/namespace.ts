/** A network namespace of a test, gone when the test ends. Commands run inside it with `ip netns exec`. */
import {execFileSync} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';
import {addon} from '../../../../src/native/addon.ts';

let made = 0;

export interface TestNamespace {
  readonly name: string;
  readonly fd: number;
  /** Runs `ip` inside with these words; returns what it prints. */
  ip(words: string): string;
  /** Runs `ip -j` inside; returns what it prints, parsed. */
  ipJson(words: string): readonly Readonly<Record<string, unknown>>[];
  /** Runs a program inside. */
  exec(program: string, ...args: readonly string[]): string;
  /** The `sysctl`'s value, path with slashes. */
  sysctl(path: string): string;
  setSysctl(path: string, value: string): void;
}

export function makeNamespace(t: {teardown(task: () => void): void}, label: string): TestNamespace {
  const name = `ct-${process.pid}-${label}${made++}`;
  run('ip', ['netns', 'add', name]);
  const fd = openSync(`/run/netns/${name}`, 'r');
  t.teardown(() => {
    closeSync(fd);
    run('ip', ['netns', 'del', name]);
  });
  const ip = (words: string) => run('ip', ['-n', name, ...words.split(' ')]);
  const exec = (program: string, ...args: readonly string[]) => run('ip', ['netns', 'exec', name, program, ...args]);
  ip('link set lo up');
  return {
    name,
    fd,
    ip,
    ipJson: (words) => JSON.parse(ip(`-j ${words}`) || '[]'),
    exec,
    sysctl: (path) => String(addon().readSysctls(fd, [path])[0]),
    setSysctl: (path, value) => {
      const [errno] = addon().writeSysctls(fd, [{path, value}]);
      if (errno !== 0) throw new Error(`cannot write ${path}: ${errno}`);
    },
  };
}

function run(program: string, args: readonly string[]): string {
  return execFileSync(program, args, {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 << 20});
}
