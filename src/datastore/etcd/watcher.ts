/**
 * One watch: a stream of etcd's from the revision after the cursor on, one message a batch.
 *
 * etcd lets a watch begin in history that is gone and says so only afterwards, and lets one begin in a future that may
 * never come (after a restore). So when the server stands elsewhere than the cursor, the cursor is looked up before the
 * watch is said to stand. Several prefixes are one watch over all that lies between them, because the progress of
 * several could not be told by one cursor.
 */
import type {Cursor, Update, WatchBatch} from '../store.ts';
import type {EtcdClient, OpenStream} from './client.ts';
import {cursorLost, type History} from './history.ts';
import {coveringRange, entryOf} from './key-bytes.ts';
import {
  decodeRange,
  decodeWatch,
  encodeRange,
  encodeWatchCreate,
  type KeyRange,
  type WatchEvent,
  type WatchResponse,
} from './messages.ts';
import {answered, STATUS} from './rpc-error.ts';

export interface WatchOptions {
  readonly prefixes: readonly string[];
  readonly cursor: Cursor;
}

export interface WatchDependencies {
  readonly client: Pick<EtcdClient, 'call' | 'open'>;
  readonly history: History;
}

/** A watch that stands. */
export interface StandingWatch {
  readonly options: WatchOptions;
  readonly responses: OpenStream<WatchResponse>['rest'];
}

/**
 * Resolves when the watch stands. `lifeSignal` ends it at any time, `signal` and `deadlineMs` end the attempt.
 */
export async function openWatch(
  options: WatchOptions,
  limits: {readonly lifeSignal: AbortSignal; readonly signal: AbortSignal; readonly deadlineMs: number},
  {client, history}: WatchDependencies,
): Promise<StandingWatch> {
  const {prefixes, cursor} = options;
  const {lifeSignal, signal, deadlineMs} = limits;
  const revision = history.revisionOf(cursor);
  const range = coveringRange(prefixes);
  const message = encodeWatchCreate(range, revision + 1n);
  const {first, rest} = await client.open({
    method: '/etcdserverpb.Watch/Watch',
    message,
    decode: decodeResponse,
    signal: lifeSignal,
  });
  assertStands(cursor, first, history);
  if (first.header.revision !== revision) await lookUp(range, revision, client, {signal, deadlineMs});
  return {options, responses: rest};
}

/** What the watch brings, from its first, empty batch on. Ends by throwing. */
export async function* batchesOf(watch: StandingWatch, history: History): AsyncGenerator<WatchBatch, never, void> {
  const {prefixes} = watch.options;
  let {cursor} = watch.options;
  yield {updates: [], cursor};
  for await (const response of watch.responses) {
    assertStands(cursor, response, history);
    const {header, events, fragment} = response;
    const updates = events.map(updateOf).filter(({key}) => prefixes.some((prefix) => key.startsWith(prefix)));
    const last = events.at(-1)?.kv.modRevision ?? header.revision;
    const reached = fragment ? cursor : history.cursorOf(header, last);
    if (updates.length === 0 && reached === cursor) continue;
    cursor = reached;
    yield {updates, cursor};
  }
  throw new Error('the responses of a watch ended without an error');
}

/** Rejects with E_CURSOR_LOST when that point of history is gone or has not been. */
async function lookUp(
  {key}: KeyRange,
  revision: bigint,
  client: WatchDependencies['client'],
  limits: {readonly signal: AbortSignal; readonly deadlineMs: number},
): Promise<void> {
  const message = encodeRange({key, revision, countOnly: true});
  await client.call({method: '/etcdserverpb.KV/Range', message, decode: decodeRange, isRead: true, ...limits});
}

function assertStands(cursor: Cursor, {header, canceled}: WatchResponse, history: History): void {
  if (canceled) throw cursorLost(cursor, 'etcd has compacted its history past it');
  history.assertSameCluster(cursor, header);
}

/** Throws an RpcError when the watch was ended for another reason than lost history. */
function decodeResponse(buffer: Buffer): WatchResponse {
  const response = decodeWatch(buffer);
  if (!response.canceled || response.compactRevision > 0n) return response;
  const reason = response.cancelReason || 'the watch was ended';
  // An expired token looks like this as well: worth a new one.
  if (reason.includes('permission denied')) throw answered(STATUS.unauthenticated, reason);
  throw answered(STATUS.unavailable, reason);
}

function updateOf({isDelete, kv}: WatchEvent): Update {
  const {key, value, revision} = entryOf(kv);
  return {key, value: isDelete ? undefined : value, revision};
}
