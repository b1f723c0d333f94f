/**
 * Addresses of our tunnel devices. A device carries one family, and of that family all addresses on it are ours: on the
 * IPv6 one also the link-local address that the kernel makes, for nobody answers there.
 */
import type {Clock} from '../../../lib/clock.ts';
import type {Changes, Driver} from '../../../lib/driver.ts';
import {type AddressSpec, deleteAddresses, dumpAddresses, replaceAddresses} from '../../../netlink/addresses.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import {type AddressEntry, type AddressKey, addressKey, TUNNEL_DEVICES, VXLAN_DEVICE} from '../../dataplane/entries.ts';
import {findLinks, type LinkPicture} from '../shared/links-by-name.ts';
import {collectFailures} from '../shared/outcomes.ts';
import {removalRequests, writeRequests} from '../shared/requests.ts';
import {seenAddress} from '../shared/seen-address.ts';

export class AddressDriver implements Driver<AddressKey, AddressEntry> {
  readonly kind = 'address';
  readonly #socket: RouteSocket;
  readonly #links: LinkPicture;
  readonly #clock: Clock;

  constructor(dependencies: {readonly socket: RouteSocket; readonly links: LinkPicture; readonly clock: Clock}) {
    this.#clock = dependencies.clock;
    this.#socket = dependencies.socket;
    this.#links = dependencies.links;
  }

  /** An address has nothing besides its key. */
  equal(): boolean {
    return true;
  }

  async list(signal: AbortSignal): Promise<Iterable<readonly [AddressKey, AddressEntry]>> {
    const found = await findLinks(this.#socket, TUNNEL_DEVICES, signal);
    const entries: (readonly [AddressKey, AddressEntry])[] = [];
    for (const family of [4, 6] as const) {
      const link = found.get(VXLAN_DEVICE[family]);
      if (link === undefined) continue;
      for (const seen of await dumpAddresses(this.#socket, {family, index: link.index}, signal)) {
        const entry = seenAddress(seen, () => link.name);
        if (entry !== undefined) entries.push([addressKey(entry), entry]);
      }
    }
    return entries;
  }

  async apply(
    {writes, removals}: Changes<AddressKey, AddressEntry>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<AddressKey, Error>> {
    const socket = this.#socket;
    const context = {links: this.#links, clock: this.#clock, signal};
    const failed = new Map<AddressKey, Error>();
    // First the new one, so that the device is never without a source address.
    const written = await writeRequests(writes, specOf, failed, context);
    if (written.specs.length > 0)
      collectFailures(failed, written.keys, await replaceAddresses(socket, written.specs, signal), 'write the address');
    const removed = await removalRequests(removals, specOf, context);
    if (removed.specs.length > 0)
      collectFailures(failed, removed.keys, await deleteAddresses(socket, removed.specs, signal), 'remove the address');
    return failed;
  }
}

/** IPv6: usable at once (nobody else can have it), and without the route to itself that IPv4 does not get either. */
function specOf({address}: AddressEntry, index = 0): AddressSpec {
  const [ip = '', length = ''] = address.split('/');
  const isIpv6 = ip.includes(':');
  return {index, ip, prefixLength: Number(length), nodad: isIpv6, noPrefixRoute: isIpv6};
}
