/**
 * Reads long listings page by page on a connection of its own: one snapshot for the whole listing, while commits and
 * gets go on beside it on the other connection (on the same one they would see the old snapshot, or refuse to write).
 * One listing at a time.
 */
import type {DatabaseSync, StatementSync} from 'node:sqlite';
import {prefixEnd} from '../key-range.ts';
import type {Entry} from '../store.ts';
import {entryOf} from './database.ts';
import {connect, integerOf, stopWaiting} from './schema.ts';

/** A page is cut when it has this much text, so that neither thread is held for long. */
const PAGE_TEXT_LIMIT = 256 * 1024;

export interface Page {
  readonly entries: readonly Entry[];
  /** Position in the history of the snapshot that the page is of. */
  readonly position: number;
  readonly isLast: boolean;
}

export class Lister {
  readonly #connection: DatabaseSync;
  readonly #selectPosition: StatementSync;
  readonly #selectFrom: StatementSync;
  readonly #selectBetween: StatementSync;
  #range: {from: string; readonly end: string | undefined} | undefined;

  constructor(path: string) {
    this.#connection = connect(path);
    this.#selectPosition = this.#connection.prepare('SELECT coalesce(max(sequence), 0) AS position FROM changes');
    const select = 'SELECT key, value, revision FROM entries WHERE key >= ?';
    this.#selectFrom = this.#connection.prepare(`${select} ORDER BY key`);
    this.#selectBetween = this.#connection.prepare(`${select} AND key < ? ORDER BY key`);
    stopWaiting(this.#connection);
  }

  /** The first page of the listing of `prefix`, or the next one. */
  next(prefix: string): Page {
    this.#range ??= this.#begin(prefix);
    const page = this.#read(this.#range);
    if (page.isLast) this.end();
    return page;
  }

  /** Gives the snapshot up, finished or not. */
  end(): void {
    this.#range = undefined;
    if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
  }

  close(): void {
    this.end();
    this.#connection.close();
  }

  #begin(prefix: string): {from: string; readonly end: string | undefined} {
    if (!this.#connection.isTransaction) this.#connection.exec('BEGIN');
    return {from: prefix, end: prefixEnd(prefix)};
  }

  #read(range: {from: string; readonly end: string | undefined}): Page {
    const position = integerOf(this.#selectPosition.get()?.position);
    const rows =
      range.end === undefined
        ? this.#selectFrom.iterate(range.from)
        : this.#selectBetween.iterate(range.from, range.end);
    const entries: Entry[] = [];
    let text = 0;
    for (const row of rows) {
      const entry = entryOf(row);
      if (text > PAGE_TEXT_LIMIT) {
        range.from = entry.key;
        return {entries, position, isLast: false};
      }
      entries.push(entry);
      text += entry.key.length + entry.value.length;
    }
    return {entries, position, isLast: true};
  }
}
