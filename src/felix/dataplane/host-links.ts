/**
 * The links and addresses of the host as last seen, and the questions render asks about them: is this link there and
 * up, which link holds the node's address, how large may a packet be.
 *
 * Fed by full reads, by looking a link up, and by the kernel's events, which lag behind both. Answers are by name; an
 * index is one life of a link, so a link deleted and made again shows as a change even if nobody saw it missing.
 */
export interface HostLink {
  readonly name: string;
  readonly index: number;
  /** Administratively up (IFF_UP). The kernel takes routes from then on, whatever the carrier says. */
  readonly isUp: boolean;
  readonly mtu: number;
}

export interface HostAddress {
  readonly linkIndex: number;
  /** Canonical, without prefix length. */
  readonly ip: string;
}

export interface HostSnapshot {
  readonly links: readonly HostLink[];
  readonly addresses: readonly HostAddress[];
}

/** What became of one name. `current` is undefined when no link has it any more. */
export interface LinkChange {
  readonly name: string;
  readonly previous: HostLink | undefined;
  readonly current: HostLink | undefined;
}

/** True when the link of that name is gone or is another one now: everything on it went with it. */
export function isAnotherLink({previous, current}: LinkChange): boolean {
  return previous !== undefined && current?.index !== previous.index;
}

/** True when the link went down, which costs it its routes and neighbours (IPv4 routes without a word from the kernel). */
export function wentDown({previous, current}: LinkChange): boolean {
  return previous?.isUp === true && current?.isUp === false;
}

export class HostLinks {
  readonly #byIndex = new Map<number, HostLink>();
  readonly #byName = new Map<string, HostLink>();
  /** Links that we have set up and whose event of that is still to come: what says "down" before it is older. */
  readonly #awaitingUp = new Set<number>();
  /** Which names the last pattern matched. */
  readonly #matches = new Map<string, boolean>();
  #pattern: RegExp | undefined;
  /** Address -> indexes of the links that hold it. */
  readonly #holders = new Map<string, Set<number>>();

  get(name: string): HostLink | undefined {
    return this.#byName.get(name);
  }

  isUp(name: string): boolean {
    return this.#byName.get(name)?.isUp ?? false;
  }

  nameOf(index: number): string | undefined {
    return this.#byIndex.get(index)?.name;
  }

  get names(): Iterable<string> {
    return this.#byName.keys();
  }

  /** The link that has `ip` as one of its own addresses; the oldest of several. */
  holderOf(ip: string): HostLink | undefined {
    const indexes = this.#holders.get(ip);
    return indexes && this.#byIndex.get(Math.min(...indexes));
  }

  /** The link has an IPv4 address. */
  hasIpv4Address(index: number): boolean {
    for (const [ip, indexes] of this.#holders) if (!ip.includes(':') && indexes.has(index)) return true;
    return false;
  }

  /** Smallest MTU of the links that are up and match; undefined when none does. */
  smallestMtu(pattern: RegExp): number | undefined {
    if (pattern !== this.#pattern) {
      this.#pattern = pattern;
      this.#matches.clear();
    }
    let smallest: number | undefined;
    for (const {name, isUp, mtu} of this.#byIndex.values())
      if (isUp && (smallest === undefined || mtu < smallest) && this.#isMatch(name, pattern)) smallest = mtu;
    return smallest;
  }

  /** Asked for hundreds of workload interfaces at every run: an expression is slower than a look into a map. */
  #isMatch(name: string, pattern: RegExp): boolean {
    const known = this.#matches.get(name);
    if (known !== undefined) return known;
    const isMatch = pattern.test(name);
    this.#matches.set(name, isMatch);
    return isMatch;
  }

  /** Takes over a full read; returns what it shows to have changed. */
  replaceAll(snapshot: HostSnapshot): LinkChange[] {
    const previous = new Map(this.#byName);
    this.#byIndex.clear();
    this.#byName.clear();
    this.#holders.clear();
    this.#awaitingUp.clear();
    for (const link of snapshot.links) this.#store(link);
    for (const address of snapshot.addresses) this.addAddress(address);
    const changes: LinkChange[] = [];
    for (const name of new Set([...previous.keys(), ...this.#byName.keys()]))
      push(changes, {name, previous: previous.get(name), current: this.#byName.get(name)});
    return changes;
  }

  /** We have set the link up; the kernel has said so. */
  setUp(name: string): LinkChange[] {
    const link = this.#byName.get(name);
    if (link === undefined || link.isUp) return [];
    const changes = this.setLink({...link, isUp: true});
    this.#awaitingUp.add(link.index);
    return changes;
  }

  /** A link is like this now. Two changes when it was renamed or took the name of another. */
  setLink(link: HostLink): LinkChange[] {
    if (this.#awaitingUp.has(link.index)) {
      if (!link.isUp) return [];
      this.#awaitingUp.delete(link.index);
    }
    const changes: LinkChange[] = [];
    const before = this.#byIndex.get(link.index);
    if (before !== undefined && before.name !== link.name) changes.push(...this.deleteLink(link.index));
    const previous = this.#byName.get(link.name);
    if (previous !== undefined && previous.index !== link.index) this.#forget(previous);
    this.#store(link);
    push(changes, {name: link.name, previous, current: link});
    return changes;
  }

  deleteLink(index: number): LinkChange[] {
    const previous = this.#byIndex.get(index);
    if (previous === undefined) return [];
    this.#forget(previous);
    return [{name: previous.name, previous, current: undefined}];
  }

  addAddress({ip, linkIndex}: HostAddress): void {
    const indexes = this.#holders.get(ip);
    if (indexes === undefined) this.#holders.set(ip, new Set([linkIndex]));
    else indexes.add(linkIndex);
  }

  deleteAddress({ip, linkIndex}: HostAddress): void {
    const indexes = this.#holders.get(ip);
    if (indexes?.delete(linkIndex) && indexes.size === 0) this.#holders.delete(ip);
  }

  #store(link: HostLink): void {
    this.#byIndex.set(link.index, link);
    this.#byName.set(link.name, link);
  }

  /** The kernel takes a link's addresses away with it; their events may come before or after. */
  #forget({name, index}: HostLink): void {
    this.#byIndex.delete(index);
    this.#byName.delete(name);
    this.#awaitingUp.delete(index);
    this.#matches.delete(name);
    for (const [ip, indexes] of this.#holders)
      if (indexes.delete(index) && indexes.size === 0) this.#holders.delete(ip);
  }
}

function push(changes: LinkChange[], change: LinkChange): void {
  const {previous, current} = change;
  const isSame =
    previous?.index === current?.index && previous?.isUp === current?.isUp && previous?.mtu === current?.mtu;
  if (!isSame) changes.push(change);
}
