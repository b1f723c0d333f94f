/**
 * The few messages of etcd's v3 interface that a Store needs, to and from bytes: Range, Txn, Watch and Authenticate.
 * Field numbers are those of etcd's rpc.proto, kv.proto and auth.proto, which never change. What is not listed here is
 * skipped when read.
 *
 * Revisions and ids are 64-bit: bigint.
 */
import {ProtoReader, ProtoWriter} from './protobuf.ts';

/** A remote procedure: its path. */
export type Method = `/etcdserverpb.${'KV/Range' | 'KV/Txn' | 'Watch/Watch' | 'Auth/Authenticate'}`;

export interface KeyRange {
  readonly key: Uint8Array;
  /** Exclusive; a single zero byte stands for no end; absent: the one key. */
  readonly end?: Uint8Array | undefined;
}

export interface Header {
  readonly clusterId: bigint;
  /** Of the key space when the answer was made. */
  readonly revision: bigint;
}

export interface KeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly modRevision: bigint;
}

export interface RangeRequest extends KeyRange {
  /** Most entries in the answer; 0: all. */
  readonly limit?: number;
  /** Point in history; 0: now. */
  readonly revision?: bigint;
  readonly countOnly?: boolean;
}

export interface RangeResponse {
  readonly header: Header;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
}

/** What a transaction compares: equality, but for `exists`. */
export type Compare =
  | {readonly kind: 'absent'; readonly key: Uint8Array}
  | {readonly kind: 'exists'; readonly key: Uint8Array}
  | {readonly kind: 'revision'; readonly key: Uint8Array; readonly revision: bigint};

export type RequestOp =
  | {readonly kind: 'get'; readonly key: Uint8Array}
  | {readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array}
  | {readonly kind: 'delete'; readonly key: Uint8Array};

export interface TxnRequest {
  readonly compares: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

export interface TxnResponse {
  readonly header: Header;
  readonly succeeded: boolean;
  /** Of the operations that were done, in order: what a get found; nothing for the others. */
  readonly found: readonly (KeyValue | undefined)[];
}

export interface WatchEvent {
  readonly isDelete: boolean;
  readonly kv: KeyValue;
}

export interface WatchResponse {
  readonly header: Header;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly cancelReason: string;
  /** Not 0: the start lies before it and is gone. */
  readonly compactRevision: bigint;
  /** More events of the last revision follow in the next message. */
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

const COMPARE_EQUAL = 0;
const COMPARE_GREATER = 1;
const TARGET_VERSION = 0;
const TARGET_MOD = 2;
const EVENT_DELETE = 1n;
const EMPTY: Buffer = Buffer.alloc(0);
const NO_HEADER: Header = {clusterId: 0n, revision: 0n};

export function encodeRange(request: RangeRequest): Buffer {
  return rangeWriter(request).finish();
}

export function encodeTxn({compares, success, failure}: TxnRequest): Buffer {
  const writer = new ProtoWriter();
  for (const compare of compares) writer.message(1, compareWriter(compare));
  for (const op of success) writer.message(2, opWriter(op));
  for (const op of failure) writer.message(3, opWriter(op));
  return writer.finish();
}

/** Asks for the events from `startRevision` on, in messages of bounded size, and for word when there are none for long. */
export function encodeWatchCreate({key, end}: KeyRange, startRevision: bigint): Buffer {
  const create = new ProtoWriter().bytes(1, key).bytes(2, end ?? new Uint8Array());
  create.int64(3, startRevision).bool(4, true).bool(8, true);
  return new ProtoWriter().message(1, create).finish();
}

export function encodeAuthenticate(name: string, password: string): Buffer {
  return new ProtoWriter().text(1, name).text(2, password).finish();
}

export function decodeRange(buffer: Buffer): RangeResponse {
  return readRange(new ProtoReader(buffer));
}

export function decodeTxn(buffer: Buffer): TxnResponse {
  const reader = new ProtoReader(buffer);
  let header = NO_HEADER;
  let succeeded = false;
  const found: (KeyValue | undefined)[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) header = readHeader(reader.message());
    else if (field === 2) succeeded = reader.bool();
    else if (field === 3) found.push(readResponseOp(reader.message()));
    else reader.skip();
  }
  return {header, succeeded, found};
}

export function decodeWatch(buffer: Buffer): WatchResponse {
  const reader = new ProtoReader(buffer);
  let header = NO_HEADER;
  let [created, canceled, fragment] = [false, false, false];
  let cancelReason = '';
  let compactRevision = 0n;
  const events: WatchEvent[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) header = readHeader(reader.message());
    else if (field === 3) created = reader.bool();
    else if (field === 4) canceled = reader.bool();
    else if (field === 5) compactRevision = reader.int64();
    else if (field === 6) cancelReason = reader.text();
    else if (field === 7) fragment = reader.bool();
    else if (field === 11) events.push(readEvent(reader.message()));
    else reader.skip();
  }
  return {header, created, canceled, cancelReason, compactRevision, fragment, events};
}

/** The token that an authentication gives. */
export function decodeToken(buffer: Buffer): string {
  const reader = new ProtoReader(buffer);
  let token = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) token = reader.text();
    else reader.skip();
  }
  return token;
}

function rangeWriter({key, end, limit = 0, revision = 0n, countOnly = false}: RangeRequest): ProtoWriter {
  const writer = new ProtoWriter().bytes(1, key).bytes(2, end ?? new Uint8Array());
  return writer.int64(3, limit).int64(4, revision).bool(9, countOnly);
}

function compareWriter(compare: Compare): ProtoWriter {
  const writer = new ProtoWriter();
  const head = (result: number, target: number) => writer.int64(1, result).int64(2, target).bytes(3, compare.key);
  switch (compare.kind) {
    // The version that is compared with is a member of a oneof, and 0 when left out: etcd reads both alike.
    case 'absent':
      return head(COMPARE_EQUAL, TARGET_VERSION).int64(4, 0);
    case 'exists':
      return head(COMPARE_GREATER, TARGET_VERSION).int64(4, 0);
    case 'revision':
      return head(COMPARE_EQUAL, TARGET_MOD).int64(6, compare.revision);
  }
}

function opWriter(op: RequestOp): ProtoWriter {
  const key = new ProtoWriter().bytes(1, op.key);
  switch (op.kind) {
    case 'get':
      return new ProtoWriter().message(1, key);
    case 'put':
      return new ProtoWriter().message(2, key.bytes(2, op.value));
    case 'delete':
      return new ProtoWriter().message(3, key);
  }
}

function readHeader(reader: ProtoReader): Header {
  let clusterId = 0n;
  let revision = 0n;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) clusterId = reader.uint64();
    else if (field === 3) revision = reader.int64();
    else reader.skip();
  }
  return {clusterId, revision};
}

function readRange(reader: ProtoReader): RangeResponse {
  let header = NO_HEADER;
  let more = false;
  const kvs: KeyValue[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) header = readHeader(reader.message());
    else if (field === 2) kvs.push(readKeyValue(reader.message()));
    else if (field === 3) more = reader.bool();
    else reader.skip();
  }
  return {header, kvs, more};
}

function readResponseOp(reader: ProtoReader): KeyValue | undefined {
  let found: KeyValue | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) found = readRange(reader.message()).kvs[0];
    else reader.skip();
  }
  return found;
}

function readEvent(reader: ProtoReader): WatchEvent {
  let isDelete = false;
  let kv: KeyValue = {key: EMPTY, value: EMPTY, modRevision: 0n};
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) isDelete = reader.int64() === EVENT_DELETE;
    else if (field === 2) kv = readKeyValue(reader.message());
    else reader.skip();
  }
  return {isDelete, kv};
}

function readKeyValue(reader: ProtoReader): KeyValue {
  let key: Buffer = EMPTY;
  let value: Buffer = EMPTY;
  let modRevision = 0n;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.bytes();
    else if (field === 3) modRevision = reader.int64();
    else if (field === 5) value = reader.bytes();
    else reader.skip();
  }
  return {key, value, modRevision};
}
