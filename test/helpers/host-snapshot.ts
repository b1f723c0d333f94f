/**
 * The state of the network namespace this process runs in, as comparable text: what a test run must leave as it was.
 * Counters and lifetimes are left out because they change by themselves.
 */
import {execFileSync} from 'node:child_process';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

/** One line per object: links, addresses, routes, rules, neighbours that somebody configured, sysctls. Sorted. */
export function hostSnapshot(): string[] {
  return [
    ...jsonLines('link', ['ip', '-j', 'link']),
    ...jsonLines('address', ['ip', '-j', 'addr']),
    ...jsonLines('route4', ['ip', '-j', '-4', 'route', 'show', 'table', 'all']),
    ...jsonLines('route6', ['ip', '-j', '-6', 'route', 'show', 'table', 'all']),
    ...jsonLines('rule4', ['ip', '-j', '-4', 'rule']),
    ...jsonLines('rule6', ['ip', '-j', '-6', 'rule']),
    ...jsonLines('neighbour', ['ip', '-j', 'neigh', 'show', 'nud', 'permanent']),
    ...sysctlLines('/proc/sys/net'),
  ].sort();
}

/** Lines of `after` and `before` that are in only one of them, prefixed with + or -. */
export function snapshotDifference(before: readonly string[], after: readonly string[]): string[] {
  const had = new Set(before);
  const has = new Set(after);
  return [
    ...before.filter((line) => !has.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !had.has(line)).map((line) => `+ ${line}`),
  ];
}

/** Change by themselves: lifetimes of addresses and routes. */
const VOLATILE_FIELDS = new Set(['valid_life_time', 'preferred_life_time', 'expires', 'cache']);

function jsonLines(label: string, [program, ...args]: [string, ...string[]]): string[] {
  const output = execFileSync(program, args, {encoding: 'utf8'});
  const objects = output.trim() === '' ? [] : (JSON.parse(output) as unknown[]);
  return objects.map(
    (object) => `${label} ${JSON.stringify(object, (key, value) => (VOLATILE_FIELDS.has(key) ? undefined : value))}`,
  );
}

/** Counters and secrets among the sysctls. */
const VOLATILE_SYSCTLS = /nf_conntrack_count$|stable_secret$|tcp_fastopen_key$|\/route\/flush$|\/fib_notify/;

function sysctlLines(folder: string): string[] {
  const lines: string[] = [];
  for (const entry of readdirSync(folder, {withFileTypes: true})) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) lines.push(...sysctlLines(path));
    else if (!VOLATILE_SYSCTLS.test(path)) {
      try {
        lines.push(`sysctl ${path} ${readFileSync(path, 'utf8').trim()}`);
      } catch {
        // Write-only files and those of hardware that is not there cannot be read; nothing of ours is among them.
      }
    }
  }
  return lines;
}
