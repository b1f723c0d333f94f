/** Permanent neighbours: of workloads (IPv4) and of remote tunnel devices. */
import type {Changes, Driver} from '../../../lib/driver.ts';
import {
  deleteNeighbours,
  dumpNeighbours,
  type NeighbourSelector,
  type NeighbourSpec,
  replaceNeighbours,
} from '../../../netlink/neighbours.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import {type NeighbourEntry, type NeighbourKey, neighbourKey} from '../../dataplane/entries.ts';
import {findLinks, linkNames} from '../shared/links-by-name.ts';
import {collectFailures, missingLink} from '../shared/outcomes.ts';
import type {Ownership} from '../shared/ownership.ts';
import {seenNeighbour} from '../shared/seen-neighbour.ts';

export class NeighbourDriver implements Driver<NeighbourKey, NeighbourEntry> {
  readonly kind = 'neighbour';
  readonly #socket: RouteSocket;
  readonly #ownership: Ownership;

  constructor(dependencies: {readonly socket: RouteSocket; readonly ownership: Ownership}) {
    this.#socket = dependencies.socket;
    this.#ownership = dependencies.ownership;
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
    const links = [...writes.values(), ...removals.values()].map((entry) => entry.link);
    const found = await findLinks(this.#socket, links, signal);
    const failed = new Map<NeighbourKey, Error>();

    const removedKeys: NeighbourKey[] = [];
    const selectors: NeighbourSelector[] = [];
    for (const [key, {ip, link}] of removals) {
      const index = found.get(link)?.index;
      if (index === undefined) continue;
      removedKeys.push(key);
      selectors.push({index, ip});
    }
    if (selectors.length > 0)
      collectFailures(
        failed,
        removedKeys,
        await deleteNeighbours(this.#socket, selectors, signal),
        'remove the neighbour',
      );

    const writtenKeys: NeighbourKey[] = [];
    const specs: NeighbourSpec[] = [];
    for (const [key, {ip, link, mac}] of writes) {
      const index = found.get(link)?.index;
      if (index === undefined) failed.set(key, missingLink(link, 'write the neighbour'));
      else {
        writtenKeys.push(key);
        specs.push({index, ip, mac});
      }
    }
    if (specs.length > 0)
      collectFailures(failed, writtenKeys, await replaceNeighbours(this.#socket, specs, signal), 'write the neighbour');
    return failed;
  }
}
