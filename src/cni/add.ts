/**
 * ADD: connects a pod, and answers when its packets can flow.
 *
 *   look    datastore ready? endpoints of this workload? profile of the network?
 *   get     addresses, committed  |  the veth, settings and routes       at the same time
 *   write   endpoint to the datastore and to Felix  |  addresses         at the same time
 *   wait    Felix: settings, link up, routes, neighbours of the host's side
 *
 * Each step registers how to take it back before it has an effect; when one fails, or the caller is gone, everything is
 * taken back and the error answered. Killed anywhere in between, the same ADD can be repeated: it finds what is there.
 *
 * An ADD for a container that is connected already (without Kubernetes) is answered from its endpoint, as Calico does,
 * but only if everything of it is really there.
 */
import {setImmediate as nextTurn} from 'node:timers/promises';
import {parseIpWithPrefix} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';
import {followSignals} from '../lib/follow-signals.ts';
import type {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';
import {type Addresses, assignAddresses, expectedFamilies, hostNetwork, OWN_IPAM} from './addresses.ts';
import {parseCniArgs} from './cni-args.ts';
import {requireDatastoreReady} from './datastore-gate.ts';
import {ensureNetworkProfile} from './network-profile.ts';
import {podMtu} from './pod-mtu.ts';
import type {Families, PodSettings, PodVeth} from './pod-network.ts';
import {inspectPodSide} from './pod-side.ts';
import {type AttachmentRequest, requireNetns} from './request.ts';
import {type CniResult, isIpv6} from './result.ts';
import {type Call, CLEAN_UP, type Services} from './services.ts';
import {together, Undo} from './undo.ts';
import {
  draftEndpoint,
  endpointIdOf,
  endpointKeyPrefixOf,
  journalEntryOf,
  lockNames,
  type Workload,
  withAddresses,
  workloadOf,
} from './workload.ts';

export async function add(request: AttachmentRequest, services: Services, call: Call): Promise<CniResult> {
  const {config, containerId} = request;
  const {nodeName: node, interfacePrefix} = services;
  const {pod} = parseCniArgs(request.args);
  const workload = workloadOf({node, network: config.name, containerId, pod, interfacePrefix});
  requireSupported(request, workload);
  const netns = requireNetns(request.netns);
  return services.lock.run(lockNames(workload), call.signal, () =>
    new Add(request, workload, netns, services, call).run(),
  );
}

function requireSupported({config}: AttachmentRequest, {orchestrator}: Workload): void {
  if (config.policyType === 'k8s')
    throw new AgentError('E_UNSUPPORTED', 'policy.type is k8s, but the Kubernetes API is not configured in this agent');
  if (config.wantsAddressesWithoutIpam && orchestrator === 'cni')
    throw new AgentError('E_CNI_BAD_FIELD', 'requested feature is not supported for this runtime: ip_addrs_no_ipam');
  if (config.ipam.type === '') throw new AgentError('E_CNI_BAD_FIELD', 'no plugin name provided: ipam.type is missing');
}

/** What an ADD has before it can bring anything up. */
interface Obtained {
  readonly addresses: Addresses;
  readonly veth: PodVeth;
  /** With what the veth was prepared; undefined when that has to wait for the addresses. */
  readonly settings: PodSettings | undefined;
  readonly endpoint: WorkloadEndpoint;
}

function requireAddresses(addresses: Addresses): Addresses {
  const isOdd = addresses.ips.some(({address}) => parseIpWithPrefix(address) === undefined);
  if (addresses.ips.length > 0 && !isOdd) return addresses;
  throw new AgentError('E_CNI_FAILED', 'IPAM plugin returned no IP addresses in result');
}

class Add {
  readonly #request: AttachmentRequest;
  readonly #workload: Workload;
  readonly #netns: {readonly path: string; readonly fd: number};
  readonly #services: Services;
  readonly #call: Call;
  readonly #undo = new Undo();

  constructor(
    request: AttachmentRequest,
    workload: Workload,
    netns: {readonly path: string; readonly fd: number},
    services: Services,
    call: Call,
  ) {
    this.#request = request;
    this.#workload = workload;
    this.#netns = netns;
    this.#services = services;
    this.#call = call;
  }

  async run(): Promise<CniResult> {
    const {journal, log} = this.#services;
    const entry = journalEntryOf(this.#workload);
    let isClean = true;
    journal.begin(entry);
    try {
      return await this.#connect();
    } catch (error) {
      isClean = await this.#undo.run(log);
      throw error;
    } finally {
      journal.end(entry, isClean);
    }
  }

  async #connect(): Promise<CniResult> {
    const existing = this.#isCertainlyNew() ? undefined : await this.#look();
    const answer = existing === undefined ? undefined : await this.#answerFrom(existing);
    if (answer !== undefined) return answer;
    const obtained = await this.#obtain(existing);
    using _ = obtained.veth;
    const result = await this.#bringUp(obtained, existing);
    await this.#releaseReplaced(existing, obtained.addresses);
    return result;
  }

  #isCertainlyNew(): boolean {
    const {view} = this.#services;
    const prefix = endpointKeyPrefixOf(this.#workload);
    return prefix !== undefined && view.isReadyFor(this.#request.config.name) && view.hasNoEndpoint(prefix);
  }

  /** The endpoint of the workload, if it has one. Throws when the datastore is not ready. */
  async #look(): Promise<WorkloadEndpoint | undefined> {
    const {endpoints, resources} = this.#services;
    const {signal} = this.#call;
    const [[existing]] = await together(
      endpoints.of(this.#workload, {signal}),
      requireDatastoreReady(resources, {signal}),
    );
    await ensureNetworkProfile(this.#request.config.name, resources, {signal});
    return existing;
  }

  /** With nothing there yet, nothing is lost by making the link before it is sure that there are addresses. */
  async #obtain(existing: WorkloadEndpoint | undefined): Promise<Obtained> {
    let assigned: Addresses | undefined;
    this.#undo.add('addresses', async () => assigned?.release());
    const assign = async (): Promise<Addresses> => {
      assigned = await this.#assign();
      return requireAddresses(assigned);
    };
    const draft = () => draftEndpoint(this.#workload, this.#endpointName(existing), existing);
    if (existing !== undefined) {
      const endpoint = draft();
      return {addresses: await assign(), ...(await this.#makeVeth(existing)), endpoint};
    }
    const assigning = assign();
    // One turn, in which IPAM sends its commit to the datastore; we and the kernel then work at the same time.
    const making = nextTurn().then(async () => {
      const endpoint = draft();
      return {endpoint, ...(await this.#makeVeth(existing))};
    });
    const [addresses, made] = await together(assigning, making);
    return {...made, addresses};
  }

  /** The pair, prepared as far as it can be before there are addresses. */
  async #makeVeth(existing: WorkloadEndpoint | undefined): Promise<Pick<Obtained, 'veth' | 'settings'>> {
    const veth = await this.#createVeth(existing);
    const families = expectedFamilies(this.#request);
    const settings = families && this.#podSettings(families);
    if (settings !== undefined) await this.#services.podNetwork.prepare(veth, settings);
    return {veth, settings};
  }

  async #bringUp(
    {addresses, veth, endpoint: draft, settings: prepared}: Obtained,
    existing: WorkloadEndpoint | undefined,
  ): Promise<CniResult> {
    const {endpoints, felix, podNetwork, log} = this.#services;
    const {signal} = this.#call;
    const ipNetworks = addresses.ips.map(({address}) => hostNetwork(address));
    const endpoint = withAddresses(draft, {mac: veth.link.mac ?? '', ipNetworks});
    this.#undo.add('endpoint', () => this.#restoreEndpoint(endpoint, existing));
    // When one of the three fails, Felix need not be waited for any longer.
    const end = new AbortController();
    const letGo = followSignals(end, [signal]);
    const breakOff = (error: unknown): never => {
      end.abort(error);
      throw error;
    };
    const written = endpoints.write(endpoint, existing, {signal}).catch(breakOff);
    const plumbed = this.#plumb(veth, ipNetworks, prepared).catch(breakOff);
    const [, [settings]] = await together(
      written,
      together(plumbed, felix.waitForEndpoint(endpointIdOf(endpoint), end.signal)),
    ).finally(letGo);
    await podNetwork.addIpv6(veth, ipNetworks, settings, signal);
    signal.throwIfAborted();
    const {containerId, hostInterface, pod, namespace} = this.#workload;
    log.info({containerId, pod, namespace, interface: hostInterface, ipNetworks}, 'pod connected');
    return this.#result(endpoint, {mtu: veth.link.mtu, routes: addresses.routes});
  }

  /** The rest of the pod's side that need not wait for the host's. */
  async #plumb(veth: PodVeth, ipNetworks: readonly string[], prepared: PodSettings | undefined): Promise<PodSettings> {
    const {podNetwork} = this.#services;
    const hasIpv6 = ipNetworks.some(isIpv6);
    const hasIpv4 = ipNetworks.some((net) => !isIpv6(net));
    const settings = prepared ?? this.#podSettings({hasIpv4, hasIpv6});
    if (prepared === undefined) await podNetwork.prepare(veth, settings);
    await podNetwork.addIpv4(veth, ipNetworks);
    return settings;
  }

  #assign(): Promise<Addresses> {
    return assignAddresses(this.#request, this.#workload, this.#services, this.#call);
  }

  async #createVeth(existing: WorkloadEndpoint | undefined): Promise<PodVeth> {
    const {podNetwork, readPodMtu} = this.#services;
    const {config, ifname} = this.#request;
    const {hostInterface} = this.#workload;
    const request = {
      netnsFd: this.#netns.fd,
      ifname,
      hostInterface,
      mtu: podMtu(config, readPodMtu),
      queues: config.queues,
    };
    const veth = await podNetwork.createVeth(request, () => this.#mayReplace(existing));
    this.#undo.add('veth', () => {
      veth[Symbol.dispose]();
      return podNetwork.deleteHostLink(hostInterface);
    });
    return veth;
  }

  /**
   * A left-over of this workload goes; so does one of nobody. But the names of two containers may begin alike, and one
   * must not cut the other off.
   */
  async #mayReplace(existing: WorkloadEndpoint | undefined): Promise<boolean> {
    const {endpoints, nodeName} = this.#services;
    const {hostInterface} = this.#workload;
    if (existing?.spec.interfaceName === hostInterface) return true;
    const all = await endpoints.ofNode(nodeName, {signal: this.#call.signal});
    const holder = all.find(({spec}) => spec.interfaceName === hostInterface);
    if (holder === undefined) return true;
    throw new AgentError(
      'E_CNI_FAILED',
      `the host interface ${hostInterface} belongs to ${endpointIdOf(holder)}, whose name begins alike`,
      {link: hostInterface, endpoint: endpointIdOf(holder)},
    );
  }

  /** In Kubernetes a pod has one endpoint, under the name its first interface gave it. */
  #endpointName(existing: WorkloadEndpoint | undefined): string {
    return existing === undefined || existing.spec.endpoint === '' ? this.#request.ifname : existing.spec.endpoint;
  }

  #podSettings(families: Families): PodSettings {
    const {ipam, includesDefaultRoutes, allowsIpForwarding} = this.#request.config;
    const {routeDestinations} = ipam;
    const hasOwnRoutes =
      this.#workload.orchestrator === 'k8s' && ipam.type === 'host-local' && routeDestinations.length > 0;
    const defaults = includesDefaultRoutes ? ['0.0.0.0/0', '::/0'] : [];
    return {
      families,
      destinations: hasOwnRoutes ? [...new Set([...routeDestinations, ...defaults])] : undefined,
      allowsIpForwarding,
    };
  }

  /** The result of an ADD that finds its work done; undefined when it is not. */
  async #answerFrom(existing: WorkloadEndpoint): Promise<CniResult | undefined> {
    const {endpoints, felix, podNetwork} = this.#services;
    const {signal} = this.#call;
    if (this.#workload.orchestrator !== 'cni') return undefined;
    // An ADD that was broken off left the endpoint, and perhaps half of the rest.
    if ((await inspectPodSide(existing, this.#netns.fd, podNetwork, signal)) !== undefined) return undefined;
    const {name} = this.#request.config;
    const profiles = existing.spec.profiles ?? [];
    if (!profiles.includes(name)) {
      const spec = {...existing.spec, profiles: [...profiles, name]};
      await endpoints.write({...existing, spec}, existing, {signal});
    }
    await felix.waitForEndpoint(endpointIdOf(existing), signal);
    return this.#result(existing, {mtu: undefined, routes: []});
  }

  /** What an earlier ADD of this container had got, nobody can use any more. */
  async #releaseReplaced(existing: WorkloadEndpoint | undefined, {ips}: Addresses): Promise<void> {
    const {nodeAllocator, log} = this.#services;
    const {containerId, handleId} = this.#workload;
    if (existing?.spec.containerID !== containerId || this.#request.config.ipam.type !== OWN_IPAM) return;
    const kept = new Set(ips.map(({address}) => hostNetwork(address)));
    const replaced = (existing.spec.ipNetworks ?? []).filter((net) => !kept.has(net));
    if (replaced.length === 0) return;
    try {
      await nodeAllocator.releaseIps(
        replaced.map((net) => ({ip: net.split('/')[0] ?? net, handleId})),
        CLEAN_UP,
      );
    } catch (error) {
      log.warn({containerId, addresses: replaced, err: error}, 'addresses of an earlier ADD stay until DEL');
    }
  }

  /** The endpoint as it was before this call. */
  async #restoreEndpoint(endpoint: WorkloadEndpoint, previous: WorkloadEndpoint | undefined): Promise<void> {
    const {endpoints} = this.#services;
    const stored = await endpoints.of(this.#workload, CLEAN_UP);
    const current = stored.find(({metadata}) => metadata.name === endpoint.metadata.name);
    if (current === undefined || current.spec.containerID !== this.#workload.containerId) return;
    if (previous === undefined) await endpoints.remove(current, this.#workload.containerId, CLEAN_UP);
    else if (previous.metadata.resourceVersion !== current.metadata.resourceVersion)
      await endpoints.write(previous, current, CLEAN_UP);
  }

  #result(
    {spec}: WorkloadEndpoint,
    {mtu, routes}: {readonly mtu: number | undefined; readonly routes: CniResult['routes']},
  ): CniResult {
    return {
      interfaces: [
        {name: spec.interfaceName ?? ''},
        {name: this.#request.ifname, mac: spec.mac, mtu, sandbox: this.#netns.path},
      ],
      ips: (spec.ipNetworks ?? []).map((address) => ({address, interface: 1})),
      routes,
    };
  }
}
