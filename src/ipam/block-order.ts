/**
 * The order in which a host looks through the blocks of a pool: from a place that depends on its name, upwards, around
 * the end, each block once. Hosts that start together therefore rarely try to claim the same block. The place is the
 * one that Calico begins at.
 *
 * A pool can hold 2^96 blocks, so nothing here counts through a pool: free blocks are found by stepping over what is
 * taken or reserved, and taken ones are sorted by their place in the order.
 */
import {bitsOf, type Cidr, type Family, type Ip} from '../lib/cidr.ts';
import {GoRandom} from './go-random.ts';
import type {Reservations} from './reservations.ts';

/** FNV-1 (not FNV-1a), 32 bits, over the UTF-8 bytes of `text`. */
export function fnv1(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = (Math.imul(hash, 0x01000193) ^ byte) >>> 0;
  return hash;
}

export class BlockOrder {
  readonly #pool: Cidr;
  readonly #blockSize: number;
  readonly #base: bigint;
  readonly #shift: bigint;
  readonly #count: bigint;
  readonly #start: bigint;

  /** `blockSize` is the prefix length of the blocks. */
  constructor(pool: Cidr, blockSize: number, host: string) {
    this.#pool = pool;
    this.#blockSize = blockSize;
    this.#base = toBigInt(pool.ip);
    this.#shift = BigInt(bitsOf(pool.ip.family) - blockSize);
    this.#count = 1n << BigInt(Math.max(0, blockSize - pool.length));
    this.#start = new GoRandom(fnv1(host)).below(this.#count);
  }

  /** The blocks of the pool in this host's order, without those that one reservation covers wholly. */
  *walk(reservations: Reservations): Generator<Cidr, void, undefined> {
    if (this.#blockSize < this.#pool.length) return;
    for (let step = 0n; step < this.#count; ) {
      const index = (this.#start + step) % this.#count;
      const cidr = this.#at(index);
      const covering = reservations.covering(cidr);
      if (covering === undefined) {
        yield cidr;
        step += 1n;
      } else {
        step += lesser(this.#indexAfter(covering), this.#count) - index;
      }
    }
  }

  /** Place of a block of this pool in the order, 0 being the first; also of one of another size. */
  placeOf(block: Cidr): bigint {
    const index = (toBigInt(block.ip) - this.#base) >> this.#shift;
    return (index - this.#start + this.#count) % this.#count;
  }

  #at(index: bigint): Cidr {
    return {ip: fromBigInt(this.#base + (index << this.#shift), this.#pool.ip.family), length: this.#blockSize};
  }

  #indexAfter(cidr: Cidr): bigint {
    const end = toBigInt(cidr.ip) + (1n << BigInt(bitsOf(cidr.ip.family) - cidr.length));
    return (end - this.#base) >> this.#shift;
  }
}

const lesser = (a: bigint, b: bigint): bigint => {
  if (a < b) return a;
  return b;
};

function toBigInt(ip: Ip): bigint {
  let value = 0n;
  for (const word of ip.words) value = (value << 32n) | BigInt(word);
  return value;
}

function fromBigInt(value: bigint, family: Family): Ip {
  const words: number[] = [];
  for (let shift = bitsOf(family) - 32; shift >= 0; shift -= 32)
    words.push(Number((value >> BigInt(shift)) & 0xffffffffn));
  return {family, words};
}
