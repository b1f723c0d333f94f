/**
 * Forwarding entries of our tunnel devices: which node is behind a MAC. All permanent entries there are ours, so one
 * that sends frames to a node that has left goes, and so does one that floods.
 */
import type {Changes, Driver} from '../../../lib/driver.ts';
import {deleteFdb, dumpFdb, type FdbSpec, replaceFdb} from '../../../netlink/fdb.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import {type FdbEntry, type FdbKey, fdbKey, TUNNEL_DEVICES} from '../../dataplane/entries.ts';
import {findLinks} from '../shared/links-by-name.ts';
import {collectFailures, missingLink} from '../shared/outcomes.ts';
import {seenFdb} from '../shared/seen-neighbour.ts';

export class FdbDriver implements Driver<FdbKey, FdbEntry> {
  readonly kind = 'fdb';
  readonly #socket: RouteSocket;

  constructor(dependencies: {readonly socket: RouteSocket}) {
    this.#socket = dependencies.socket;
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
    const found = await findLinks(this.#socket, TUNNEL_DEVICES, signal);
    const failed = new Map<FdbKey, Error>();

    const removedKeys: FdbKey[] = [];
    const gone: FdbSpec[] = [];
    for (const [key, {link, mac}] of removals) {
      const index = found.get(link)?.index;
      if (index === undefined) continue;
      removedKeys.push(key);
      gone.push({index, mac});
    }
    if (gone.length > 0)
      collectFailures(failed, removedKeys, await deleteFdb(this.#socket, gone, signal), 'remove the forwarding entry');

    const writtenKeys: FdbKey[] = [];
    const specs: FdbSpec[] = [];
    for (const [key, {destination, link, mac}] of writes) {
      const index = found.get(link)?.index;
      if (index === undefined) failed.set(key, missingLink(link, 'write the forwarding entry'));
      else {
        writtenKeys.push(key);
        specs.push({index, mac, dst: destination});
      }
    }
    if (specs.length > 0)
      collectFailures(failed, writtenKeys, await replaceFdb(this.#socket, specs, signal), 'write the forwarding entry');
    return failed;
  }
}
