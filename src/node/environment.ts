/**
 * The environment variables of calico-node, parsed once at the edge. Names and meanings are Calico's
 * (docs/operations/environment.md); a value that cannot be understood is E_BAD_CONFIG before anything is written.
 */
import {type Cidr, type Family, parseCidr} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';
import type {LogLevel} from '../lib/log.ts';
import {parseSelector} from '../model/selector/parser.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** `IP`: keep what the Node has (or detect when it has none), detect, leave out, or this address. */
export type AddressSetting =
  | {readonly kind: 'keep'}
  | {readonly kind: 'autodetect'}
  | {readonly kind: 'none'}
  | {readonly kind: 'given'; readonly text: string};

export type EncapsulationMode = 'Never' | 'Always' | 'CrossSubnet';

/** What a default pool of one family is to be, if it has to be created. */
export interface PoolSettings {
  /** undefined: chosen at start-up; `none`: no pool of this family. */
  readonly cidr: Cidr | 'none' | undefined;
  readonly blockSize: number;
  readonly ipipMode: EncapsulationMode;
  readonly vxlanMode: EncapsulationMode;
  readonly natOutgoing: boolean;
  readonly disableBGPExport: boolean;
  readonly nodeSelector: string;
}

export interface NodeSettings {
  readonly ip: AddressSetting;
  readonly ip6: AddressSetting;
  readonly ipMethod: string;
  readonly ip6Method: string;
  /** `none` skips addresses altogether. */
  readonly backend: string;
  readonly asNumber: number | undefined;
  readonly orchestratorNodeName: string | undefined;
  readonly checkAddressConflicts: boolean;
  readonly clusterTypes: readonly string[];
  readonly createDefaultPools: boolean;
  readonly ipv6Supported: boolean;
  readonly pool4: PoolSettings;
  readonly pool6: PoolSettings;
  readonly logLevel: LogLevel;
  readonly autodetectPollMs: number;
  readonly usePodCidr: boolean;
}

export function parseNodeSettings(env: Environment): NodeSettings {
  const text = (name: string): string => (env[name] ?? '').trim();
  const createDefaultPools = text('NO_DEFAULT_POOLS').toLowerCase() !== 'true';
  if (!createDefaultPools && (text('CALICO_IPV4POOL_CIDR') !== '' || text('CALICO_IPV6POOL_CIDR') !== '')) {
    throw badSetting(
      'NO_DEFAULT_POOLS',
      'true',
      'no pool may be given with it: unset CALICO_IPV4POOL_CIDR and CALICO_IPV6POOL_CIDR',
    );
  }
  return {
    ip: parseAddressSetting(text('IP')),
    // Only IPv4 is detected when nothing is said.
    ip6: parseAddressSetting(text('IP6')),
    ipMethod: text('IP_AUTODETECTION_METHOD') || 'first-found',
    ip6Method: text('IP6_AUTODETECTION_METHOD') || 'first-found',
    backend: text('CALICO_NETWORKING_BACKEND') || 'bird',
    asNumber: parseAsNumber(text('AS')),
    orchestratorNodeName: text('CALICO_K8S_NODE_REF') || undefined,
    checkAddressConflicts: text('DISABLE_NODE_IP_CHECK') !== 'true',
    clusterTypes: text('CLUSTER_TYPE').split(',').filter(Boolean),
    createDefaultPools,
    ipv6Supported: parseFlag(env.FELIX_IPV6SUPPORT, true),
    pool4: parsePoolSettings(env, 4),
    pool6: parsePoolSettings(env, 6),
    logLevel: parseLogLevel(text('CALICO_STARTUP_LOGLEVEL')),
    autodetectPollMs: parseGoDuration(text('AUTODETECT_POLL_INTERVAL')) ?? 60_000,
    usePodCidr: parseFlag(env.USE_POD_CIDR, false),
  };
}

function parseAddressSetting(text: string): AddressSetting {
  if (text === '') return {kind: 'keep'};
  if (text === 'autodetect' || text === 'none') return {kind: text};
  return {kind: 'given', text};
}

const BLOCK_SIZES = {4: {default: 26, min: 20, max: 32}, 6: {default: 122, min: 116, max: 128}} as const;

function parsePoolSettings(env: Environment, family: Family): PoolSettings {
  const name = (rest: string): string => `CALICO_IPV${family}POOL_${rest}`;
  const text = (rest: string): string => (env[name(rest)] ?? '').trim();
  return {
    cidr: parsePoolCidr(name('CIDR'), text('CIDR'), family),
    blockSize: parseBlockSize(name('BLOCK_SIZE'), text('BLOCK_SIZE'), family),
    // There is no IPIP for IPv6.
    ipipMode: family === 6 ? 'Never' : parseMode(name('IPIP'), text('IPIP')),
    vxlanMode: parseMode(name('VXLAN'), text('VXLAN')),
    natOutgoing: parseFlag(env[name('NAT_OUTGOING')], family === 4),
    disableBGPExport: parseFlag(env[name('DISABLE_BGP_EXPORT')], false),
    nodeSelector: parseNodeSelector(name('NODE_SELECTOR'), text('NODE_SELECTOR')),
  };
}

function parsePoolCidr(name: string, text: string, family: Family): Cidr | 'none' | undefined {
  if (text === '') return undefined;
  if (text.toLowerCase() === 'none') return 'none';
  const cidr = text.includes('/') ? parseCidr(text) : undefined;
  if (cidr?.ip.family !== family) throw badSetting(name, text, `an IPv${family} CIDR, or none`);
  return cidr;
}

function parseBlockSize(name: string, text: string, family: Family): number {
  const {default: fallback, min, max} = BLOCK_SIZES[family];
  if (text === '') return fallback;
  const size = Number(text);
  if (!/^[0-9]+$/.test(text) || size < min || size > max)
    throw badSetting(name, text, `a number from ${min} to ${max}`);
  return size;
}

function parseMode(name: string, text: string): EncapsulationMode {
  switch (text.toLowerCase()) {
    case '':
    case 'off':
    case 'never':
      return 'Never';
    case 'always':
      return 'Always';
    case 'crosssubnet':
    case 'cross-subnet':
      return 'CrossSubnet';
    default:
      throw badSetting(name, text, 'Never, Always or CrossSubnet');
  }
}

function parseNodeSelector(name: string, text: string): string {
  if (text === '') return 'all()';
  try {
    parseSelector(text);
  } catch (error) {
    throw new AgentError('E_BAD_CONFIG', `${name} is not a selector`, {name, value: text}, error);
  }
  return text;
}

/** Calico's rule: a few words are false, every other set value is true. */
function parseFlag(value: string | undefined, fallback: boolean): boolean {
  if (value === undefined || value === '') return fallback;
  return !['false', '0', 'no', 'n', 'f'].includes(value.toLowerCase());
}

/** 1..2^32-1, plain or as `high.low`. */
function parseAsNumber(text: string): number | undefined {
  if (text === '') return undefined;
  const parts = text.split('.');
  const numbers = parts.map((part) => (/^[0-9]{1,10}$/.test(part) ? Number(part) : Number.NaN));
  const [high = Number.NaN, low] = numbers;
  const value = low === undefined ? high : high < 65536 && low < 65536 ? high * 65536 + low : Number.NaN;
  if (parts.length > 2 || !(value >= 0 && value <= 0xffffffff))
    throw badSetting('AS', text, 'an AS number: 64512, or 1.10');
  return value;
}

function parseLogLevel(text: string): LogLevel {
  switch (text.toLowerCase()) {
    case 'debug':
      return 'debug';
    case 'warning':
    case 'warn':
      return 'warn';
    case 'error':
    case 'fatal':
    case 'panic':
      return 'error';
    default:
      return 'info';
  }
}

const UNIT_MS: Readonly<Record<string, number>> = {ms: 1, s: 1000, m: 60_000, h: 3_600_000};

/** A positive Go duration of whole or fractional ms, s, m, h parts in milliseconds; undefined when it is not one. */
function parseGoDuration(text: string): number | undefined {
  if (!/^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g))
    total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  return total > 0 ? total : undefined;
}

function badSetting(name: string, value: string, accepted: string): AgentError {
  return new AgentError('E_BAD_CONFIG', `${name}=${value}: expected ${accepted}`, {name, value});
}
