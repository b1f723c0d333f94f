/**
 * Two views of this node's endpoints made one: what we are writing to the datastore, and what the datastore tells.
 *
 * The CNI server hands over an endpoint before (or while) it writes it, so that calculation need not wait for the watch.
 * Promise: the local view wins until the watch has come as far as that write; from then on the datastore does, also when
 * somebody changed the object meanwhile. A failed write leaves no trace.
 *
 * "As far as that write" is the difficult part, because revisions have no order: after a write returns, the watch may
 * still deliver what came before it. So each write says what it replaced and what it became, these two are *expected* in
 * that order, and a delivery is placed among them. A delivery that nobody expected is later than every write that has
 * returned, and what arrives while a write is under way is placed when the write returns. Where others changed the object
 * twice just before our write, the first of these changes may show for a moment: it heals with the next delivery.
 *
 * Known limit: a deletion carries no revision that its author knows, so one absence looks like another. An object that
 * we create and somebody else deletes before the watch has told of either may stay in our view; the next change, or the
 * next complete snapshot (`snapshotBegins`, `snapshotEnds`), corrects that.
 */
import type {Revision} from './update.ts';

/** A write of one endpoint on its way to the datastore. Exactly one of the two must be called, once. */
export interface LocalWrite {
  /** The datastore took it. */
  succeeded(outcome: WriteOutcome): void;
  /** It did not, or nobody knows: the datastore's own view holds again. */
  failed(): void;
}

export interface WriteOutcome {
  /** The revision the object has now; undefined for a deletion. */
  readonly revision: Revision | undefined;
  /** The revision that was replaced or deleted; undefined when there was no object. */
  readonly replaced: Revision | undefined;
}

/** A state of a key: the revision of its object, or that there is none. */
type Version = Revision | typeof ABSENT;
const ABSENT: unique symbol = Symbol('absent');

interface Stored<V> {
  readonly value: V | undefined;
  readonly version: Version;
}

interface Write<V> {
  readonly value: V | undefined;
  returned: boolean;
  /** It had returned when the snapshot began that is arriving now. */
  inSnapshot: boolean;
}

/** A key with writes that the watch has not come as far as. */
interface Contest<V> {
  /** Oldest first; the newest is what we go by. */
  readonly writes: Write<V>[];
  /** Versions the watch may still deliver, in order; a write's own version carries the write. */
  expected: {readonly version: Version; readonly write: Write<V> | undefined}[];
  /** Revisions delivered while a write was under way: if it turns out to be one of them, the watch has passed it. */
  readonly delivered: Set<Version>;
  /** Nobody expected the last delivery: it is later than all writes that have returned. */
  unplaced: boolean;
}

export class LocalEndpoints<V> {
  readonly #stored = new Map<string, Stored<V>>();
  readonly #contests = new Map<string, Contest<V>>();
  readonly #onChange: (key: string, value: V | undefined) => void;

  /** `onChange` is told the view of a key whenever it may have changed; undefined when there is no endpoint. */
  constructor(onChange: (key: string, value: V | undefined) => void) {
    this.#onChange = onChange;
  }

  /** What holds for `key` now. */
  get(key: string): V | undefined {
    const write = this.#contests.get(key)?.writes.at(-1);
    return write === undefined ? this.#stored.get(key)?.value : write.value;
  }

  /** What we wrote to `key`, when that write became `revision` and the watch has not come as far. */
  written(key: string, revision: Revision): V | undefined {
    const became = this.#contests.get(key)?.expected.find(({version}) => version === revision);
    return became?.write?.value;
  }

  /** Keys whose local view still wins. */
  get contested(): number {
    return this.#contests.size;
  }

  /** A write of `key` begins: `value`, or undefined to delete it. Writes of one key are begun in the order they are made. */
  begin(key: string, value: V | undefined): LocalWrite {
    const contest = this.#contests.get(key) ?? newContest<V>();
    this.#contests.set(key, contest);
    const write: Write<V> = {value, returned: false, inSnapshot: false};
    contest.writes.push(write);
    this.#onChange(key, value);
    return {
      succeeded: (outcome) => this.#onReturn(key, contest, write, outcome),
      failed: () => this.#onFailure(key, contest, write),
    };
  }

  /** The datastore's state of `key`; `present` is false when it has none. An invalid object is present without value. */
  deliver(key: string, value: V | undefined, present: boolean, revision: Revision): void {
    const version = present ? revision : ABSENT;
    if (present) this.#stored.set(key, {value, version});
    else this.#stored.delete(key);
    const contest = this.#contests.get(key);
    if (contest !== undefined) this.#place(contest, version);
    this.#settle(key, contest);
  }

  /** A complete snapshot of the datastore begins to arrive: it holds every write that has returned. */
  snapshotBegins(): void {
    for (const {writes} of this.#contests.values()) for (const write of writes) write.inSnapshot = write.returned;
  }

  snapshotEnds(): void {
    for (const [key, contest] of this.#contests) {
      const last = contest.writes.findLast((write) => write.inSnapshot);
      if (last === undefined) continue;
      overtake(contest, last);
      this.#settle(key, contest);
    }
  }

  #place(contest: Contest<V>, version: Version): void {
    if (version !== ABSENT) contest.delivered.add(version);
    const index = contest.expected.findIndex((expectation) => expectation.version === version);
    contest.unplaced = index < 0;
    const seen = index < 0 ? contest.expected.length : index + 1;
    const write = contest.expected.slice(0, seen).findLast((expectation) => expectation.write !== undefined)?.write;
    contest.expected = contest.expected.slice(seen);
    if (write !== undefined) overtake(contest, write);
  }

  #onReturn(key: string, contest: Contest<V>, write: Write<V>, outcome: WriteOutcome): void {
    if (write.returned || !contest.writes.includes(write)) return;
    write.returned = true;
    const current = this.#stored.get(key)?.version ?? ABSENT;
    const became = outcome.revision ?? ABSENT;
    const replaced = outcome.replaced ?? ABSENT;
    const {unplaced} = contest;
    // Now the last delivery may have its place: just before this write, or this write itself.
    if (current === replaced || current === became) contest.unplaced = false;
    if (contest.delivered.has(became) || (unplaced && current !== replaced)) overtake(contest, write);
    else expect(contest, write, {current, became, replaced});
    this.#settle(key, contest);
  }

  #onFailure(key: string, contest: Contest<V>, write: Write<V>): void {
    const index = contest.writes.indexOf(write);
    if (write.returned || index < 0) return;
    contest.writes.splice(index, 1);
    this.#settle(key, contest);
  }

  /** Ends a contest that has no writes left, and tells the view. */
  #settle(key: string, contest: Contest<V> | undefined): void {
    if (contest?.writes.length === 0) this.#contests.delete(key);
    this.#onChange(key, this.get(key));
  }
}

const newContest = <V>(): Contest<V> => ({
  writes: [],
  expected: [],
  delivered: new Set(),
  unplaced: false,
});

/** Notes what the watch may still deliver: what `write` replaced, and what it became. */
function expect<V>(
  {writes, expected}: Contest<V>,
  write: Write<V>,
  versions: {readonly current: Version; readonly became: Version; readonly replaced: Version},
): void {
  const {current, became, replaced} = versions;
  const index = writes.indexOf(write);
  if (writes.some((other, i) => i > index && other.returned)) {
    // The answers overtook each other: the later write is what we go by, this one is only something that may come.
    writes.splice(index, 1);
    expected.unshift({version: became, write: undefined});
    return;
  }
  const last = expected.at(-1)?.version ?? current;
  if (last !== replaced) expected.push({version: replaced, write: undefined});
  expected.push({version: became, write});
}

/** The watch has come as far as `write`: it and all before it are history. */
function overtake<V>({writes}: Contest<V>, write: Write<V>): void {
  writes.splice(0, writes.indexOf(write) + 1);
}
