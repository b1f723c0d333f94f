/**
 * The pod's side of its network: a veth whose other end is made straight in the host's namespace, routes, addresses and
 * settings inside the pod. The host's side (settings, link up, routes) is Felix's; we never set that link up.
 *
 *   createVeth    the pair, both ends down          needs names and MTU only, so addresses may still be on their way
 *   prepare       settings, link up, IPv4 routes    needs to know the families; the link may be without carrier
 *   addIpv4       addresses of IPv4
 *   addIpv6       route and addresses of IPv6       after Felix: the next hop is what the host's end calls itself
 *
 * Settings and routes come before addresses: a program in the pod that sees its address can use it. Few system calls, all inline: the
 * whole takes about half a millisecond of kernel time. Deleting a link takes 20, so that is LinkDeleter's.
 *
 * What surprised us: a MAC given with the request that makes the link is final (nothing like udev changes it), while
 * one set later is not; and EEXIST does not say which of the two names is taken.
 */
import {closeSync, openSync} from 'node:fs';
import {type Clock, sleep} from '../lib/clock.ts';
import {AgentError} from '../lib/errors.ts';
import type {Addon, SysctlWrite} from '../native/addon.ts';
import {type AddressSpec, dumpAddresses, writeAddressReplace} from '../netlink/addresses.ts';
import {EEXIST, ENODEV, ENOENT, hasErrno, requireDone} from '../netlink/kernel-answer.ts';
import {type Link, writeLinkChange} from '../netlink/link.ts';
import {LinkDeleter} from '../netlink/link-deleter.ts';
import {createVeth, deleteLinks, getLink} from '../netlink/links.ts';
import type {MessageWriter} from '../netlink/message-writer.ts';
import {type RouteSpec, writeRouteAdd} from '../netlink/route.ts';
import {RouteSocket} from '../netlink/route-socket.ts';
import {Sysctls} from '../netlink/sysctls.ts';
import {isIpv6} from './result.ts';

export interface PodNetworkOptions {
  /** Descriptor of the host's namespace, needed as long as this object is used; the process's own when absent. */
  readonly hostNetnsFd?: number | undefined;
}

export interface PodNetworkDependencies {
  readonly addon: Pick<Addon, 'openNetlink' | 'readSysctls' | 'writeSysctls'>;
  readonly clock: Clock;
}

export interface VethRequest {
  /** Descriptor of the pod's namespace. */
  readonly netnsFd: number;
  readonly ifname: string;
  readonly hostInterface: string;
  /** The kernel's default when absent. */
  readonly mtu: number | undefined;
  readonly queues: number;
}

/** The pod's end of a new veth, and a socket in its namespace. */
export interface PodVeth extends Disposable {
  readonly request: VethRequest;
  readonly socket: RouteSocket;
  readonly link: Link;
}

export interface Families {
  readonly hasIpv4: boolean;
  readonly hasIpv6: boolean;
}

export interface PodSettings {
  readonly families: Families;
  /** CIDRs to route to the host; the default routes when undefined. */
  readonly destinations: readonly string[] | undefined;
  readonly allowsIpForwarding: boolean;
}

/** Every host end has this MAC, and so the link-local address fe80::ecee:eeff:feee:eeee. */
const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
/** Nobody has this address: the host answers for it (proxy ARP). */
const IPV4_GATEWAY = '169.254.1.1';
const CONFIGURE_COST_US = 80;
const USABLE_WAITS_MS = [1, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

type Step = readonly [what: string, write: (writer: MessageWriter) => void];

export class PodNetwork implements Disposable {
  readonly #dependencies: PodNetworkDependencies;
  /** The host's namespace, as the kernel wants it with a peer. */
  readonly #hostFd: number;
  readonly #ownsHostFd: boolean;
  readonly #host: RouteSocket;
  readonly #deleter: LinkDeleter;

  constructor(options: PodNetworkOptions, dependencies: PodNetworkDependencies) {
    this.#dependencies = dependencies;
    this.#ownsHostFd = options.hostNetnsFd === undefined;
    this.#hostFd = options.hostNetnsFd ?? openSync('/proc/self/ns/net', 'r');
    this.#host = new RouteSocket({netnsFd: this.#hostFd}, dependencies);
    this.#deleter = new LinkDeleter({netnsFd: this.#hostFd}, dependencies);
  }

  close(): void {
    this.#host.close();
    this.#deleter.close();
    if (this.#ownsHostFd) closeSync(this.#hostFd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Makes the pair, both ends down. `mayReplace` is asked when the host's name is taken: true deletes that link, which
   * takes its other end away too. Rejects with E_NETLINK (EEXIST: the pod has such a link, EINVAL: the MTU).
   */
  async createVeth(request: VethRequest, mayReplace: () => Promise<boolean>): Promise<PodVeth> {
    const {netnsFd, ifname: name, hostInterface, mtu, queues} = request;
    const socket = new RouteSocket({netnsFd}, this.#dependencies);
    const common = {mtu, numTxQueues: queues, numRxQueues: queues};
    const create = () =>
      createVeth(socket, {
        ...common,
        name,
        peer: {...common, name: hostInterface, mac: HOST_MAC, netnsFd: this.#hostFd},
      });
    try {
      const link = await this.#createOrReplace(create, hostInterface, mayReplace);
      return {request, socket, link, [Symbol.dispose]: () => socket.close()};
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  async #createOrReplace(
    create: () => Promise<Link>,
    hostInterface: string,
    mayReplace: () => Promise<boolean>,
  ): Promise<Link> {
    try {
      return await create();
    } catch (error) {
      const isTaken = hasErrno(error, EEXIST) && (await getLink(this.#host, {name: hostInterface})) !== undefined;
      if (!isTaken || !(await mayReplace())) throw error;
      await this.#deleter.delete(hostInterface);
      return create();
    }
  }

  /** Everything that needs no address. */
  async prepare({socket, link, request}: PodVeth, settings: PodSettings): Promise<void> {
    const {index} = link;
    const {hasIpv4, hasIpv6} = settings.families;
    const sysctls = new Sysctls({netnsFd: request.netnsFd}, this.#dependencies);
    const forwarding = settings.allowsIpForwarding ? '1' : '0';
    const before: SysctlWrite[] = [];
    // Before the link is up: nobody else can have its addresses, so none has to wait for a duplicate.
    if (hasIpv6) {
      before.push({path: `net/ipv6/conf/${request.ifname}/accept_dad`, value: '0'});
      for (const each of ['all', 'default', 'lo'])
        before.push({path: `net/ipv6/conf/${each}/disable_ipv6`, value: '0'});
      before.push({path: 'net/ipv6/conf/all/forwarding', value: forwarding});
    }
    if (hasIpv4) before.push({path: 'net/ipv4/ip_forward', value: forwarding});
    write(sysctls, before);
    const steps: Step[] = [['set the link of the pod up', (writer) => writeLinkChange(writer, {index, up: true})]];
    if (hasIpv4) {
      steps.push(routeStep({dst: `${IPV4_GATEWAY}/32`, oif: index}));
      for (const dst of settings.destinations?.filter((each) => !isIpv6(each)) ?? ['0.0.0.0/0'])
        steps.push(routeStep({dst, gateway: IPV4_GATEWAY, oif: index}));
    }
    await run(socket, steps);
  }

  /** The IPv4 addresses among these networks. */
  async addIpv4({socket, link}: PodVeth, ipNetworks: readonly string[]): Promise<void> {
    const ipv4 = ipNetworks.filter((net) => !isIpv6(net));
    await run(
      socket,
      ipv4.map((net) => addressStep(net, link.index)),
    );
  }

  /** Everything of IPv6, if the pod has any. The host's end must be up. */
  async addIpv6(
    {socket, link, request}: PodVeth,
    ipNetworks: readonly string[],
    settings: PodSettings,
    signal: AbortSignal,
  ): Promise<void> {
    const ipv6 = ipNetworks.filter(isIpv6);
    if (ipv6.length === 0) return;
    const gateway = await this.#linkLocalAddress(request.hostInterface, signal);
    const {index} = link;
    const destinations = settings.destinations?.filter(isIpv6) ?? ['::/0'];
    await run(socket, [
      ...destinations.map((dst) => routeStep({dst, gateway, oif: index})),
      ...ipv6.map((net) => addressStep(net, index)),
    ]);
    const wanted = ipv6.map((net) => net.split('/')[0]);
    await this.#usableAddresses(socket, index, signal, (usable) => wanted.every((ip) => usable.includes(ip ?? '')));
  }

  /** It follows from the MAC only where nobody changed addr_gen_mode, so it is read. */
  async #linkLocalAddress(hostInterface: string, signal: AbortSignal): Promise<string> {
    const index = (await getLink(this.#host, {name: hostInterface}))?.index;
    if (index === undefined)
      throw new AgentError('E_CNI_FAILED', 'the host side of the veth is gone', {link: hostInterface});
    const isLinkLocal = (ip: string) => ip.startsWith('fe80:');
    const usable = await this.#usableAddresses(this.#host, index, signal, (ips) => ips.some(isLinkLocal));
    return usable.find(isLinkLocal) ?? '';
  }

  /**
   * IPv6 addresses of the link as soon as they are enough. The kernel makes them usable a moment later than it takes
   * them, and until then nobody is answered who asks for them: the first packets would wait for a second.
   */
  async #usableAddresses(
    socket: RouteSocket,
    index: number,
    signal: AbortSignal,
    areEnough: (usable: readonly string[]) => boolean,
  ): Promise<readonly string[]> {
    for (let attempt = 0; ; attempt++) {
      const addresses = await dumpAddresses(socket, {family: 6, index}, signal);
      const usable = addresses.filter(({tentative}) => !tentative).map(({ip}) => ip);
      if (areEnough(usable)) return usable;
      const waitMs = USABLE_WAITS_MS[attempt];
      if (waitMs === undefined)
        throw new AgentError('E_CNI_FAILED', 'the IPv6 addresses of the veth do not become usable', {
          usable,
          tentative: addresses.filter(({tentative}) => tentative).map(({ip}) => ip),
        });
      await sleep(this.#dependencies.clock, waitMs, signal);
    }
  }

  /** The host's side; undefined when there is none. */
  hostLink(name: string): Promise<Link | undefined> {
    return getLink(this.#host, {name});
  }

  /** Resolves when the host's side, and with it the pod's, is gone, also when there was none. */
  deleteHostLink(name: string): Promise<void> {
    return this.#deleter.delete(name);
  }

  /** A look at the pod's side and a way to its namespace. */
  openPod(netnsFd: number): RouteSocket {
    return new RouteSocket({netnsFd}, this.#dependencies);
  }

  /**
   * Removes interface `ifname` of the pod, if it is there. Where it is the other end of `host` (as its endpoint
   * recorded it), it goes with the host's side, because those of many pods go in one request.
   */
  async deletePodLink(
    netnsFd: number,
    ifname: string,
    host: {readonly name: string; readonly podMac: string | undefined} | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    using socket = this.openPod(netnsFd);
    const link = await getLink(socket, {name: ifname});
    if (link === undefined) return;
    if (host !== undefined && link.mac === host.podMac) {
      const hostLink = await this.hostLink(host.name);
      if (hostLink !== undefined && isPair(link, hostLink)) return this.#deleter.delete(host.name);
    }
    const [outcome] = await deleteLinks(socket, [ifname], signal);
    requireDone(outcome, "delete the pod's link", {name: ifname});
  }
}

/** Both are ends of a veth and each names the other. */
export function isPair(pod: Link, host: Link): boolean {
  return (
    pod.info.kind === 'veth' &&
    host.info.kind === 'veth' &&
    pod.parentIndex === host.index &&
    host.parentIndex === pod.index
  );
}

const routeStep = (route: RouteSpec): Step => [
  `add the pod's route to ${route.dst}`,
  (writer) => writeRouteAdd(writer, route),
];

function addressStep(net: string, index: number): Step {
  const [ip = '', length] = net.split('/');
  const address: AddressSpec = {index, ip, prefixLength: Number(length)};
  return [`add the pod's address ${net}`, (writer) => writeAddressReplace(writer, address)];
}

async function run(socket: RouteSocket, steps: readonly Step[]): Promise<void> {
  const outcomes = await socket.execute(steps, (writer, [, encode]) => encode(writer), {costUs: CONFIGURE_COST_US});
  for (const [index, [what]] of steps.entries()) requireDone(outcomes[index], what);
}

/** A host without IPv6 has no such files; then IPv6 fails where it is needed. */
function write(sysctls: Sysctls, writes: readonly SysctlWrite[]): void {
  for (const [index, errno] of sysctls.write(writes).entries()) {
    if (errno === 0) continue;
    const {path, value} = writes[index] ?? {path: '', value: ''};
    if (errno === ENOENT || errno === ENODEV)
      throw new AgentError('E_SYSCTL', `the kernel of the pod has no setting ${path}`, {path, errno});
    throw new AgentError('E_SYSCTL', `cannot set ${path} of the pod to ${value}`, {path, value, errno});
  }
}
