/** A neighbour, or a forwarding entry, of the kernel -> an entry, when it is ours: permanent, on a link of ours. */
import type {FdbEntry as KernelFdbEntry} from '../../../netlink/fdb.ts';
import type {Neighbour} from '../../../netlink/neighbours.ts';
import {type FdbEntry, isTunnelDevice, type NeighbourEntry} from '../../dataplane/entries.ts';
import type {Ownership} from './ownership.ts';

type NameOf = (index: number) => string | undefined;

/** The link of the neighbour, when neighbours of that family on it are ours. */
export function neighbourLink(
  {family, index, proxy}: Neighbour,
  nameOf: NameOf,
  ownership: Ownership,
): string | undefined {
  const link = proxy ? undefined : nameOf(index);
  if (link === undefined) return undefined;
  return isTunnelDevice(link) || (family === 4 && ownership.isWorkloadInterface(link)) ? link : undefined;
}

export function seenNeighbour(neighbour: Neighbour, nameOf: NameOf, ownership: Ownership): NeighbourEntry | undefined {
  if (neighbour.state !== 'permanent') return undefined;
  const link = neighbourLink(neighbour, nameOf, ownership);
  return link === undefined ? undefined : {link, ip: neighbour.ip, mac: neighbour.mac ?? ''};
}

/** The tunnel device of the entry; undefined for entries of other links, or of a bridge. */
export function fdbLink({index, table}: KernelFdbEntry, nameOf: NameOf): string | undefined {
  const link = table === 'self' ? nameOf(index) : undefined;
  return link !== undefined && isTunnelDevice(link) ? link : undefined;
}

export function seenFdb(entry: KernelFdbEntry, nameOf: NameOf): FdbEntry | undefined {
  const link = entry.permanent ? fdbLink(entry, nameOf) : undefined;
  return link === undefined ? undefined : {link, mac: entry.mac, destination: entry.dst ?? ''};
}
