/**
 * A call of the CNI plugin -> a typed request, with the checks of the CNI library in its order: variables, network,
 * container id, interface name, version. What passes here may become part of names and keys.
 *
 * The namespace is known by its descriptor only; the path that the runtime gave is repeated in the result and never
 * opened. What is wrong with a namespace is not an error yet: DEL has to succeed for one that is gone.
 */
import {getSystemErrorName} from 'node:util';
import {AgentError} from '../lib/errors.ts';
import type {Addon} from '../native/addon.ts';
import type {Program, ShimRequest} from '../native/shim-protocol.ts';
import {type CniVersion, parseVerb, requireVersion, type Verb} from './cni-version.ts';
import {decodeNetwork, isCniName, type NetworkConfig, readNetworkConfig, versionOf} from './network-config.ts';

export type Netns =
  /** CNI_NETNS is not set or empty. */
  | {readonly kind: 'absent'}
  | {readonly kind: 'open'; readonly path: string; readonly fd: number}
  /** The plugin could not open the path. */
  | {readonly kind: 'unopened'; readonly path: string; readonly errno: number; readonly reason: string}
  | {readonly kind: 'not-a-namespace'; readonly path: string}
  /** The host's: the one the agent works in. */
  | {readonly kind: 'own'; readonly path: string};

interface Common {
  readonly program: Program;
  readonly version: CniVersion;
  readonly config: NetworkConfig;
  /** As it came, for delegated IPAM plugins. */
  readonly stdin: Uint8Array;
  /** CNI_ARGS, unparsed. */
  readonly args: string;
}

/** A call about one interface of one container. */
export interface AttachmentRequest extends Common {
  readonly verb: 'ADD' | 'DEL' | 'CHECK';
  readonly containerId: string;
  readonly ifname: string;
  readonly netns: Netns;
}

export interface StatusRequest extends Common {
  readonly verb: 'STATUS';
}

export interface GcRequest extends Common {
  readonly verb: 'GC';
}

export type CniRequest = AttachmentRequest | StatusRequest | GcRequest;

export interface RequestDependencies {
  readonly addon: Pick<Addon, 'networkNamespace'>;
  /** Inode of the host's network namespace. */
  readonly hostInode: bigint;
}

const REQUIRED: Readonly<Record<Verb, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_PATH'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  STATUS: ['CNI_PATH'],
  GC: ['CNI_PATH'],
};

/** Throws E_CNI_BAD_ENV, E_CNI_DECODE, E_CNI_BAD_NETWORK_CONFIG, E_CNI_INCOMPATIBLE or E_CNI_BAD_FIELD. */
export function readRequest(shim: ShimRequest, fd: number | undefined, dependencies: RequestDependencies): CniRequest {
  const variable = (name: string): string => shim.environment.get(name) ?? '';
  const verb = requireVerb(variable('CNI_COMMAND'));
  const missing = REQUIRED[verb].filter((name) => variable(name) === '');
  if (missing.length > 0) throw badEnvironment(`required env variables [${missing.join(',')}] missing`);
  const {json, name} = decodeNetwork(shim.stdin);
  const containerId = variable('CNI_CONTAINERID');
  const ifname = variable('CNI_IFNAME');
  const isAboutContainer = verb === 'ADD' || verb === 'DEL' || verb === 'CHECK';
  if (isAboutContainer) {
    if (!isCniName(containerId)) throw badEnvironment('invalid characters in containerID', containerId.slice(0, 256));
    requireInterfaceName(ifname);
  }
  const version = requireVersion(versionOf(json), verb);
  const config = readNetworkConfig(json, name);
  const common = {program: shim.program, version, config, stdin: shim.stdin, args: variable('CNI_ARGS')};
  if (!isAboutContainer) return verb === 'GC' ? {...common, verb} : {...common, verb};
  return {...common, verb, containerId, ifname, netns: readNetns(shim, fd, dependencies)};
}

function requireVerb(text: string): Verb {
  const verb = parseVerb(text);
  if (verb === undefined) throw badEnvironment(`unknown CNI_COMMAND: ${text.slice(0, 64)}`);
  return verb;
}

/** The name becomes a link, and part of paths below /proc/sys; `%` would be a pattern to the kernel. */
function requireInterfaceName(name: string): void {
  if (Buffer.byteLength(name) > 15)
    throw badEnvironment('interface name is too long', 'interface name should be less than 16 characters');
  if (name === '.' || name === '..') throw badEnvironment('interface name is . or ..');
  if (/[/:\s]/u.test(name)) throw badEnvironment('interface name contains / or : or whitespace characters');
  if (!/^[A-Za-z0-9_.-]+$/.test(name))
    throw badEnvironment('interface name may have letters, digits, dot, dash and underscore only', name);
}

function readNetns(shim: ShimRequest, fd: number | undefined, {addon, hostInode}: RequestDependencies): Netns {
  const path = shim.environment.get('CNI_NETNS') ?? '';
  const {netns} = shim;
  if (netns.kind === 'absent' || path === '') return {kind: 'absent'};
  if (netns.kind === 'failed')
    return {kind: 'unopened', path, errno: netns.errno, reason: getSystemErrorName(-netns.errno)};
  const namespace = fd === undefined ? undefined : addon.networkNamespace(fd);
  if (fd === undefined || namespace === undefined) return {kind: 'not-a-namespace', path};
  return namespace.inode === hostInode ? {kind: 'own', path} : {kind: 'open', path, fd};
}

/** The namespace to work in. Throws E_CNI_OWN_NETNS or E_NO_NAMESPACE, saying what is in its place. */
export function requireNetns(netns: Netns): {readonly path: string; readonly fd: number} {
  switch (netns.kind) {
    case 'open':
      return netns;
    case 'absent':
      throw badEnvironment('required env variables [CNI_NETNS] missing');
    case 'unopened':
      throw new AgentError('E_NO_NAMESPACE', `cannot open ${netns.path}: ${netns.reason}`, {path: netns.path});
    case 'not-a-namespace':
      throw new AgentError('E_NO_NAMESPACE', `${netns.path} is no network namespace`, {path: netns.path});
    case 'own':
      throw new AgentError('E_CNI_OWN_NETNS', "plugin's netns and netns from CNI_NETNS should not be the same", {
        details: netns.path,
      });
  }
}

const badEnvironment = (message: string, details = ''): AgentError =>
  new AgentError('E_CNI_BAD_ENV', message, {details});
