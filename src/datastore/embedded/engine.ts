/**
 * The database's side of the thread: takes requests, and works through what waits in turns. All commits that have
 * arrived by then are one group; then gets, one page of a listing, and the polls that have something to tell.
 *
 *     receive -> waiting commits | gets | listings | polls -> turn -> replies
 *
 * Reads come after commits, so that who was told of a commit reads it. A step that finds the database locked by another
 * process leaves its requests waiting, and the turn is repeated shortly; a caller who gives up cancels, and that ends it.
 */
import {statSync} from 'node:fs';
import {AgentError} from '../../lib/errors.ts';
import type {Operation} from '../store.ts';
import {Bell} from './bell.ts';
import {Database} from './database.ts';
import type {StoreFiles} from './folder.ts';
import {Lister} from './lister.ts';
import {type Reply, type Request, sendError} from './protocol.ts';
import {isBusy, storeError} from './store-error.ts';

/** A group ends here, so that the first commit of many does not wait for the last. */
const COMMITS_PER_GROUP = 256;
const MOST_NAPS = 10;
const LONGEST_NAP_MS = 0.5;
const LONGEST_BUSY_WAIT_MS = 8;

interface Poll {
  readonly prefixes: readonly string[];
  readonly waits: boolean;
  position: number;
}

interface WaitingListing {
  readonly prefix: string;
  /** The caller has taken the last page. */
  isWanted: boolean;
}

export class Engine {
  readonly #files: StoreFiles;
  readonly #reply: (reply: Reply) => void;
  readonly #onClosed: () => void;
  readonly #database: Database;
  readonly #lister: Lister;
  readonly #bell: Bell;
  readonly #inode: number;

  readonly #commits = new Map<number, readonly Operation[]>();
  readonly #gets = new Map<number, string>();
  /** In order of arrival; the first one is being read. */
  readonly #listings = new Map<number, WaitingListing>();
  readonly #polls = new Map<number, Poll>();

  readonly #nap = new Int32Array(new SharedArrayBuffer(4));
  #isTurnDue = false;
  #busyTurns = 0;
  #isClosing = false;
  /** Set when the store under us is gone: nothing may be acknowledged any more. */
  #lost: AgentError | undefined;

  constructor(
    options: {readonly files: StoreFiles; readonly historyLimit: number; readonly slowLookMs: number},
    dependencies: {readonly reply: (reply: Reply) => void; readonly onClosed: () => void},
  ) {
    this.#files = options.files;
    this.#reply = dependencies.reply;
    this.#onClosed = dependencies.onClosed;
    this.#database = new Database(options.files.database, options);
    this.#lister = new Lister(options.files.database);
    this.#inode = statSync(options.files.database).ino;
    this.#bell = new Bell(options, {
      onRing: () => this.#scheduleTurn(),
      onDeaf: (reason) => this.#reply({kind: 'deaf', reason}),
    });
  }

  receive(request: Exclude<Request, {kind: 'open'}>): void {
    switch (request.kind) {
      case 'commit':
        this.#commits.set(request.id, request.operations);
        break;
      case 'get':
        this.#gets.set(request.id, request.key);
        break;
      case 'list':
        this.#listings.set(request.id, {prefix: request.prefix, isWanted: true});
        break;
      case 'more': {
        const listing = this.#listings.get(request.id);
        if (listing !== undefined) listing.isWanted = true;
        break;
      }
      case 'poll':
        this.#answer(request.id, () => {
          const {id, prefixes, waits, cursor} = request;
          this.#polls.set(id, {prefixes, waits, position: this.#database.positionOf(cursor)});
        });
        break;
      case 'cancel':
        this.#cancel(request.id);
        break;
      case 'close':
        this.#isClosing = true;
        break;
    }
    this.#scheduleTurn();
  }

  #cancel(id: number): void {
    this.#commits.delete(id);
    this.#gets.delete(id);
    this.#polls.delete(id);
    const [current] = this.#listings.keys();
    if (this.#listings.delete(id) && current === id) this.#lister.end();
  }

  #scheduleTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    this.#checkFile();
    const steps = [() => this.#runCommits(), () => this.#runGets(), () => this.#runListing(), () => this.#runPolls()];
    const wasBusy = steps.map((step) => this.#isBlocked(step)).includes(true);
    this.#busyTurns = wasBusy ? this.#busyTurns + 1 : 0;
    if (wasBusy) {
      this.#comeBackLater();
    } else if (this.#commits.size > 0) {
      this.#scheduleTurn();
    } else if (this.#isClosing) {
      this.#close();
    }
  }

  /**
   * A lock is held for a fraction of a millisecond, and timers are coarser than that: the thread sleeps through the
   * first refusals itself. Random, because processes that were refused together must not come back together.
   */
  #comeBackLater(): void {
    if (this.#busyTurns <= MOST_NAPS) {
      Atomics.wait(this.#nap, 0, 0, Math.random() * LONGEST_NAP_MS);
      this.#scheduleTurn();
    } else {
      setTimeout(() => this.#scheduleTurn(), Math.random() * LONGEST_BUSY_WAIT_MS);
    }
  }

  /** Runs a step; true when another process held the lock. */
  #isBlocked(step: () => void): boolean {
    try {
      step();
      return false;
    } catch (error) {
      if (isBusy(error)) return true;
      throw error;
    }
  }

  #runCommits(): void {
    if (this.#commits.size === 0) return;
    const group = [...this.#commits].slice(0, COMMITS_PER_GROUP);
    if (this.#commitTogether(group)) return;
    // One of them may be more than the disk can hold; the others need not fail with it.
    for (const [id, operations] of group) this.#answer(id, () => this.#commitGroup([[id, operations]]));
  }

  /** False when SQLite refused the group and each is to be tried alone. */
  #commitTogether(group: readonly (readonly [number, readonly Operation[]])[]): boolean {
    if (group.length === 1 || this.#lost !== undefined) return false;
    try {
      this.#commitGroup(group);
      return true;
    } catch (error) {
      if (isBusy(error)) throw error;
      storeError(error, this.#files.folder);
      return false;
    }
  }

  #commitGroup(group: readonly (readonly [number, readonly Operation[]])[]): void {
    const outcomes = this.#database.commit(group.map(([, operations]) => operations));
    for (const [index, [id]] of group.entries()) {
      const outcome = outcomes[index];
      this.#commits.delete(id);
      if (outcome === undefined) throw new Error('a commit of the group has no outcome');
      if (outcome instanceof AgentError) this.#reply({kind: 'failed', id, error: sendError(outcome)});
      else this.#reply({kind: 'committed', id, result: outcome});
    }
    this.#bell.ring();
  }

  #runGets(): void {
    for (const [id, key] of this.#gets) {
      this.#answer(id, () => {
        this.#reply({kind: 'entry', id, entry: this.#database.get(key)});
        this.#gets.delete(id);
      });
    }
  }

  /** One page of the oldest listing; when that was its last, the next one begins. */
  #runListing(): void {
    for (const [id, listing] of this.#listings) {
      if (!listing.isWanted) return;
      this.#answer(id, () => {
        const {entries, position, isLast} = this.#lister.next(listing.prefix);
        listing.isWanted = false;
        if (isLast) this.#listings.delete(id);
        this.#reply({kind: 'page', id, page: {entries, isLast, cursor: this.#database.cursorAt(position)}});
      });
      if (this.#listings.has(id)) return;
    }
  }

  /** One look at the history for each poll; the rest of a long one is left to later turns. */
  #runPolls(): void {
    for (const [id, poll] of this.#polls) {
      this.#answer(id, () => {
        const {updates, position, isAtEnd} = this.#database.changesAfter(poll.position, poll.prefixes);
        poll.position = position;
        if (updates.length > 0 || (isAtEnd && !poll.waits)) {
          this.#polls.delete(id);
          this.#reply({kind: 'changed', id, batch: {updates, cursor: this.#database.cursorAt(position)}});
        } else if (!isAtEnd) {
          this.#scheduleTurn();
        }
      });
    }
  }

  /** Runs the work of one request and tells its caller when it fails; leaves it waiting when the database is locked. */
  #answer(id: number, work: () => void): void {
    try {
      if (this.#lost !== undefined) throw this.#lost;
      work();
    } catch (error) {
      if (isBusy(error)) throw error;
      const failure = storeError(error, this.#files.folder);
      this.#cancel(id);
      this.#reply({kind: 'failed', id, error: sendError(failure)});
    }
  }

  /** A file that was removed or replaced still takes commits from whoever has it open, and nobody would find them. */
  #checkFile(): void {
    if (this.#lost !== undefined) return;
    const {database: path, folder} = this.#files;
    try {
      if (statSync(path, {throwIfNoEntry: false})?.ino === this.#inode) return;
      this.#lost = new AgentError('E_STORE_CORRUPT', `${path} was removed or replaced while in use`, {path});
    } catch (error) {
      this.#lost = storeError(error, folder);
    }
  }

  #close(): void {
    for (const id of [...this.#listings.keys(), ...this.#polls.keys()]) {
      this.#reply({kind: 'failed', id, error: sendError(new AgentError('E_ABORTED', 'the datastore was closed'))});
    }
    this.#bell.close();
    this.#lister.close();
    this.#database.close();
    this.#onClosed();
  }
}
