/**
 * From resources to the facts calculation uses. Every value is parsed here, and one that cannot be is an
 * E_INVALID_RESOURCE naming path, value and rule.
 */
import {
  addToIp,
  type Cidr,
  cidrOf,
  type Family,
  formatCidr,
  hostCidr,
  type Ip,
  type IpWithPrefix,
  parseCidr,
  parseIp,
  parseIpWithPrefix,
} from '../../lib/cidr.ts';
import {felixParameters} from '../../model/felix-parameters.ts';
import type {Block} from '../../model/ipam-records.ts';
import type {BlockKey} from '../../model/keys.ts';
import type {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import type {FelixConfiguration} from '../../model/kinds/felix-configuration.ts';
import type {IPPool} from '../../model/kinds/ip-pool.ts';
import type {Node} from '../../model/kinds/node.ts';
import {labelMap} from '../../model/resource.ts';
import {parseSelector} from '../../model/selector/parser.ts';
import {invalidResource, violation} from '../../model/violation.ts';
import type {
  BlockInput,
  ClusterInformationInput,
  FelixConfigurationInput,
  NodeAddress,
  NodeFamilyInput,
  NodeInput,
  PoolEncapsulation,
  PoolInput,
  TunnelKind,
} from './inputs.ts';
import {canonicalMac} from './mac.ts';

/** The value that `parse` makes of `text`; undefined when there is no text, an error when it cannot be parsed. */
type Parsed = <T>(
  path: string,
  text: string | undefined,
  parse: (text: string) => T | undefined,
  rule: string,
) => T | undefined;

const fieldsOf =
  (what: string): Parsed =>
  (path, text, parse, rule) => {
    if (text === undefined || text === '') return undefined;
    const value = parse(text);
    if (value === undefined) throw invalidResource(what, [violation(path, text, rule)]);
    return value;
  };

export function poolInput(pool: IPPool): PoolInput {
  const what = `IPPool "${pool.metadata.name}"`;
  const {spec} = pool;
  const field = fieldsOf(what);
  const cidr = field('spec.cidr', spec.cidr, parseCidr, 'must be a CIDR');
  if (cidr === undefined) throw invalidResource(what, [violation('spec.cidr', undefined, 'must be specified')]);
  const mode = (path: string, text: string | undefined) =>
    field(path, text, parseMode, 'must be Never, Always or CrossSubnet') ?? 'never';
  const vxlan = mode('spec.vxlanMode', spec.vxlanMode);
  const ipip = mode('spec.ipipMode', spec.ipipMode);
  const uses: readonly string[] = spec.allowedUses;
  return {
    cidr,
    ...encapsulationOf(vxlan, ipip),
    loadBalancerOnly: uses.length > 0 && uses.every((use) => use === 'LoadBalancer'),
  };
}

type Mode = 'never' | 'always' | 'crosssubnet';

function parseMode(text: string): Mode | undefined {
  const lower = text.toLowerCase();
  return lower === 'never' || lower === 'always' || lower === 'crosssubnet' ? lower : undefined;
}

function encapsulationOf(vxlan: Mode, ipip: Mode): PoolEncapsulation {
  if (vxlan !== 'never') return {encapsulation: 'vxlan', plainInSubnet: vxlan === 'crosssubnet'};
  if (ipip !== 'never') return {encapsulation: 'ipip', plainInSubnet: ipip === 'crosssubnet'};
  return {encapsulation: 'none', plainInSubnet: false};
}

export function nodeInput(node: Node): NodeInput {
  const field = fieldsOf(`Node "${node.metadata.name}"`);
  const {spec} = node;
  const ip = (path: string, text: string | undefined, family: Family) =>
    field(path, text, (value) => ipOfFamily(value, family), `must be an IPv${family} address`);
  const bgpAddress = (path: string, text: string | undefined, family: Family) =>
    field(
      path,
      text,
      (value) => addressOf(parseIpWithPrefix(value), family),
      `must be an IPv${family} address with its prefix length`,
    );
  const mac = (path: string, text: string | undefined) => field(path, text, canonicalMac, 'must be a MAC');
  const facts = (
    family: Family,
    bgp: NodeAddress | undefined,
    vxlanMac: string | undefined,
    tunnels: Readonly<Record<TunnelKind, Ip | undefined>>,
  ): NodeFamilyInput => ({
    address: bgp ?? listedAddress(node, family),
    vxlanMac,
    tunnels: new Map(tunnelKinds.flatMap((kind) => (tunnels[kind] === undefined ? [] : [[kind, tunnels[kind]]]))),
  });
  return {
    labels: labelMap(node.metadata.labels),
    families: {
      4: facts(
        4,
        bgpAddress('spec.bgp.ipv4Address', spec.bgp?.ipv4Address, 4),
        mac('spec.vxlanTunnelMACAddr', spec.vxlanTunnelMACAddr),
        {
          vxlan: ip('spec.ipv4VXLANTunnelAddr', spec.ipv4VXLANTunnelAddr, 4),
          ipip: ip('spec.bgp.ipv4IPIPTunnelAddr', spec.bgp?.ipv4IPIPTunnelAddr, 4),
          wireguard: ip('spec.wireguard.interfaceIPv4Address', spec.wireguard?.interfaceIPv4Address, 4),
        },
      ),
      6: facts(
        6,
        bgpAddress('spec.bgp.ipv6Address', spec.bgp?.ipv6Address, 6),
        mac('spec.vxlanTunnelMACAddrV6', spec.vxlanTunnelMACAddrV6),
        {
          vxlan: ip('spec.ipv6VXLANTunnelAddr', spec.ipv6VXLANTunnelAddr, 6),
          ipip: undefined,
          wireguard: ip('spec.wireguard.interfaceIPv6Address', spec.wireguard?.interfaceIPv6Address, 6),
        },
      ),
    },
  };
}

const tunnelKinds: readonly TunnelKind[] = ['vxlan', 'ipip', 'wireguard'];

/** Without BGP a node is known by its internal address, or else an external one. Entries that are no address are skipped. */
function listedAddress(node: Node, family: Family): NodeAddress | undefined {
  for (const type of ['InternalIP', 'ExternalIP']) {
    for (const listed of node.spec.addresses ?? []) {
      const address = listed.type === type ? addressOf(parseIpWithPrefix(listed.address), family) : undefined;
      if (address !== undefined) return address;
    }
  }
  return undefined;
}

function ipOfFamily(text: string, family: Family): Ip | undefined {
  const ip = parseIp(text);
  return ip?.family === family ? ip : undefined;
}

function addressOf(parsed: IpWithPrefix | undefined, family: Family): NodeAddress | undefined {
  return parsed?.ip.family === family ? {ip: parsed.ip, subnet: cidrOf(parsed.ip, parsed.length)} : undefined;
}

const HOST_AFFINITY = 'host:';

export function blockInput(key: BlockKey, block: Block): BlockInput | undefined {
  if (block.deleted) return undefined;
  const cidr = parseCidr(block.cidr);
  if (cidr === undefined || formatCidr(cidr) !== key.cidr)
    throw invalidResource('IPAM block', [violation('cidr', block.cidr, `must be ${key.cidr}, as in the key`)]);
  const node = block.affinity?.startsWith(HOST_AFFINITY) ? block.affinity.slice(HOST_AFFINITY.length) : undefined;
  return {cidr, node, borrowed: borrowedFrom(cidr, node, block)};
}

function borrowedFrom(cidr: Cidr, owner: string | undefined, block: Block): ReadonlyMap<string, string> {
  const borrowed = new Map<string, string>();
  const nodes = block.attributes.map((attribute) => attribute.secondary.get('node'));
  if (nodes.every((node) => node === undefined || node === owner)) return borrowed;
  block.allocations.forEach((index, ordinal) => {
    const node = index === null ? undefined : nodes[index];
    if (node !== undefined && node !== owner) borrowed.set(formatCidr(hostCidr(addToIp(cidr.ip, ordinal))), node);
  });
  return borrowed;
}

export function clusterInformationInput({spec}: ClusterInformation): ClusterInformationInput {
  const values = new Map<string, string>();
  const parameters = {
    ClusterGUID: spec.clusterGUID,
    ClusterType: spec.clusterType,
    CalicoVersion: spec.calicoVersion,
    Variant: spec.variant,
  };
  for (const [name, value] of Object.entries(parameters)) if (value) values.set(name, value);
  return {datastoreReady: spec.datastoreReady === true, values};
}

export function felixConfigurationInput({metadata, spec}: FelixConfiguration): FelixConfigurationInput {
  const selector =
    spec.nodeSelector === undefined || spec.nodeSelector === '' ? undefined : parseSelector(spec.nodeSelector);
  return {
    values: felixParameters(spec, metadata.annotations),
    selects: selector && ((labels) => selector.matches(labels)),
    creationTimestamp: metadata.creationTimestamp ?? '',
  };
}
