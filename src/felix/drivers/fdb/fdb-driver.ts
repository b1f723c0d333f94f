/**
 * Forwarding entries of our tunnel devices: which node is behind a MAC. All permanent entries there are ours, so one
 * that sends frames to a node that has left goes, and so does one that floods.
 */
import type {Clock} from '../../../lib/clock.ts';
import type {Changes, Driver} from '../../../lib/driver.ts';
import {deleteFdb, dumpFdb, replaceFdb} from '../../../netlink/fdb.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import {type FdbEntry, type FdbKey, fdbKey, TUNNEL_DEVICES} from '../../dataplane/entries.ts';
import {findLinks, type LinkPicture} from '../shared/links-by-name.ts';
import {collectFailures} from '../shared/outcomes.ts';
import {removalRequests, writeRequests} from '../shared/requests.ts';
import {seenFdb} from '../shared/seen-neighbour.ts';

export class FdbDriver implements Driver<FdbKey, FdbEntry> {
  readonly kind = 'fdb';
  readonly #socket: RouteSocket;
  readonly #links: LinkPicture;
  readonly #clock: Clock;

  constructor(dependencies: {readonly socket: RouteSocket; readonly links: LinkPicture; readonly clock: Clock}) {
    this.#clock = dependencies.clock;
    this.#socket = dependencies.socket;
    this.#links = dependencies.links;
  }

  equal(desired: FdbEntry, actual: FdbEntry): boolean {
    return desired.destination === actual.destination;
  }

  async list(signal: AbortSignal): Promise<Iterable<readonly [FdbKey, FdbEntry]>> {
    const entries: (readonly [FdbKey, FdbEntry])[] = [];
    const found = await findLinks(this.#socket, TUNNEL_DEVICES, signal);
    for (const {index, name} of found.values())
      for (const seen of await dumpFdb(this.#socket, {index}, signal)) {
        const entry = seenFdb(seen, (of) => (of === index ? name : undefined));
        if (entry !== undefined) entries.push([fdbKey(entry), entry]);
      }
    return entries;
  }

  async apply({writes, removals}: Changes<FdbKey, FdbEntry>, signal: AbortSignal): Promise<ReadonlyMap<FdbKey, Error>> {
    const socket = this.#socket;
    const context = {links: this.#links, clock: this.#clock, signal};
    const failed = new Map<FdbKey, Error>();
    const removed = await removalRequests(removals, ({mac}, index = 0) => ({index, mac}), context);
    if (removed.specs.length > 0)
      collectFailures(
        failed,
        removed.keys,
        await deleteFdb(socket, removed.specs, signal),
        'remove the forwarding entry',
      );
    const specOf = ({destination, mac}: FdbEntry, index = 0) => ({index, mac, dst: destination});
    const written = await writeRequests(writes, specOf, failed, context);
    if (written.specs.length > 0)
      collectFailures(
        failed,
        written.keys,
        await replaceFdb(socket, written.specs, signal),
        'write the forwarding entry',
      );
    return failed;
  }
}
