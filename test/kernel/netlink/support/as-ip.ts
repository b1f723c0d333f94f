/** Our objects in the words of `ip -j -d`, as far as both know them, so that a dump is compared as a whole. */
import type {Address} from '../../../../src/netlink/addresses.ts';
import type {FdbEntry} from '../../../../src/netlink/fdb.ts';
import type {Link} from '../../../../src/netlink/link.ts';
import type {Neighbour} from '../../../../src/netlink/neighbours.ts';
import type {Netconf} from '../../../../src/netlink/netconf.ts';
import type {Route} from '../../../../src/netlink/route.ts';
import type {Rule} from '../../../../src/netlink/rules.ts';
import type {Json} from './test-namespace.ts';

export type LinkNames = ReadonlyMap<number, string>;

/** Without the fields that are undefined, as JSON has it. */
const json = (fields: Json): Json => JSON.parse(JSON.stringify(fields)) as Json;

/** The fields of `keys` only. */
export const only = (object: Json, keys: readonly string[]): Json =>
  Object.fromEntries(keys.filter((key) => object[key] !== undefined).map((key) => [key, object[key]]));

/** Order means nothing: both sides sorted by their text. */
export const sorted = (objects: readonly Json[]): string[] =>
  objects.map((object) => JSON.stringify(withSortedKeys(object))).sort();

function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const object = value as Json;
  return Object.fromEntries(
    Object.keys(object)
      .sort()
      .map((key) => [key, withSortedKeys(object[key])]),
  );
}

const PROTOCOLS: Readonly<Record<number, string>> = {
  0: 'unspec',
  2: 'kernel',
  3: 'boot',
  4: 'static',
  9: 'ra',
  12: 'bird',
  16: 'dhcp',
};
const SCOPES: Readonly<Record<number, string>> = {0: 'global', 200: 'site', 253: 'link', 254: 'host', 255: 'nowhere'};
const TABLES: Readonly<Record<number, string>> = {253: 'default', 254: 'main', 255: 'local'};
const tableName = (table: number): string => TABLES[table] ?? String(table);

const shortCidr = (cidr: string): string => {
  if (cidr === '0.0.0.0/0' || cidr === '::/0') return 'default';
  return cidr.replace(cidr.includes(':') ? /\/128$/ : /\/32$/, '');
};

export function routeAsIp(route: Route, names: LinkNames): Json {
  const mixed = route.gateway !== undefined && route.gateway.includes(':') !== (route.family === 6);
  return json({
    type: route.type,
    dst: shortCidr(route.dst),
    from: route.from && shortCidr(route.from),
    tos: route.tos === 0 ? undefined : `0x${route.tos.toString(16)}`,
    gateway: mixed ? undefined : route.gateway,
    via: mixed ? {family: 'inet6', host: route.gateway} : undefined,
    dev: route.oif === undefined ? undefined : names.get(route.oif),
    table: tableName(route.table),
    protocol: PROTOCOLS[route.protocol] ?? String(route.protocol),
    scope: SCOPES[route.scope],
    prefsrc: route.src,
    metric: route.metric === 0 && route.family === 4 ? undefined : route.metric,
    metrics: route.mtu === undefined ? undefined : [{mtu: route.mtu}],
    flags: hopFlags(route),
    nexthops: route.multipath?.map((hop) =>
      json({gateway: hop.gateway, dev: names.get(hop.oif), weight: hop.weight, flags: hopFlags(hop)}),
    ),
  });
}

export const ROUTE_KEYS = [
  'type',
  'dst',
  'from',
  'tos',
  'gateway',
  'via',
  'dev',
  'table',
  'protocol',
  'scope',
  'prefsrc',
  'metric',
  'metrics',
  'flags',
  'nexthops',
];

const hopFlags = (hop: {dead: boolean; onlink: boolean; linkdown: boolean}): string[] => [
  ...(hop.dead ? ['dead'] : []),
  ...(hop.onlink ? ['onlink'] : []),
  ...(hop.linkdown ? ['linkdown'] : []),
];

export function linkAsIp(link: Link, names: LinkNames): Json {
  const {info, parentIndex, parentNetnsId} = link;
  return json({
    ifindex: link.index,
    ifname: link.name,
    mtu: link.mtu,
    address: link.mac,
    operstate: link.operState.replaceAll('-', '').replace('lowerlayer', 'lowerlayer').toUpperCase(),
    txqlen: link.txQueueLength === 0 ? undefined : link.txQueueLength,
    num_tx_queues: link.numTxQueues,
    num_rx_queues: link.numRxQueues,
    group: link.group === 0 ? 'default' : String(link.group),
    ifalias: link.alias,
    master: link.master === undefined ? undefined : names.get(link.master),
    link: parentIndex === undefined || parentNetnsId !== undefined ? undefined : names.get(parentIndex),
    link_index: parentNetnsId === undefined ? undefined : parentIndex,
    link_netnsid: parentNetnsId,
    up: link.up,
    kind: info.kind === 'other' ? info.type || undefined : info.kind,
    vxlan:
      info.kind !== 'vxlan'
        ? undefined
        : json({
            id: info.id,
            local: info.local?.includes(':') ? undefined : info.local,
            local6: info.local?.includes(':') ? info.local : undefined,
            group: info.group,
            link: info.parentIndex === undefined ? undefined : names.get(info.parentIndex),
            port: info.port,
            learning: info.learning,
            l2miss: info.l2miss || undefined,
            l3miss: info.l3miss || undefined,
            gbp: info.gbp || undefined,
            external: info.flowBased || undefined,
          }),
  });
}

/** `ip -j -d link` in the same shape. */
export function ipLink(link: Json): Json {
  const info = link.linkinfo as {info_kind?: string; info_data?: Json} | undefined;
  const flags = link.flags as readonly string[];
  return json({
    ...only(link, [
      'ifindex',
      'ifname',
      'mtu',
      'address',
      'operstate',
      'txqlen',
      'num_tx_queues',
      'num_rx_queues',
      'group',
      'ifalias',
      'master',
      'link',
      'link_index',
      'link_netnsid',
    ]),
    up: flags.includes('UP'),
    kind: info?.info_kind,
    vxlan:
      info?.info_kind !== 'vxlan'
        ? undefined
        : only(info.info_data ?? {}, [
            'id',
            'local',
            'local6',
            'group',
            'link',
            'port',
            'learning',
            'l2miss',
            'l3miss',
            'gbp',
            'external',
          ]),
  });
}

export const addressAsIp = (address: Address, names: LinkNames): Json =>
  json({
    dev: names.get(address.index),
    family: address.family === 4 ? 'inet' : 'inet6',
    local: address.ip,
    address: address.peer,
    prefixlen: address.prefixLength,
    scope: SCOPES[address.scope],
    label: address.label,
    broadcast: address.broadcast,
    secondary: address.secondary || undefined,
    tentative: address.tentative || undefined,
    nodad: address.nodad || undefined,
    noprefixroute: address.noPrefixRoute || undefined,
  });

export const ADDRESS_KEYS = [
  'family',
  'local',
  'address',
  'prefixlen',
  'scope',
  'label',
  'broadcast',
  'secondary',
  'tentative',
  'nodad',
  'noprefixroute',
];

export const neighbourAsIp = (neighbour: Neighbour, names: LinkNames): Json =>
  json({
    dst: neighbour.ip,
    dev: names.get(neighbour.index),
    lladdr: neighbour.mac,
    state: neighbour.proxy ? undefined : [neighbour.state.toUpperCase()],
    proxy: neighbour.proxy ? null : undefined,
  });

export const fdbAsBridge = (entry: FdbEntry, names: LinkNames): Json =>
  json({
    mac: entry.mac,
    ifname: names.get(entry.index),
    dst: entry.dst,
    vlan: entry.vlan,
    master: entry.table === 'master' && entry.master !== undefined ? names.get(entry.master) : undefined,
    self: entry.table === 'self',
    permanent: entry.permanent,
  });

export const bridgeFdb = (entry: Json): Json =>
  json({
    ...only(entry, ['mac', 'ifname', 'dst', 'vlan']),
    master: (entry.flags as readonly string[]).includes('self') ? undefined : entry.master,
    self: (entry.flags as readonly string[]).includes('self'),
    permanent: entry.state === 'permanent',
  });

export const ruleAsIp = (rule: Rule): Json => {
  const [src, srclen] = rule.src?.split('/') ?? ['all'];
  const [dst, dstlen] = rule.dst?.split('/') ?? [];
  const bits = rule.family === 6 ? '128' : '32';
  const length = (text: string | undefined) => (text === undefined || text === bits ? undefined : Number(text));
  return json({
    priority: rule.priority,
    not: rule.invert ? null : undefined,
    src,
    srclen: length(srclen),
    dst,
    dstlen: length(dstlen),
    iif: rule.iif,
    oif: rule.oif,
    fwmark: rule.fwmask === 0 ? undefined : `0x${rule.fwmark.toString(16)}`,
    fwmask: rule.fwmask === 0 || rule.fwmask === 0xffffffff ? undefined : `0x${rule.fwmask.toString(16)}`,
    ipproto: rule.ipProtocol === 0 ? undefined : rule.ipProtocol === 6 ? 'tcp' : String(rule.ipProtocol),
    dport_start: rule.dstPorts?.[0],
    dport_end: rule.dstPorts?.[1],
    table: rule.action === 'table' ? tableName(rule.table) : undefined,
    suppress_prefixlen: rule.suppressPrefixLength,
    action: rule.action === 'table' ? undefined : rule.action,
    protocol: PROTOCOLS[rule.protocol] ?? String(rule.protocol),
  });
};

export const RULE_KEYS = [
  'priority',
  'not',
  'src',
  'srclen',
  'dst',
  'dstlen',
  'iif',
  'oif',
  'fwmark',
  'fwmask',
  'ipproto',
  'dport_start',
  'dport_end',
  'table',
  'suppress_prefixlen',
  'action',
  'protocol',
];

const RP_FILTERS = ['off', 'strict', 'loose'];

export const netconfAsIp = (netconf: Netconf, names: LinkNames): Json =>
  json({
    family: netconf.family === 4 ? 'inet' : 'inet6',
    interface: typeof netconf.index === 'string' ? netconf.index : names.get(netconf.index),
    forwarding: netconf.forwarding,
    rp_filter: netconf.rpFilter === undefined ? undefined : RP_FILTERS[netconf.rpFilter],
    proxy_neigh: netconf.proxyNeighbours,
    ignore_routes_with_linkdown: netconf.ignoreRoutesWithLinkdown,
  });
