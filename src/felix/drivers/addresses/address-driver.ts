/**
 * Addresses of our tunnel devices. A device carries one family, and of that family all addresses on it are ours: on the
 * IPv6 one also the link-local address that the kernel makes, for nobody answers there.
 */
import type {Changes, Driver} from '../../../lib/driver.ts';
import {type AddressSpec, deleteAddresses, dumpAddresses, replaceAddresses} from '../../../netlink/addresses.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import {type AddressEntry, type AddressKey, addressKey, TUNNEL_DEVICES, VXLAN_DEVICE} from '../../dataplane/entries.ts';
import {findLinks} from '../shared/links-by-name.ts';
import {collectFailures, missingLink} from '../shared/outcomes.ts';
import {seenAddress} from '../shared/seen-address.ts';

export class AddressDriver implements Driver<AddressKey, AddressEntry> {
  readonly kind = 'address';
  readonly #socket: RouteSocket;

  constructor(dependencies: {readonly socket: RouteSocket}) {
    this.#socket = dependencies.socket;
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
    const found = await findLinks(this.#socket, TUNNEL_DEVICES, signal);
    const failed = new Map<AddressKey, Error>();

    // First the new one, so that the device is never without a source address.
    const writtenKeys: AddressKey[] = [];
    const specs: AddressSpec[] = [];
    for (const [key, entry] of writes) {
      const index = found.get(entry.link)?.index;
      if (index === undefined) failed.set(key, missingLink(entry.link, 'write the address'));
      else {
        writtenKeys.push(key);
        specs.push(specOf(entry, index));
      }
    }
    if (specs.length > 0)
      collectFailures(failed, writtenKeys, await replaceAddresses(this.#socket, specs, signal), 'write the address');

    const removedKeys: AddressKey[] = [];
    const gone: AddressSpec[] = [];
    for (const [key, entry] of removals) {
      const index = found.get(entry.link)?.index;
      if (index === undefined) continue;
      removedKeys.push(key);
      gone.push(specOf(entry, index));
    }
    if (gone.length > 0)
      collectFailures(failed, removedKeys, await deleteAddresses(this.#socket, gone, signal), 'remove the address');
    return failed;
  }
}

/** IPv6: usable at once (nobody else can have it), and without the route to itself that IPv4 does not get either. */
function specOf({address}: AddressEntry, index: number): AddressSpec {
  const [ip = '', length = ''] = address.split('/');
  const isIpv6 = ip.includes(':');
  return {index, ip, prefixLength: Number(length), nodad: isIpv6, noPrefixRoute: isIpv6};
}
