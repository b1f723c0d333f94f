/**
 * A network namespace for one test, removed at its end whatever happens, with `ip` and `bridge` as the second opinion.
 */
import {execFileSync} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';

export interface TestNamespace extends Disposable {
  readonly name: string;
  /** Descriptor of the namespace. */
  readonly fd: number;
  /** Runs `ip` inside; returns what it prints. */
  ip(...args: readonly string[]): string;
  /** Many `ip` commands, one a line. */
  batch(lines: readonly string[]): void;
  bridge(...args: readonly string[]): string;
  /** `ip -j`, parsed; empty output is an empty list. */
  ipJson(...args: readonly string[]): Json[];
  bridgeJson(...args: readonly string[]): Json[];
}

export type Json = Readonly<Record<string, unknown>>;

let count = 0;

export function createNamespace(label: string): TestNamespace {
  const name = `ct-${process.pid}-${label}${count++}`;
  run('ip', ['netns', 'add', name]);
  const fd = openSync(`/run/netns/${name}`, 'r');
  const ip = (...args: readonly string[]) => run('ip', ['-n', name, ...args]);
  const bridge = (...args: readonly string[]) => run('bridge', ['-n', name, ...args]);
  let disposed = false;
  const dispose = () => {
    if (disposed) return;
    disposed = true;
    closeSync(fd);
    run('ip', ['netns', 'del', name]);
  };
  // Also when a test file fails before it could register anything.
  process.once('exit', dispose);
  return {
    name,
    fd,
    ip,
    bridge,
    batch: (lines) => void run('ip', ['-n', name, '-b', '-'], `${lines.join('\n')}\n`),
    ipJson: (...args) => parse(ip('-j', ...args)),
    bridgeJson: (...args) => parse(bridge('-j', ...args)),
    [Symbol.dispose]: dispose,
  };
}

const run = (program: string, args: readonly string[], input = ''): string =>
  execFileSync(program, args, {encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024});

const parse = (text: string): Json[] => (text.trim() === '' ? [] : (JSON.parse(text) as Json[]));
