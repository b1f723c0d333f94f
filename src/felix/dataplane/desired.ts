/**
 * Remembers what the calculation asked for, and renders what changed of it into the desired entries of every kind.
 *
 *   intents ──> remembered, marked ──> render ──┬─> tunnels
 *   settings, links of the host ──────^         ├─> gates (link there?) ──> addresses, fdb, neighbours, interfaces
 *                                               └─> claims (whose destination?) ──> gate ──> routes
 *
 * Taking an intent only marks; rendering happens at the start of a run, so ten changes of one object are one. What an
 * entry depends on besides its own intent (MTU, parent link, a remote tunnel's address) marks what uses it.
 */

import type {Family} from '../../lib/cidr.ts';
import type {Clock} from '../../lib/clock.ts';
import type {DeltaTracker} from '../../lib/delta-tracker.ts';
import {createBreather} from '../../lib/yielding.ts';
import type {
  EncapsulationIntent,
  EndpointId,
  Intent,
  LocalTunnelIntent,
  RouteIntent,
  VtepIntent,
  WorkloadEndpointIntent,
} from '../calc/intent.ts';
import {
  type AddressEntry,
  type AddressKey,
  addressKey,
  type FdbEntry,
  type FdbKey,
  fdbKey,
  type InterfaceEntry,
  type InterfaceKey,
  interfaceKey,
  type LinkEntry,
  type LinkKey,
  linkKey,
  type NeighbourEntry,
  type NeighbourKey,
  neighbourKey,
  type Sysctl,
  type SysctlKey,
  sysctlKey,
  VXLAN_DEVICE,
} from './entries.ts';
import type {Gate} from './gate.ts';
import type {HostLinks} from './host-links.ts';
import {computeMtus, type Mtus} from './mtu.ts';
import {ROUTE_CLASS, renderClusterRoute} from './render-cluster-route.ts';
import {renderHostSysctls} from './render-host.ts';
import {isTunnelWanted, renderTunnelAddress, renderTunnelLink, renderVtep} from './render-tunnel.ts';
import {type RenderedWorkload, renderWorkload} from './render-workload.ts';
import type {RouteClaims} from './route-claims.ts';
import {type DataPlaneSettings, isWorkloadInterface} from './settings.ts';

export interface DesiredSinks {
  readonly sysctls: Pick<DeltaTracker<SysctlKey, Sysctl>, 'replaceDesired'>;
  readonly tunnels: Pick<DeltaTracker<LinkKey, LinkEntry>, 'setDesired' | 'deleteDesired'>;
  readonly addresses: Pick<Gate<AddressKey, AddressEntry>, 'set' | 'delete'>;
  readonly fdb: Pick<Gate<FdbKey, FdbEntry>, 'set' | 'delete'>;
  readonly interfaces: Pick<Gate<InterfaceKey, InterfaceEntry>, 'set' | 'delete'>;
  readonly neighbours: Pick<Gate<NeighbourKey, NeighbourEntry>, 'set' | 'delete'>;
  readonly routes: Pick<RouteClaims, 'set' | 'delete'>;
  /** MTU for new pods. */
  setPodMtu(mtu: number): void;
}

export interface DesiredDependencies {
  readonly clock: Clock;
  readonly hostLinks: Pick<HostLinks, 'holderOf' | 'get' | 'smallestMtu'>;
  readonly sinks: DesiredSinks;
}

const FAMILIES: readonly Family[] = [4, 6];

export class Desired {
  readonly #clock: Clock;
  readonly #hostLinks: DesiredDependencies['hostLinks'];
  readonly #sinks: DesiredSinks;
  #settings: DataPlaneSettings;
  #defaultRpFilter = '1';

  readonly #endpoints = new Map<EndpointId, WorkloadEndpointIntent>();
  readonly #endpointByInterface = new Map<string, EndpointId>();
  readonly #routes = new Map<string, RouteIntent>();
  readonly #vteps = new Map<string, VtepIntent>();
  readonly #tunnels = new Map<Family, LocalTunnelIntent>();
  #encapsulation: EncapsulationIntent | undefined;

  /** Node and family -> its VTEP, and the routes towards it. */
  readonly #vtepByNode = new Map<string, VtepIntent>();
  readonly #routesByNode = new Map<string, Set<string>>();

  readonly #renderedEndpoints = new Map<EndpointId, RenderedWorkload>();
  readonly #renderedVteps = new Map<string, ReturnType<typeof renderVtep>>();
  readonly #renderedAddresses = new Map<Family, AddressKey>();

  readonly #markedEndpoints = new Set<EndpointId>();
  readonly #markedRoutes = new Set<string>();
  readonly #markedVteps = new Set<string>();
  #mtus: Mtus | undefined;
  readonly #parents = new Map<Family, {readonly nodeIp: string; readonly link: string}>();
  readonly #tunnelWanted = new Map<Family, boolean>();
  #settingsMarked = true;
  readonly #undecided = new Map<Family, string>();

  constructor(options: {readonly settings: DataPlaneSettings}, dependencies: DesiredDependencies) {
    this.#settings = options.settings;
    this.#clock = dependencies.clock;
    this.#hostLinks = dependencies.hostLinks;
    this.#sinks = dependencies.sinks;
  }

  get endpoints(): ReadonlyMap<EndpointId, WorkloadEndpointIntent> {
    return this.#endpoints;
  }

  /** The endpoint of the interface; calculation sees to it that there is at most one. */
  endpointOn(interfaceName: string): EndpointId | undefined {
    return this.#endpointByInterface.get(interfaceName);
  }

  /** The link may decide the MTU or be the parent of a tunnel: not a workload's, or counted for the MTU all the same. */
  isHostLink(name: string): boolean {
    return !isWorkloadInterface(this.#settings, name) || this.#settings.mtuInterfacePattern.test(name);
  }

  /** What the endpoint needs; undefined until it is rendered, again after each change. */
  renderedEndpoint(id: EndpointId): RenderedWorkload | undefined {
    return this.#markedEndpoints.has(id) ? undefined : this.#renderedEndpoints.get(id);
  }

  /**
   * Why nothing is done for the endpoint: it names an interface that is not a workload's. What we take for ours on a
   * workload interface (all of its routes) would be the host's on another.
   */
  refusalOf(id: EndpointId): string | undefined {
    const name = this.#endpoints.get(id)?.interfaceName;
    if (name === undefined || isWorkloadInterface(this.#settings, name)) return undefined;
    return `interface ${name} begins with no prefix of InterfacePrefix (${this.#settings.interfacePrefixes.join(', ')})`;
  }

  /**
   * Tunnels that are to exist but cannot be described: no link holds the node's address. By family, with that address.
   * Nothing may be concluded from their absence among the desired entries.
   */
  get undecidedTunnels(): ReadonlyMap<Family, string> {
    return this.#undecided;
  }

  get isRouteSyncDisabled(): boolean {
    return this.#settings.isRouteSyncDisabled;
  }

  setSettings(settings: DataPlaneSettings): void {
    this.#settings = settings;
    this.#settingsMarked = true;
  }

  setDefaultRpFilter(value: string): void {
    if (value === this.#defaultRpFilter) return;
    this.#defaultRpFilter = value;
    for (const id of this.#endpoints.keys()) this.#markedEndpoints.add(id);
  }

  take(intent: Intent): void {
    switch (intent.kind) {
      case 'config':
      case 'flush':
        return;
      case 'encapsulation':
        this.#encapsulation = intent.value;
        return;
      case 'local-tunnel':
        put(this.#tunnels, intent.family, intent.value);
        return;
      case 'vtep':
        this.#takeVtep(intent.key, intent.value);
        return;
      case 'route':
        this.#takeRoute(intent.key, intent.value);
        return;
      case 'workload-endpoint':
        this.#takeEndpoint(intent.key, intent.value);
        return;
    }
  }

  /** Renders what is marked. Lets the event loop breathe; more may be marked meanwhile and is left for the next run. */
  async render(signal: AbortSignal): Promise<void> {
    if (this.#settingsMarked) {
      this.#settingsMarked = false;
      this.#sinks.sysctls.replaceDesired(
        renderHostSysctls(this.#settings).map((sysctl) => [sysctlKey(sysctl.path), sysctl] as const),
      );
      this.#markAll();
    }
    this.#renderHost();
    await this.#renderMarked(
      this.#markedVteps,
      (key) => this.#withdrawVtep(key),
      (key) => this.#publishVtep(key),
      signal,
    );
    await this.#renderMarked(
      this.#markedEndpoints,
      (id) => this.#withdrawEndpoint(id),
      (id) => this.#publishEndpoint(id),
      signal,
    );
    await this.#forEach(drain(this.#markedRoutes), (cidr) => this.#renderRoute(cidr), signal);
  }

  /**
   * Everything marked is withdrawn before anything is published: an interface, an address or a MAC that passes from
   * one owner to another has the same key for both, and the one that goes must not take it from the one that came.
   */
  async #renderMarked<T>(
    marked: Set<T>,
    withdraw: (item: T) => void,
    publish: (item: T) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const items = drain(marked);
    await this.#forEach(items, withdraw, signal);
    await this.#forEach(items, publish, signal);
  }

  async #forEach<T>(items: readonly T[], handle: (item: T) => void, signal: AbortSignal): Promise<void> {
    const breather = createBreather({}, {clock: this.#clock});
    for (const item of items) {
      handle(item);
      if (breather.isDue()) await breather.breathe(signal);
    }
  }

  #takeEndpoint(id: EndpointId, endpoint: WorkloadEndpointIntent | undefined): void {
    const before = this.#endpoints.get(id)?.interfaceName;
    // The removal of an endpoint comes after whoever got its interface.
    if (before !== undefined && this.#endpointByInterface.get(before) === id) this.#endpointByInterface.delete(before);
    if (endpoint !== undefined) this.#endpointByInterface.set(endpoint.interfaceName, id);
    put(this.#endpoints, id, endpoint);
    this.#markedEndpoints.add(id);
  }

  #takeVtep(key: string, vtep: VtepIntent | undefined): void {
    const before = this.#vteps.get(key);
    put(this.#vteps, key, vtep);
    this.#markedVteps.add(key);
    for (const one of [before, vtep]) if (one !== undefined) this.#markRoutesOf(nodeKey(one));
    if (before !== undefined) this.#vtepByNode.delete(nodeKey(before));
    if (vtep !== undefined) this.#vtepByNode.set(nodeKey(vtep), vtep);
  }

  #takeRoute(cidr: string, route: RouteIntent | undefined): void {
    const before = this.#routes.get(cidr);
    put(this.#routes, cidr, route);
    this.#markedRoutes.add(cidr);
    if (before !== undefined) {
      const cidrs = this.#routesByNode.get(nodeKey(before));
      if (cidrs?.delete(cidr) && cidrs.size === 0) this.#routesByNode.delete(nodeKey(before));
    }
    if (route === undefined) return;
    const cidrs = this.#routesByNode.get(nodeKey(route));
    if (cidrs === undefined) this.#routesByNode.set(nodeKey(route), new Set([cidr]));
    else cidrs.add(cidr);
  }

  /** What depends on the host as a whole: cheap, so it is computed every time and marks what it changed. */
  #renderHost(): void {
    const {mtu, mtuInterfacePattern} = this.#settings;
    const mtus = computeMtus(this.#hostLinks.smallestMtu(mtuInterfacePattern), mtu, this.#usedEncapsulation());
    const before = this.#mtus;
    this.#mtus = mtus;
    if (mtus.pod !== before?.pod) this.#sinks.setPodMtu(mtus.pod);
    for (const family of FAMILIES) {
      const wanted = isTunnelWanted(family, this.#settings, this.#encapsulation);
      const parentBefore = this.#parents.get(family)?.link;
      this.#findParent(family);
      if (
        wanted !== this.#tunnelWanted.get(family) ||
        parentBefore !== this.#parents.get(family)?.link ||
        tunnelMtu(family, mtus) !== (before && tunnelMtu(family, before))
      ) {
        this.#tunnelWanted.set(family, wanted);
        this.#markFamily(family);
      }
      this.#renderTunnel(family, mtus);
    }
  }

  #usedEncapsulation(): EncapsulationIntent {
    return {
      ipip: this.#encapsulation?.ipip ?? false,
      vxlan: isTunnelWanted(4, this.#settings, this.#encapsulation),
      vxlanV6: isTunnelWanted(6, this.#settings, this.#encapsulation),
    };
  }

  /**
   * The link that holds the node's address. A link that just lost it (a lease being renewed) stays the parent while it
   * exists and no other has the address: tearing the tunnel down would cost more than it saves.
   */
  #findParent(family: Family): void {
    const nodeIp = this.#tunnels.get(family)?.nodeIp;
    const before = this.#parents.get(family);
    if (nodeIp === undefined) {
      this.#parents.delete(family);
      return;
    }
    const holder = this.#hostLinks.holderOf(nodeIp);
    if (holder !== undefined) this.#parents.set(family, {nodeIp, link: holder.name});
    else if (before !== undefined && (before.nodeIp !== nodeIp || this.#hostLinks.get(before.link) === undefined))
      this.#parents.delete(family);
  }

  #renderTunnel(family: Family, mtus: Mtus): void {
    const tunnel = this.#tunnelWanted.get(family) ? this.#tunnels.get(family) : undefined;
    const parent = this.#parents.get(family)?.link;
    this.#undecided.delete(family);
    if (tunnel?.nodeIp !== undefined && parent === undefined) {
      this.#undecided.set(family, tunnel.nodeIp);
      return;
    }
    const {tunnels} = this.#sinks;
    const link =
      tunnel && parent !== undefined
        ? renderTunnelLink(tunnel, {settings: this.#settings, parent, mtu: tunnelMtu(family, mtus)})
        : undefined;
    if (link !== undefined) tunnels.setDesired(linkKey(link), link);
    else tunnels.deleteDesired(TUNNEL_KEY[family]);
    const isAddressWanted = link !== undefined && !this.#settings.isRouteSyncDisabled;
    this.#renderTunnelAddress(family, isAddressWanted && tunnel ? renderTunnelAddress(tunnel) : undefined);
  }

  #renderTunnelAddress(family: Family, address: AddressEntry | undefined): void {
    const before = this.#renderedAddresses.get(family);
    const key = address && addressKey(address);
    if (before !== undefined && before !== key) this.#sinks.addresses.delete(before);
    put(this.#renderedAddresses, family, key);
    if (address !== undefined) this.#sinks.addresses.set(addressKey(address), address);
  }

  #withdrawVtep(key: string): void {
    const rendered = this.#renderedVteps.get(key);
    if (rendered === undefined) return;
    this.#renderedVteps.delete(key);
    this.#sinks.fdb.delete(fdbKey(rendered.fdb));
    this.#sinks.neighbours.delete(neighbourKey(rendered.neighbour));
  }

  #publishVtep(key: string): void {
    const vtep = this.#vteps.get(key);
    if (vtep === undefined || !this.#tunnelWanted.get(vtep.family)) return;
    const rendered = renderVtep(vtep);
    this.#renderedVteps.set(key, rendered);
    this.#sinks.fdb.set(fdbKey(rendered.fdb), rendered.fdb);
    this.#sinks.neighbours.set(neighbourKey(rendered.neighbour), rendered.neighbour);
  }

  #renderRoute(cidr: string): void {
    const intent = this.#settings.isRouteSyncDisabled ? undefined : this.#routes.get(cidr);
    const mtus = this.#mtus;
    const route =
      intent && mtus && (intent.family === 4 || this.#settings.isIpv6Enabled)
        ? renderClusterRoute(intent, {
            settings: this.#settings,
            parent: this.#parents.get(intent.family)?.link,
            isTunnelWanted: this.#tunnelWanted.get(intent.family) ?? false,
            tunnelMtu: tunnelMtu(intent.family, mtus),
            remoteTunnelIp: this.#vtepByNode.get(nodeKey(intent))?.tunnelIp,
          })
        : undefined;
    this.#sinks.routes.set(clusterRouteOwner(cidr), route ? [route] : []);
  }

  #withdrawEndpoint(id: EndpointId): void {
    const rendered = this.#renderedEndpoints.get(id);
    if (rendered === undefined) return;
    this.#renderedEndpoints.delete(id);
    this.#sinks.interfaces.delete(interfaceKey(rendered.interfaceEntry.link));
    for (const neighbour of rendered.neighbours) this.#sinks.neighbours.delete(neighbourKey(neighbour));
    // Routes have owners and are replaced by the next claim; only an endpoint that is not rendered again has none.
    if (!this.#endpoints.has(id) || this.refusalOf(id) !== undefined) this.#sinks.routes.delete(workloadOwner(id));
  }

  #publishEndpoint(id: EndpointId): void {
    const {interfaces, neighbours, routes} = this.#sinks;
    const endpoint = this.#endpoints.get(id);
    if (endpoint === undefined || this.refusalOf(id) !== undefined) return;
    const rendered = renderWorkload(endpoint, {settings: this.#settings, defaultRpFilter: this.#defaultRpFilter});
    this.#renderedEndpoints.set(id, rendered);
    interfaces.set(interfaceKey(rendered.interfaceEntry.link), rendered.interfaceEntry);
    for (const neighbour of rendered.neighbours) neighbours.set(neighbourKey(neighbour), neighbour);
    const programmed = this.#settings.isRouteSyncDisabled ? [] : rendered.routes;
    routes.set(
      workloadOwner(id),
      programmed.map((entry) => ({rank: ROUTE_CLASS.workload, entry})),
    );
  }

  #markRoutesOf(node: string): void {
    for (const cidr of this.#routesByNode.get(node) ?? []) this.#markedRoutes.add(cidr);
  }

  #markFamily(family: Family): void {
    for (const [cidr, route] of this.#routes) if (route.family === family) this.#markedRoutes.add(cidr);
    for (const [key, vtep] of this.#vteps) if (vtep.family === family) this.#markedVteps.add(key);
  }

  #markAll(): void {
    for (const family of FAMILIES) this.#markFamily(family);
    for (const id of this.#endpoints.keys()) this.#markedEndpoints.add(id);
  }
}

/** Owners of routes; the prefix keeps an endpoint and a network apart. */
export const workloadOwner = (id: EndpointId): string => `workload ${id}`;
const clusterRouteOwner = (cidr: string): string => `cluster ${cidr}`;

const nodeKey = ({node, family}: {readonly node: string; readonly family: Family}): string => `${family} ${node}`;

const TUNNEL_KEY = {4: linkKey({name: VXLAN_DEVICE[4]}), 6: linkKey({name: VXLAN_DEVICE[6]})} as const;

const tunnelMtu = (family: Family, mtus: Mtus): number => (family === 4 ? mtus.vxlan : mtus.vxlanV6);

/** Empties the set: what is marked from now on is for the next run. */
function drain<T>(marked: Set<T>): T[] {
  const items = [...marked];
  marked.clear();
  return items;
}

function put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
