/**
 * Looks at the raw keys of IPAM and says what is wrong with them. Shares no code with what is tested: it reads JSON and
 * knows the rules of the format.
 */
interface StoredBlock {
  cidr: string;
  affinity: string | null;
  allocations: (number | null)[];
  unallocated: number[];
  attributes: {handle_id?: string; secondary?: Record<string, string>}[] | null;
  sequenceNumberForAllocation: Record<string, number>;
}

export interface Findings {
  /** What breaks a rule of the format. */
  readonly problems: readonly string[];
  /** Handle of each address in use. */
  readonly owners: ReadonlyMap<string, string>;
}

/** `isExact`: claims and handles are written together with blocks, so nothing may lag behind. */
export function checkIpam(entries: readonly {key: string; value: string}[], isExact: boolean): Findings {
  const problems: string[] = [];
  const owners = new Map<string, string>();
  const counted = new Map<string, number>();
  const blocks = new Map<string, StoredBlock>();
  for (const {key, value} of entries) {
    if (!key.startsWith('/calico/ipam/v2/assignment/')) continue;
    const block = JSON.parse(value) as StoredBlock;
    blocks.set(block.cidr, block);
    if (!key.endsWith(`/block/${block.cidr.replace('/', '-')}`)) problems.push(`${key} holds ${block.cidr}`);
    checkBlock(block, problems, (ordinal, handle) => {
      const ip = addressOf(block.cidr, ordinal);
      if (owners.has(ip)) problems.push(`${ip} is in two blocks`);
      owners.set(ip, handle);
      const count = `${handle} ${block.cidr}`;
      counted.set(count, (counted.get(count) ?? 0) + 1);
    });
  }
  checkHandles(entries, counted, isExact, problems);
  checkClaims(entries, blocks, isExact, problems);
  return {problems, owners};
}

function checkBlock(block: StoredBlock, problems: string[], onOwner: (ordinal: number, handle: string) => void): void {
  const {cidr, allocations, unallocated} = block;
  const attributes = block.attributes ?? [];
  const bits = cidr.includes(':') ? 128 : 32;
  if (allocations.length !== 2 ** (bits - Number(cidr.split('/')[1]))) problems.push(`${cidr} has a wrong size`);
  if (new Set(unallocated).size !== unallocated.length) problems.push(`${cidr} queues an ordinal twice`);
  const used = new Set<number>();
  allocations.forEach((index, ordinal) => {
    const isQueued = unallocated.includes(ordinal);
    if ((index === null) !== isQueued) problems.push(`${cidr}: ordinal ${ordinal} is free and taken, or neither`);
    if (index === null) return;
    used.add(index);
    const handle = attributes[index]?.handle_id;
    if (handle === undefined) problems.push(`${cidr}: ordinal ${ordinal} has no owner`);
    else onOwner(ordinal, handle);
    if (!(String(ordinal) in block.sequenceNumberForAllocation))
      problems.push(`${cidr}: ordinal ${ordinal} has no sequence number`);
  });
  if (used.size !== attributes.length) problems.push(`${cidr} keeps an owner without address`);
  if (block.affinity === null && used.size === 0) problems.push(`${cidr} is nobody's and empty`);
}

function checkHandles(
  entries: readonly {key: string; value: string}[],
  counted: ReadonlyMap<string, number>,
  isExact: boolean,
  problems: string[],
): void {
  const stored = new Map<string, number>();
  for (const {key, value} of entries) {
    if (!key.startsWith('/calico/ipam/v2/handle/')) continue;
    const handle = key.slice('/calico/ipam/v2/handle/'.length);
    const counts = Object.entries((JSON.parse(value) as {block: Record<string, number>}).block);
    if (counts.length === 0) problems.push(`handle ${handle} is empty`);
    for (const [cidr, count] of counts) stored.set(`${handle} ${cidr}`, count);
  }
  for (const [name, count] of counted)
    if ((stored.get(name) ?? 0) < count) problems.push(`handle ${name} counts ${stored.get(name)} of ${count}`);
  if (!isExact) return;
  for (const [name, count] of stored)
    if (counted.get(name) !== count) problems.push(`handle ${name} counts ${count} of ${counted.get(name)}`);
}

function checkClaims(
  entries: readonly {key: string; value: string}[],
  blocks: ReadonlyMap<string, StoredBlock>,
  isExact: boolean,
  problems: string[],
): void {
  const claims = new Set<string>();
  for (const {key, value} of entries) {
    const [, host, dashed] = /^\/calico\/ipam\/v2\/host\/([^/]+)\/ipv[46]\/block\/(.+)$/.exec(key) ?? [];
    if (host === undefined || dashed === undefined) continue;
    const cidr = dashed.replace(/-(\d+)$/, '/$1');
    const {state} = JSON.parse(value) as {state: string};
    claims.add(`host:${host} ${cidr}`);
    if (!['pending', 'confirmed', 'pendingDeletion'].includes(state)) problems.push(`${key} is ${state}`);
    if (isExact && (state !== 'confirmed' || blocks.get(cidr)?.affinity !== `host:${host}`))
      problems.push(`${key} is ${state} for a block of ${blocks.get(cidr)?.affinity}`);
  }
  for (const {cidr, affinity} of blocks.values())
    if (affinity !== null && !claims.has(`${affinity} ${cidr}`)) problems.push(`${cidr} of ${affinity} is not claimed`);
}

/** Blocks of the test lie in 10.0.0.0/24 and fd00::/120. */
function addressOf(cidr: string, ordinal: number): string {
  const base = cidr.split('/')[0] ?? '';
  if (!base.includes(':')) return base.replace(/\d+$/, (last) => String(Number(last) + ordinal));
  const last = Number.parseInt(base.slice('fd00::'.length) || '0', 16) + ordinal;
  return last === 0 ? 'fd00::' : `fd00::${last.toString(16)}`;
}
