/**
 * Looks at the raw keys of IPAM and says what is wrong with them. Shares no code with what is tested: it reads JSON, adds
 * to addresses itself, and knows the rules of the format.
 */
export interface RawEntry {
  readonly key: string;
  readonly value: string;
}

/** A block as JSON has it; integers beyond 2^53 are text. */
export interface RawBlock {
  readonly cidr: string;
  readonly affinity: string | null;
  readonly allocations: readonly (number | null)[];
  readonly unallocated: readonly number[];
  readonly attributes: readonly {readonly handle_id?: string; readonly secondary?: Record<string, string>}[] | null;
  readonly sequenceNumber: string | number;
  readonly sequenceNumberForAllocation: Readonly<Record<string, string | number>> | null;
}

export interface Findings {
  /** What breaks a rule of the format. */
  readonly problems: readonly string[];
  /** Handle of each address in use. */
  readonly owners: ReadonlyMap<string, string>;
  /** Handles that count more than they have: `handle cidr`. */
  readonly overcounts: readonly string[];
  /** Claims that are half made or half given up. */
  readonly unconfirmed: readonly string[];
}

export const BLOCKS = '/calico/ipam/v2/assignment/';
const HANDLES = '/calico/ipam/v2/handle/';

export function checkIpam(entries: readonly RawEntry[]): Findings {
  const problems: string[] = [];
  const owners = new Map<string, string>();
  const counted = new Map<string, number>();
  const blocks = new Map<string, RawBlock>();
  for (const {key, value} of entries) {
    if (!key.startsWith(BLOCKS)) continue;
    const block = readBlock(value);
    if (blocks.has(block.cidr)) problems.push(`${block.cidr} is there twice`);
    blocks.set(block.cidr, block);
    if (!key.endsWith(`/block/${block.cidr.replace('/', '-')}`)) problems.push(`${key} holds ${block.cidr}`);
    problems.push(...checkBlock(block));
    for (const [ip, handle] of ownersIn(block)) {
      if (owners.has(ip)) problems.push(`${ip} is in two blocks`);
      owners.set(ip, handle);
      const count = `${handle} ${block.cidr}`;
      counted.set(count, (counted.get(count) ?? 0) + 1);
    }
  }
  const overcounts = checkHandles(entries, counted, problems);
  const unconfirmed = checkClaims(entries, blocks, problems);
  return {problems, owners, overcounts, unconfirmed};
}

export const readBlock = (value: string): RawBlock =>
  JSON.parse(value.replaceAll(/(":)(\d{16,})/g, '$1"$2"')) as RawBlock;

/** What is wrong with a block by itself, at any moment of its life. */
export function checkBlock(block: RawBlock): readonly string[] {
  const {cidr, allocations, unallocated} = block;
  const problems: string[] = [];
  const attributes = block.attributes ?? [];
  const numbers = block.sequenceNumberForAllocation ?? {};
  const bits = cidr.includes(':') ? 128 : 32;
  if (allocations.length !== 2 ** (bits - Number(cidr.split('/')[1]))) problems.push(`${cidr} has a wrong size`);
  if (new Set(unallocated).size !== unallocated.length) problems.push(`${cidr} queues an ordinal twice`);
  const used = new Set<number>();
  allocations.forEach((index, ordinal) => {
    const isQueued = unallocated.includes(ordinal);
    if ((index === null) !== isQueued) problems.push(`${cidr}: ordinal ${ordinal} is free and taken, or neither`);
    const number = numbers[String(ordinal)];
    if ((index === null) !== (number === undefined))
      problems.push(`${cidr}: ordinal ${ordinal} is ${index === null ? 'free' : 'taken'}, its number is ${number}`);
    if (number !== undefined && BigInt(number) >= BigInt(block.sequenceNumber))
      problems.push(`${cidr}: ordinal ${ordinal} has number ${number}, the block ${block.sequenceNumber}`);
    if (index === null) return;
    used.add(index);
    if (attributes[index]?.handle_id === undefined) problems.push(`${cidr}: ordinal ${ordinal} has no owner`);
  });
  if (used.size !== attributes.length) problems.push(`${cidr} keeps an owner without address`);
  const distinct = new Set(attributes.map((attribute) => JSON.stringify(attribute)));
  if (distinct.size !== attributes.length) problems.push(`${cidr} has an owner twice`);
  if (block.affinity === null && used.size === 0) problems.push(`${cidr} is nobody's and empty`);
  return problems;
}

export function ownersIn({
  cidr,
  allocations,
  attributes,
}: RawBlock): readonly (readonly [ip: string, handle: string])[] {
  return allocations.flatMap((index, ordinal) => {
    const handle = index === null ? undefined : attributes?.[index]?.handle_id;
    return handle === undefined ? [] : [[addressOf(cidr, ordinal), handle] as const];
  });
}

function checkHandles(
  entries: readonly RawEntry[],
  counted: ReadonlyMap<string, number>,
  problems: string[],
): readonly string[] {
  const stored = new Map<string, number>();
  for (const {key, value} of entries) {
    if (!key.startsWith(HANDLES)) continue;
    const handle = key.slice(HANDLES.length);
    const counts = Object.entries((JSON.parse(value) as {block: Record<string, number>}).block);
    if (counts.length === 0) problems.push(`handle ${handle} is empty`);
    for (const [cidr, count] of counts) {
      if (!Number.isInteger(count) || count <= 0) problems.push(`handle ${handle} counts ${count} in ${cidr}`);
      stored.set(`${handle} ${cidr}`, count);
    }
  }
  for (const [name, count] of counted)
    if ((stored.get(name) ?? 0) < count) problems.push(`handle ${name} counts ${stored.get(name)} of ${count}`);
  return [...stored].flatMap(([name, count]) => (count > (counted.get(name) ?? 0) ? [name] : []));
}

function checkClaims(
  entries: readonly RawEntry[],
  blocks: ReadonlyMap<string, RawBlock>,
  problems: string[],
): readonly string[] {
  const claims = new Set<string>();
  const unconfirmed: string[] = [];
  for (const {key, value} of entries) {
    const [, host, dashed] = /^\/calico\/ipam\/v2\/host\/([^/]+)\/ipv[46]\/block\/(.+)$/.exec(key) ?? [];
    if (host === undefined || dashed === undefined) continue;
    const cidr = dashed.replace(/-(\d+)$/, '/$1');
    const {state} = JSON.parse(value) as {state: string};
    claims.add(`host:${host} ${cidr}`);
    const owner = blocks.get(cidr)?.affinity;
    if (!['pending', 'confirmed', 'pendingDeletion'].includes(state)) problems.push(`${key} is ${state}`);
    else if (state !== 'confirmed') unconfirmed.push(`${host} ${cidr} ${state}`);
    else if (owner !== `host:${host}`) problems.push(`${key} is confirmed for a block of ${owner}`);
  }
  for (const {cidr, affinity} of blocks.values())
    if (affinity !== null && !claims.has(`${affinity} ${cidr}`)) problems.push(`${cidr} of ${affinity} is not claimed`);
  return unconfirmed;
}

/** The address as whoever got it is told it. */
function addressOf(cidr: string, ordinal: number): string {
  const base = cidr.split('/')[0] ?? '';
  if (!base.includes(':')) {
    const value = base.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) + ordinal;
    return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
  }
  // Blocks of the tests begin with groups, then zeros, then at most one group.
  const [head = '', tail = ''] = base.split('::');
  const last = Number.parseInt(tail || '0', 16) + ordinal;
  return last === 0 ? `${head}::` : `${head}::${last.toString(16)}`;
}
