/**
 * Every kind of kernel object with its stage, and what the kernel's news mean for them.
 *
 * Some news concern more than their own object: a link that goes down loses its routes (those of IPv4 without a word)
 * and its neighbours; a link that goes away, or is made again under the same name, loses everything; an address that
 * goes takes routes with it.
 */
import type {Clock} from '../../lib/clock.ts';
import type {Driver} from '../../lib/driver.ts';
import type {StageMetrics} from '../../lib/metrics.ts';
import {
  type AddressEntry,
  type AddressKey,
  addressKey,
  type FdbEntry,
  type FdbKey,
  type FileEntry,
  type FileKey,
  type InterfaceEntry,
  type InterfaceKey,
  interfaceKey,
  type LinkEntry,
  type LinkKey,
  linkKey,
  type NeighbourEntry,
  type NeighbourKey,
  type RouteEntry,
  type RouteKey,
  type Sysctl,
  type SysctlKey,
  sysctlKey,
} from './entries.ts';
import {Gate, type OnLink} from './gate.ts';
import {
  type HostAddress,
  HostLinks,
  type HostSnapshot,
  isAnotherLink,
  type LinkChange,
  wentDown,
} from './host-links.ts';
import type {KernelNews} from './kernel-view.ts';
import {RouteClaims} from './route-claims.ts';
import {RouteGrace} from './route-grace.ts';
import {Stage} from './stage.ts';

/** One driver per kind; routes have one per family, because a table has. */
export interface DataPlaneDrivers {
  readonly sysctls: Driver<SysctlKey, Sysctl>;
  readonly tunnels: Driver<LinkKey, LinkEntry>;
  readonly addresses: Driver<AddressKey, AddressEntry>;
  readonly fdb: Driver<FdbKey, FdbEntry>;
  readonly interfaces: Driver<InterfaceKey, InterfaceEntry>;
  readonly routes4: Driver<RouteKey, RouteEntry>;
  readonly routes6: Driver<RouteKey, RouteEntry>;
  readonly neighbours: Driver<NeighbourKey, NeighbourEntry>;
}

export interface KernelStateOptions {
  readonly routeGraceMs: number;
}

export interface KernelStateDependencies {
  readonly clock: Clock;
  readonly metrics: StageMetrics | undefined;
  readonly drivers: DataPlaneDrivers;
  /** Something became pending outside a run. */
  onPending(): void;
}

export class KernelState {
  readonly hostLinks = new HostLinks();
  readonly sysctls: Stage<SysctlKey, Sysctl>;
  readonly tunnels: Stage<LinkKey, LinkEntry>;
  readonly addresses: Stage<AddressKey, AddressEntry>;
  readonly fdb: Stage<FdbKey, FdbEntry>;
  readonly interfaces: Stage<InterfaceKey, InterfaceEntry>;
  readonly routes4: Stage<RouteKey, RouteEntry>;
  readonly routes6: Stage<RouteKey, RouteEntry>;
  readonly neighbours: Stage<NeighbourKey, NeighbourEntry>;

  readonly addressGate: Gate<AddressKey, AddressEntry>;
  readonly fdbGate: Gate<FdbKey, FdbEntry>;
  readonly interfaceGate: Gate<InterfaceKey, InterfaceEntry>;
  readonly neighbourGate: Gate<NeighbourKey, NeighbourEntry>;
  readonly routeClaims: RouteClaims;
  readonly grace: RouteGrace;
  readonly #routeGates: {readonly 4: Gate<RouteKey, RouteEntry>; readonly 6: Gate<RouteKey, RouteEntry>};

  constructor(options: KernelStateOptions, dependencies: KernelStateDependencies) {
    const {drivers} = dependencies;
    const stage = <K extends string, V>(driver: Driver<K, V>) => new Stage(driver, dependencies);
    this.sysctls = stage(drivers.sysctls);
    this.tunnels = stage(drivers.tunnels);
    this.addresses = stage(drivers.addresses);
    this.fdb = stage(drivers.fdb);
    this.interfaces = stage(drivers.interfaces);
    this.routes4 = stage(drivers.routes4);
    this.routes6 = stage(drivers.routes6);
    this.neighbours = stage(drivers.neighbours);

    this.addressGate = this.#gate(this.addresses, 'link');
    this.fdbGate = this.#gate(this.fdb, 'link');
    this.interfaceGate = this.#gate(this.interfaces, 'link');
    this.neighbourGate = this.#gate(this.neighbours, 'link up');
    this.#routeGates = {4: this.#gate(this.routes4, 'link up'), 6: this.#gate(this.routes6, 'link up')};
    this.routeClaims = new RouteClaims({
      sink: {
        set: (key, entry) => this.#routeGates[entry.family].set(key, entry),
        delete: (key, {family}) => this.#routeGates[family].delete(key),
      },
    });
    this.grace = new RouteGrace(
      {graceMs: options.routeGraceMs},
      {
        clock: dependencies.clock,
        isClaimed: (link) => this.#routeGates[4].hasOn(link) || this.#routeGates[6].hasOn(link),
        onRelease: () => {
          this.routes4.invalidate();
          this.routes6.invalidate();
          dependencies.onPending();
        },
      },
    );
  }

  get isPending(): boolean {
    return this.#stages.some((stage) => stage.isPending);
  }

  /** What the route and interface refresh intervals concern, or everything. */
  invalidate(what: 'routes' | 'links' | 'all'): void {
    const routes = [this.addresses, this.fdb, this.routes4, this.routes6, this.neighbours];
    const links = [this.sysctls, this.tunnels, this.interfaces];
    if (what !== 'links') for (const stage of routes) stage.invalidate();
    if (what !== 'routes') for (const stage of links) stage.invalidate();
  }

  /** Takes over a full read of the host's links; returns the names that changed. */
  replaceHost(snapshot: HostSnapshot): readonly LinkChange[] {
    return this.#followLinks(this.hostLinks.replaceAll(snapshot));
  }

  /** We have set the link up: what needs that may go on at once, without waiting for the news of it. */
  setUp(name: string): void {
    this.#followLinks(this.hostLinks.setUp(name));
  }

  /** Takes over one piece of news, other than that news were lost. Returns the links it changed. */
  take(news: Exclude<KernelNews, {kind: 'lost'}>): readonly LinkChange[] {
    switch (news.kind) {
      case 'link':
        return this.#followLinks(
          news.isGone ? this.hostLinks.deleteLink(news.link.index) : this.hostLinks.setLink(news.link),
        );
      case 'tunnel':
        this.tunnels.observe(news.key, news.entry);
        return [];
      case 'address':
        if (news.isGone) this.#dropAddress(news.address);
        else this.hostLinks.addAddress(news.address);
        if (news.entry !== undefined)
          this.addresses.observe(addressKey(news.entry), news.isGone ? undefined : news.entry);
        return [];
      case 'fdb':
        this.fdb.observe(news.key, news.entry);
        return [];
      case 'neighbour':
        this.neighbours.observe(news.key, news.entry);
        return [];
      case 'route':
        (news.family === 4 ? this.routes4 : this.routes6).observe(news.key, news.entry);
        return [];
      case 'sysctl':
        this.#takeSysctl(news.path, news.value);
        return [];
    }
  }

  /**
   * With an IPv4 address the kernel drops, without a word, the routes that have it as their source; with the last one of
   * a link, all IPv4 routes through that link.
   */
  #dropAddress(address: HostAddress): void {
    this.hostLinks.deleteAddress(address);
    if (address.ip.includes(':')) return;
    const link = this.hostLinks.nameOf(address.linkIndex);
    const isLast = !this.hostLinks.hasIpv4Address(address.linkIndex);
    for (const [key, {link: via, source}] of this.routes4.tracker.actual)
      if (source === address.ip || (isLast && via !== undefined && via === link)) this.routes4.observe(key, undefined);
  }

  #takeSysctl(path: string, value: string): void {
    this.sysctls.amend(sysctlKey(path), (actual) => (actual.value === value ? actual : {...actual, value}));
    const [, , , link] = path.split('/');
    if (link === undefined) return;
    this.interfaces.amend(interfaceKey(link), (actual) => {
      const index = actual.sysctls.findIndex((sysctl) => sysctl.path === path && sysctl.value !== value);
      const sysctl = actual.sysctls[index];
      return sysctl === undefined ? actual : {...actual, sysctls: actual.sysctls.with(index, {...sysctl, value})};
    });
  }

  #followLinks(changes: readonly LinkChange[]): readonly LinkChange[] {
    for (const change of changes) {
      const {name, previous, current} = change;
      const isAnother = isAnotherLink(change);
      const lostRoutes = isAnother || wentDown(change);
      if (isAnother) {
        this.tunnels.observe(linkKey({name}), undefined);
        if (previous !== undefined) this.grace.onLinkGone(previous.index);
      } else if (current !== undefined && current.isUp !== previous?.isUp) {
        this.interfaces.amend(interfaceKey(name), (actual) => ({...actual, isUp: current.isUp}));
        this.tunnels.amend(linkKey({name}), (actual) => ({...actual, isUp: current.isUp}));
      }
      this.interfaceGate.onLinkChange(name, isAnother);
      this.addressGate.onLinkChange(name, isAnother);
      this.fdbGate.onLinkChange(name, isAnother);
      this.neighbourGate.onLinkChange(name, lostRoutes);
      this.#routeGates[4].onLinkChange(name, lostRoutes);
      this.#routeGates[6].onLinkChange(name, lostRoutes);
    }
    return changes;
  }

  #gate<K extends string, E extends OnLink>(stage: Stage<K, E>, needs: 'link' | 'link up'): Gate<K, E> {
    return new Gate(
      {needs},
      {
        hostLinks: this.hostLinks,
        tracker: stage.tracker,
        forget: (key, link) => stage.amend(key, (actual) => (actual.link === link ? undefined : actual)),
      },
    );
  }

  get #stages(): readonly {readonly isPending: boolean}[] {
    return [
      this.sysctls,
      this.tunnels,
      this.addresses,
      this.fdb,
      this.interfaces,
      this.routes4,
      this.routes6,
      this.neighbours,
    ];
  }
}

/** The file that tells the CNI plugin how large a pod's packets may be. */
export type FileDriver = Driver<FileKey, FileEntry>;
