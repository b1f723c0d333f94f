/**
 * Between names, which entries use, and indexes, which the kernel uses. What is written goes by the picture of the host
 * that the data plane keeps: an index is one life of a link, so the kernel refuses one that is out of date (ENODEV) and
 * never takes it for another link. What is read back is looked up anew, because then the picture is in doubt too.
 */
import type {Link} from '../../../netlink/link.ts';
import {decodeLink, writeLinkGet} from '../../../netlink/link.ts';
import {dumpLinks} from '../../../netlink/links.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import type {HostLinks} from '../../dataplane/host-links.ts';

/** The data plane's picture of the host's links. */
export type LinkPicture = Pick<HostLinks, 'get'>;

const GET_COST_US = 20;
/** From about here on one dump is cheaper than a question for each. */
const DUMP_FROM = 64;

/** Those of the links named that exist. */
export async function findLinks(
  socket: RouteSocket,
  names: Iterable<string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Link>> {
  const wanted = new Set(names);
  const found = new Map<string, Link>();
  const take = (link: Link | undefined) => {
    if (link !== undefined && wanted.has(link.name)) found.set(link.name, link);
  };
  if (wanted.size >= DUMP_FROM) for (const link of await dumpLinks(socket, {}, signal)) take(link);
  else
    await socket.execute(
      [...wanted].map((name) => ({name})),
      writeLinkGet,
      {
        costUs: GET_COST_US,
        signal,
        onReply: (message) => take(decodeLink(message)),
      },
    );
  return found;
}

/** Names of all links by index. */
export async function linkNames(socket: RouteSocket, signal: AbortSignal): Promise<ReadonlyMap<number, string>> {
  const links = await dumpLinks(socket, {}, signal);
  return new Map(links.map((link) => [link.index, link.name]));
}
