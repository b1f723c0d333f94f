/**
 * A draft in one transaction: claims, handles and blocks together or not at all. Every key is compared with the entry
 * it was planned on. A conflict brings the entry that is there now, which the cache learns before the plan is made anew.
 *
 * Beside programs that write key by key this is safe because each key ends in a state that they could have left, and
 * because the block, which decides, is compared: nobody sees a state in between.
 */
import {commitFailureOf} from '../datastore/precondition.ts';
import type {CommitResult, Entry, Operation} from '../datastore/store.ts';
import {type Affinity, decodeHandle, encodeAffinity, encodeBlock, encodeHandle} from '../model/ipam-records.ts';
import {blockKey, handleKey} from '../model/keys.ts';
import {nextVersion} from './block.ts';
import {type AffinityEdit, affinityIn, type BlockEdit, type Draft, type HandleEdit, handleAfter} from './draft.ts';

/** What became of a draft. */
export type CommitOutcome =
  | {readonly kind: 'committed'}
  /** Nothing was written, or only preparations; the cache knows better now: plan again. */
  | {readonly kind: 'replan'}
  /** Written but for these blocks (CIDRs): what was planned in them did not happen. */
  | {readonly kind: 'partial'; readonly failed: ReadonlySet<string>};

/** Rejects with the store's error when the outcome is unknown or the store refuses. */
export async function commitAtomically(draft: Draft): Promise<CommitOutcome> {
  const operations = await operationsOf(draft);
  if (operations.length === 0) return {kind: 'committed'};
  try {
    learnWritten(draft, operations, await draft.cache.store.commit(operations, draft.call));
    for (const edit of draft.blocks.values()) rememberBlock(draft, edit);
    return {kind: 'committed'};
  } catch (error) {
    if (!learnConflict(draft, error)) throw error;
    // The conflict tells of one key. Where one was not what we believed, others may be: look at all of them before the
    // next attempt, or each attempt would learn of one while others change.
    await Promise.all([
      ...[...draft.handles.keys()].map((handleId) => draft.cache.get(handleKey(handleId), draft.call)),
      ...[...draft.blocks.values()].map(({key}) => draft.cache.refresh(key, draft.call)),
    ]);
    return {kind: 'replan'};
  }
}

/** Claims, then handles, then blocks, then claims given up: the order in which they would be written one by one. */
async function operationsOf(draft: Draft): Promise<readonly Operation[]> {
  const affinities = [...draft.affinities.values()];
  const handles = await Promise.all(
    [...draft.handles].map(([handleId, edit]) => handleOperation(draft, handleId, edit)),
  );
  return [
    ...affinities.filter(({change}) => change === 'claim' || change === 'repair').map(claimOperation),
    ...handles.flat(),
    ...[...draft.blocks.values()].map(blockOperation),
    ...affinities.filter(({change, cidr}) => change === 'drop' && !draft.blocks.has(cidr)).map(judgedBlock),
    ...affinities
      .filter(({change}) => change === 'drop' || change === 'release')
      .flatMap(({before}) => deletion(before)),
  ];
}

/** Holds only while the block is as it was when its claim was found to be nobody's right. */
export const judgedBlock = ({cidr, judged}: AffinityEdit): Operation => ({
  kind: 'check',
  key: blockKey(cidr),
  revision: judged?.revision,
});

function claimOperation({key, before}: AffinityEdit): Operation {
  return write(key, before, encodeAffinity(withState(before, 'confirmed')));
}

export function blockOperation({key, before, after}: BlockEdit): Operation {
  if (after !== undefined) return write(key, before, encodeBlock(nextVersion(after)));
  if (before === undefined) throw new Error(`${key} can not be deleted before it is there`);
  return {kind: 'delete', key, revision: before.revision};
}

async function handleOperation(draft: Draft, handleId: string, edit: HandleEdit): Promise<readonly Operation[]> {
  const key = handleKey(handleId);
  // A handle that only gains is nearly always new: it is created unread, and the conflict tells when it is not.
  const entry = edit.losses.size === 0 ? draft.cache.peek(key) : await draft.cache.get(key, draft.call);
  const after = handleAfter(entry && decodeHandle(entry.value), edit);
  return after === undefined ? deletion(entry) : [write(key, entry, encodeHandle(after))];
}

export const deletion = (entry: Entry | undefined): readonly Operation[] =>
  entry === undefined ? [] : [{kind: 'delete', key: entry.key, revision: entry.revision}];

/** The operation that makes an entry hold `value`, if it is still as it was. */
export function write(key: string, before: Entry | undefined, value: string): Operation {
  return before === undefined ? {kind: 'create', key, value} : {kind: 'update', key, value, revision: before.revision};
}

/** The claim with another state; what else somebody stored in it stays. */
export function withState(before: Entry | undefined, state: Affinity['state']): Affinity {
  return {deleted: false, ...(before && affinityIn(before)), state};
}

/** After a block was written as planned: what it holds is known without decoding it. */
export function rememberBlock(draft: Draft, {key, after}: BlockEdit): void {
  if (after !== undefined) draft.cache.rememberBlock(key, nextVersion(after));
}

/** The cache learns what a commit wrote. */
export function learnWritten(draft: Draft, operations: readonly Operation[], result: CommitResult): void {
  operations.forEach((operation, index) => {
    const {key} = operation;
    const revision = result.revisions[index];
    if (operation.kind === 'delete') draft.cache.learn(key, undefined);
    else if (operation.kind !== 'check' && revision !== undefined)
      draft.cache.learn(key, {key, value: operation.value, revision});
  });
}

/** True when `error` says that an entry is not what was believed; the cache then knows what it is. */
export function learnConflict(draft: Draft, error: unknown): boolean {
  const failure = commitFailureOf(error);
  if (failure !== undefined) draft.cache.learn(failure.key, failure.current);
  return failure !== undefined;
}
