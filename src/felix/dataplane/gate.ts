/**
 * Holds entries back while their link cannot take them: they become desired the moment the link is there (and up, for
 * what needs that), and stop being desired when it goes. So a missing interface is no failure, and nothing is tried
 * again and again until the runtime has made it.
 *
 * Costs follow the link: a change re-examines the entries of that link and no others.
 */
import type {DeltaTracker} from '../../lib/delta-tracker.ts';
import type {HostLinks} from './host-links.ts';

/** An entry without a link (a blackhole) passes always. */
export interface OnLink {
  readonly link?: string | undefined;
}

export interface GateOptions {
  /** What the kernel asks of the link before it takes such an entry. */
  readonly needs: 'link' | 'link up';
}

export interface GateDependencies<K extends string, E> {
  readonly hostLinks: Pick<HostLinks, 'get'>;
  readonly tracker: Pick<DeltaTracker<K, E>, 'setDesired' | 'deleteDesired'>;
  /** The kernel has no longer what we wrote on that link. */
  forget(key: K, link: string): void;
}

export class Gate<K extends string, E extends OnLink> {
  readonly #needsUp: boolean;
  readonly #hostLinks: Pick<HostLinks, 'get'>;
  readonly #tracker: GateDependencies<K, E>['tracker'];
  readonly #forget: (key: K, link: string) => void;
  readonly #wanted = new Map<K, E>();
  readonly #keysByLink = new Map<string, Set<K>>();

  constructor(options: GateOptions, dependencies: GateDependencies<K, E>) {
    this.#needsUp = options.needs === 'link up';
    this.#hostLinks = dependencies.hostLinks;
    this.#tracker = dependencies.tracker;
    this.#forget = (key, link) => dependencies.forget(key, link);
  }

  set(key: K, entry: E): void {
    const before = this.#wanted.get(key);
    if (before?.link !== entry.link) this.#unlink(key, before);
    this.#wanted.set(key, entry);
    if (entry.link !== undefined) {
      const keys = this.#keysByLink.get(entry.link);
      if (keys === undefined) this.#keysByLink.set(entry.link, new Set([key]));
      else keys.add(key);
    }
    this.#pass(key, entry);
  }

  delete(key: K): void {
    this.#unlink(key, this.#wanted.get(key));
    this.#wanted.delete(key);
    this.#tracker.deleteDesired(key);
  }

  /** Something is wanted on that link, whether or not it passes. */
  hasOn(link: string): boolean {
    return this.#keysByLink.has(link);
  }

  /** The link came, went or changed; with `lostState` what we had written on it can no longer be relied on. */
  onLinkChange(link: string, lostState: boolean): void {
    for (const key of this.#keysByLink.get(link) ?? []) {
      if (lostState) this.#forget(key, link);
      const entry = this.#wanted.get(key);
      if (entry !== undefined) this.#pass(key, entry);
    }
  }

  #pass(key: K, entry: E): void {
    if (this.#isOpen(entry.link)) this.#tracker.setDesired(key, entry);
    else this.#tracker.deleteDesired(key);
  }

  #isOpen(name: string | undefined): boolean {
    if (name === undefined) return true;
    const link = this.#hostLinks.get(name);
    return link !== undefined && (link.isUp || !this.#needsUp);
  }

  #unlink(key: K, entry: E | undefined): void {
    if (entry?.link === undefined) return;
    const keys = this.#keysByLink.get(entry.link);
    if (keys?.delete(key) && keys.size === 0) this.#keysByLink.delete(entry.link);
  }
}
