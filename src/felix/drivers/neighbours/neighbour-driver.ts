/** Permanent neighbours: of workloads (IPv4) and of remote tunnel devices. */
import type {Clock} from '../../../lib/clock.ts';
import type {Changes, Driver} from '../../../lib/driver.ts';
import {deleteNeighbours, dumpNeighbours, replaceNeighbours} from '../../../netlink/neighbours.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import {type NeighbourEntry, type NeighbourKey, neighbourKey} from '../../dataplane/entries.ts';
import {type LinkPicture, linkNames} from '../shared/links-by-name.ts';
import {collectFailures} from '../shared/outcomes.ts';
import type {Ownership} from '../shared/ownership.ts';
import {removalRequests, writeRequests} from '../shared/requests.ts';
import {seenNeighbour} from '../shared/seen-neighbour.ts';

export class NeighbourDriver implements Driver<NeighbourKey, NeighbourEntry> {
  readonly kind = 'neighbour';
  readonly #socket: RouteSocket;
  readonly #ownership: Ownership;
  readonly #links: LinkPicture;
  readonly #clock: Clock;

  constructor(dependencies: {
    readonly socket: RouteSocket;
    readonly ownership: Ownership;
    readonly links: LinkPicture;
    readonly clock: Clock;
  }) {
    this.#clock = dependencies.clock;
    this.#socket = dependencies.socket;
    this.#ownership = dependencies.ownership;
    this.#links = dependencies.links;
  }

  equal(desired: NeighbourEntry, actual: NeighbourEntry): boolean {
    return desired.mac === actual.mac;
  }

  async list(signal: AbortSignal): Promise<Iterable<readonly [NeighbourKey, NeighbourEntry]>> {
    const names = await linkNames(this.#socket, signal);
    const entries: (readonly [NeighbourKey, NeighbourEntry])[] = [];
    for (const family of [4, 6] as const)
      for (const neighbour of await dumpNeighbours(this.#socket, {family}, signal)) {
        const entry = seenNeighbour(neighbour, (index) => names.get(index), this.#ownership);
        if (entry !== undefined) entries.push([neighbourKey(entry), entry]);
      }
    return entries;
  }

  async apply(
    {writes, removals}: Changes<NeighbourKey, NeighbourEntry>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<NeighbourKey, Error>> {
    const socket = this.#socket;
    const context = {links: this.#links, clock: this.#clock, signal};
    const failed = new Map<NeighbourKey, Error>();
    const removed = await removalRequests(removals, ({ip}, index = 0) => ({index, ip}), context);
    if (removed.specs.length > 0)
      collectFailures(
        failed,
        removed.keys,
        await deleteNeighbours(socket, removed.specs, signal),
        'remove the neighbour',
      );
    const written = await writeRequests(writes, ({ip, mac}, index = 0) => ({index, ip, mac}), failed, context);
    if (written.specs.length > 0)
      collectFailures(
        failed,
        written.keys,
        await replaceNeighbours(socket, written.specs, signal),
        'write the neighbour',
      );
    return failed;
  }
}
