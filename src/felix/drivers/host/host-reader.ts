/** Reads all links and addresses of the namespace, or single links, for the data plane's picture of the host. */
import {dumpAddresses} from '../../../netlink/addresses.ts';
import {dumpLinks} from '../../../netlink/links.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import type {Sysctls} from '../../../netlink/sysctls.ts';
import type {HostLink, HostSnapshot} from '../../dataplane/host-links.ts';
import type {HostReader} from '../../dataplane/kernel-view.ts';
import {findLinks} from '../shared/links-by-name.ts';
import {hostLink} from '../shared/seen-link.ts';

export class NetlinkHostReader implements HostReader {
  readonly #socket: RouteSocket;
  readonly #sysctls: Sysctls;

  constructor(dependencies: {readonly socket: RouteSocket; readonly sysctls: Sysctls}) {
    this.#socket = dependencies.socket;
    this.#sysctls = dependencies.sysctls;
  }

  async read(signal: AbortSignal): Promise<HostSnapshot> {
    const links = await dumpLinks(this.#socket, {}, signal);
    const addresses = await dumpAddresses(this.#socket, {}, signal);
    return {links: links.map(hostLink), addresses: addresses.map(({index, ip}) => ({linkIndex: index, ip}))};
  }

  async find(names: readonly string[], signal: AbortSignal): Promise<readonly HostLink[]> {
    return [...(await findLinks(this.#socket, names, signal)).values()].map(hostLink);
  }

  sysctl(path: string): string | undefined {
    const [value] = this.#sysctls.read([path]);
    return typeof value === 'string' ? value : undefined;
  }
}
