/**
 * The address pools a first start creates: one per family that has none. Pure: from settings, the pools there are and
 * the host's addresses to what is to be created.
 */
import {type Cidr, cidrContainsIp, type Family, formatCidr, type Ip, parseCidr} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';
import type {IPPoolSpec} from '../model/kinds/ip-pool.ts';
import type {NodeSettings, PoolSettings} from './environment.ts';

export interface DefaultPool {
  readonly name: string;
  readonly spec: Partial<IPPoolSpec> & {readonly cidr: string};
}

export interface DefaultPoolInputs {
  /** CIDRs of the pools the cluster has. */
  readonly existing: readonly Cidr[];
  readonly hostAddresses: readonly Ip[];
  /** Whether the kernel has IPv6. */
  readonly kernelHasIpv6: boolean;
  /** 40 random bits for the prefix of an IPv6 pool, as five bytes. */
  readonly randomBytes: () => Uint8Array;
}

/** The pools to create now, in order. Empty when every family has one or may not have one. */
export function defaultPools(settings: NodeSettings, inputs: DefaultPoolInputs): DefaultPool[] {
  if (!settings.createDefaultPools) return [];
  const families: readonly (readonly [Family, PoolSettings])[] = [
    [4, settings.pool4],
    ...(settings.ipv6Supported && inputs.kernelHasIpv6 ? [[6, settings.pool6] as const] : []),
  ];
  return families.flatMap(([family, pool]) => {
    if (pool.cidr === 'none' || inputs.existing.some((cidr) => cidr.ip.family === family)) return [];
    const cidr = pool.cidr ?? (family === 4 ? chooseIpv4(inputs.hostAddresses) : randomUla(inputs.randomBytes()));
    return [{name: `default-ipv${family}-ippool`, spec: specOf(cidr, pool)}];
  });
}

function specOf(cidr: Cidr, pool: PoolSettings): DefaultPool['spec'] {
  return {
    cidr: formatCidr(cidr),
    vxlanMode: pool.vxlanMode,
    ipipMode: pool.ipipMode,
    ...(pool.natOutgoing ? {natOutgoing: true} : {}),
    ...(pool.disableBGPExport ? {disableBGPExport: true} : {}),
    blockSize: pool.blockSize,
    nodeSelector: pool.nodeSelector,
    allowedUses: ['Workload', 'Tunnel'],
    assignmentMode: 'Automatic',
  };
}

/** 192.168.0.0/16, or the first of 172.16.0.0/16 .. 172.31.0.0/16 without an address of the host. */
function chooseIpv4(hostAddresses: readonly Ip[]): Cidr {
  const candidates = ['192.168.0.0/16', ...Array.from({length: 16}, (_, i) => `172.${16 + i}.0.0/16`)];
  for (const text of candidates) {
    const cidr = parseCidr(text);
    if (cidr && !hostAddresses.some((ip) => cidrContainsIp(cidr, ip))) return cidr;
  }
  throw new AgentError('E_BAD_CONFIG', 'no private range is free of host addresses: set CALICO_IPV4POOL_CIDR', {});
}

/** A unique local /48: fd and 40 random bits. */
function randomUla(random: Uint8Array): Cidr {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = random;
  return {
    ip: {family: 6, words: [((0xfd << 24) | (a << 16) | (b << 8) | c) >>> 0, ((d << 24) | (e << 16)) >>> 0, 0, 0]},
    length: 48,
  };
}
