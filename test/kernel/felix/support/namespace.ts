/** A network namespace of a test, gone when the test ends. Commands run inside it with `ip netns exec`. */
import {execFileSync} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';

let made = 0;

export interface TestNamespace {
  readonly name: string;
  readonly fd: number;
  /** Runs `ip` inside; returns what it prints. */
  ip(...args: readonly string[]): string;
  /** Runs `ip -j` inside; returns what it prints, parsed. */
  ipJson(...args: readonly string[]): readonly Record<string, unknown>[];
  /** Runs a program inside. */
  exec(program: string, ...args: readonly string[]): string;
  /** The `sysctl`'s value, path with slashes. */
  sysctl(path: string): string;
}

export function makeNamespace(t: {teardown(task: () => void): void}, label: string): TestNamespace {
  const name = `ct-${process.pid}-${label}${made++}`;
  run('ip', ['netns', 'add', name]);
  const fd = openSync(`/run/netns/${name}`, 'r');
  t.teardown(() => {
    closeSync(fd);
    run('ip', ['netns', 'del', name]);
  });
  const ip = (...args: readonly string[]) => run('ip', ['-n', name, ...args]);
  const exec = (program: string, ...args: readonly string[]) => run('ip', ['netns', 'exec', name, program, ...args]);
  ip('link', 'set', 'lo', 'up');
  return {
    name,
    fd,
    ip,
    ipJson: (...args) => JSON.parse(ip('-j', ...args) || '[]'),
    exec,
    sysctl: (path) => exec('cat', `/proc/sys/${path}`).trim(),
  };
}

function run(program: string, args: readonly string[]): string {
  return execFileSync(program, args, {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 << 20});
}
