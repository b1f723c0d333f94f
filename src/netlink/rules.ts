/**
 * Policy routing rules (`ip rule`): codec, reading and writing.
 *
 * The kernel has no identity for a rule: it is its priority, matches and action. Two equal rules may exist, and
 * a delete takes the first that has everything the request names. `addRules` asks for EEXIST instead of a twin.
 */
import type {Family} from '../lib/cidr.ts';
import {afOf, familyOfAf} from './address-family.ts';
import {FIB_RULE_INVERT, FRA, NLM_F, RT_TABLE, RTM, RTPROT} from './constants.ts';
import {EEXIST, ENOENT, type Outcome, tolerate} from './kernel-answer.ts';
import type {MessageCursor} from './message-reader.ts';
import {LITTLE_ENDIAN, type MessageWriter} from './message-writer.ts';
import type {RouteSocket} from './route-socket.ts';

/** fr_action: index is the number. */
const ACTIONS = [
  'unspec',
  'table',
  'goto',
  'nop',
  'reserved3',
  'reserved4',
  'blackhole',
  'unreachable',
  'prohibit',
] as const;
export type RuleAction = (typeof ACTIONS)[number];

export type NumberRange = readonly [first: number, last: number];

export interface Rule {
  readonly family: Family;
  readonly priority: number;
  /** 'table' looks `table` up. */
  readonly action: RuleAction;
  readonly table: number;
  /** The rule holds for what does not match. */
  readonly invert: boolean;
  /** Canonical CIDRs; undefined matches all. */
  readonly src: string | undefined;
  readonly dst: string | undefined;
  readonly tos: number;
  readonly fwmark: number;
  /** 0 when the rule has no mark. */
  readonly fwmask: number;
  readonly iif: string | undefined;
  readonly oif: string | undefined;
  /** RTPROT */
  readonly protocol: number;
  /** Ignore routes of `table` whose prefix is at most this long. */
  readonly suppressPrefixLength: number | undefined;
  /** Priority of the rule to go on with, for 'goto'. */
  readonly target: number | undefined;
  /** IP protocol number; 0 matches all. */
  readonly ipProtocol: number;
  readonly srcPorts: NumberRange | undefined;
  readonly dstPorts: NumberRange | undefined;
  readonly userIds: NumberRange | undefined;
  readonly l3mdev: boolean;
}

/** A rule to write or delete: what is absent does not match on that. */
export interface RuleSpec {
  readonly family: Family;
  readonly priority: number;
  /** 'table' */
  readonly action?: RuleAction | undefined;
  readonly table?: number | undefined;
  readonly invert?: boolean | undefined;
  readonly src?: string | undefined;
  readonly dst?: string | undefined;
  readonly tos?: number | undefined;
  readonly fwmark?: number | undefined;
  readonly fwmask?: number | undefined;
  readonly iif?: string | undefined;
  readonly oif?: string | undefined;
  /** Boot (3), as `ip rule` writes it; on delete any. */
  readonly protocol?: number | undefined;
  readonly suppressPrefixLength?: number | undefined;
  readonly target?: number | undefined;
  readonly ipProtocol?: number | undefined;
  readonly srcPorts?: NumberRange | undefined;
  readonly dstPorts?: NumberRange | undefined;
}

const FIB_RULE_HDR_BYTES = 12;
/** FRA_SUPPRESS_PREFIXLEN when there is none. */
const NO_SUPPRESSION = 0xffffffff;
const COST_US = 25;
const GONE: ReadonlySet<number> = new Set([ENOENT]);
const PRESENT: ReadonlySet<number> = new Set([EEXIST]);

/** NEWRULE; EEXIST when the very same rule is there. */
export function writeRuleAdd(writer: MessageWriter, rule: RuleSpec): void {
  writer.begin(RTM.NEWRULE, NLM_F.CREATE | NLM_F.EXCL);
  writeRule(writer, rule);
  writer.attributeU8(FRA.PROTOCOL, rule.protocol ?? RTPROT.BOOT);
  writer.end();
}

/** DELRULE. */
export function writeRuleDelete(writer: MessageWriter, rule: RuleSpec): void {
  writer.begin(RTM.DELRULE, 0);
  writeRule(writer, rule);
  if (rule.protocol !== undefined) writer.attributeU8(FRA.PROTOCOL, rule.protocol);
  writer.end();
}

function writeRule(writer: MessageWriter, rule: RuleSpec): void {
  const {src, dst, fwmark, fwmask, suppressPrefixLength, target, ipProtocol, srcPorts, dstPorts} = rule;
  const table = rule.table ?? RT_TABLE.UNSPEC;
  const bits = rule.family === 6 ? 128 : 32;
  writer.u8(afOf(rule.family));
  writer.u8(dst === undefined ? 0 : lengthOf(dst, bits));
  writer.u8(src === undefined ? 0 : lengthOf(src, bits));
  writer.u8(rule.tos ?? 0);
  writer.u8(table < 256 ? table : RT_TABLE.COMPAT);
  writer.u8(0);
  writer.u8(0);
  writer.u8(ACTIONS.indexOf(rule.action ?? 'table'));
  writer.u32(rule.invert === true ? FIB_RULE_INVERT : 0);
  writer.attributeU32(FRA.PRIORITY, rule.priority);
  if (table > 255) writer.attributeU32(FRA.TABLE, table);
  if (dst !== undefined) writer.attributeIp(FRA.DST, addressOf(dst));
  if (src !== undefined) writer.attributeIp(FRA.SRC, addressOf(src));
  if (fwmark !== undefined) writer.attributeU32(FRA.FWMARK, fwmark);
  if (fwmask !== undefined) writer.attributeU32(FRA.FWMASK, fwmask);
  if (rule.iif !== undefined) writer.attributeText(FRA.IIFNAME, rule.iif);
  if (rule.oif !== undefined) writer.attributeText(FRA.OIFNAME, rule.oif);
  if (suppressPrefixLength !== undefined) writer.attributeU32(FRA.SUPPRESS_PREFIXLEN, suppressPrefixLength);
  if (target !== undefined) writer.attributeU32(FRA.GOTO, target);
  if (ipProtocol !== undefined) writer.attributeU8(FRA.IP_PROTO, ipProtocol);
  if (srcPorts !== undefined) writer.attributeRange16(FRA.SPORT_RANGE, srcPorts[0], srcPorts[1]);
  if (dstPorts !== undefined) writer.attributeRange16(FRA.DPORT_RANGE, dstPorts[0], dstPorts[1]);
}

const addressOf = (cidr: string): string => cidr.split('/', 1)[0] ?? '';

function lengthOf(cidr: string, bits: number): number {
  const slash = cidr.indexOf('/');
  return slash < 0 ? bits : Number(cidr.slice(slash + 1));
}

/** GETRULE dump. */
export function writeRuleDump(writer: MessageWriter, family: Family): void {
  writer.begin(RTM.GETRULE, NLM_F.DUMP);
  writer.u8(afOf(family));
  for (let i = 1; i < 8; i++) writer.u8(0);
  writer.u32(0);
  writer.end();
}

/** Decodes RTM_NEWRULE and RTM_DELRULE; undefined for families other than ours. */
export function decodeRule(message: MessageCursor): Rule | undefined {
  const {bytes, view} = message;
  const at = message.structure(FIB_RULE_HDR_BYTES);
  const family = familyOfAf(bytes[at] ?? 0);
  if (family === undefined) return undefined;
  const attributes = message.attributes(FIB_RULE_HDR_BYTES);
  let priority = 0;
  let table = bytes[at + 4] ?? 0;
  let src: string | undefined;
  let dst: string | undefined;
  let fwmark = 0;
  let fwmask = 0;
  let iif: string | undefined;
  let oif: string | undefined;
  let protocol = 0;
  let suppressPrefixLength: number | undefined;
  let target: number | undefined;
  let ipProtocol = 0;
  let srcPorts: NumberRange | undefined;
  let dstPorts: NumberRange | undefined;
  let userIds: NumberRange | undefined;
  let l3mdev = false;
  while (attributes.next()) {
    switch (attributes.type) {
      case FRA.PRIORITY:
        priority = attributes.u32();
        break;
      case FRA.TABLE:
        table = attributes.u32();
        break;
      case FRA.SRC:
        src = `${attributes.ip()}/${bytes[at + 2]}`;
        break;
      case FRA.DST:
        dst = `${attributes.ip()}/${bytes[at + 1]}`;
        break;
      case FRA.FWMARK:
        fwmark = attributes.u32();
        break;
      case FRA.FWMASK:
        fwmask = attributes.u32();
        break;
      case FRA.IIFNAME:
        iif = attributes.text();
        break;
      case FRA.OIFNAME:
        oif = attributes.text();
        break;
      case FRA.PROTOCOL:
        protocol = attributes.u8();
        break;
      case FRA.SUPPRESS_PREFIXLEN:
        suppressPrefixLength = attributes.u32();
        break;
      case FRA.GOTO:
        target = attributes.u32();
        break;
      case FRA.IP_PROTO:
        ipProtocol = attributes.u8();
        break;
      case FRA.SPORT_RANGE:
        srcPorts = attributes.range16();
        break;
      case FRA.DPORT_RANGE:
        dstPorts = attributes.range16();
        break;
      case FRA.UID_RANGE:
        userIds = attributes.range32();
        break;
      case FRA.L3MDEV:
        l3mdev = attributes.u8() !== 0;
        break;
    }
  }
  return {
    family,
    priority,
    action: ACTIONS[bytes[at + 7] ?? 0] ?? 'unspec',
    table,
    invert: (view.getUint32(at + 8, LITTLE_ENDIAN) & FIB_RULE_INVERT) !== 0,
    src,
    dst,
    tos: bytes[at + 3] ?? 0,
    fwmark,
    fwmask,
    iif,
    oif,
    protocol,
    suppressPrefixLength: suppressPrefixLength === NO_SUPPRESSION ? undefined : suppressPrefixLength,
    target,
    ipProtocol,
    srcPorts,
    dstPorts,
    userIds,
    l3mdev,
  };
}

/** The rules of one family, in the kernel's order. */
export function dumpRules(socket: RouteSocket, family: Family, signal?: AbortSignal): Promise<Rule[]> {
  return socket.dump('rules', (writer) => writeRuleDump(writer, family), decodeRule, signal);
}

/** Adds rules; one that is there in the very same form is done. */
export async function addRules(
  socket: RouteSocket,
  rules: readonly RuleSpec[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return tolerate(await socket.execute(rules, writeRuleAdd, {costUs: COST_US, signal}), PRESENT);
}

/** Deletes for each the first rule that has everything named; what is gone already is done. */
export async function deleteRules(
  socket: RouteSocket,
  rules: readonly RuleSpec[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return tolerate(await socket.execute(rules, writeRuleDelete, {costUs: COST_US, signal}), GONE);
}
