/**
 * Which of the host's addresses is the node's: the methods of `IP_AUTODETECTION_METHOD`. Pure: it looks at a list of
 * interfaces, and asks its `route` dependency for the one method that needs the kernel's opinion.
 */
import {
  type Cidr,
  cidrContainsIp,
  type Family,
  formatIp,
  type Ip,
  type IpWithPrefix,
  parseCidr,
  parseIpWithPrefix,
} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';

/** One link of the host with its addresses, in the kernel's order. */
export interface HostInterface {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly addresses: readonly IpWithPrefix[];
}

export interface DetectionDependencies {
  /** Source address the kernel would use towards `target` (a host name or an address), or undefined. */
  readonly sourceTowards: (target: string, family: Family) => Promise<Ip | undefined>;
}

/** Interfaces that never carry a node's address: those of containers, bridges and tunnels, Calico's own among them. */
const EXCLUDED: readonly RegExp[] = [
  /^docker.*/,
  /^cbr.*/,
  /^dummy.*/,
  /^podman.*/,
  /^virbr.*/,
  /^lxcbr.*/,
  /^veth.*/,
  /^lo/,
  /^br-.*/,
  /^cali.*/,
  /^tunl.*/,
  /^flannel.*/,
  /^kube-ipvs.*/,
  /^cni.*/,
  /^vxlan\.calico.*/,
  /^vxlan-v6\.calico.*/,
  /^wireguard\.cali.*/,
  /^wg-v6\.cali.*/,
  /^nodelocaldns.*/,
];

/**
 * The address the method finds, with its subnet's prefix length, or undefined when it finds none.
 * Throws E_BAD_CONFIG for a method, expression or CIDR it does not understand.
 */
export async function detectAddress(
  method: string,
  family: Family,
  interfaces: readonly HostInterface[],
  dependencies: DetectionDependencies,
): Promise<IpWithPrefix | undefined> {
  const at = method.indexOf('=');
  const name = at < 0 ? method : method.slice(0, at);
  const argument = at < 0 ? '' : method.slice(at + 1);
  switch (name) {
    case '':
    case 'first-found':
      return firstAddress(interfaces, family, (link) => !matchesAny(link.name, EXCLUDED));
    case 'interface': {
      const wanted = expressions(method, argument);
      return firstAddress(interfaces, family, (link) => matchesAny(link.name, wanted));
    }
    case 'skip-interface': {
      const skipped = [...EXCLUDED, ...expressions(method, argument)];
      return firstAddress(interfaces, family, (link) => !matchesAny(link.name, skipped));
    }
    case 'cidr': {
      const cidrs = argument.split(',').map((text) => requireMethodCidr(method, text));
      return firstAddress(
        interfaces,
        family,
        () => true,
        (address) => cidrs.some((cidr) => cidrContainsIp(cidr, address.ip)),
      );
    }
    case 'can-reach': {
      const source = await dependencies.sourceTowards(argument, family);
      return source && withPrefixOfHost(source, interfaces);
    }
    case 'kubernetes-internal-ip':
      throw new AgentError('E_BAD_CONFIG', `method "${method}" needs the Kubernetes API`, {method});
    default:
      throw new AgentError('E_BAD_CONFIG', `"${method}" is no IP autodetection method`, {method});
  }
}

/**
 * The address a person gave (`10.0.0.1` or `10.0.0.1/24`). A bare IPv4 address takes the prefix length of the interface
 * that has it, /32 when none has; a bare IPv6 address is taken as /128. E_BAD_CONFIG when it is not of the family.
 */
export function givenAddress(
  variable: string,
  text: string,
  family: Family,
  interfaces: readonly HostInterface[],
): IpWithPrefix {
  const parsed = parseIpWithPrefix(text);
  if (parsed?.ip.family !== family) {
    throw new AgentError('E_BAD_CONFIG', `${variable}=${text} is not an IPv${family} address`, {variable, value: text});
  }
  if (text.includes('/') || family === 6) return parsed;
  return withPrefixOfHost(parsed.ip, interfaces) ?? parsed;
}

/** True when some interface of the host has this address. */
export function isHostAddress(ip: Ip, interfaces: readonly HostInterface[]): boolean {
  return withPrefixOfHost(ip, interfaces) !== undefined;
}

/** Interfaces as a Node lists them: not excluded, by name, addresses of the families that were asked for. */
export function reportedInterfaces(
  interfaces: readonly HostInterface[],
  families: readonly Family[],
): {name: string; addresses?: string[]}[] {
  return interfaces
    .filter((link) => !matchesAny(link.name, EXCLUDED))
    .map((link) => {
      const addresses = [...link.addresses]
        .filter((address) => families.includes(address.ip.family))
        .sort((a, b) => a.ip.family - b.ip.family)
        .map((address) => formatIp(address.ip));
      return addresses.length > 0 ? {name: link.name, addresses} : {name: link.name};
    })
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** Interfaces are looked at from the highest index down, each address in the kernel's order. */
function firstAddress(
  interfaces: readonly HostInterface[],
  family: Family,
  wantsInterface: (link: HostInterface) => boolean,
  wantsAddress: (address: IpWithPrefix) => boolean = () => true,
): IpWithPrefix | undefined {
  const ordered = [...interfaces].sort((a, b) => b.index - a.index);
  for (const link of ordered) {
    if (!link.up || !wantsInterface(link)) continue;
    for (const address of link.addresses) {
      if (address.ip.family === family && isGlobalUnicast(address.ip) && wantsAddress(address)) return address;
    }
  }
  return undefined;
}

function withPrefixOfHost(ip: Ip, interfaces: readonly HostInterface[]): IpWithPrefix | undefined {
  const text = formatIp(ip);
  for (const link of interfaces) {
    for (const address of link.addresses) if (formatIp(address.ip) === text) return address;
  }
  return undefined;
}

const NOT_GLOBAL = ['0.0.0.0/32', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32'];
const NOT_GLOBAL_V6 = ['::/127', 'fe80::/10', 'ff00::/8'];
let notGlobalCidrs: readonly Cidr[] | undefined;

/** Private addresses count; loopback, link-local, multicast, broadcast and unspecified ones do not. */
function isGlobalUnicast(ip: Ip): boolean {
  notGlobalCidrs ??= [...NOT_GLOBAL, ...NOT_GLOBAL_V6].flatMap((text) => parseCidr(text) ?? []);
  return !notGlobalCidrs.some((cidr) => cidrContainsIp(cidr, ip));
}

function matchesAny(name: string, patterns: readonly RegExp[]): boolean {
  return patterns.some((pattern) => pattern.test(name));
}

function expressions(method: string, list: string): RegExp[] {
  return list.split(',').map((source) => {
    try {
      return new RegExp(source);
    } catch (error) {
      throw new AgentError('E_BAD_CONFIG', `"${source}" in "${method}" is no regular expression`, {method}, error);
    }
  });
}

function requireMethodCidr(method: string, text: string): Cidr {
  const cidr = text.includes('/') ? parseCidr(text) : undefined;
  if (cidr === undefined) throw new AgentError('E_BAD_CONFIG', `"${text}" in "${method}" is no CIDR`, {method});
  return cidr;
}

/** `10.0.0.1/24` as a Node stores it: the address, not the network. */
export const formatIpWithPrefix = (address: IpWithPrefix): string => `${formatIp(address.ip)}/${address.length}`;
