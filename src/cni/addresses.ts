/**
 * Where the addresses of a pod come from: our IPAM, or another plugin that is run for us.
 *
 * In our IPAM an allocation is remembered with its sequence number, so a failed ADD gives back exactly what it got, and
 * not what an earlier ADD of the same container has.
 */
import type {Allocation} from '../ipam/block.ts';
import {withBlockLength} from '../ipam/jobs.ts';
import {AgentError} from '../lib/errors.ts';
import {printJson} from '../lib/exact-json.ts';
import {parseCniArgs} from './cni-args.ts';
import {runDelegate} from './delegate.ts';
import type {Families} from './pod-network.ts';
import type {CniRequest} from './request.ts';
import {isIpv6, type ResultIp, type ResultRoute} from './result.ts';
import {type Call, CLEAN_UP, type Services} from './services.ts';
import {ownerOf, type Workload} from './workload.ts';

export const OWN_IPAM = 'calico-ipam';

export interface Addresses {
  /** As IPAM gives them: with the prefix length of their block. */
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  /** Gives back what was assigned, whatever happened to the call. */
  release(): Promise<void>;
}

type AddressServices = Pick<Services, 'nodeAllocator' | 'clock' | 'metrics'>;

export async function assignAddresses(
  request: CniRequest,
  workload: Workload,
  services: AddressServices,
  call: Call,
): Promise<Addresses> {
  const startMs = services.clock.monotonicMs();
  const isOwn = usesOwnIpam(request);
  let outcome: 'ok' | 'failed' = 'failed';
  try {
    const addresses = await (isOwn ? assignOwn(request, workload, services, call) : assignDelegated(request, call));
    outcome = 'ok';
    return addresses;
  } finally {
    services.metrics.ipam('assign', outcome, services.clock.monotonicMs() - startMs);
  }
}

/** calico-ipam may be called by itself, whatever its configuration names. */
const usesOwnIpam = ({program, config}: CniRequest): boolean => program === OWN_IPAM || config.ipam.type === OWN_IPAM;

/** The families of the addresses that are to come; undefined when only the IPAM plugin knows. */
export function expectedFamilies({config, args}: CniRequest): Families | undefined {
  if (config.ipam.type !== OWN_IPAM) return undefined;
  const {ip} = parseCniArgs(args);
  if (ip !== undefined) return {hasIpv4: !isIpv6(ip), hasIpv6: isIpv6(ip)};
  return {hasIpv4: config.ipam.wantsIpv4, hasIpv6: config.ipam.wantsIpv6};
}

async function assignOwn(
  request: CniRequest,
  workload: Workload,
  {nodeAllocator, clock}: AddressServices,
  {signal}: Call,
): Promise<Addresses> {
  const owner = ownerOf(workload, clock.wallMs());
  const {ip} = parseCniArgs(request.args);
  const {wantsIpv4, wantsIpv6, ipv4Pools, ipv6Pools} = request.config.ipam;
  const allocations =
    ip === undefined
      ? await nodeAllocator.assign(
          {
            owner,
            use: 'Workload',
            ipv4: wantsIpv4 ? {count: 1, pools: ipv4Pools} : undefined,
            ipv6: wantsIpv6 ? {count: 1, pools: ipv6Pools} : undefined,
          },
          {signal},
        )
      : [await nodeAllocator.assignIp({ip, owner}, {signal})];
  // An address that was asked for is not shown with its block.
  const ips = allocations.map((each) => ({address: ip === undefined ? withBlockLength(each) : hostNetwork(each.ip)}));
  return {
    ips,
    routes: ips.map(({address}) => ({dst: address})),
    release: async () => {
      await nodeAllocator.releaseIps(allocations.map(releaseOf), CLEAN_UP);
    },
  };
}

const releaseOf = ({ip, handleId, sequenceNumber}: Allocation) => ({ip, handleId, sequenceNumber});

async function assignDelegated(request: CniRequest, call: Call): Promise<Addresses> {
  const {args, stdin, config} = request;
  if (/usePodCidr/i.test(config.ipam.subnet))
    throw new AgentError('E_UNSUPPORTED', `ipam.subnet ${config.ipam.subnet}: the Kubernetes API is not configured`);
  const delegate = {plugin: config.ipam.type, args, stdin};
  const {ips, routes} = await runDelegate({...delegate, verb: 'ADD'}, call);
  return {
    ips,
    routes,
    release: async () => {
      await runDelegate({...delegate, verb: 'DEL'}, call);
    },
  };
}

/** Gives back all addresses of the container. */
export async function releaseAddresses(
  request: CniRequest,
  workload: Workload,
  services: AddressServices,
  call: Call,
): Promise<void> {
  const startMs = services.clock.monotonicMs();
  let outcome: 'ok' | 'failed' = 'failed';
  try {
    if (usesOwnIpam(request)) await releaseOwn(workload, services.nodeAllocator, call);
    else await runDelegate(delegatedRelease(request), call);
    outcome = 'ok';
  } finally {
    services.metrics.ipam('release', outcome, services.clock.monotonicMs() - startMs);
  }
}

/**
 * Calico also releases the handles that version 2 used, `<namespace>.<pod>` among them. We do not: with a namespace
 * called like a network, a pod could have the addresses of a container of its choice released.
 */
async function releaseOwn(
  {handleId}: Workload,
  allocator: AddressServices['nodeAllocator'],
  {signal}: Call,
): Promise<void> {
  if (handleId !== undefined) await allocator.releaseByHandle(handleId, {signal});
}

/** Releasing goes by container, so host-local needs no real subnet in the place of usePodCidr. */
function delegatedRelease({config, args, stdin}: CniRequest) {
  const {ipam, json} = config;
  const subnet = {usepodcidr: '0.0.0.0/0', usepodcidripv6: '::/0'}[ipam.subnet.toLowerCase()];
  const text = subnet === undefined ? undefined : printJson({...json, ipam: {...asObject(json.ipam), subnet}});
  return {
    plugin: ipam.type,
    verb: 'DEL' as const,
    args,
    stdin: text === undefined ? stdin : new TextEncoder().encode(text),
  };
}

const asObject = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});

/** The address alone, with full prefix length. */
export function hostNetwork(address: string): string {
  const ip = address.split('/')[0] ?? address;
  return `${ip}/${isIpv6(ip) ? 128 : 32}`;
}
