/**
 * Opens the kernel of one network namespace for the data plane: the sockets, and a driver for each kind of object. The
 * only place that names the concrete drivers.
 *
 * The monitor has a socket of its own (it must be subscribed before anything is read), and so have the routes: a table
 * of ten thousand on its way to the kernel must not hold up a new pod's interface.
 */
import type {Clock} from '../lib/clock.ts';
import type {Addon} from '../native/addon.ts';
import {RouteSocket} from '../netlink/route-socket.ts';
import {Sysctls} from '../netlink/sysctls.ts';
import type {DataPlaneDrivers} from './dataplane/kernel-state.ts';
import type {HostReader, KernelMonitor} from './dataplane/kernel-view.ts';
import {AddressDriver} from './drivers/addresses/address-driver.ts';
import {FdbDriver} from './drivers/fdb/fdb-driver.ts';
import {NetlinkHostReader} from './drivers/host/host-reader.ts';
import {NetlinkMonitor} from './drivers/host/kernel-monitor.ts';
import {TunnelDriver} from './drivers/links/tunnel-driver.ts';
import {NeighbourDriver} from './drivers/neighbours/neighbour-driver.ts';
import {RouteDriver} from './drivers/routes/route-driver.ts';
import type {LinkPicture} from './drivers/shared/links-by-name.ts';
import type {Ownership} from './drivers/shared/ownership.ts';
import {SysctlDriver} from './drivers/sysctls/sysctl-driver.ts';
import {InterfaceDriver} from './drivers/workload-interfaces/interface-driver.ts';

export interface KernelOptions {
  /** Descriptor of the namespace, needed as long as the kernel is used; the process's own when absent. */
  readonly netnsFd?: number | undefined;
}

export interface KernelDependencies {
  readonly clock: Clock;
  readonly ownership: Ownership;
  readonly links: LinkPicture;
  readonly addon?: Pick<Addon, 'openNetlink' | 'readSysctls' | 'writeSysctls'> | undefined;
}

export interface Kernel {
  readonly drivers: DataPlaneDrivers;
  readonly host: HostReader;
  readonly monitor: KernelMonitor;
  /** Ends what is under way. */
  close(): void;
}

export function openKernel({netnsFd}: KernelOptions, {addon, clock, links, ownership}: KernelDependencies): Kernel {
  const native = addon === undefined ? {} : {addon};
  const open = () => new RouteSocket({netnsFd}, {...native, clock});
  const sysctls = new Sysctls({netnsFd}, native);
  const socket = open();
  const routeSocket = open();
  return {
    drivers: {
      sysctls: new SysctlDriver({ownership, sysctls}),
      tunnels: new TunnelDriver({socket}),
      addresses: new AddressDriver({clock, links, socket}),
      fdb: new FdbDriver({clock, links, socket}),
      interfaces: new InterfaceDriver({clock, links, ownership, socket, sysctls}),
      routes4: new RouteDriver({family: 4}, {clock, links, ownership, socket: routeSocket}),
      routes6: new RouteDriver({family: 6}, {clock, links, ownership, socket: routeSocket}),
      neighbours: new NeighbourDriver({clock, links, ownership, socket}),
    },
    host: new NetlinkHostReader({socket, sysctls}),
    monitor: new NetlinkMonitor({netnsFd}, {...native, ownership}),
    close() {
      socket.close();
      routeSocket.close();
    },
  };
}
