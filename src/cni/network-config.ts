/**
 * The network configuration that comes on standard input: decoded once, typed from then on.
 *
 * Only what we act on is here. What it says about datastore, files and addresses of others is looked at by
 * agent-settings.ts and never acted on; unknown fields are nobody's business but a delegated IPAM plugin's, which gets
 * the text as it came. Facts: a field of the wrong JSON type fails the call (Go's decoder), null counts as absent, and
 * `assign_ipv4` and `assign_ipv6` are strings, of which only "false" and "true" mean something.
 */
import {AgentError, messageOf} from '../lib/errors.ts';
import {isJsonObject, type JsonObject, type JsonValue, parseJson} from '../lib/exact-json.ts';

export interface IpamSettings {
  /** Name of the IPAM plugin; empty when none is given. */
  readonly type: string;
  readonly wantsIpv4: boolean;
  readonly wantsIpv6: boolean;
  /** CIDRs or names of pools. */
  readonly ipv4Pools: readonly string[];
  readonly ipv6Pools: readonly string[];
  /** host-local only. */
  readonly subnet: string;
  /** host-local: destinations of its routes. */
  readonly routeDestinations: readonly string[];
}

export interface Attachment {
  readonly containerId: string;
  readonly ifname: string;
}

export interface NetworkConfig {
  readonly name: string;
  readonly cniVersion: string;
  /** What was read, for delegates and for agent-settings.ts. */
  readonly json: JsonObject;
  /** 0 or less: the agent decides. */
  readonly mtu: number;
  readonly requiresMtuFile: boolean;
  /** Queues of the veth in each direction. */
  readonly queues: number;
  readonly allowsIpForwarding: boolean;
  readonly includesDefaultRoutes: boolean;
  readonly policyType: string;
  /** feature_control.ip_addrs_no_ipam */
  readonly wantsAddressesWithoutIpam: boolean;
  readonly ipam: IpamSettings;
  /** GC: the attachments that are still in use. */
  readonly validAttachments: readonly Attachment[] | undefined;
}

/** The rule of the CNI library for network names and container ids. */
const CNI_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

export const isCniName = (text: string): boolean => CNI_NAME.test(text);

const MAX_DEPTH = 64;

/** Decodes as far as the CNI library does: an object with a name. Throws E_CNI_DECODE or E_CNI_BAD_NETWORK_CONFIG. */
export function decodeNetwork(stdin: Uint8Array): {readonly json: JsonObject; readonly name: string} {
  const json = decodeJson(stdin);
  const {name} = json;
  if (name !== undefined && name !== null && typeof name !== 'string') throw undecodable('name must be a string');
  if (name === undefined || name === null || name === '')
    throw new AgentError('E_CNI_BAD_NETWORK_CONFIG', 'missing network name');
  if (!isCniName(name))
    throw new AgentError('E_CNI_BAD_NETWORK_CONFIG', 'invalid characters found in network name', {
      details: name.slice(0, 256),
    });
  return {json, name};
}

/** The JSON object; null counts as an empty one. Throws E_CNI_DECODE. */
export function decodeJson(stdin: Uint8Array): JsonObject {
  const value = parse(stdin);
  if (value === null) return {};
  if (isJsonObject(value)) return value;
  throw undecodable('it must be a JSON object');
}

/** `cniVersion` of a decoded network; empty when there is none. Throws E_CNI_DECODE. */
export function versionOf({cniVersion}: JsonObject): string {
  if (cniVersion === undefined || cniVersion === null) return '';
  if (typeof cniVersion === 'string') return cniVersion;
  throw undecodable('cniVersion must be a string');
}

/** Reads the rest. Throws E_CNI_BAD_FIELD. */
export function readNetworkConfig(json: JsonObject, name: string): NetworkConfig {
  const fields = new Fields(json, '');
  const ipam = fields.object('ipam');
  const policy = fields.object('policy');
  for (const key of TEXT_FIELDS) fields.text(key);
  return {
    name,
    cniVersion: versionOf(json),
    json,
    mtu: fields.integer('mtu'),
    requiresMtuFile: fields.flag('require_mtu_file'),
    queues: Math.max(1, fields.integer('num_queues')),
    allowsIpForwarding: fields.object('container_settings').flag('allow_ip_forwarding'),
    includesDefaultRoutes: fields.flag('include_default_routes'),
    policyType: policy.text('type'),
    wantsAddressesWithoutIpam: fields.object('feature_control').flag('ip_addrs_no_ipam'),
    ipam: {
      type: ipam.text('type'),
      wantsIpv4: ipam.text('assign_ipv4') !== 'false',
      wantsIpv6: ipam.text('assign_ipv6') === 'true',
      ipv4Pools: ipam.texts('ipv4_pools'),
      ipv6Pools: ipam.texts('ipv6_pools'),
      subnet: ipam.text('subnet'),
      routeDestinations: routeDestinations(ipam.value('routes')),
    },
    validAttachments: validAttachments(fields.value('cni.dev/valid-attachments')),
  };
}

/** Read by Calico as strings; a wrong type is refused although we do not use them. */
const TEXT_FIELDS = ['type', 'log_level', 'nodename', 'datastore_type', 'etcd_endpoints', 'log_file_path'];

function parse(stdin: Uint8Array): JsonValue {
  let text: string;
  try {
    text = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(stdin);
  } catch (error) {
    throw undecodable('it is not UTF-8', error);
  }
  try {
    return parseJson(text, {maxDepth: MAX_DEPTH});
  } catch (error) {
    throw undecodable(messageOf(error), error);
  }
}

function undecodable(problem: string, cause?: unknown): AgentError {
  // `details` is empty so that the message is not made longer by its own cause.
  return new AgentError('E_CNI_DECODE', `error unmarshall network config: ${problem}`, {details: ''}, cause);
}

class Fields {
  readonly #json: JsonObject;
  readonly #path: string;

  constructor(json: JsonObject, path: string) {
    this.#json = json;
    this.#path = path;
  }

  /** Undefined for null too. */
  value(key: string): JsonValue | undefined {
    return this.#json[key] ?? undefined;
  }

  object(key: string): Fields {
    const value = this.value(key) ?? {};
    if (!isJsonObject(value)) throw this.#wrongType(key, 'an object');
    return new Fields(value, `${this.#path}${key}.`);
  }

  text(key: string): string {
    const value = this.value(key) ?? '';
    if (typeof value !== 'string') throw this.#wrongType(key, 'a string');
    return value;
  }

  texts(key: string): readonly string[] {
    const value: unknown = this.value(key) ?? [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
      throw this.#wrongType(key, 'a list of strings');
    return value as readonly string[];
  }

  flag(key: string): boolean {
    const value = this.value(key) ?? false;
    if (typeof value !== 'boolean') throw this.#wrongType(key, 'true or false');
    return value;
  }

  integer(key: string): number {
    const value = this.value(key) ?? 0;
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw this.#wrongType(key, 'an integer');
    return value;
  }

  #wrongType(key: string, wanted: string): AgentError {
    const path = `${this.#path}${key}`;
    return new AgentError('E_CNI_BAD_FIELD', `failed to load netconf: ${path} must be ${wanted}`, {path});
  }
}

function routeDestinations(value: JsonValue | undefined): readonly string[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly JsonValue[]).flatMap((route) =>
    isJsonObject(route) && typeof route.dst === 'string' ? [route.dst] : [],
  );
}

function validAttachments(value: JsonValue | undefined): readonly Attachment[] | undefined {
  if (value === undefined) return undefined;
  const path = 'cni.dev/valid-attachments';
  const refused = (): AgentError =>
    new AgentError('E_CNI_BAD_FIELD', `failed to load netconf: ${path} must be a list of {containerID, ifname}`, {
      path,
    });
  if (!Array.isArray(value)) throw refused();
  return (value as readonly JsonValue[]).map((entry) => {
    if (!isJsonObject(entry) || typeof entry.containerID !== 'string' || typeof entry.ifname !== 'string')
      throw refused();
    return {containerId: entry.containerID, ifname: entry.ifname};
  });
}
