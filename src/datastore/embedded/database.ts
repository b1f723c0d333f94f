/**
 * The embedded store as SQL, one connection, every call synchronous. Knows nothing of threads and waiting: a lock that
 * another process holds surfaces as SQLite's BUSY with nothing done.
 *
 * Group commit: commits that wait together share one transaction and so one fsync. Each stands alone nevertheless: its
 * preconditions are all evaluated before its first write, so a refused commit has written nothing and needs no
 * savepoint; an error of SQLite itself rolls the whole group back.
 */
import type {DatabaseSync, SQLOutputValue, StatementSync} from 'node:sqlite';
import {AgentError} from '../../lib/errors.ts';
import {refusal} from '../precondition.ts';
import type {CommitResult, Cursor, Entry, Operation, Revision, Update} from '../store.ts';
import {connect, integerOf, prepareSchema, stopWaiting, textOf} from './schema.ts';

/** What one look at the history yields: what changed, and how far it got. */
export interface Changes {
  readonly updates: readonly Update[];
  readonly position: number;
  /** There is nothing after that position. */
  readonly isAtEnd: boolean;
}

/** One look at the history is cut here, so that neither thread is held for long. */
const CHANGES_PER_LOOK = 2000;
const CHANGES_TEXT_LIMIT = 256 * 1024;

export class Database {
  readonly #connection: DatabaseSync;
  readonly #historyLimit: number;
  readonly #identity: string;
  readonly #selectEntry: StatementSync;
  readonly #writeEntry: StatementSync;
  readonly #deleteEntry: StatementSync;
  readonly #appendChange: StatementSync;
  readonly #trimChanges: StatementSync;
  readonly #selectRange: StatementSync;
  readonly #selectChanges: StatementSync;

  constructor(path: string, options: {readonly historyLimit: number}) {
    const connection = connect(path);
    prepareSchema(connection, path);
    this.#connection = connection;
    this.#historyLimit = options.historyLimit;
    this.#identity = textOf(connection.prepare('SELECT value FROM identity').get()?.value);
    this.#selectEntry = connection.prepare('SELECT key, value, revision FROM entries WHERE key = ?');
    this.#writeEntry = connection.prepare(
      'INSERT INTO entries (key, value, revision) VALUES (?, ?, ?) ' +
        'ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision',
    );
    this.#deleteEntry = connection.prepare('DELETE FROM entries WHERE key = ?');
    this.#appendChange = connection.prepare('INSERT INTO changes (sequence, key) VALUES (?, ?)');
    this.#trimChanges = connection.prepare('DELETE FROM changes WHERE sequence <= ?');
    this.#selectRange = connection.prepare(
      'SELECT (SELECT min(sequence) FROM changes) AS oldest, (SELECT max(sequence) FROM changes) AS newest',
    );
    this.#selectChanges = connection.prepare(
      'SELECT sequence, key FROM changes WHERE sequence > ? ORDER BY sequence LIMIT ?',
    );
    stopWaiting(connection);
  }

  get(key: string): Entry | undefined {
    const row = this.#selectEntry.get(key);
    return row === undefined ? undefined : entryOf(row);
  }

  /** The sequence of the newest change; 0 in a new store. */
  position(): number {
    return this.#range().newest;
  }

  /** Runs the commits in order in one transaction; per commit its result, or why it was refused. */
  commit(group: readonly (readonly Operation[])[]): (CommitResult | AgentError)[] {
    return this.#inTransaction('IMMEDIATE', () => {
      const before = this.position();
      let sequence = before;
      const outcomes = group.map((operations): CommitResult | AgentError => {
        const refused = this.#refusal(operations);
        if (refused !== undefined) return refused;
        const revisions = operations.map((operation): Revision | undefined => {
          if (operation.kind === 'check') return undefined;
          this.#write(operation, ++sequence);
          return operation.kind === 'delete' ? undefined : String(sequence);
        });
        return {revisions};
      });
      this.#trim(before, sequence);
      return outcomes;
    });
  }

  /**
   * Changes of keys with one of the prefixes after `position`, each key with its newest value. Throws E_CURSOR_LOST
   * when the history does not reach back that far.
   */
  changesAfter(position: number, prefixes: readonly string[]): Changes {
    // By far the most looks find nothing.
    if (position === this.position()) return {updates: [], position, isAtEnd: true};
    return this.#inTransaction('DEFERRED', () => {
      const {oldest, newest} = this.#range();
      if (position < oldest - 1 || position > newest) throw this.#cursorLost(position, oldest, newest);
      const updates = new Map<string, Update>();
      let reached = position;
      let text = 0;
      for (const row of this.#selectChanges.all(position, CHANGES_PER_LOOK)) {
        if (text > CHANGES_TEXT_LIMIT) break;
        reached = integerOf(row.sequence);
        const key = textOf(row.key);
        if (!prefixes.some((prefix) => key.startsWith(prefix))) continue;
        const entry = this.get(key);
        // A later row of the history brings the value that is there now.
        if (entry !== undefined && entry.revision !== String(reached)) continue;
        updates.set(key, {key, value: entry?.value, revision: String(reached)});
        text += key.length + (entry?.value.length ?? 0);
      }
      return {updates: [...updates.values()], position: reached, isAtEnd: reached === newest};
    });
  }

  cursorAt(position: number): Cursor {
    return `${this.#identity}:${position}`;
  }

  /** The position a cursor stands for; E_CURSOR_LOST when it is of another store. */
  positionOf(cursor: Cursor): number {
    const [identity, position] = cursor.split(':');
    if (identity === this.#identity && position !== undefined && /^\d+$/.test(position)) return Number(position);
    throw new AgentError('E_CURSOR_LOST', 'the cursor is not of this datastore', {cursor});
  }

  close(): void {
    this.#connection.close();
  }

  #refusal(operations: readonly Operation[]): AgentError | undefined {
    for (const [index, operation] of operations.entries()) {
      if (operation.kind === 'put') continue;
      const refused = refusal(operation, index, this.get(operation.key));
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  #write(operation: Exclude<Operation, {kind: 'check'}>, sequence: number): void {
    if (operation.kind === 'delete') this.#deleteEntry.run(operation.key);
    else this.#writeEntry.run(operation.key, operation.value, sequence);
    this.#appendChange.run(sequence, operation.key);
  }

  /** Cuts the history when it has grown by a tenth; the newest change always stays, it carries the sequence on. */
  #trim(before: number, after: number): void {
    const step = Math.max(1, Math.floor(this.#historyLimit / 10));
    if (Math.floor(before / step) < Math.floor(after / step)) this.#trimChanges.run(after - this.#historyLimit);
  }

  #range(): {oldest: number; newest: number} {
    const {oldest, newest} = this.#selectRange.get() ?? {};
    return newest === null ? {oldest: 1, newest: 0} : {oldest: integerOf(oldest), newest: integerOf(newest)};
  }

  #cursorLost(position: number, oldest: number, newest: number): AgentError {
    const text = `the datastore remembers changes ${oldest} to ${newest}, not those after ${position}`;
    return new AgentError('E_CURSOR_LOST', text, {position, oldest, newest});
  }

  #inTransaction<T>(mode: 'IMMEDIATE' | 'DEFERRED', work: () => T): T {
    const connection = this.#connection;
    connection.exec(`BEGIN ${mode}`);
    try {
      const result = work();
      connection.exec('COMMIT');
      return result;
    } finally {
      if (connection.isTransaction) connection.exec('ROLLBACK');
    }
  }
}

/** A row of `entries` as the contract has it. */
export function entryOf(row: Record<string, SQLOutputValue>): Entry {
  return {key: textOf(row.key), value: textOf(row.value), revision: String(integerOf(row.revision))};
}
