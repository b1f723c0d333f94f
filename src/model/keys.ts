/**
 * Where every record of ours lies in the datastore: builders for the keys, and the one parser that tells what a key is.
 *
 * Keys are Calico's etcd v3 keys. Names go in raw, and one that holds a slash or is empty is refused, or it would reach
 * another key; only the identifiers in Felix's status keys are escaped. A key that is not exactly what a builder here would have made is not ours:
 * `parseKey` says undefined and never throws, because a datastore may hold anything.
 */
import {type Family, formatCidr, parseCidr} from '../lib/cidr.ts';
import {invalidResource, violation} from './violation.ts';

export const ROOT_PREFIX = '/calico/';
export const RESOURCES_PREFIX = '/calico/resources/v3/projectcalico.org/';
export const BLOCKS_PREFIX = '/calico/ipam/v2/assignment/';
export const HOST_AFFINITIES_PREFIX = '/calico/ipam/v2/host/';
export const VIRTUAL_AFFINITIES_PREFIX = '/calico/ipam/v2/virtual/';
export const HANDLES_PREFIX = '/calico/ipam/v2/handle/';
export const IPAM_CONFIG_KEY = '/calico/ipam/v2/config';
/** Reports of the agents on themselves and on what they do. */
export const FELIX_PREFIX = '/calico/felix/';
const FELIX_V1_PREFIX = `${FELIX_PREFIX}v1/host/`;
const FELIX_V2_PREFIX = `${FELIX_PREFIX}v2/`;

/** Who holds a block: a node, or a service of the cluster as a whole (only `load-balancer` exists). */
export type AffinityType = 'host' | 'virtual';

export interface ResourceKey {
  readonly kind: 'resource';
  readonly plural: string;
  /** Undefined for kinds that live outside namespaces. */
  readonly namespace: string | undefined;
  readonly name: string;
}

export interface BlockKey {
  readonly kind: 'block';
  /** Canonical text, as everywhere: `10.65.0.0/26`. */
  readonly cidr: string;
}

export interface AffinityKey {
  readonly kind: 'affinity';
  readonly type: AffinityType;
  readonly host: string;
  readonly cidr: string;
}

export interface WorkloadStatusKey {
  readonly kind: 'workload-status';
  readonly region: string;
  readonly host: string;
  readonly orchestrator: string;
  /** Unescaped: `default/web-0`. */
  readonly workload: string;
  readonly endpoint: string;
}

export type ParsedKey =
  | ResourceKey
  | BlockKey
  | AffinityKey
  | {readonly kind: 'handle'; readonly handleId: string}
  | {readonly kind: 'ipam-config'}
  /** Left by old releases; removed with the host. */
  | {readonly kind: 'host-marker'; readonly host: string}
  | {readonly kind: 'felix-status'; readonly region: string; readonly host: string; readonly lasting: boolean}
  | WorkloadStatusKey
  | {readonly kind: 'host-endpoint-status'; readonly host: string; readonly endpoint: string};

/** Key of a resource; `namespace` for namespaced kinds only. */
export function resourceKey(plural: string, name: string, namespace?: string): string {
  return `${resourcePrefix(plural, namespace)}${element('name', name)}`;
}

/** Prefix of all resources of a kind, or of those in one namespace. */
export function resourcePrefix(plural: string, namespace?: string): string {
  return `${RESOURCES_PREFIX}${plural}/${namespace === undefined ? '' : `${element('namespace', namespace)}/`}`;
}

/** `cidr` is canonical text. */
export const blockKey = (cidr: string): string => `${blockPrefix(familyOf(cidr))}${dashed(cidr)}`;
export const blockPrefix = (family: Family): string => `${BLOCKS_PREFIX}ipv${family}/block/`;

/** Key of the claim of `host` on a block; `cidr` is canonical text. */
export function affinityKey(affinity: {
  readonly type?: AffinityType | undefined;
  readonly host: string;
  readonly cidr: string;
}): string {
  const {type = 'host', host, cidr} = affinity;
  return `${affinityPrefix(host, familyOf(cidr), type)}${dashed(cidr)}`;
}

/** Prefix of the claims of one host, of one family. */
export function affinityPrefix(host: string, family: Family, type: AffinityType = 'host'): string {
  return `${type === 'host' ? HOST_AFFINITIES_PREFIX : VIRTUAL_AFFINITIES_PREFIX}${element('host', host)}/ipv${family}/block/`;
}

export const handleKey = (handleId: string): string => `${HANDLES_PREFIX}${element('handle', handleId)}`;

export const hostMarkerKey = (host: string): string => `${HOST_AFFINITIES_PREFIX}${element('host', host)}`;

/** The path element that stands for an OpenStack region; none is the usual case. */
export const regionElement = (openstackRegion?: string): string =>
  openstackRegion === undefined || openstackRegion === '' ? 'no-region' : `region-${openstackRegion}`;

/** Felix's report of being alive. It is written twice: with a lease, and (`lasting`) without one. */
export const felixStatusKey = (host: string, region = 'no-region'): string => `${felixPrefix(host, region)}status`;
export const felixLastStatusKey = (host: string, region = 'no-region'): string =>
  `${felixPrefix(host, region)}last_reported_status`;

/** Prefix of the endpoint reports of one host. */
export const workloadStatusPrefix = (host: string, region = 'no-region'): string =>
  `${felixPrefix(host, region)}workload/`;

export function workloadStatusKey(status: Omit<WorkloadStatusKey, 'kind'>): string {
  const {region, host, orchestrator, workload, endpoint} = status;
  const path = `${escapeElement(orchestrator)}/${escapeElement(workload)}/endpoint/${escapeElement(endpoint)}`;
  return `${workloadStatusPrefix(host, region)}${path}`;
}

export const hostEndpointStatusKey = (host: string, endpoint: string): string =>
  `${FELIX_V1_PREFIX}${element('host', host)}/endpoint/${element('endpoint', endpoint)}`;

/** A name as one element of a path: `%` becomes `%25`, `/` becomes `%2f`, nothing else changes. */
export function escapeElement(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('/', '%2f');
}

/** Reverse of `escapeElement`; undefined when it could not have made this text. */
export function unescapeElement(text: string): string | undefined {
  const plain = text.replaceAll('%2f', '/').replaceAll('%25', '%');
  return escapeElement(plain) === text ? plain : undefined;
}

/** What `key` is the key of, or undefined when it is none of the keys above. Never throws. */
export function parseKey(key: string): ParsedKey | undefined {
  if (!key.startsWith(ROOT_PREFIX)) return undefined;
  const [area, version, ...rest] = key.slice(ROOT_PREFIX.length).split('/');
  if (rest.includes('')) return undefined;
  switch (`${area}/${version}`) {
    case 'resources/v3':
      return parseResource(rest);
    case 'ipam/v2':
      return parseIpam(rest);
    case 'felix/v1':
      return parseHostEndpointStatus(rest);
    case 'felix/v2':
      return parseFelixStatus(rest);
    default:
      return undefined;
  }
}

function parseResource(path: readonly string[]): ResourceKey | undefined {
  const [group, plural, first, second] = path;
  if (group !== 'projectcalico.org' || plural === undefined || first === undefined) return undefined;
  if (path.length === 3) return {kind: 'resource', plural, namespace: undefined, name: first};
  if (path.length === 4 && second !== undefined) return {kind: 'resource', plural, namespace: first, name: second};
  return undefined;
}

function parseIpam(path: readonly string[]): ParsedKey | undefined {
  const [area, second, third] = path;
  if (second === undefined) return area === 'config' && path.length === 1 ? {kind: 'ipam-config'} : undefined;
  switch (area ?? '') {
    case 'assignment': {
      const cidr = blockCidr(path.slice(1));
      return cidr === undefined ? undefined : {kind: 'block', cidr};
    }
    case 'handle':
      return path.length === 2 ? {kind: 'handle', handleId: second} : undefined;
    case 'host':
      return third === undefined ? {kind: 'host-marker', host: second} : parseAffinity('host', path);
    case 'virtual':
      return parseAffinity('virtual', path);
    default:
      return undefined;
  }
}

function parseAffinity(type: AffinityType, [, host, ...block]: readonly string[]): AffinityKey | undefined {
  const cidr = blockCidr(block);
  return host === undefined || cidr === undefined ? undefined : {kind: 'affinity', type, host, cidr};
}

/** The CIDR of `ipv4/block/10.65.0.0-26`. Another spelling of the same network would be another key: refused. */
function blockCidr(path: readonly string[]): string | undefined {
  const [version, block, dashedText] = path;
  if (path.length !== 3 || block !== 'block' || dashedText === undefined) return undefined;
  const dash = dashedText.lastIndexOf('-');
  const text = `${dashedText.slice(0, dash)}/${dashedText.slice(dash + 1)}`;
  const cidr = dash < 0 ? undefined : parseCidr(text);
  return cidr !== undefined && `ipv${cidr.ip.family}` === version && formatCidr(cidr) === text ? text : undefined;
}

function parseHostEndpointStatus(path: readonly string[]): ParsedKey | undefined {
  const [area, host, type, endpoint] = path;
  if (path.length !== 4 || area !== 'host' || type !== 'endpoint') return undefined;
  if (host === undefined || endpoint === undefined) return undefined;
  return {kind: 'host-endpoint-status', host, endpoint};
}

function parseFelixStatus(path: readonly string[]): ParsedKey | undefined {
  const [region, area, host, type, orchestratorText, workloadText, endpointWord, endpointText] = path;
  if (region === undefined || area !== 'host' || host === undefined) return undefined;
  if (path.length === 4 && type === 'status') return {kind: 'felix-status', region, host, lasting: false};
  if (path.length === 4 && type === 'last_reported_status') return {kind: 'felix-status', region, host, lasting: true};
  if (path.length !== 8 || type !== 'workload' || endpointWord !== 'endpoint') return undefined;
  const orchestrator = unescapeElement(orchestratorText ?? '');
  const workload = unescapeElement(workloadText ?? '');
  const endpoint = unescapeElement(endpointText ?? '');
  if (orchestrator === undefined || workload === undefined || endpoint === undefined) return undefined;
  return {kind: 'workload-status', region, host, orchestrator, workload, endpoint};
}

const felixPrefix = (host: string, region: string): string =>
  `${FELIX_V2_PREFIX}${element('region', region)}/host/${element('host', host)}/`;

/** A name as one element of a key. */
function element(what: string, name: string): string {
  if (name === '' || name.includes('/'))
    throw invalidResource('key', [violation(what, name, 'must not be empty or contain a slash')]);
  return name;
}

const familyOf = (cidr: string): Family => (cidr.includes(':') ? 6 : 4);
const dashed = (cidr: string): string => cidr.replace('/', '-');
