/** Reads everything that `ipam check` compares. One listing after the other: on a busy cluster they may differ in time. */
import {formatIp, parseCidr, parseIpWithPrefix} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';
import {type Block, decodeAffinity, decodeBlock, decodeHandle} from '../model/ipam-records.ts';
import {
  BLOCKS_PREFIX,
  HANDLES_PREFIX,
  HOST_AFFINITIES_PREFIX,
  type ParsedKey,
  parseKey,
  VIRTUAL_AFFINITIES_PREFIX,
} from '../model/keys.ts';
import {IPPool} from '../model/kinds/ip-pool.ts';
import {Node} from '../model/kinds/node.ts';
import {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';
import type {Claim, IpamState, KnownHandle, Use} from './rules/ipam-inspection.ts';
import type {Session} from './session.ts';

export async function readIpamState(session: Session): Promise<IpamState> {
  const {resources, call} = session;
  const unreadable: string[] = [];
  const pools = await resources.list(IPPool, {}, call);
  const blocks: Block[] = [];
  await read(session, BLOCKS_PREFIX, unreadable, (_, value) => void blocks.push(decodeBlock(value)));
  const claims: Claim[] = [];
  for (const prefix of [HOST_AFFINITIES_PREFIX, VIRTUAL_AFFINITIES_PREFIX])
    await read(session, prefix, unreadable, (key, value) => {
      if (key.kind === 'affinity') claims.push({...key, affinity: decodeAffinity(value)});
    });
  const handles = new Map<string, KnownHandle>();
  await read(session, HANDLES_PREFIX, unreadable, (key, value, revision) => {
    if (key.kind === 'handle') handles.set(key.handleId, {counts: decodeHandle(value).counts, revision});
  });
  return {
    blocks,
    claims,
    handles,
    pools: pools.resources.flatMap(({spec}) => parseCidr(spec.cidr) ?? []),
    uses: await readUses(session, unreadable),
    unreadable: [...pools.unreadable.map(({error}) => error.message), ...unreadable],
  };
}

async function read(
  {store, call}: Session,
  prefix: string,
  unreadable: string[],
  take: (key: ParsedKey, value: string, revision: string) => void,
): Promise<void> {
  for (const {key, value, revision} of (await store.list(prefix, call)).entries) {
    const parsed = parseKey(key);
    try {
      if (parsed === undefined) unreadable.push(`${key}: is not a key of IPAM`);
      else take(parsed, value, revision);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      unreadable.push(`${key}: ${error.message}`);
    }
  }
}

async function readUses({resources, call}: Session, unreadable: string[]): Promise<readonly Use[]> {
  const endpoints = await resources.list(WorkloadEndpoint, {}, call);
  const nodes = await resources.list(Node, {}, call);
  for (const {error} of [...endpoints.unreadable, ...nodes.unreadable]) unreadable.push(error.message);
  return [
    ...endpoints.resources.flatMap(({metadata, spec}) =>
      usesOf(spec.ipNetworks, `the endpoint ${metadata.namespace}/${metadata.name}`),
    ),
    ...nodes.resources.flatMap((node) => usesOf(tunnelAddresses(node), `a tunnel of node ${node.metadata.name}`)),
  ];
}

function usesOf(addresses: readonly string[], owner: string): readonly Use[] {
  return addresses.flatMap((text) => {
    const address = parseIpWithPrefix(text);
    return address === undefined ? [] : [{ip: formatIp(address.ip), owner}];
  });
}

const tunnelAddresses = ({spec}: Node): readonly string[] =>
  [
    spec.bgp?.ipv4IPIPTunnelAddr,
    spec.ipv4VXLANTunnelAddr,
    spec.ipv6VXLANTunnelAddr,
    spec.wireguard?.interfaceIPv4Address,
    spec.wireguard?.interfaceIPv6Address,
  ].filter((address) => address !== undefined);
