/**
 * What the thread of the caller and the thread of the database say to each other. Requests carry an id that their
 * replies repeat. Long answers are pulled: the database sends a page of a listing only when asked for more, because a
 * message port hands over everything that has arrived in one turn of the event loop.
 */
import {AgentError, type ErrorCode, type ErrorContext, messageChain} from '../../lib/errors.ts';
import type {CommitResult, Cursor, Entry, Operation, WatchBatch} from '../store.ts';

export type Request =
  /** The first one. Whatever else arrives before it is answered is a bug. */
  | OpenRequest
  | {readonly kind: 'get'; readonly id: number; readonly key: string}
  | {readonly kind: 'list'; readonly id: number; readonly prefix: string}
  | {readonly kind: 'commit'; readonly id: number; readonly operations: readonly Operation[]}
  | PollRequest
  | Followup;

export interface OpenRequest {
  readonly kind: 'open';
  readonly id: number;
  readonly folder: string;
  readonly historyLimit: number;
  readonly slowLookMs: number;
}

/** Changes after the cursor; `waits` until there are some, or answers in any case. */
export interface PollRequest {
  readonly kind: 'poll';
  readonly id: number;
  readonly prefixes: readonly string[];
  readonly cursor: Cursor;
  readonly waits: boolean;
}

/** What is said about an earlier request. */
export type Followup =
  /** The next page of a listing, please. */
  | {readonly kind: 'more'; readonly id: number}
  /** The caller no longer waits. What has not begun is not begun; there is no reply. */
  | {readonly kind: 'cancel'; readonly id: number}
  /** Finishes the gets and commits that have arrived, and ends the thread. */
  | {readonly kind: 'close'};

export type Reply =
  | {readonly kind: 'opened'; readonly id: number}
  | {readonly kind: 'entry'; readonly id: number; readonly entry: Entry | undefined}
  | {readonly kind: 'page'; readonly id: number; readonly page: ListingPage}
  | {readonly kind: 'committed'; readonly id: number; readonly result: CommitResult}
  | {readonly kind: 'changed'; readonly id: number; readonly batch: WatchBatch}
  | {readonly kind: 'failed'; readonly id: number; readonly error: SentError}
  /** Said unasked: other processes are no longer heard at once. */
  | {readonly kind: 'deaf'; readonly reason: string};

export interface ListingPage {
  readonly entries: readonly Entry[];
  readonly cursor: Cursor;
  readonly isLast: boolean;
}

/** An AgentError as data: a structured clone keeps neither class nor code. */
export interface SentError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly context: ErrorContext;
  readonly cause: string | undefined;
}

export function sendError(error: AgentError): SentError {
  const {code, message, context, cause} = error;
  return {code, message, context, cause: cause === undefined ? undefined : messageChain(cause)};
}

export function receiveError(sent: SentError): AgentError {
  return new AgentError(
    sent.code,
    sent.message,
    sent.context,
    sent.cause === undefined ? undefined : new Error(sent.cause),
  );
}
