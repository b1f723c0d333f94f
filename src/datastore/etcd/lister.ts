/**
 * A listing in pages, all of one revision: the first page says which. When history is compacted past it in the middle, or
 * another cluster answers, the listing begins anew: half of one and half of another would be neither.
 *
 * Pages are cut by size, not by count: the number of entries to ask for follows from the last page.
 */
import {hasCode} from '../../lib/errors.ts';
import type {Entry, Listing} from '../store.ts';
import type {EtcdClient} from './client.ts';
import type {History} from './history.ts';
import {entryOf, keyAfter, prefixRange} from './key-bytes.ts';
import {decodeRange, encodeRange, type RangeRequest, type RangeResponse} from './messages.ts';

const FIRST_PAGE_ENTRIES = 500;
const MAX_PAGE_ENTRIES = 10_000;
/** Reading it holds the event loop for some ten milliseconds; etcd counts the whole range for every page. */
const PAGE_BYTES = 2 * 1024 * 1024;

export interface ListerDependencies {
  readonly client: Pick<EtcdClient, 'call'>;
  readonly history: History;
}

interface Limits {
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
}

export async function listPages(prefix: string, limits: Limits, dependencies: ListerDependencies): Promise<Listing> {
  for (;;) {
    const listing = await listOnce(prefix, limits, dependencies);
    if (listing !== undefined) return listing;
  }
}

/** Undefined when the revision of the first page went away before the last one was read. */
async function listOnce(
  prefix: string,
  limits: Limits,
  {client, history}: ListerDependencies,
): Promise<Listing | undefined> {
  const entries: Entry[] = [];
  let {key, end} = prefixRange(prefix);
  let limit = FIRST_PAGE_ENTRIES;
  let first: RangeResponse | undefined;
  for (;;) {
    const request = {key, end, limit, revision: first?.header.revision ?? 0n};
    const page = await readPage(client, request, limits);
    if (page === 'too large') {
      limit = Math.ceil(limit / 8);
      continue;
    }
    first ??= page === 'gone' ? undefined : page;
    if (page === 'gone' || first === undefined || page.header.clusterId !== first.header.clusterId) return undefined;
    let bytes = 0;
    for (const kv of page.kvs) {
      entries.push(entryOf(kv));
      bytes += kv.key.length + kv.value.length;
    }
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) {
      return {entries, cursor: history.cursorOf(first.header, first.header.revision)};
    }
    key = keyAfter(last.key);
    const fitting = Math.ceil((PAGE_BYTES * page.kvs.length) / Math.max(1, bytes));
    limit = Math.min(MAX_PAGE_ENTRIES, fitting, limit * 8);
  }
}

async function readPage(
  client: ListerDependencies['client'],
  request: RangeRequest & {readonly limit: number; readonly revision: bigint},
  limits: Limits,
): Promise<RangeResponse | 'gone' | 'too large'> {
  const message = encodeRange(request);
  try {
    return await client.call({method: '/etcdserverpb.KV/Range', message, decode: decodeRange, isRead: true, ...limits});
  } catch (error) {
    if (hasCode(error, 'E_CURSOR_LOST') && request.revision > 0n) return 'gone';
    if (hasCode(error, 'E_UNSUPPORTED') && request.limit > 1) return 'too large';
    throw error;
  }
}
