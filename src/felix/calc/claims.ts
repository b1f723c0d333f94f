/**
 * Things that only one may have at a time, and who wants them: an interface name, a tunnel address, the CIDR of a pool.
 *
 * The first of the claimants in a fixed order has the thing; the others wait in the shadow and are promoted when it goes.
 * Who came first plays no part, so the outcome is the same whatever the order of the updates. Costs nothing where there
 * is no conflict: a lone claimant is stored bare.
 */
export type Compare<C> = (a: C, b: C) => number;

export class Claims<T, C extends string> {
  readonly #claimants = new Map<T, C | C[]>();
  readonly #compare: Compare<C>;

  constructor(compare: Compare<C> = compareText) {
    this.#compare = compare;
  }

  /** Adds a claim; repeating one changes nothing. */
  claim(thing: T, claimant: C): void {
    const claimants = this.claimantsOf(thing);
    if (claimants.includes(claimant)) return;
    this.#claimants.set(thing, claimants.length === 0 ? claimant : [...claimants, claimant].toSorted(this.#compare));
  }

  release(thing: T, claimant: C): void {
    const left = this.claimantsOf(thing).filter((other) => other !== claimant);
    const [only] = left;
    if (only === undefined) this.#claimants.delete(thing);
    else this.#claimants.set(thing, left.length === 1 ? only : left);
  }

  /** The one that has the thing. */
  ownerOf(thing: T): C | undefined {
    const claimants = this.#claimants.get(thing);
    return typeof claimants === 'object' ? claimants[0] : claimants;
  }

  /** Everyone who wants the thing, the owner first. */
  claimantsOf(thing: T): readonly C[] {
    const claimants = this.#claimants.get(thing);
    if (claimants === undefined) return [];
    return typeof claimants === 'object' ? claimants : [claimants];
  }
}

export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
