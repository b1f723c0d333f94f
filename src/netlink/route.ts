/**
 * Routes: their codec. Decoding runs ten thousand times per read-back and allocates the route and nothing else;
 * encoding writes text straight into the batch.
 *
 * What surprised us:
 * - IPv6 metric 0 means "the default": the kernel stores 1024. It reports scope universe for every IPv6 route, and
 *   shows a blackhole as one through the loopback device.
 * - A route that became unusable (link without carrier) stays listed with `linkdown`; a route whose IPv4 link was set
 *   down goes without any notification.
 * - The kernel's IPv4 delete treats metric 0, protocol 0 and scope nowhere as "any".
 */
import type {Family} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';
import {afOf, familyOfAf, familyOfText} from './address-family.ts';
import {NLM_F, RT_SCOPE, RT_TABLE, RTA, RTAX_MTU, RTM, RTM_F_CLONED, RTNH_F, RTPROT} from './constants.ts';
import {type AttributeCursor, type MessageCursor, malformed} from './message-reader.ts';
import {LITTLE_ENDIAN, type MessageWriter} from './message-writer.ts';

/** rtm_type: index is the number. */
const ROUTE_TYPES = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
  'xresolve',
] as const;
export type RouteType = (typeof ROUTE_TYPES)[number];

/** One way of several. */
export interface NextHop {
  readonly gateway: string | undefined;
  readonly oif: number;
  /** 1..256 */
  readonly weight: number;
  readonly onlink: boolean;
  readonly linkdown: boolean;
  readonly dead: boolean;
}

/** A route as the kernel shows it. */
export interface Route {
  readonly family: Family;
  /** Canonical CIDR, length always written: `0.0.0.0/0` for a default route. */
  readonly dst: string;
  readonly table: number;
  /** RTPROT: who made it. */
  readonly protocol: number;
  readonly type: RouteType;
  /** RT_SCOPE; always 0 for IPv6. */
  readonly scope: number;
  readonly tos: number;
  /** 0 when the kernel names none. */
  readonly metric: number;
  /** Preferred source address. */
  readonly src: string | undefined;
  /** Of either family: an IPv4 route may go through an IPv6 gateway. */
  readonly gateway: string | undefined;
  /** Index of the outgoing link. */
  readonly oif: number | undefined;
  readonly onlink: boolean;
  /** The link has no carrier. */
  readonly linkdown: boolean;
  /** The link is down. */
  readonly dead: boolean;
  readonly mtu: number | undefined;
  /** Source prefix of an IPv6 source-specific route. */
  readonly from: string | undefined;
  /** Set instead of `gateway` and `oif`. */
  readonly multipath: readonly NextHop[] | undefined;
  /** Id of a next-hop object that the route uses. */
  readonly nextHopId: number | undefined;
}

/** A route to write. What is absent has the kernel's or `ip route`'s default. */
export interface RouteSpec {
  readonly dst: string;
  /** Main. */
  readonly table?: number | undefined;
  /** Boot (3), as `ip route` writes it. */
  readonly protocol?: number | undefined;
  /** Unicast. */
  readonly type?: RouteType | undefined;
  /** Universe through a gateway and for non-unicast, host for local, link otherwise. */
  readonly scope?: number | undefined;
  readonly tos?: number | undefined;
  readonly metric?: number | undefined;
  readonly src?: string | undefined;
  readonly gateway?: string | undefined;
  readonly oif?: number | undefined;
  readonly onlink?: boolean | undefined;
  readonly mtu?: number | undefined;
  readonly from?: string | undefined;
  readonly multipath?: readonly NextHopSpec[] | undefined;
}

export interface NextHopSpec {
  readonly gateway?: string | undefined;
  readonly oif: number;
  readonly weight?: number | undefined;
  readonly onlink?: boolean | undefined;
}

/** Which route to delete. What is absent matches any; the kernel takes the first match, lowest metric first. */
export interface RouteSelector {
  readonly dst: string;
  readonly table?: number | undefined;
  readonly protocol?: number | undefined;
  readonly type?: RouteType | undefined;
  readonly scope?: number | undefined;
  readonly tos?: number | undefined;
  /** 0 matches any metric, as the kernel has it. */
  readonly metric?: number | undefined;
  readonly gateway?: string | undefined;
  readonly oif?: number | undefined;
  readonly from?: string | undefined;
}

/** Which routes to read; the kernel filters. */
export interface RouteFilter {
  readonly family: Family;
  readonly table?: number | undefined;
  readonly protocol?: number | undefined;
  readonly oif?: number | undefined;
  readonly type?: RouteType | undefined;
}

const RTMSG_BYTES = 12;
const RTNEXTHOP_BYTES = 8;

/** NEWROUTE: creates the route, or replaces the one of the same destination, tos, metric and table. */
export function writeRouteReplace(writer: MessageWriter, route: RouteSpec): void {
  writeRoute(writer, route, NLM_F.CREATE | NLM_F.REPLACE);
}

/** NEWROUTE: creates the route; EEXIST when there is one of the same destination, tos, metric and table. */
export function writeRouteAdd(writer: MessageWriter, route: RouteSpec): void {
  writeRoute(writer, route, NLM_F.CREATE | NLM_F.EXCL);
}

function writeRoute(writer: MessageWriter, route: RouteSpec, flags: number): void {
  writer.begin(RTM.NEWROUTE, flags);
  const type = route.type ?? 'unicast';
  const {dst, table, from} = route;
  writeHeader(
    writer,
    dst,
    from,
    route.tos,
    table,
    route.protocol ?? RTPROT.BOOT,
    route.scope ?? defaultScope(route),
    type,
  );
  writer.u32(route.onlink === true ? RTNH_F.ONLINK : 0);
  writeDestination(writer, dst, table, from);
  if (route.gateway !== undefined) writeGateway(writer, dst, route.gateway);
  if (route.oif !== undefined) writer.attributeU32(RTA.OIF, route.oif);
  if (route.metric !== undefined && route.metric !== 0) writer.attributeU32(RTA.PRIORITY, route.metric);
  if (route.src !== undefined) writer.attributeIp(RTA.PREFSRC, route.src);
  if (route.mtu !== undefined) {
    const metrics = writer.openNested(RTA.METRICS);
    writer.attributeU32(RTAX_MTU, route.mtu);
    writer.closeNested(metrics);
  }
  if (route.multipath !== undefined) writeMultipath(writer, dst, route.multipath);
  writer.end();
}

/** DELROUTE. */
export function writeRouteDelete(writer: MessageWriter, route: RouteSelector): void {
  writer.begin(RTM.DELROUTE, 0);
  const {dst, table, from} = route;
  const scope = route.scope ?? RT_SCOPE.NOWHERE;
  writeHeader(writer, dst, from, route.tos, table, route.protocol ?? RTPROT.UNSPEC, scope, route.type ?? 'unspec');
  writer.u32(0);
  writeDestination(writer, dst, table, from);
  if (route.gateway !== undefined) writeGateway(writer, dst, route.gateway);
  if (route.oif !== undefined) writer.attributeU32(RTA.OIF, route.oif);
  if (route.metric !== undefined && route.metric !== 0) writer.attributeU32(RTA.PRIORITY, route.metric);
  writer.end();
}

/** GETROUTE dump. */
export function writeRouteDump(writer: MessageWriter, filter: RouteFilter): void {
  writer.begin(RTM.GETROUTE, NLM_F.DUMP);
  writer.u8(afOf(filter.family));
  writer.u8(0);
  writer.u8(0);
  writer.u8(0);
  writer.u8(0);
  writer.u8(filter.protocol ?? 0);
  writer.u8(0);
  writer.u8(filter.type === undefined ? 0 : ROUTE_TYPES.indexOf(filter.type));
  writer.u32(0);
  if (filter.table !== undefined) writer.attributeU32(RTA.TABLE, filter.table);
  if (filter.oif !== undefined) writer.attributeU32(RTA.OIF, filter.oif);
  writer.end();
}

function writeHeader(
  writer: MessageWriter,
  dst: string,
  from: string | undefined,
  tos: number | undefined,
  table: number | undefined,
  protocol: number,
  scope: number,
  type: RouteType,
): void {
  const family = familyOfText(dst);
  writer.u8(afOf(family));
  writer.u8(prefixLength(dst, family));
  writer.u8(from === undefined ? 0 : prefixLength(from, family));
  writer.u8(tos ?? 0);
  const tableId = table ?? RT_TABLE.MAIN;
  writer.u8(tableId < 256 ? tableId : RT_TABLE.COMPAT);
  writer.u8(protocol);
  // IPv6 has no scopes.
  writer.u8(family === 6 ? RT_SCOPE.UNIVERSE : scope);
  writer.u8(ROUTE_TYPES.indexOf(type));
}

function writeDestination(
  writer: MessageWriter,
  dst: string,
  table: number | undefined,
  from: string | undefined,
): void {
  writer.attributeIpPrefix(RTA.DST, dst, addressLength(dst));
  if (from !== undefined) writer.attributeIpPrefix(RTA.SRC, from, addressLength(from));
  if (table !== undefined && table > 255) writer.attributeU32(RTA.TABLE, table);
}

function writeGateway(writer: MessageWriter, dst: string, gateway: string): void {
  const family = familyOfText(gateway);
  if (family === familyOfText(dst)) writer.attributeIp(RTA.GATEWAY, gateway);
  else writer.attributeVia(RTA.VIA, afOf(family), gateway);
}

function writeMultipath(writer: MessageWriter, dst: string, hops: readonly NextHopSpec[]): void {
  const list = writer.openNested(RTA.MULTIPATH);
  for (const hop of hops) {
    const at = writer.openStructure();
    writer.u16(0);
    writer.u8(hop.onlink === true ? RTNH_F.ONLINK : 0);
    writer.u8((hop.weight ?? 1) - 1);
    writer.u32(hop.oif);
    if (hop.gateway !== undefined) writeGateway(writer, dst, hop.gateway);
    writer.closeNested(at);
  }
  writer.closeNested(list);
}

function defaultScope(route: RouteSpec): number {
  if (route.type === 'local') return RT_SCOPE.HOST;
  const direct = route.gateway === undefined && route.multipath === undefined;
  return direct && (route.type === undefined || route.type === 'unicast') ? RT_SCOPE.LINK : RT_SCOPE.UNIVERSE;
}

/** Characters of the address in `cidr`. */
function addressLength(cidr: string): number {
  const slash = cidr.indexOf('/');
  return slash < 0 ? cidr.length : slash;
}

function prefixLength(cidr: string, family: Family): number {
  const bits = family === 6 ? 128 : 32;
  const slash = cidr.indexOf('/');
  if (slash < 0) return bits;
  let length = 0;
  for (let i = slash + 1; i < cidr.length; i++) {
    const digit = cidr.charCodeAt(i) - 48;
    length = digit >= 0 && digit <= 9 ? length * 10 + digit : Number.NaN;
  }
  if (slash === cidr.length - 1 || !(length <= bits))
    throw new AgentError('E_BAD_CIDR', 'a route needs a destination with a prefix length', {value: cidr.slice(0, 64)});
  return length;
}

/**
 * Decodes RTM_NEWROUTE and RTM_DELROUTE. Undefined for what is not an entry of a table: cached copies, and families
 * other than ours (multicast forwarding).
 */
export function decodeRoute(message: MessageCursor): Route | undefined {
  const {bytes, view} = message;
  const at = message.structure(RTMSG_BYTES);
  const family = familyOfAf(bytes[at] ?? 0);
  const flags = view.getUint32(at + 8, LITTLE_ENDIAN);
  if (family === undefined || (flags & RTM_F_CLONED) !== 0) return undefined;
  const attributes = message.attributes(RTMSG_BYTES);
  let dst: string | undefined;
  let from: string | undefined;
  let table = bytes[at + 4] ?? 0;
  let metric = 0;
  let src: string | undefined;
  let gateway: string | undefined;
  let oif: number | undefined;
  let mtu: number | undefined;
  let multipath: NextHop[] | undefined;
  let nextHopId: number | undefined;
  while (attributes.next()) {
    switch (attributes.type) {
      case RTA.DST:
        dst = attributes.ip();
        break;
      case RTA.SRC:
        from = attributes.ip();
        break;
      case RTA.TABLE:
        table = attributes.u32();
        break;
      case RTA.PRIORITY:
        metric = attributes.u32();
        break;
      case RTA.PREFSRC:
        src = attributes.ip();
        break;
      case RTA.GATEWAY:
        gateway = attributes.ip();
        break;
      case RTA.VIA:
        gateway = attributes.via();
        break;
      case RTA.OIF:
        oif = attributes.u32();
        break;
      case RTA.METRICS:
        mtu = decodeMtu(attributes.nested());
        break;
      case RTA.MULTIPATH:
        multipath = decodeMultipath(attributes);
        break;
      case RTA.NH_ID:
        nextHopId = attributes.u32();
        break;
    }
  }
  const fromLength = bytes[at + 2] ?? 0;
  return {
    family,
    dst: `${dst ?? anyAddress(family)}/${bytes[at + 1]}`,
    table,
    protocol: bytes[at + 5] ?? 0,
    type: ROUTE_TYPES[bytes[at + 7] ?? 0] ?? 'unspec',
    scope: bytes[at + 6] ?? 0,
    tos: bytes[at + 3] ?? 0,
    metric,
    src,
    gateway,
    oif,
    onlink: (flags & RTNH_F.ONLINK) !== 0,
    linkdown: (flags & RTNH_F.LINKDOWN) !== 0,
    dead: (flags & RTNH_F.DEAD) !== 0,
    mtu,
    from: fromLength === 0 ? undefined : `${from ?? anyAddress(family)}/${fromLength}`,
    multipath,
    nextHopId,
  };
}

const anyAddress = (family: Family): string => (family === 4 ? '0.0.0.0' : '::');

function decodeMtu(metrics: AttributeCursor): number | undefined {
  while (metrics.next()) if (metrics.type === RTAX_MTU) return metrics.u32();
  return undefined;
}

/** Next hops are structures with a length of their own, each followed by its attributes. */
function decodeMultipath(list: AttributeCursor): NextHop[] {
  const {view, valueEnd} = list;
  const hops: NextHop[] = [];
  for (let at = list.valueStart; at < valueEnd; ) {
    const left = valueEnd - at;
    const length = left < RTNEXTHOP_BYTES ? 0 : view.getUint16(at, LITTLE_ENDIAN);
    if (length < RTNEXTHOP_BYTES || length > left) throw malformed('next hop length out of range', {length, left});
    const flags = view.getUint8(at + 2);
    const attributes = list.range(at + RTNEXTHOP_BYTES, at + length);
    let gateway: string | undefined;
    while (attributes.next()) {
      if (attributes.type === RTA.GATEWAY) gateway = attributes.ip();
      else if (attributes.type === RTA.VIA) gateway = attributes.via();
    }
    hops.push({
      gateway,
      oif: view.getUint32(at + 4, LITTLE_ENDIAN),
      weight: view.getUint8(at + 3) + 1,
      onlink: (flags & RTNH_F.ONLINK) !== 0,
      linkdown: (flags & RTNH_F.LINKDOWN) !== 0,
      dead: (flags & RTNH_F.DEAD) !== 0,
    });
    at += (length + 3) & ~3;
  }
  return hops;
}
