/**
 * What the data plane is told about the kernel: a full read of links and addresses, and the news since. The drivers
 * behind these interfaces turn netlink messages into entries and leave out what is not ours; here it is plain data.
 *
 * News come in the kernel's order. An entry of `undefined` means that no object of that key is left.
 */

import type {Family} from '../../lib/cidr.ts';
import type {
  AddressEntry,
  FdbEntry,
  FdbKey,
  LinkEntry,
  LinkKey,
  NeighbourEntry,
  NeighbourKey,
  RouteEntry,
  RouteKey,
} from './entries.ts';
import type {HostAddress, HostLink, HostSnapshot} from './host-links.ts';

export type KernelNews =
  | {readonly kind: 'link'; readonly link: HostLink; readonly isGone: boolean}
  | {readonly kind: 'tunnel'; readonly key: LinkKey; readonly entry: LinkEntry | undefined}
  /** Of any link; `entry` names it when it is an address that we may keep. */
  | {
      readonly kind: 'address';
      readonly address: HostAddress;
      readonly entry: AddressEntry | undefined;
      readonly isGone: boolean;
    }
  | {readonly kind: 'fdb'; readonly key: FdbKey; readonly entry: FdbEntry | undefined}
  | {readonly kind: 'neighbour'; readonly key: NeighbourKey; readonly entry: NeighbourEntry | undefined}
  | {readonly kind: 'route'; readonly family: Family; readonly key: RouteKey; readonly entry: RouteEntry | undefined}
  /** A setting below /proc/sys/net, of the few that the kernel announces. */
  | {readonly kind: 'sysctl'; readonly path: string; readonly value: string}
  /** News were lost: all that is known has to be read again. */
  | {readonly kind: 'lost'; readonly reason: string};

/** Full reads, off the main thread. */
export interface HostReader {
  read(signal: AbortSignal): Promise<HostSnapshot>;
  /** Those of the links named that exist. */
  find(names: readonly string[], signal: AbortSignal): Promise<readonly HostLink[]>;
  /** Value of one setting, or undefined when it cannot be read. */
  sysctl(path: string): string | undefined;
}

export interface KernelMonitor {
  /** Starts telling. `nameOf` gives the name of a link by its index, as of the news told so far. */
  start(listener: {onNews(news: KernelNews): void; readonly nameOf: (index: number) => string | undefined}): void;
  stop(): void;
}
