/**
 * What contradicts itself in the records of IPAM, and between them and those who use addresses: pure, over one reading
 * of everything. A cluster at rest in which nothing was lost has no findings.
 *
 * Not findings: addresses that rest after a release, blocks that nobody owns while addresses of them are in use, counts
 * of a handle that are too high (they are upper bounds), claims that are pending, what Windows keeps for itself, and
 * addresses of Services, whose users are not in Calico's datastore.
 */
import {addressAt, occupancyOf} from '../../ipam/block.ts';
import {affinityOf, holderOf} from '../../ipam/holder.ts';
import {type Cidr, cidrContains, cidrContainsIp, formatIp, parseIp, requireCidr} from '../../lib/cidr.ts';
import type {Affinity, Block, Handle} from '../../model/ipam-records.ts';
import type {AffinityType} from '../../model/keys.ts';
import {comparableHandleId, WINDOWS_RESERVED_HANDLE} from '../../model/names.ts';

export interface Claim {
  readonly type: AffinityType;
  readonly host: string;
  readonly cidr: string;
  readonly affinity: Affinity;
}

/** Somebody who uses an address: a workload endpoint, or a tunnel of a node. */
export interface Use {
  /** Canonical text. */
  readonly ip: string;
  readonly owner: string;
}

/** A handle, and the revision it was read at. */
export interface KnownHandle extends Pick<Handle, 'counts'> {
  readonly revision: string;
}

/** Everything as it was read. */
export interface IpamState {
  readonly blocks: readonly Block[];
  readonly claims: readonly Claim[];
  readonly handles: ReadonlyMap<string, KnownHandle>;
  readonly pools: readonly Cidr[];
  readonly uses: readonly Use[];
  /** Records that cannot be read, each with its key and the reason. */
  readonly unreadable: readonly string[];
}

export type FindingKind =
  | 'leaked'
  | 'not-in-pool'
  | 'not-allocated'
  | 'duplicate'
  | 'handle-without-addresses'
  | 'missing-handle'
  | 'block-without-claim'
  | 'claim-without-block'
  | 'invalid-block';

export interface Finding {
  readonly kind: FindingKind;
  /** The address, handle or block it is about. */
  readonly subject: string;
  readonly detail: string;
}

/** One address of one block that somebody owns. */
export interface AllocatedAddress {
  readonly ip: string;
  readonly block: Block;
  readonly handleId: string | undefined;
  readonly sequenceNumber: bigint;
  readonly facts: ReadonlyMap<string, string>;
  /** A virtual machine moves: two endpoints have it. */
  readonly isShared: boolean;
}

export interface Inspection {
  readonly allocated: readonly AllocatedAddress[];
  /** By address: who uses it. */
  readonly users: ReadonlyMap<string, readonly string[]>;
  /** Handles that have no address at all; none while there is a record that cannot be read, for they may be in it. */
  readonly leakedHandles: readonly string[];
  readonly findings: readonly Finding[];
}

export function inspectIpam(state: IpamState): Inspection {
  const allocated = state.blocks.flatMap(allocatedIn);
  const held = new Set(allocated.map(({handleId}) => comparableHandleId(handleId ?? '')));
  return {
    allocated,
    users: new Map([...Map.groupBy(state.uses, ({ip}) => ip)].map(([ip, all]) => [ip, all.map(({owner}) => owner)])),
    leakedHandles:
      state.unreadable.length > 0 ? [] : [...state.handles.keys()].filter((id) => !held.has(comparableHandleId(id))),
    findings: [
      ...leaks(state, allocated),
      ...uses(state, allocated),
      ...duplicates(state, allocated),
      ...handles(state, allocated),
      ...claims(state),
      ...state.blocks.flatMap(contradictions),
      ...state.unreadable.map((detail): Finding => ({kind: 'invalid-block', subject: '', detail})),
    ],
  };
}

/** The later look, with what the earlier one found as well: what passes was work under way. */
export function persisting(earlier: Inspection, later: Inspection): Inspection {
  const text = ({kind, subject, detail}: Finding) => `${kind} ${subject} ${detail}`;
  const found = new Set(earlier.findings.map(text));
  const leaked = new Set(earlier.leakedHandles);
  return {
    ...later,
    leakedHandles: later.leakedHandles.filter((id) => leaked.has(id)),
    findings: later.findings.filter((finding) => found.has(text(finding))),
  };
}

function allocatedIn(block: Block): readonly AllocatedAddress[] {
  return block.allocations.flatMap((_, ordinal) => {
    const occupancy = occupancyOf(block, ordinal);
    if (occupancy.kind !== 'owned' || occupancy.attribute.handleId === WINDOWS_RESERVED_HANDLE) return [];
    const {attribute, sequenceNumber} = occupancy;
    return [
      {
        ip: formatIp(addressAt(block, ordinal)),
        block,
        handleId: occupancy.handleId,
        sequenceNumber,
        facts: attribute.secondary,
        isShared: attribute.alternateOwner !== undefined,
      },
    ];
  });
}

function leaks({pools, uses: used}: IpamState, allocated: readonly AllocatedAddress[]): readonly Finding[] {
  const inUse = new Set(used.map(({ip}) => ip));
  return allocated.flatMap((address): readonly Finding[] => {
    const {ip, block} = address;
    const ofPool = pools.some((pool) => cidrContains(pool, requireCidr(block.cidr)));
    const findings: Finding[] = [];
    if (!ofPool) findings.push({kind: 'not-in-pool', subject: ip, detail: `allocated to ${ownerText(address)}`});
    if (!inUse.has(ip) && holderOf(block.affinity)?.type !== 'virtual')
      findings.push({kind: 'leaked', subject: ip, detail: leakText(address)});
    return findings;
  });
}

/** With the time of the allocation: the endpoint of a pod that starts is written a moment later. */
function leakText(address: AllocatedAddress): string {
  const since = address.facts.get('timestamp');
  return `allocated to ${ownerText(address)}${since === undefined ? '' : ` at ${since}`}, and nobody uses it`;
}

export function ownerText({handleId, facts}: AllocatedAddress): string {
  const pod = facts.get('pod');
  const who = pod === undefined ? facts.get('type') : `${facts.get('namespace') ?? ''}/${pod}`;
  const parts = [who, facts.get('node') && `node ${facts.get('node')}`, handleId && `handle ${handleId}`];
  return parts.filter((part) => part !== undefined && part !== '').join(', ') || 'an unknown owner';
}

function uses({pools, uses: used}: IpamState, allocated: readonly AllocatedAddress[]): readonly Finding[] {
  const known = new Set(allocated.map(({ip}) => ip));
  return used.flatMap(({ip, owner}): readonly Finding[] => {
    if (known.has(ip)) return [];
    const address = parseIp(ip);
    const isInPool = address !== undefined && pools.some((pool) => cidrContainsIp(pool, address));
    return [{kind: isInPool ? 'not-allocated' : 'not-in-pool', subject: ip, detail: `used by ${owner}`}];
  });
}

function duplicates({uses: used}: IpamState, allocated: readonly AllocatedAddress[]): readonly Finding[] {
  const shared = new Set(allocated.flatMap(({ip, isShared}) => (isShared ? [ip] : [])));
  const users = Map.groupBy(used, ({ip}) => ip);
  const blocks = Map.groupBy(allocated, ({ip}) => ip);
  return [
    ...[...users].flatMap(([ip, all]): readonly Finding[] =>
      all.length < 2 || shared.has(ip)
        ? []
        : [{kind: 'duplicate', subject: ip, detail: `used by ${all.map(({owner}) => owner).join(' and ')}`}],
    ),
    ...[...blocks].flatMap(([ip, all]): readonly Finding[] =>
      all.length < 2
        ? []
        : [{kind: 'duplicate', subject: ip, detail: `allocated in ${all.map(({block}) => block.cidr).join(' and ')}`}],
    ),
  ];
}

function handles({handles: known}: IpamState, allocated: readonly AllocatedAddress[]): readonly Finding[] {
  const named = allocated.filter(({handleId}) => handleId !== undefined);
  const byHandle = Map.groupBy(named, ({handleId}) => comparableHandleId(handleId ?? ''));
  const findings: Finding[] = [];
  for (const [id, {counts}] of known) {
    const held = byHandle.get(comparableHandleId(id)) ?? [];
    const blocks = new Set(held.map(({block}) => block.cidr));
    const empty = [...counts].filter(([cidr, count]) => count > 0 && !blocks.has(cidr)).map(([cidr]) => cidr);
    if (held.length === 0 || empty.length > 0) {
      const where = empty.length === 0 ? 'any block' : empty.join(', ');
      findings.push({kind: 'handle-without-addresses', subject: id, detail: `has no address in ${where}`});
    }
  }
  const comparable = new Map([...known].map(([id, handle]) => [comparableHandleId(id), handle]));
  for (const [id, held] of byHandle)
    for (const [cidr, inBlock] of Map.groupBy(held, ({block}) => block.cidr)) {
      const count = comparable.get(id)?.counts.get(cidr) ?? 0;
      if (count < inBlock.length)
        findings.push({
          kind: 'missing-handle',
          subject: id,
          detail: `block ${cidr} has ${inBlock.length} address(es) of it, the handle says ${count}`,
        });
    }
  return findings;
}

function claims({blocks, claims: all}: IpamState): readonly Finding[] {
  const owners = new Map(blocks.map(({cidr, affinity}) => [cidr, affinity]));
  const claimed = new Set(all.map((claim) => `${affinityOf(claim)} ${claim.cidr}`));
  return [
    ...blocks.flatMap(({cidr, affinity, allocations}): readonly Finding[] => {
      if (affinity === undefined && allocations.every((index) => index === null))
        return [{kind: 'block-without-claim', subject: cidr, detail: 'nobody owns it, and no address of it is in use'}];
      if (affinity === undefined || claimed.has(`${affinity} ${cidr}`)) return [];
      return [{kind: 'block-without-claim', subject: cidr, detail: `belongs to ${affinity}, which has no claim on it`}];
    }),
    ...all.flatMap((claim): readonly Finding[] => {
      const holder = affinityOf(claim);
      const owner = owners.get(claim.cidr);
      if (claim.affinity.state !== 'confirmed' || owner === holder) return [];
      const detail = owners.has(claim.cidr) ? `the block belongs to ${owner ?? 'nobody'}` : 'there is no such block';
      return [{kind: 'claim-without-block', subject: claim.cidr, detail: `claimed by ${holder}, but ${detail}`}];
    }),
  ];
}

/** Addresses that are both free and taken may be given twice; those that are neither are lost. */
function contradictions(block: Block): readonly Finding[] {
  const free = new Set(block.unallocated);
  const wrong = (detail: string): Finding => ({kind: 'invalid-block', subject: block.cidr, detail});
  const findings = block.allocations.flatMap((index, ordinal): readonly Finding[] => {
    if ((index === null) === free.has(ordinal)) return [];
    const ip = formatIp(addressAt(block, ordinal));
    return [wrong(index === null ? `${ip} is neither free nor taken` : `${ip} is both free and taken`)];
  });
  const referred = new Set(block.allocations);
  return [
    ...findings,
    ...(free.size === block.unallocated.length ? [] : [wrong('an address is twice in the queue')]),
    ...(block.attributes.every((_, index) => referred.has(index))
      ? []
      : [wrong('an owner is kept without an address')]),
  ];
}
