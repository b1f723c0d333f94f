/**
 * The links of a namespace by index and by name, kept from the monitor's events, and what each event means for those
 * who know links by name.
 *
 * A name is a role, an index is a device: a renamed link is the old name gone and the new name appeared; a link deleted
 * and made again under its name is gone and appeared, also when the two events arrive the wrong way round or the first
 * was lost. Two devices may seem to have one name for a moment; the newer event wins.
 */
import type {Link} from './link.ts';

export type LinkTableChange =
  | {readonly kind: 'appeared'; readonly link: Link}
  | {readonly kind: 'changed'; readonly before: Link; readonly link: Link}
  /** The name has no link any more; `link` is what it was. */
  | {readonly kind: 'vanished'; readonly link: Link};

export class LinkTable {
  readonly #byIndex = new Map<number, Link>();
  readonly #byName = new Map<string, Link>();

  get size(): number {
    return this.#byIndex.size;
  }

  byIndex(index: number): Link | undefined {
    return this.#byIndex.get(index);
  }

  byName(name: string): Link | undefined {
    return this.#byName.get(name);
  }

  links(): IterableIterator<Link> {
    return this.#byIndex.values();
  }

  /** Takes one event in and says what it changed, in the order a consumer should act. */
  apply(event: {readonly gone: boolean; readonly link: Link}): readonly LinkTableChange[] {
    return event.gone ? this.#remove(event.link.index) : this.#put(event.link);
  }

  /** Replaces everything by a dump, and says what that changed. */
  replace(links: Iterable<Link>): readonly LinkTableChange[] {
    const dump = [...links];
    const present = new Set(dump.map((link) => link.index));
    const changes: LinkTableChange[] = [];
    for (const index of this.#byIndex.keys()) if (!present.has(index)) changes.push(...this.#remove(index));
    for (const link of dump) changes.push(...this.#put(link));
    return changes;
  }

  #put(link: Link): readonly LinkTableChange[] {
    const before = this.#byIndex.get(link.index);
    if (before !== undefined && before.name === link.name) {
      if (sameLink(before, link)) return [];
      this.#set(link);
      return [{kind: 'changed', before, link}];
    }
    const changes: LinkTableChange[] = [];
    if (before !== undefined) changes.push(...this.#remove(before.index));
    const holder = this.#byName.get(link.name);
    if (holder !== undefined) changes.push(...this.#remove(holder.index));
    this.#set(link);
    changes.push({kind: 'appeared', link});
    return changes;
  }

  #set(link: Link): void {
    this.#byIndex.set(link.index, link);
    this.#byName.set(link.name, link);
  }

  #remove(index: number): readonly LinkTableChange[] {
    const link = this.#byIndex.get(index);
    if (link === undefined) return [];
    this.#byIndex.delete(index);
    this.#byName.delete(link.name);
    return [{kind: 'vanished', link}];
  }
}

/** Equal in everything but the kind's own data, which cannot change while a link lives. */
function sameLink(a: Link, b: Link): boolean {
  return (
    a.flags === b.flags &&
    a.mac === b.mac &&
    a.mtu === b.mtu &&
    a.operState === b.operState &&
    a.group === b.group &&
    a.master === b.master &&
    a.parentIndex === b.parentIndex &&
    a.parentNetnsId === b.parentNetnsId &&
    a.txQueueLength === b.txQueueLength &&
    a.alias === b.alias
  );
}

/**
 * True when the kernel has dropped IPv4 routes through this link without saying so: it was set down, it went away, or
 * another link has its name now. Whoever keeps routes by link has to read them again.
 */
export function silentlyLosesRoutes(change: LinkTableChange): boolean {
  switch (change.kind) {
    case 'appeared':
      return false;
    case 'changed':
      return change.before.up && !change.link.up;
    case 'vanished':
      return true;
  }
}
