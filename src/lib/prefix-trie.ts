/**
 * A map from networks to values that also answers "which of them holds this address" and "which lie inside this one",
 * for both families at once.
 *
 * A binary trie with compressed paths: a node stands for the bits its whole subtree shares, so a lone /128 is one node
 * and not 128, and no walk is longer than the number of nested branches. Promise: every node without an entry has two
 * children, so the number of nodes stays below twice the number of entries, whatever was set and deleted before.
 */
import {bitAt, bitsOf, type Cidr, cidrOf, type Family, type Ip} from './cidr.ts';

export interface PrefixEntry<V> {
  readonly cidr: Cidr;
  readonly value: V;
}

interface TrieNode<V> {
  /** The bits that everything below shares. */
  readonly cidr: Cidr;
  /** Undefined where two branches part and nothing was set. */
  entry: PrefixEntry<V> | undefined;
  /** Subtrees by the first bit after `cidr`. */
  zero: TrieNode<V> | undefined;
  one: TrieNode<V> | undefined;
}

/** All arguments must have their host bits cleared, as `parseCidr` and `cidrOf` give them. */
export class PrefixTrie<V> {
  readonly #roots: Record<Family, TrieNode<V> | undefined> = {4: undefined, 6: undefined};
  #size = 0;

  get size(): number {
    return this.#size;
  }

  set(cidr: Cidr, value: V): void {
    const {family} = cidr.ip;
    this.#roots[family] = this.#insert(this.#roots[family], {cidr, value});
  }

  get(cidr: Cidr): V | undefined {
    return this.#find(cidr)?.entry?.value;
  }

  has(cidr: Cidr): boolean {
    return this.#find(cidr)?.entry !== undefined;
  }

  /** True when there was an entry. */
  delete(cidr: Cidr): boolean {
    if (!this.has(cidr)) return false;
    const {family} = cidr.ip;
    this.#roots[family] = remove(this.#roots[family], cidr);
    this.#size--;
    return true;
  }

  clear(): void {
    this.#roots[4] = undefined;
    this.#roots[6] = undefined;
    this.#size = 0;
  }

  /** The entry with the longest prefix that holds `ip`. */
  longestMatch(ip: Ip): PrefixEntry<V> | undefined {
    return this.covering({ip, length: bitsOf(ip.family)}).at(-1);
  }

  /** The entries that hold all of `cidr`, its own included, the widest first. */
  covering(cidr: Cidr): PrefixEntry<V>[] {
    const entries: PrefixEntry<V>[] = [];
    let node = this.#roots[cidr.ip.family];
    while (node !== undefined && holds(node.cidr, cidr)) {
      if (node.entry !== undefined) entries.push(node.entry);
      node = childToward(node, cidr.ip);
    }
    return entries;
  }

  /** The entries that lie inside `cidr`, its own included, by address, wider ones first. Do not change it meanwhile. */
  *coveredBy(cidr: Cidr): Generator<PrefixEntry<V>, void, undefined> {
    const node = this.#descend(cidr);
    if (node !== undefined && holds(cidr, node.cidr)) yield* entriesBelow(node);
  }

  /** Everything: IPv4 before IPv6, then by address, wider ones first. Do not change it meanwhile. */
  *entries(): Generator<PrefixEntry<V>, void, undefined> {
    for (const root of [this.#roots[4], this.#roots[6]]) if (root !== undefined) yield* entriesBelow(root);
  }

  #find(cidr: Cidr): TrieNode<V> | undefined {
    const node = this.#descend(cidr);
    return node !== undefined && node.cidr.length === cidr.length && holds(node.cidr, cidr) ? node : undefined;
  }

  /** The only node that can be that of `cidr`, or the top of what lies inside it; its bits are still to be compared. */
  #descend(cidr: Cidr): TrieNode<V> | undefined {
    let node = this.#roots[cidr.ip.family];
    while (node !== undefined && node.cidr.length < cidr.length) node = childToward(node, cidr.ip);
    return node;
  }

  /** The subtree `node` with the entry added. */
  #insert(node: TrieNode<V> | undefined, entry: PrefixEntry<V>): TrieNode<V> {
    const {cidr} = entry;
    if (node === undefined) {
      this.#size++;
      return {cidr, entry, zero: undefined, one: undefined};
    }
    const shared = sharedLength(node.cidr, cidr);
    if (shared === node.cidr.length) {
      if (shared === cidr.length) {
        if (node.entry === undefined) this.#size++;
        node.entry = entry;
      } else if (bitAt(cidr.ip, shared) === 0) node.zero = this.#insert(node.zero, entry);
      else node.one = this.#insert(node.one, entry);
      return node;
    }
    // The paths part above `node`: a new node takes its place, either the entry's own or a bare fork.
    this.#size++;
    const leaf: TrieNode<V> = {cidr, entry, zero: undefined, one: undefined};
    if (shared === cidr.length) return attach(leaf, node);
    const fork: TrieNode<V> = {cidr: cidrOf(cidr.ip, shared), entry: undefined, zero: undefined, one: undefined};
    return attach(attach(fork, node), leaf);
  }
}

/** The subtree `node` without the entry of `cidr`, which must be there. */
function remove<V>(node: TrieNode<V> | undefined, cidr: Cidr): TrieNode<V> | undefined {
  if (node === undefined) return undefined;
  if (node.cidr.length === cidr.length) node.entry = undefined;
  else if (bitAt(cidr.ip, node.cidr.length) === 0) node.zero = remove(node.zero, cidr);
  else node.one = remove(node.one, cidr);
  if (node.entry !== undefined || (node.zero !== undefined && node.one !== undefined)) return node;
  return node.zero ?? node.one;
}

/** Makes `child` the subtree of `parent` on its side. */
function attach<V>(parent: TrieNode<V>, child: TrieNode<V>): TrieNode<V> {
  if (bitAt(child.cidr.ip, parent.cidr.length) === 0) parent.zero = child;
  else parent.one = child;
  return parent;
}

const childToward = <V>(node: TrieNode<V>, ip: Ip): TrieNode<V> | undefined =>
  bitAt(ip, node.cidr.length) === 0 ? node.zero : node.one;

function* entriesBelow<V>(top: TrieNode<V>): Generator<PrefixEntry<V>, void, undefined> {
  const waiting = [top];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.entry !== undefined) yield node.entry;
    if (node.one !== undefined) waiting.push(node.one);
    if (node.zero !== undefined) waiting.push(node.zero);
  }
}

const holds = (outer: Cidr, inner: Cidr): boolean =>
  outer.length <= inner.length && sharedLength(outer, inner) === outer.length;

/** Number of leading bits two networks of one family have in common, at most the shorter length. */
function sharedLength(a: Cidr, b: Cidr): number {
  const limit = Math.min(a.length, b.length);
  for (let word = 0; word * 32 < limit; word++) {
    const difference = (a.ip.words[word] ?? 0) ^ (b.ip.words[word] ?? 0);
    if (difference !== 0) return Math.min(limit, word * 32 + Math.clz32(difference));
  }
  return limit;
}
