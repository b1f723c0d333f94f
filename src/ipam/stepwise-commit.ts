/**
 * A draft key by key, for stores that cannot write several keys at once (the Kubernetes API): the protocol that every
 * Calico component follows, in the same order.
 *
 *   claim a block     claim pending -> block created -> claim confirmed
 *   assign            handle counts up -> block            (block refused: handle counts down again)
 *   release           block -> handle counts down
 *   give up a block   claim pendingDeletion -> block deleted or left without owner -> claim deleted
 *
 * A crash between two steps leaves a pending claim, which the next claim or release repairs, or a handle that counts
 * too much, which readers must expect. It never leaves an address that two handles believe to have.
 */
import type {CallOptions, Entry, Operation} from '../datastore/store.ts';
import {AgentError} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {decodeBlock, decodeHandle, encodeAffinity, encodeBlock, encodeHandle} from '../model/ipam-records.ts';
import {handleKey} from '../model/keys.ts';
import {
  blockOperation,
  type CommitOutcome,
  deletion,
  judgedBlock,
  learnConflict,
  learnWritten,
  rememberBlock,
  withState,
  write,
} from './atomic-commit.ts';
import {newBlock, nextVersion} from './block.ts';
import {type AffinityEdit, type BlockEdit, type Draft, type HandleEdit, handleAfter} from './draft.ts';

/** What is undone after a failure has this long, whatever is left of the caller's time. */
const UNDO_DEADLINE_MS = 30_000;
const MOST_ATTEMPTS = 100;
const NONE: ReadonlyMap<string, number> = new Map();

/** Rejects with the store's error when the outcome of a step is unknown or the store refuses it. */
export async function commitStepwise(draft: Draft, dependencies: {readonly log: Logger}): Promise<CommitOutcome> {
  const commit = new StepwiseCommit(draft, dependencies.log);
  return commit.run();
}

class StepwiseCommit {
  readonly #draft: Draft;
  readonly #log: Logger;

  constructor(draft: Draft, log: Logger) {
    this.#draft = draft;
    this.#log = log;
  }

  async run(): Promise<CommitOutcome> {
    const edits = [...this.#draft.affinities.values()];
    const releases = edits.filter((edit) => edit.change === 'release');
    if (releases.length > 0) return this.#giveUp(releases);
    // Claims come first and on their own: what is assigned from a block counts from the number the claim gave it.
    for (const edit of edits) await this.#prepare(edit);
    if (edits.length > 0) return {kind: 'replan'};
    return this.#assignAndRelease();
  }

  async #prepare(edit: AffinityEdit): Promise<void> {
    if (edit.change === 'drop') {
      if ((await this.#attempt([judgedBlock(edit)])) === 'done') await this.#attempt(deletion(edit.before));
      return;
    }
    const block = this.#blockOf(edit);
    const pending = await this.#attempt([this.#claim(edit.key, edit.before, 'pending')]);
    if (pending === 'conflict') return;
    if ((await this.#attempt([this.#claimedBlock(block)])) === 'conflict') {
      const current = this.#draft.cache.peek(block.key);
      if (current === undefined || decodeBlock(current.value).affinity !== block.after?.affinity) {
        await this.#attempt(deletion(this.#draft.cache.peek(edit.key)), {deadlineMs: UNDO_DEADLINE_MS});
        return;
      }
      // It is ours already. Somebody who gives it up in this moment must lose, or the claim would be on nothing.
      if ((await this.#attempt([writtenAgain(current)])) === 'conflict') return;
    }
    await this.#attempt([this.#claim(edit.key, this.#draft.cache.peek(edit.key), 'confirmed')]);
  }

  #claim(key: string, before: Entry | undefined, state: 'pending' | 'confirmed' | 'pendingDeletion'): Operation {
    return write(key, before, encodeAffinity(withState(before, state)));
  }

  /** The block as the claim alone leaves it: new and empty, or written again unchanged, so that older views lose. */
  #claimedBlock({key, before, after}: BlockEdit): Operation {
    if (after === undefined) throw new Error(`${key} is claimed and deleted in one draft`);
    if (before !== undefined) return writtenAgain(before);
    const empty = newBlock(after.cidr, after.affinity ?? '', this.#draft.cooldown.nowMs);
    return write(key, undefined, encodeBlock(empty));
  }

  #blockOf({cidr}: AffinityEdit): BlockEdit {
    const edit = this.#draft.blocks.get(cidr);
    if (edit === undefined) throw new Error(`the claim of ${cidr} is planned without its block`);
    return edit;
  }

  async #giveUp(edits: readonly AffinityEdit[]): Promise<CommitOutcome> {
    for (const edit of edits) {
      const block = this.#blockOf(edit);
      if ((await this.#attempt([this.#claim(edit.key, edit.before, 'pendingDeletion')])) === 'conflict')
        return {kind: 'replan'};
      if ((await this.#attempt([blockOperation(block)])) === 'conflict') return {kind: 'replan'};
      await this.#attempt(deletion(this.#draft.cache.peek(edit.key)));
    }
    return {kind: 'committed'};
  }

  async #assignAndRelease(): Promise<CommitOutcome> {
    const {handles, blocks, call} = this.#draft;
    await this.#gain([...handles].filter(([, edit]) => edit.gains.size > 0));
    const failed = new Set<string>();
    for (const [cidr, edit] of blocks)
      if ((await this.#attempt([blockOperation(edit)], call)) === 'conflict') failed.add(cidr);
      else rememberBlock(this.#draft, edit);
    const owed = [...handles].map(([id, edit]) => {
      const undone = pick(edit.gains, (cidr) => failed.has(cidr));
      const done = pick(edit.losses, (cidr) => !failed.has(cidr));
      return [id, sum(undone, done)] as const;
    });
    await this.#lose(owed);
    return failed.size === 0 ? {kind: 'committed'} : {kind: 'partial', failed};
  }

  /** All handles gain, or none: nothing may be allocated that its handle does not count. */
  async #gain(edits: readonly (readonly [string, HandleEdit])[]): Promise<void> {
    const outcomes = await Promise.allSettled(
      edits.map(([id, {gains}]) => this.#changeHandle(id, {gains, losses: NONE}, this.#draft.call)),
    );
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure === undefined) return;
    await this.#lose(edits.flatMap(([id, {gains}], i) => (outcomes[i]?.status === 'fulfilled' ? [[id, gains]] : [])));
    throw failure.reason;
  }

  /** Counts that stay too high are allowed; the addresses themselves are settled by now. */
  async #lose(losses: readonly (readonly [string, ReadonlyMap<string, number>])[]): Promise<void> {
    const call = {deadlineMs: UNDO_DEADLINE_MS};
    const edits = losses.filter(([, counts]) => counts.size > 0);
    const outcomes = await Promise.allSettled(
      edits.map(([id, counts]) => this.#changeHandle(id, {gains: NONE, losses: counts}, call)),
    );
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined)
      this.#log.warn({err: failure.reason as unknown}, 'a handle counts more addresses than it has');
  }

  async #changeHandle(handleId: string, edit: HandleEdit, call: CallOptions): Promise<void> {
    const key = handleKey(handleId);
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const before = await this.#draft.cache.get(key, call);
      const after = handleAfter(before && decodeHandle(before.value), edit);
      const operations = after === undefined ? deletion(before) : [write(key, before, encodeHandle(after))];
      if ((await this.#attempt(operations, call)) === 'done') return;
    }
    throw new AgentError('E_IPAM_BUSY', 'the handle changes faster than it can be counted', {handle: handleId});
  }

  async #attempt(operations: readonly Operation[], call = this.#draft.call): Promise<'done' | 'conflict'> {
    if (operations.length === 0) return 'done';
    try {
      learnWritten(this.#draft, operations, await this.#draft.cache.store.commit(operations, call));
      return 'done';
    } catch (error) {
      if (!learnConflict(this.#draft, error)) throw error;
      return 'conflict';
    }
  }
}

/** A block unchanged but for its number and revision. */
const writtenAgain = (block: Entry): Operation =>
  write(block.key, block, encodeBlock(nextVersion(decodeBlock(block.value))));

function pick(counts: ReadonlyMap<string, number>, wanted: (cidr: string) => boolean): ReadonlyMap<string, number> {
  return new Map([...counts].filter(([cidr]) => wanted(cidr)));
}

function sum(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const total = new Map(a);
  for (const [cidr, count] of b) total.set(cidr, (total.get(cidr) ?? 0) + count);
  return total;
}
