/**
 * Every process that descends from one, as long as one watches: what must be gone when that one has ended. Processes
 * whose parent ends get another parent, so they are noted while they live.
 */
import {readdirSync, readFileSync} from 'node:fs';

const LOOK_EVERY_MS = 50;

export class Offspring {
  /** pid -> start time, which tells a process from a later one with the same number. */
  readonly #known = new Map<number, string>();
  readonly #timer: NodeJS.Timeout;

  constructor(root: number) {
    const started = readStat(root)?.started;
    if (started !== undefined) this.#known.set(root, started);
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  get seen(): number {
    return this.#known.size;
  }

  /** A living one whose command line matches. */
  find(pattern: RegExp): number | undefined {
    return [...this.#known.keys()].find((pid) => this.#isAlive(pid) && pattern.test(commandLine(pid)));
  }

  /** Command lines of those that live. */
  alive(): string[] {
    return [...this.#known.keys()].filter((pid) => this.#isAlive(pid)).map((pid) => `${pid} ${commandLine(pid)}`);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const processes = readdirSync('/proc').flatMap((name) => {
      const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
      return stat === undefined ? [] : [{pid: Number(name), ...stat}];
    });
    // Children may have lower numbers than their parents: again until nothing is new.
    for (let before = -1; before !== this.#known.size; ) {
      before = this.#known.size;
      for (const {pid, parent, started} of processes)
        if (this.#known.has(parent) && !this.#known.has(pid)) this.#known.set(pid, started);
    }
  }

  #isAlive(pid: number): boolean {
    const stat = readStat(pid);
    return stat !== undefined && stat.state !== 'Z' && stat.started === this.#known.get(pid);
  }
}

function readStat(pid: number): {state: string; parent: number; started: string} | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name is in parentheses and may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state = '', parent = ''] = fields;
    return {state, parent: Number(parent), started: fields[19] ?? ''};
  } catch {
    return undefined;
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
