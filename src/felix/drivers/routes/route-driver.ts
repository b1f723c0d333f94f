/**
 * Routes of one family in the main table.
 *
 * Writes replace what has the same destination and metric, in one step, so a route that changes is never missing; they
 * come before removals, so a destination that changes its metric is reachable all the time. A removal names all it knows
 * of the route: to the kernel an IPv4 metric of 0 means "any", and would match the route that has just been written.
 */
import type {Family} from '../../../lib/cidr.ts';
import type {Clock} from '../../../lib/clock.ts';
import type {Changes, Driver} from '../../../lib/driver.ts';
import {createBreather} from '../../../lib/yielding.ts';
import {RT_SCOPE} from '../../../netlink/constants.ts';
import type {RouteSelector, RouteSpec} from '../../../netlink/route.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import {deleteRoutes, dumpRoutes, replaceRoutes} from '../../../netlink/routes.ts';
import {MAIN_TABLE, type RouteEntry, type RouteKey, routeKey} from '../../dataplane/entries.ts';
import {type LinkPicture, linkNames} from '../shared/links-by-name.ts';
import {collectFailures} from '../shared/outcomes.ts';
import type {Ownership} from '../shared/ownership.ts';
import {removalRequests, writeRequests} from '../shared/requests.ts';
import {seenRoute} from '../shared/seen-route.ts';

export class RouteDriver implements Driver<RouteKey, RouteEntry> {
  readonly kind: string;
  readonly #family: Family;
  readonly #socket: RouteSocket;
  readonly #ownership: Ownership;
  readonly #links: LinkPicture;
  readonly #clock: Clock;

  constructor(
    options: {readonly family: Family},
    dependencies: {
      readonly socket: RouteSocket;
      readonly ownership: Ownership;
      readonly links: LinkPicture;
      readonly clock: Clock;
    },
  ) {
    this.kind = `route ipv${options.family}`;
    this.#family = options.family;
    this.#socket = dependencies.socket;
    this.#ownership = dependencies.ownership;
    this.#links = dependencies.links;
    this.#clock = dependencies.clock;
  }

  equal(desired: RouteEntry, actual: RouteEntry): boolean {
    return (
      desired === actual ||
      (!actual.isAlien &&
        desired.type === actual.type &&
        desired.protocol === actual.protocol &&
        desired.link === actual.link &&
        desired.gateway === actual.gateway &&
        desired.scope === actual.scope &&
        desired.isOnlink === actual.isOnlink &&
        desired.source === actual.source &&
        desired.mtu === actual.mtu)
    );
  }

  async list(signal: AbortSignal): Promise<Iterable<readonly [RouteKey, RouteEntry]>> {
    const names = await linkNames(this.#socket, signal);
    const routes = await dumpRoutes(this.#socket, {family: this.#family, table: MAIN_TABLE}, signal);
    const entries = new Map<RouteKey, RouteEntry>();
    const breather = createBreather({}, {clock: this.#clock});
    for (const route of routes) {
      if (breather.isDue()) await breather.breathe(signal);
      const entry = seenRoute(route, (index) => names.get(index), this.#ownership);
      if (entry === undefined) continue;
      const key = routeKey(entry);
      // Two routes of one key (an IPv6 next hop added to ours, say): neither is as we want it.
      entries.set(key, entries.has(key) ? {...entry, isAlien: true} : entry);
    }
    return entries;
  }

  async apply(
    {writes, removals}: Changes<RouteKey, RouteEntry>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<RouteKey, Error>> {
    const socket = this.#socket;
    const context = {links: this.#links, clock: this.#clock, signal};
    const failed = new Map<RouteKey, Error>();
    const written = await writeRequests(writes, specOf, failed, context);
    if (written.specs.length > 0)
      collectFailures(failed, written.keys, await replaceRoutes(socket, written.specs, signal), 'write the route');
    const removed = await removalRequests(removals, selectorOf, context);
    if (removed.specs.length > 0)
      collectFailures(failed, removed.keys, await deleteRoutes(socket, removed.specs, signal), 'remove the route');
    return failed;
  }
}

const specOf = (entry: RouteEntry, oif: number | undefined): RouteSpec => ({
  dst: entry.destination,
  table: entry.table,
  protocol: entry.protocol,
  type: entry.type,
  scope: entry.scope === 'link' ? RT_SCOPE.LINK : RT_SCOPE.UNIVERSE,
  metric: entry.metric,
  src: entry.source,
  gateway: entry.gateway,
  oif,
  onlink: entry.isOnlink,
  mtu: entry.mtu,
});

/** Of an alien, what we know is not all there is: only its place in the table names it. */
const selectorOf = (entry: RouteEntry, oif: number | undefined): RouteSelector => ({
  dst: entry.destination,
  table: entry.table,
  metric: entry.metric,
  protocol: entry.protocol,
  ...(entry.isAlien ? {} : {type: entry.type, gateway: entry.gateway, oif}),
});
