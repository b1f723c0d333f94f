/**
 * The addresses that automatic assignment must leave alone (IPReservation). Addresses asked for by name and those that
 * are already taken are not affected.
 *
 * The CIDRs of all reservations become one list of disjoint networks per family, sorted, so that a look-up is a binary
 * search and counting never counts an address twice.
 */
import {
  bitsOf,
  type Cidr,
  cidrContains,
  cidrContainsIp,
  cidrSize,
  compareCidr,
  compareIp,
  type Family,
  type Ip,
  parseCidr,
} from '../lib/cidr.ts';

export class Reservations {
  readonly #disjoint: Readonly<Record<Family, readonly Cidr[]>>;

  constructor(cidrs: readonly Cidr[]) {
    this.#disjoint = {4: disjoint(cidrs, 4), 6: disjoint(cidrs, 6)};
  }

  /** From text as users wrote it: addresses and CIDRs; what is neither is skipped, as Calico does. */
  static parse(texts: Iterable<string>): Reservations {
    const cidrs: Cidr[] = [];
    for (const text of texts) {
      const cidr = parseCidr(text.trim());
      if (cidr !== undefined) cidrs.push(cidr);
    }
    return new Reservations(cidrs);
  }

  contains(ip: Ip): boolean {
    const at = this.#lastNotAfter(ip);
    return at !== undefined && cidrContainsIp(at, ip);
  }

  /** The reservation that covers all of `cidr`, if a single one does. */
  covering(cidr: Cidr): Cidr | undefined {
    const at = this.#lastNotAfter(cidr.ip);
    return at !== undefined && cidrContains(at, cidr) ? at : undefined;
  }

  /** True when no address of `cidr` is left, be it by one reservation or by several together. */
  coversAll(cidr: Cidr): boolean {
    return this.covering(cidr) !== undefined || this.countIn(cidr) === cidrSize(cidr);
  }

  /** Number of reserved addresses in `cidr`; exact while it is below 2^53. */
  countIn(cidr: Cidr): number {
    if (this.covering(cidr) !== undefined) return cidrSize(cidr);
    let count = 0;
    for (const reserved of this.#disjoint[cidr.ip.family])
      if (cidrContains(cidr, reserved)) count += 2 ** (bitsOf(reserved.ip.family) - reserved.length);
    return count;
  }

  #lastNotAfter(ip: Ip): Cidr | undefined {
    const list = this.#disjoint[ip.family];
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const candidate = list[middle];
      if (candidate !== undefined && compareIp(candidate.ip, ip) <= 0) low = middle + 1;
      else high = middle;
    }
    return list[low - 1];
  }
}

export const NO_RESERVATIONS: Reservations = new Reservations([]);

/** Sorted networks of one family with every one dropped that lies in another. */
function disjoint(cidrs: readonly Cidr[], family: Family): readonly Cidr[] {
  const result: Cidr[] = [];
  for (const cidr of cidrs.filter((each) => each.ip.family === family).sort(compareCidr)) {
    const last = result.at(-1);
    if (last === undefined || !cidrContains(last, cidr)) result.push(cidr);
  }
  return result;
}
