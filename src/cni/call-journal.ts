/**
 * Which containers have an ADD or DEL of ours under way, kept in a file, so that an agent that was killed knows at its
 * next start what it left half done: addresses without an endpoint that nobody will ever ask for again.
 *
 * The attributes of an allocation cannot say it: they are Calico's, and calico-ipam under another main plugin writes the
 * same ones for addresses that never have an endpoint.
 *
 * One line per beginning and end, appended without waiting for the disk: the page cache survives a killed process. A
 * machine that loses power may lose lines; its sandboxes are gone then, and what is left of them is found by their
 * endpoints, or by the garbage collection of the cluster.
 */
import {appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs';
import {dirname} from 'node:path';
import {AgentError} from '../lib/errors.ts';

/** The file is written anew, with what is open only, when it has grown to this. */
const LARGEST_BYTES = 256 * 1024;

/** What a call may leave behind: allocations under a handle, and a link. */
export interface JournalEntry {
  readonly handleId: string;
  readonly hostInterface: string;
  /** Under which the call ran: nobody else may be at work there while what it left is removed. */
  readonly lockNames: readonly string[];
}

export class CallJournal {
  readonly #path: string;
  /** Calls under way now, by handle; twins count. */
  readonly #open = new Map<string, {readonly entry: JournalEntry; count: number}>();
  /** Left open by an earlier run, or by a call whose work could not be undone; by handle. */
  readonly #leftOpen = new Map<string, JournalEntry>();
  #bytes = 0;

  /** Reads what an earlier run left. Throws E_FILE when the file cannot be used. */
  constructor(path: string) {
    this.#path = path;
    try {
      mkdirSync(dirname(path), {recursive: true, mode: 0o700});
      for (const line of readLines(path)) {
        const [handleId = '', hostInterface = '', ...lockNames] = line.slice(1).split(' ');
        if (line.startsWith('+')) this.#leftOpen.set(handleId, {handleId, hostInterface, lockNames});
        else this.#leftOpen.delete(handleId);
      }
      this.#rewrite();
    } catch (error) {
      throw new AgentError('E_FILE', 'the journal of CNI calls cannot be used', {path}, error);
    }
  }

  /** Of each ADD or DEL that began and did not come to a clean end, in this run or an earlier one. */
  get leftOpen(): readonly JournalEntry[] {
    return [...this.#leftOpen.values()];
  }

  /** Before the first effect of a call. */
  begin(entry: JournalEntry): void {
    const twin = this.#open.get(entry.handleId);
    if (twin === undefined) this.#open.set(entry.handleId, {entry, count: 1});
    else twin.count++;
    this.#append(beginning(entry));
  }

  /** `isClean`: the call has done its work, or undone it; otherwise what it left is looked for at the next start. */
  end(entry: JournalEntry, isClean: boolean): void {
    const {handleId} = entry;
    const twin = this.#open.get(handleId);
    const hasOthers = twin !== undefined && --twin.count > 0;
    if (!hasOthers) this.#open.delete(handleId);
    if (!isClean) this.#leftOpen.set(handleId, entry);
    else if (!hasOthers) this.settle(handleId);
  }

  /** What was left open is settled: its container was disconnected, or what was left of it removed. */
  settle(handleId: string): void {
    this.#leftOpen.delete(handleId);
    if (!this.#open.has(handleId)) this.#append(`-${handleId}`);
  }

  #append(line: string): void {
    const text = `${line}\n`;
    this.#bytes += text.length;
    if (this.#bytes > LARGEST_BYTES) this.#rewrite();
    else appendFileSync(this.#path, text, {mode: 0o600});
  }

  #rewrite(): void {
    const underWay = [...this.#open.values()].map(({entry}) => entry);
    const text = [...this.#leftOpen.values(), ...underWay].map((entry) => `${beginning(entry)}\n`).join('');
    const temporary = `${this.#path}.new`;
    writeFileSync(temporary, text, {mode: 0o600});
    renameSync(temporary, this.#path);
    this.#bytes = text.length;
  }
}

/** None of them has white space in it: they were checked when the request was read. */
const beginning = ({handleId, hostInterface, lockNames}: JournalEntry): string =>
  `+${[handleId, hostInterface, ...lockNames].join(' ')}`;

function readLines(path: string): string[] {
  try {
    // A line that was cut off by the end of the machine is no line.
    return readFileSync(path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .filter((line) => /^[+-]./.test(line));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
