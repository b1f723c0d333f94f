/**
 * Our VXLAN devices. The kernel lets MTU and state of a device be changed; with anything else that differs the device
 * is deleted and made anew, which takes its addresses, routes and entries with it.
 */
import type {Changes, Driver} from '../../../lib/driver.ts';
import {AgentError} from '../../../lib/errors.ts';
import {netlinkError, requireDone} from '../../../netlink/kernel-answer.ts';
import type {Link} from '../../../netlink/link.ts';
import {createVxlan, deleteLinks, getLink, setLink} from '../../../netlink/links.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import {type LinkEntry, type LinkKey, linkKey, TUNNEL_DEVICES} from '../../dataplane/entries.ts';
import {findLinks} from '../shared/links-by-name.ts';
import {missingLink} from '../shared/outcomes.ts';
import {seenTunnel} from '../shared/seen-link.ts';

export class TunnelDriver implements Driver<LinkKey, LinkEntry> {
  readonly kind = 'tunnel link';
  readonly #socket: RouteSocket;

  constructor(dependencies: {readonly socket: RouteSocket}) {
    this.#socket = dependencies.socket;
  }

  equal(desired: LinkEntry, actual: LinkEntry): boolean {
    return isCompatible(desired, actual) && desired.mtu === actual.mtu && desired.isUp === actual.isUp;
  }

  async list(signal: AbortSignal): Promise<Iterable<readonly [LinkKey, LinkEntry]>> {
    const found = await findLinks(this.#socket, TUNNEL_DEVICES, signal);
    const entries: (readonly [LinkKey, LinkEntry])[] = [];
    for (const link of found.values()) entries.push([linkKey(link), await this.#entryOf(link)]);
    return entries;
  }

  async apply(
    {writes, removals}: Changes<LinkKey, LinkEntry>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<LinkKey, Error>> {
    const failed = new Map<LinkKey, Error>();
    // Before the new ones: two devices may not share VNI and port.
    const gone = [...removals.keys()];
    const outcomes = gone.length > 0 ? await deleteLinks(this.#socket, gone, signal) : [];
    outcomes.forEach((outcome, i) => {
      const name = gone[i];
      if (!outcome.ok && name !== undefined)
        failed.set(name, netlinkError(outcome, 'delete the tunnel device', {name}));
    });
    for (const [key, entry] of writes) {
      signal.throwIfAborted();
      try {
        await this.#write(entry, signal);
      } catch (error) {
        // What the kernel refused is this device's failure; a lost answer is not known to be one.
        if (!(error instanceof AgentError) || error.code !== 'E_NETLINK') throw error;
        failed.set(key, error);
      }
    }
    return failed;
  }

  async #write(entry: LinkEntry, signal: AbortSignal): Promise<void> {
    const existing = (await findLinks(this.#socket, [entry.name], signal)).get(entry.name);
    if (existing !== undefined) {
      if (isCompatible(entry, await this.#entryOf(existing)))
        return setLink(this.#socket, existing.index, {mtu: entry.mtu, up: entry.isUp});
      const [outcome] = await deleteLinks(this.#socket, [entry.name], signal);
      requireDone(outcome, 'delete the tunnel device', {name: entry.name});
    }
    const parent = await getLink(this.#socket, {name: entry.parent});
    if (parent === undefined) throw missingLink(entry.parent, 'make the tunnel device');
    await createVxlan(this.#socket, {
      name: entry.name,
      id: entry.vni,
      port: entry.port,
      local: entry.local,
      parentIndex: parent.index,
      // Nobody teaches us where a MAC is: the entries are written down.
      learning: false,
      mac: entry.mac,
      mtu: entry.mtu,
      up: entry.isUp,
    });
  }

  async #entryOf(link: Link): Promise<LinkEntry> {
    const parentIndex = link.info.kind === 'vxlan' ? link.info.parentIndex : undefined;
    const parent = parentIndex === undefined ? undefined : await getLink(this.#socket, {index: parentIndex});
    return seenTunnel(link, () => parent?.name);
  }
}

/** The device can become the wanted one without being made anew. */
const isCompatible = (desired: LinkEntry, actual: LinkEntry): boolean =>
  actual.flaw === undefined &&
  desired.vni === actual.vni &&
  desired.port === actual.port &&
  desired.mac === actual.mac &&
  desired.parent === actual.parent &&
  desired.local === actual.local;
