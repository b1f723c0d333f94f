/**
 * The addresses a Node resource is to carry, from the settings, the host's interfaces and what the Node has: one
 * decision per family, and the check that no other node has the same.
 */
import {type Family, formatIp, type IpWithPrefix, parseIpWithPrefix} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import type {Node} from '../model/kinds/node.ts';
import {
  type DetectionDependencies,
  detectAddress,
  formatIpWithPrefix,
  givenAddress,
  type HostInterface,
  isHostAddress,
} from './address-detection.ts';
import type {AddressSetting, NodeSettings} from './environment.ts';

export interface NodeAddresses {
  /** `10.0.0.1/24`, or undefined for none. */
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

interface FamilyRequest {
  readonly family: Family;
  readonly variable: 'IP' | 'IP6';
  readonly setting: AddressSetting;
  readonly method: string;
  readonly stored: string | undefined;
}

/** What the Node resource says now. */
export const storedAddresses = (node: Node | undefined): NodeAddresses => ({
  ipv4: node?.spec.bgp?.ipv4Address,
  ipv6: node?.spec.bgp?.ipv6Address,
});

/** Families whose addresses somebody asked for by name: those a Node lists its interfaces for. */
export function requestedFamilies(settings: NodeSettings): Family[] {
  const isAsked = (setting: AddressSetting) => setting.kind === 'autodetect' || setting.kind === 'given';
  return [...(isAsked(settings.ip) ? [4 as const] : []), ...(isAsked(settings.ip6) ? [6 as const] : [])];
}

/**
 * Decides both addresses. Throws E_BAD_CONFIG when one was asked for and cannot be found, or when the node would have
 * none although the networking backend needs one.
 */
export async function decideAddresses(
  settings: NodeSettings,
  stored: NodeAddresses,
  interfaces: readonly HostInterface[],
  dependencies: DetectionDependencies & {readonly log: Logger},
): Promise<NodeAddresses> {
  if (settings.backend === 'none') return stored;
  const decide = (request: FamilyRequest) => decideAddress(request, interfaces, dependencies);
  const ipv4 = await decide({
    family: 4,
    variable: 'IP',
    setting: settings.ip,
    method: settings.ipMethod,
    stored: stored.ipv4,
  });
  const ipv6 = await decide({
    family: 6,
    variable: 'IP6',
    setting: settings.ip6,
    method: settings.ip6Method,
    stored: stored.ipv6,
  });
  if (ipv4 === undefined && ipv6 === undefined) {
    throw new AgentError(
      'E_BAD_CONFIG',
      'no IPv4 or IPv6 addresses configured or detected, required for Calico networking',
      {IP: settings.ip.kind, IP6: settings.ip6.kind, method: settings.ipMethod},
    );
  }
  return {ipv4, ipv6};
}

async function decideAddress(
  request: FamilyRequest,
  interfaces: readonly HostInterface[],
  dependencies: DetectionDependencies & {readonly log: Logger},
): Promise<string | undefined> {
  const {family, setting, stored, variable} = request;
  switch (setting.kind) {
    case 'none':
      return stored;
    case 'given': {
      const address = givenAddress(variable, setting.text, family, interfaces);
      warnWhenForeign(address, interfaces, dependencies.log);
      return formatIpWithPrefix(address);
    }
    case 'keep': {
      // IPv6 is never detected unasked.
      if (stored === undefined) return family === 6 ? undefined : detect(request, interfaces, dependencies);
      const address = parseIpWithPrefix(stored);
      if (address !== undefined) warnWhenForeign(address, interfaces, dependencies.log);
      return stored;
    }
    case 'autodetect':
      return detect(request, interfaces, dependencies);
  }
}

async function detect(
  {family, method, stored}: FamilyRequest,
  interfaces: readonly HostInterface[],
  dependencies: DetectionDependencies & {readonly log: Logger},
): Promise<string> {
  const address = await detectAddress(method, family, interfaces, dependencies);
  if (address !== undefined) return formatIpWithPrefix(address);
  if (stored !== undefined) {
    dependencies.log.warn({family, method, stored}, 'no address detected; the stored one stays');
    return stored;
  }
  throw new AgentError('E_BAD_CONFIG', `failed to autodetect an IPv${family} address with method "${method}"`, {
    method,
    interfaces: interfaces.map((link) => link.name),
  });
}

function warnWhenForeign(address: IpWithPrefix, interfaces: readonly HostInterface[], log: Logger): void {
  if (!isHostAddress(address.ip, interfaces)) {
    log.warn({address: formatIpWithPrefix(address)}, 'the node address is on no interface of this host');
  }
}

/** Throws E_BAD_CONFIG when another node has one of the addresses. */
export function requireUnique(name: string, addresses: NodeAddresses, nodes: readonly Node[]): void {
  for (const node of nodes) {
    if (node.metadata.name === name) continue;
    const theirs = storedAddresses(node);
    for (const [family, ours, other] of [
      [4, addresses.ipv4, theirs.ipv4],
      [6, addresses.ipv6, theirs.ipv6],
    ] as const) {
      if (ours !== undefined && other !== undefined && sameIp(ours, other)) {
        throw new AgentError(
          'E_BAD_CONFIG',
          `IPv${family} address conflict: node "${node.metadata.name}" is already using ${other}`,
          {node: node.metadata.name, address: other},
        );
      }
    }
  }
}

function sameIp(a: string, b: string): boolean {
  const [left, right] = [parseIpWithPrefix(a), parseIpWithPrefix(b)];
  return left !== undefined && right !== undefined && formatIp(left.ip) === formatIp(right.ip);
}
