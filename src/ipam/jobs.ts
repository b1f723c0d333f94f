/**
 * What one can ask of IPAM, as jobs for the transactor; each settles a promise. The allocator of single calls and the
 * agent's batching one run the same jobs.
 */
import {type Family, formatIp, requireIp} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';
import type {Allocation, Owner} from './block.ts';
import type {Draft} from './draft.ts';
import {type BlockHolder, requireHandleId} from './holder.ts';
import {isStray, type PlanningServices, planAutoAssign, planExactAssign} from './plan-assign.ts';
import {planRelease, planReleaseByHandle, type ReleasePlan} from './plan-release.ts';
import type {Labels, PoolUse} from './pool-selection.ts';
import type {AllocationRules} from './rules.ts';
import type {Job, Plan} from './transactor.ts';

/** What a family is asked for. */
export interface FamilyRequest {
  /** Number of addresses. */
  readonly count: number;
  /** CIDRs or names of the only pools wanted, in order; then selectors do not count. */
  readonly pools?: readonly string[] | undefined;
}

export interface AssignRequest {
  readonly owner: Owner;
  readonly use: PoolUse;
  readonly ipv4?: FamilyRequest | undefined;
  readonly ipv6?: FamilyRequest | undefined;
  /** Labels of the pod's namespace, for pools that select namespaces. */
  readonly namespaceLabels?: Labels | undefined;
  /** Blocks the node may have at most, besides what the configuration says. */
  readonly maxBlocks?: number | undefined;
}

/** Addresses of one family, and why there are fewer than asked for. */
export interface FamilyResult {
  readonly allocations: readonly Allocation[];
  readonly shortfall: AgentError | undefined;
}

export interface AssignResult {
  readonly ipv4: FamilyResult;
  readonly ipv6: FamilyResult;
}

export interface ExactAssignRequest {
  readonly ip: string;
  readonly owner: Owner;
  /** The pool must allow it when given. */
  readonly use?: PoolUse | undefined;
}

export interface ReleaseRequest {
  readonly ip: string;
  /** Compared with the owner's when given: somebody else's address is not released. */
  readonly handleId?: string | undefined;
  /** Compared with the allocation's when given: a later allocation is not released. */
  readonly sequenceNumber?: bigint | undefined;
}

/** A job and what it comes to. */
export interface Asked<T> {
  readonly job: Job;
  readonly result: Promise<T>;
}

/** What a job planned, with the value it comes to when that is committed. */
interface Planned<T> extends Omit<Plan, 'succeed'> {
  readonly value: T;
}

type Planner<T> = (draft: Draft, rules: AllocationRules, services: PlanningServices) => Promise<Planned<T>>;

/** Called for addresses that a failed job may have all the same. */
export type OnUnsettled = (allocations: readonly Allocation[]) => void;

/** A job that takes blocks or addresses, and whose result is a promise. */
export function ask<T>(planner: Planner<T>, onUnsettled?: OnUnsettled): Asked<T> {
  return asked(planner, {isAllocating: true, onUnsettled});
}

/** The same for one that takes nothing. */
export function askToRelease<T>(planner: Planner<T>): Asked<T> {
  return asked(planner, {isAllocating: false});
}

function asked<T>(
  planner: Planner<T>,
  {isAllocating, onUnsettled}: {readonly isAllocating: boolean; readonly onUnsettled?: OnUnsettled | undefined},
): Asked<T> {
  const {promise, resolve, reject} = Promise.withResolvers<T>();
  return {
    result: promise,
    job: {
      isAllocating,
      async plan(draft, rules, services) {
        const {value, taken, freed} = await planner(draft, rules, services);
        return {taken, freed, succeed: () => resolve(value)};
      },
      fail(error, unsettled) {
        if (unsettled.length > 0) onUnsettled?.(unsettled);
        reject(error);
      },
    },
  };
}

const NOTHING: FamilyResult = {allocations: [], shortfall: undefined};

/**
 * Addresses of one or both families, IPv4 first. With `whole` a request that cannot be served completely fails and takes
 * nothing; else each family says what it came short of, as Calico's library does.
 */
export function planAssign(
  holder: BlockHolder,
  request: AssignRequest,
  options: {readonly whole: boolean},
): Planner<AssignResult> {
  return async (draft, rules, services) => {
    requireOwner(request.owner);
    if (holder.type === 'host' && rules.nodeLabels === undefined)
      throw new AgentError('E_NOT_FOUND', 'the node has no Node resource, so no pool can be chosen for it', {
        node: holder.host,
      });
    const assign = async (family: Family, wanted: FamilyRequest | undefined): Promise<FamilyResult> => {
      if (wanted === undefined || wanted.count <= 0) return NOTHING;
      const {owner, use, namespaceLabels, maxBlocks} = request;
      const {count, pools} = wanted;
      const autoRequest = {family, count, pools, holder, owner, use, namespaceLabels, maxBlocks};
      const result = await planAutoAssign(draft, rules, autoRequest, services);
      if (options.whole && result.shortfall !== undefined) throw result.shortfall;
      return result;
    };
    const ipv4 = await assign(4, request.ipv4);
    const ipv6 = await assign(6, request.ipv6);
    return {value: {ipv4, ipv6}, taken: [...ipv4.allocations, ...ipv6.allocations], freed: []};
  };
}

export function planExact(holder: BlockHolder, request: ExactAssignRequest): Planner<Allocation> {
  return async (draft, rules) => {
    const {owner, use} = request;
    requireOwner(owner);
    const allocation = await planExactAssign(draft, rules, {ip: requireIp(request.ip), holder, owner, use});
    return {value: allocation, taken: [allocation], freed: []};
  };
}

export function planReleases(requests: readonly ReleaseRequest[]): Planner<ReleasePlan> {
  return async (draft, rules, services) => {
    const items = requests.map(({ip, handleId, sequenceNumber}) => ({ip: requireIp(ip), handleId, sequenceNumber}));
    const plan = await planRelease(draft, rules, items);
    noteStrays(plan.released, rules, services);
    return {value: plan, taken: [], freed: plan.released};
  };
}

/** Undefined when there is no such handle. */
export function planHandleRelease(
  handleId: string,
  options: {readonly whole: boolean},
): Planner<readonly Allocation[] | undefined> {
  return async (draft, rules, services) => {
    const released = await planReleaseByHandle(draft, requireHandleId(handleId), options);
    noteStrays(released ?? [], rules, services);
    return {value: released, taken: [], freed: released ?? []};
  };
}

/** Wants nothing; says when the block lies in a pool that does not select the allocating node. */
export function planStrayNote(block: string): Planner<void> {
  return async (_draft, rules, services) => {
    if (isStray(rules, block)) services.noteStray(block);
    return {value: undefined, taken: [], freed: []};
  };
}

function requireOwner({handleId}: Owner): void {
  if (handleId !== undefined) requireHandleId(handleId);
}

function noteStrays(released: readonly Allocation[], rules: AllocationRules, services: PlanningServices): void {
  for (const {block} of released) if (isStray(rules, block)) services.noteStray(block);
}

/** `10.65.0.5/26`: an address with the length of its block, the form in which IPAM answers. */
export function withBlockLength({ip, block}: Allocation): string {
  return `${formatIp(requireIp(ip))}${block.slice(block.indexOf('/'))}`;
}
