/** The host's links and addresses as the kernel lists them, and its opinion on the source address towards a target. */
import {createSocket} from 'node:dgram';
import {lookup} from 'node:dns/promises';
import {type Family, type Ip, type IpWithPrefix, parseIp} from '../lib/cidr.ts';
import {dumpAddresses} from '../netlink/addresses.ts';
import {dumpLinks} from '../netlink/links.ts';
import type {RouteSocket} from '../netlink/route-socket.ts';
import type {HostInterface} from './address-detection.ts';

export async function readHostInterfaces(socket: RouteSocket, signal?: AbortSignal): Promise<HostInterface[]> {
  const links = await dumpLinks(socket, {}, signal);
  const byIndex = new Map<number, IpWithPrefix[]>();
  for (const address of await dumpAddresses(socket, {}, signal)) {
    const ip = parseIp(address.ip);
    if (ip === undefined) continue;
    const list = byIndex.get(address.index) ?? [];
    list.push({ip, length: address.prefixLength});
    byIndex.set(address.index, list);
  }
  return links.map(({index, name, up}) => ({index, name, up, addresses: byIndex.get(index) ?? []}));
}

/** A UDP socket is connected, which sends nothing, and asked for its own address. Undefined when there is no way. */
export async function sourceTowards(target: string, family: Family): Promise<Ip | undefined> {
  let address: string;
  try {
    ({address} = await lookup(target, {family}));
  } catch {
    return undefined;
  }
  return new Promise((resolve) => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    const finish = (source: Ip | undefined) => {
      socket.close();
      resolve(source);
    };
    socket.once('error', () => finish(undefined));
    socket.connect(80, address, () => finish(parseIp(socket.address().address)));
  });
}
