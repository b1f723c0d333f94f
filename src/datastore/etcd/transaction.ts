/**
 * A commit as one transaction of etcd: the conditions are compared, then all is written, or the entries are read that the
 * refusal shows. Pure: messages in and out.
 */
import {refusal} from '../precondition.ts';
import type {CommitResult, Operation} from '../store.ts';
import {entryOf, keyBytes, revisionNumber} from './key-bytes.ts';
import type {Compare, RequestOp, TxnRequest, TxnResponse} from './messages.ts';

export function transactionOf(operations: readonly Operation[]): TxnRequest {
  const compares = operations.flatMap((operation) => compareOf(operation) ?? []);
  const success = operations.flatMap((operation) => writeOf(operation) ?? []);
  const failure = operations.map(({key}): RequestOp => ({kind: 'get', key: keyBytes(key)}));
  return {compares, success, failure};
}

/** The result, or the refusal of the first operation that did not hold. */
export function resultOf(operations: readonly Operation[], {header, succeeded, found}: TxnResponse): CommitResult {
  if (succeeded) {
    const revision = String(header.revision);
    return {revisions: operations.map(({kind}) => (kind === 'delete' || kind === 'check' ? undefined : revision))};
  }
  for (const [index, operation] of operations.entries()) {
    const kv = found[index];
    const error = refusal(operation, index, kv === undefined ? undefined : entryOf(kv));
    if (error !== undefined) throw error;
  }
  throw new Error('etcd refused a transaction although every operation of it holds');
}

function compareOf(operation: Operation): Compare | undefined {
  const key = keyBytes(operation.key);
  switch (operation.kind) {
    case 'create':
      return {kind: 'absent', key};
    case 'update':
      return {kind: 'revision', key, revision: revisionNumber(operation.revision)};
    case 'put':
      return undefined;
    case 'delete':
      if (operation.revision === undefined) return {kind: 'exists', key};
      return {kind: 'revision', key, revision: revisionNumber(operation.revision)};
    case 'check':
      if (operation.revision === undefined) return {kind: 'absent', key};
      return {kind: 'revision', key, revision: revisionNumber(operation.revision)};
  }
}

function writeOf(operation: Operation): RequestOp | undefined {
  const key = keyBytes(operation.key);
  switch (operation.kind) {
    case 'create':
    case 'update':
    case 'put':
      return {kind: 'put', key, value: Buffer.from(operation.value, 'utf8')};
    case 'delete':
      return {kind: 'delete', key};
    case 'check':
      return undefined;
  }
}
