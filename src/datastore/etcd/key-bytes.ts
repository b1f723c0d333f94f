/** Keys, prefixes and revisions in the form in which etcd wants them. */
import {prefixEnd} from '../key-range.ts';
import type {Entry, Revision} from '../store.ts';
import type {KeyRange, KeyValue} from './messages.ts';

/** As the end of a range: none. As its beginning: the least key, because etcd knows no empty one. */
const ZERO: Uint8Array = Uint8Array.of(0);

export function keyBytes(key: string): Buffer {
  return Buffer.from(key, 'utf8');
}

/** All keys that begin with one of the prefixes, and what lies between them. */
export function coveringRange(prefixes: readonly string[]): KeyRange {
  const ranges = prefixes.map(prefixRange);
  const [first = ZERO] = ranges.map(({key}) => key).sort((a, b) => Buffer.compare(a, b));
  const ends = ranges.map(({end}) => end).sort((a, b) => Buffer.compare(a, b));
  return {key: first, end: ends.includes(ZERO) ? ZERO : (ends.at(-1) ?? ZERO)};
}

/** All keys that begin with the prefix. */
export function prefixRange(prefix: string): KeyRange & {readonly end: Uint8Array} {
  const end = prefixEnd(prefix);
  return {key: prefix === '' ? ZERO : keyBytes(prefix), end: end === undefined ? ZERO : keyBytes(end)};
}

/** The least key after `key`. */
export function keyAfter(key: Uint8Array): Buffer {
  return Buffer.concat([key, ZERO]);
}

export function entryOf({key, value, modRevision}: KeyValue): Entry {
  return {key: key.toString('utf8'), value: value.toString('utf8'), revision: String(modRevision)};
}

/**
 * A revision as etcd counts them. What is none is -1, which no key ever has: callers hand on what people wrote. (0 would
 * be worse: etcd takes it for the revision of a key that does not exist.)
 */
export function revisionNumber(revision: Revision): bigint {
  return /^[1-9]\d{0,17}$/.test(revision) ? BigInt(revision) : -1n;
}
