/**
 * A set of changes to blocks, affinities and handles that is being planned: an overlay over what we believe the
 * datastore holds. Several requests may be planned on one draft, one after the other; each sees what those before it
 * took. Nothing is written here: `atomic-commit.ts` and `stepwise-commit.ts` know how.
 *
 * `mark` and `rollback` undo what one request planned, so that one that cannot be served leaves its neighbours alone.
 */
import type {CallOptions, Entry} from '../datastore/store.ts';
import {cidrContainsIp, type Family, type Ip, requireCidr} from '../lib/cidr.ts';
import {hasCode} from '../lib/errors.ts';
import {type Affinity, type Block, decodeAffinity, decodeHandle, type Handle} from '../model/ipam-records.ts';
import {affinityKey, affinityPrefix, blockKey, blockPrefix, handleKey, parseKey} from '../model/keys.ts';
import {type Cooldown, collectCooled} from './block.ts';
import type {EntryCache} from './entry-cache.ts';
import type {BlockHolder} from './holder.ts';

/** What becomes of a claim; the block of `claim`, `repair` and `release` is edited in the same draft. */
export type AffinityChange =
  /** The block is created with it. */
  | 'claim'
  /** The block is ours, the claim was left half made or half released. */
  | 'repair'
  /** The block is somebody else's or nobody's. */
  | 'drop'
  /** The block is deleted, or left without an owner. */
  | 'release';

export interface AffinityEdit {
  readonly key: string;
  readonly cidr: string;
  readonly before: Entry | undefined;
  readonly change: AffinityChange;
  /** Of `drop`: the block that was judged. It was read before the claim and may have become the holder's since. */
  readonly judged?: Entry | undefined;
}

export interface BlockEdit {
  readonly key: string;
  readonly before: Entry | undefined;
  /** Undefined: deleted. Its sequence number is that of `before`; the commit raises it. */
  readonly after: Block | undefined;
}

/** Addresses that a handle gains or loses, by block. Both may happen in one draft. */
export interface HandleEdit {
  readonly gains: ReadonlyMap<string, number>;
  readonly losses: ReadonlyMap<string, number>;
}

export interface DraftMark {
  readonly blocks: ReadonlyMap<string, BlockEdit>;
  readonly affinities: ReadonlyMap<string, AffinityEdit>;
  readonly handles: ReadonlyMap<string, HandleEdit>;
}

const NONE: ReadonlyMap<string, number> = new Map();

export class Draft {
  readonly cache: EntryCache;
  readonly call: CallOptions;
  readonly #cooldown: Cooldown;
  #blocks = new Map<string, BlockEdit>();
  #affinities = new Map<string, AffinityEdit>();
  #handles = new Map<string, HandleEdit>();
  /** All blocks of a family, as listed for this draft. */
  readonly #listed = new Map<Family, Map<string, Entry>>();
  readonly #relisted = new Set<string>();

  constructor(options: {readonly call: CallOptions; readonly cooldown: Cooldown}, dependencies: {cache: EntryCache}) {
    this.call = options.call;
    this.#cooldown = options.cooldown;
    this.cache = dependencies.cache;
  }

  get blocks(): ReadonlyMap<string, BlockEdit> {
    return this.#blocks;
  }
  get affinities(): ReadonlyMap<string, AffinityEdit> {
    return this.#affinities;
  }
  get handles(): ReadonlyMap<string, HandleEdit> {
    return this.#handles;
  }
  /** Number of keys that the draft touches. */
  get size(): number {
    const judged = [...this.#affinities.values()].filter(({change}) => change === 'drop').length;
    return this.#blocks.size + this.#affinities.size + judged + this.#handles.size;
  }
  /** A block that is deleted in this draft is claimed anew in it. */
  get isReplacing(): boolean {
    return [...this.#affinities.values()].some(
      ({change, cidr}) => change === 'claim' && this.#blocks.get(cidr)?.before !== undefined,
    );
  }
  get cooldown(): Cooldown {
    return this.#cooldown;
  }

  mark(): DraftMark {
    return {
      blocks: new Map(this.#blocks),
      affinities: new Map(this.#affinities),
      handles: new Map(this.#handles),
    };
  }

  rollback(mark: DraftMark): void {
    this.#blocks = new Map(mark.blocks);
    this.#affinities = new Map(mark.affinities);
    this.#handles = new Map(mark.handles);
  }

  /** The block as this draft leaves it, cooled addresses collected; undefined when there is none. */
  async block(cidr: string): Promise<Block | undefined> {
    const edit = this.#blocks.get(cidr);
    if (edit !== undefined) return edit.after;
    const entry = await this.#blockEntry(cidr);
    return entry && collectCooled(this.cache.decodedBlock(entry), this.#cooldown);
  }

  /** As `block`, but undefined also when the record cannot be read: one bad block must not stop work on the others. */
  async readableBlock(cidr: string): Promise<Block | undefined> {
    try {
      return await this.block(cidr);
    } catch (error) {
      if (hasCode(error, 'E_INVALID_RESOURCE') || hasCode(error, 'E_BAD_JSON')) return undefined;
      throw error;
    }
  }

  /** True when something is stored as this block, readable or not, or this draft will store it. */
  async hasBlock(cidr: string): Promise<boolean> {
    const edit = this.#blocks.get(cidr);
    return edit === undefined ? (await this.#blockEntry(cidr)) !== undefined : edit.after !== undefined;
  }

  /** Plans that the block will be like this; `undefined`: deleted. */
  async setBlock(cidr: string, after: Block | undefined): Promise<void> {
    const edit = this.#blocks.get(cidr);
    const before = edit === undefined ? await this.#blockEntry(cidr) : edit.before;
    if (before === undefined && after === undefined) this.#blocks.delete(cidr);
    else this.#blocks.set(cidr, {key: blockKey(cidr), before, after});
  }

  /** CIDRs of all blocks of a family as this draft leaves them. Reads the datastore once per draft. */
  async blockCidrs(family: Family): Promise<ReadonlySet<string>> {
    const cidrs = new Set((await this.#list(family)).keys());
    for (const [cidr, edit] of this.#blocks) {
      if (edit.after === undefined) cidrs.delete(cidr);
      else if (requireCidr(cidr).ip.family === family) cidrs.add(cidr);
    }
    return cidrs;
  }

  /** The block that contains `ip`, whatever its size. Lists all blocks. */
  async blockContaining(ip: Ip): Promise<Block | undefined> {
    for (const cidr of await this.blockCidrs(ip.family))
      if (cidrContainsIp(requireCidr(cidr), ip)) return this.block(cidr);
    return undefined;
  }

  /** The block was deleted meanwhile by a commit of its own. */
  noteDeleted(cidr: string): void {
    this.#listed.get(requireCidr(cidr).ip.family)?.delete(cidr);
  }

  /** CIDRs of the blocks that the holder has claims on, in the order of their keys, as this draft leaves them. */
  async claims(holder: BlockHolder, family: Family): Promise<readonly string[]> {
    const prefix = affinityPrefix(holder.host, family, holder.type);
    const entries = await this.cache.list(prefix, this.call);
    const keys = new Set(entries.filter((entry) => affinityIn(entry) !== undefined).map((entry) => entry.key));
    for (const edit of this.#affinities.values()) {
      if (!edit.key.startsWith(prefix)) continue;
      if (edit.change === 'claim' || edit.change === 'repair') keys.add(edit.key);
      else keys.delete(edit.key);
    }
    return [...keys].flatMap((key) => {
      const parsed = parseKey(key);
      return parsed?.kind === 'affinity' ? [parsed.cidr] : [];
    });
  }

  /** Reads the holder's claims again, once per draft: before it is decided that another block is needed. */
  async refreshClaims(holder: BlockHolder, family: Family): Promise<void> {
    const prefix = affinityPrefix(holder.host, family, holder.type);
    if (this.#relisted.has(prefix)) return;
    this.#relisted.add(prefix);
    await this.cache.relist(prefix, this.call);
  }

  /** True when there is a claim, in whatever state. */
  async hasClaim(holder: BlockHolder, cidr: string): Promise<boolean> {
    return (await this.cache.get(affinityKey({...holder, cidr}), this.call)) !== undefined;
  }

  /** True when the claim is confirmed in the datastore, or dealt with in this draft. */
  async isSettled(holder: BlockHolder, cidr: string): Promise<boolean> {
    const key = affinityKey({...holder, cidr});
    if (this.#affinities.has(key)) return true;
    const entry = await this.cache.get(key, this.call);
    return entry !== undefined && affinityIn(entry)?.state === 'confirmed';
  }

  async setAffinity(holder: BlockHolder, cidr: string, change: AffinityChange): Promise<void> {
    const key = affinityKey({...holder, cidr});
    const before = await this.cache.get(key, this.call);
    if (before === undefined && (change === 'drop' || change === 'release')) this.#affinities.delete(key);
    else if (change === 'drop')
      this.#affinities.set(key, {key, cidr, before, change, judged: await this.#blockEntry(cidr)});
    else this.#affinities.set(key, {key, cidr, before, change});
  }

  /** Addresses per block of a handle as this draft leaves them; undefined when there is no such handle. */
  async handleCounts(handleId: string): Promise<ReadonlyMap<string, number> | undefined> {
    const entry = await this.cache.get(handleKey(handleId), this.call);
    const edit = this.#handles.get(handleId);
    if (entry === undefined && edit === undefined) return undefined;
    return handleAfter(entry && decodeHandle(entry.value), edit)?.counts;
  }

  /** The handle gains `count` addresses in the block (loses, when negative). */
  addToHandle(handleId: string | undefined, cidr: string, count: number): void {
    if (handleId === undefined || count === 0) return;
    const {gains, losses} = this.#handles.get(handleId) ?? {gains: NONE, losses: NONE};
    const plus = (map: ReadonlyMap<string, number>) => new Map(map).set(cidr, (map.get(cidr) ?? 0) + Math.abs(count));
    this.#handles.set(handleId, count > 0 ? {gains: plus(gains), losses} : {gains, losses: plus(losses)});
  }

  async #blockEntry(cidr: string): Promise<Entry | undefined> {
    // Once all blocks were listed, the list is how things are: what is not in it is planned as absent, although it may
    // have come since. Asking again would find somebody else's block where an empty place was chosen.
    const listed = this.#listed.get(requireCidr(cidr).ip.family);
    return listed === undefined ? this.cache.get(blockKey(cidr), this.call) : listed.get(cidr);
  }

  async #list(family: Family): Promise<Map<string, Entry>> {
    const known = this.#listed.get(family);
    if (known !== undefined) return known;
    const {entries} = await this.cache.store.list(blockPrefix(family), this.call);
    const listed = new Map<string, Entry>();
    for (const entry of entries) {
      const parsed = parseKey(entry.key);
      if (parsed?.kind !== 'block') continue;
      listed.set(parsed.cidr, entry);
      // What is planned already must stay planned on the entry it was planned on.
      if (!this.#blocks.has(parsed.cidr) && this.cache.peek(entry.key) !== undefined)
        this.cache.learn(entry.key, entry);
    }
    this.#listed.set(family, listed);
    return listed;
  }
}

/**
 * A handle with a draft's changes; undefined when it has nothing left. An entry never falls below zero: somebody who
 * counted wrongly before must not keep an address from being released now.
 */
export function handleAfter(before: Handle | undefined, edit: HandleEdit | undefined): Handle | undefined {
  const counts = new Map(before?.counts);
  for (const [cidr, count] of edit?.gains ?? NONE) counts.set(cidr, (counts.get(cidr) ?? 0) + count);
  for (const [cidr, count] of edit?.losses ?? NONE) {
    const left = (counts.get(cidr) ?? 0) - count;
    if (left > 0) counts.set(cidr, left);
    else counts.delete(cidr);
  }
  return counts.size === 0 ? undefined : {...(before ?? {deleted: false}), counts};
}

/** The claim that an entry holds; undefined when it cannot be read: Calico skips such entries too. */
export function affinityIn(entry: Entry): Affinity | undefined {
  try {
    return decodeAffinity(entry.value);
  } catch {
    return undefined;
  }
}
