/**
 * What an operation demands of the entry that is there, and the error when it is not so. One place, because all stores
 * must refuse alike and callers read the refusal to go on without another read.
 */
import {AgentError, codeOf, type ErrorCode} from '../lib/errors.ts';
import type {CommitFailure, Entry, Operation} from './store.ts';

/** The error of an operation that does not hold against `current`, or undefined when it holds. */
export function refusal(operation: Operation, index: number, current: Entry | undefined): AgentError | undefined {
  const {key} = operation;
  const refuse = (code: ErrorCode, reason: string) =>
    new AgentError(code, `cannot ${operation.kind} ${key}: ${reason}`, {index, key, current} satisfies CommitFailure);
  switch (operation.kind) {
    case 'put':
      return undefined;
    case 'create':
      return current === undefined ? undefined : refuse('E_EXISTS', `it exists at revision ${current.revision}`);
    case 'update':
    case 'delete': {
      if (current === undefined) return refuse('E_NOT_FOUND', 'it does not exist');
      if (operation.revision === undefined || operation.revision === current.revision) return undefined;
      return refuse('E_CONFLICT', `expected revision ${operation.revision}, found ${current.revision}`);
    }
    case 'check': {
      if (operation.revision === current?.revision) return undefined;
      const expected = operation.revision === undefined ? 'no entry' : `revision ${operation.revision}`;
      const found = current === undefined ? 'no entry' : `revision ${current.revision}`;
      return refuse('E_CONFLICT', `expected ${expected}, found ${found}`);
    }
  }
}

/** Which operation of a commit did not hold and what is there instead; undefined for any other error. */
export function commitFailureOf(error: unknown): CommitFailure | undefined {
  const code = codeOf(error);
  if (code !== 'E_CONFLICT' && code !== 'E_EXISTS' && code !== 'E_NOT_FOUND') return undefined;
  const context = error instanceof Error && 'context' in error ? error.context : undefined;
  return isCommitFailure(context) ? context : undefined;
}

function isCommitFailure(context: unknown): context is CommitFailure {
  return typeof context === 'object' && context !== null && 'index' in context && 'key' in context;
}

/**
 * Guards every store's `commit`: a caller that names a key twice or more operations than the store takes has a bug, and
 * engines would answer it differently.
 */
export function assertCommit(operations: readonly Operation[], maxOps: number): void {
  if (operations.length > maxOps) {
    throw new AgentError('E_UNSUPPORTED', `a commit takes at most ${maxOps} operations, not ${operations.length}`, {
      maxOps,
      operations: operations.length,
    });
  }
  const keys = new Set<string>();
  for (const {key} of operations) {
    if (keys.has(key)) throw new Error(`a commit names the key ${JSON.stringify(key)} twice`);
    keys.add(key);
  }
}
