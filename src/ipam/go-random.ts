/**
 * The pseudo-random numbers of Go's math/rand, exactly: an additive lagged Fibonacci generator over 64 bits,
 * x(n) = x(n - 607) + x(n - 273). Calico chooses the first block of a host with it, seeded with a hash of the host's
 * name. With the same numbers a node that changes from Calico to us, or back, looks for blocks in the same places.
 */
import {SEED_STATE_BASE64} from './go-random-table.ts';

const LENGTH = 607;
const TAP = 273;
/** Seeds are spread by the Lehmer generator x -> 48271 x mod 2^31 - 1. */
const LEHMER_MODULUS = 0x7fffffff;
const LEHMER_FACTOR = 48271;
/** Zero would stay zero. */
const SEED_FOR_ZERO = 89482311;
const UNUSED_STEPS = 20;

const lehmer = (x: number): number => (x * LEHMER_FACTOR) % LEHMER_MODULUS;

export class GoRandom {
  readonly #state = new BigUint64Array(LENGTH);
  #tap = 0;
  #feed = LENGTH - TAP;

  /** `seed` is an integer from 0 to 2^53. */
  constructor(seed: number) {
    const table = Buffer.from(SEED_STATE_BASE64, 'base64');
    let x = seed % LEHMER_MODULUS || SEED_FOR_ZERO;
    for (let i = 0; i < UNUSED_STEPS; i++) x = lehmer(x);
    for (let i = 0; i < LENGTH; i++) {
      const high = lehmer(x);
      const middle = lehmer(high);
      x = lehmer(middle);
      const mixed = (BigInt(high) << 40n) ^ (BigInt(middle) << 20n) ^ BigInt(x);
      // The array keeps the low 64 bits of what is stored in it.
      this.#state[i] = mixed ^ table.readBigUInt64LE(i * 8);
    }
  }

  uint64(): bigint {
    this.#tap = (this.#tap + LENGTH - 1) % LENGTH;
    this.#feed = (this.#feed + LENGTH - 1) % LENGTH;
    this.#state[this.#feed] = (this.#state[this.#feed] ?? 0n) + (this.#state[this.#tap] ?? 0n);
    return this.#state[this.#feed] ?? 0n;
  }

  /** 32 of the 63 low bits: those in front. */
  uint32(): bigint {
    return (this.uint64() >> 31n) & 0xffffffffn;
  }

  /** A number from 0 to `limit` - 1, as `big.Int.Rand` draws it: words of 64 bits until one lies below the limit. */
  below(limit: bigint): bigint {
    const bits = BigInt(limit.toString(2).length);
    const mask = (1n << bits) - 1n;
    for (;;) {
      let drawn = 0n;
      for (let shift = 0n; shift < bits; shift += 64n) {
        const low = this.uint32();
        drawn |= (low | (this.uint32() << 32n)) << shift;
      }
      drawn &= mask;
      if (drawn < limit) return drawn;
    }
  }
}
