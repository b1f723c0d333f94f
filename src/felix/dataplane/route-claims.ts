/**
 * Several owners may ask for a route to one destination: a workload here, a block of another node, a tunnel. The kernel
 * shall have one: that of the lowest class, then of the first owner by name. The others wait and are promoted when it
 * goes. Who came first plays no part.
 *
 * Calico lets two classes stand side by side where their metrics differ, and then the lower metric wins whatever the
 * class; here the class decides always, so a stale route of the cluster never takes a local workload's packets.
 */
import type {RouteEntry, RouteKey} from './entries.ts';
import {routeKey} from './entries.ts';
import type {RenderedRoute} from './render-cluster-route.ts';

interface Claim extends RenderedRoute {
  readonly owner: string;
}

export interface RouteSink {
  set(key: RouteKey, entry: RouteEntry): void;
  delete(key: RouteKey, entry: RouteEntry): void;
}

export class RouteClaims {
  readonly #sink: RouteSink;
  readonly #byOwner = new Map<string, readonly RenderedRoute[]>();
  /** Best first. */
  readonly #byDestination = new Map<string, readonly Claim[]>();

  constructor(dependencies: {readonly sink: RouteSink}) {
    this.#sink = dependencies.sink;
  }

  /** Replaces everything `owner` asked for. */
  set(owner: string, routes: readonly RenderedRoute[]): void {
    const before = this.#byOwner.get(owner) ?? [];
    if (routes.length > 0) this.#byOwner.set(owner, routes);
    else this.#byOwner.delete(owner);
    const kept = new Set(routes.map((route) => route.entry.destination));
    for (const {entry} of before) if (!kept.has(entry.destination)) this.#update(entry.destination, owner, undefined);
    for (const route of routes) this.#update(route.entry.destination, owner, {...route, owner});
  }

  delete(owner: string): void {
    this.set(owner, []);
  }

  /** Whose route the destination has. */
  winnerOf(destination: string): string | undefined {
    return this.#byDestination.get(destination)?.[0]?.owner;
  }

  #update(destination: string, owner: string, claim: Claim | undefined): void {
    const before = this.#byDestination.get(destination) ?? [];
    const claims = before.filter((other) => other.owner !== owner);
    if (claim !== undefined) claims.push(claim);
    if (claims.length > 1) claims.sort(compareClaims);
    if (claims.length > 0) this.#byDestination.set(destination, claims);
    else this.#byDestination.delete(destination);
    this.#publish(before[0], claims[0]);
  }

  #publish(before: Claim | undefined, now: Claim | undefined): void {
    if (before !== undefined && (now === undefined || routeKey(before.entry) !== routeKey(now.entry)))
      this.#sink.delete(routeKey(before.entry), before.entry);
    if (now !== undefined && now !== before) this.#sink.set(routeKey(now.entry), now.entry);
  }
}

function compareClaims(a: Claim, b: Claim): number {
  if (a.rank !== b.rank) return a.rank - b.rank;
  return a.owner < b.owner ? -1 : 1;
}
