/**
 * Brings requests and the datastore together: plans any number of them on one draft, commits it, and plans again what
 * met a conflict. Every request has its own outcome; one that cannot be served leaves the others alone.
 *
 * When the outcome of a commit is unknown, nothing is planned before it is known: the blocks are read again, and a
 * request whose addresses are there has them. What it did not get is fenced: the block is written, so that the lost
 * commit, should it still arrive, meets another revision and fails. So no address is handed out twice, and none is
 * forgotten; only when the store stays away does a request end with `unsettled` work, which the caller keeps.
 */
import type {CallOptions, Store} from '../datastore/store.ts';
import {requireIp} from '../lib/cidr.ts';
import type {Clock} from '../lib/clock.ts';
import {AgentError, codeOf, type ErrorCode} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {createBreather} from '../lib/yielding.ts';
import type {Block} from '../model/ipam-records.ts';
import {type CommitOutcome, commitAtomically} from './atomic-commit.ts';
import {type Allocation, holds} from './block.ts';
import {Draft} from './draft.ts';
import type {EntryCache} from './entry-cache.ts';
import {holderOf, nodeHolder} from './holder.ts';
import {planClaimRelease} from './plan-affinity.ts';
import type {PlanningServices} from './plan-assign.ts';
import {planRelease} from './plan-release.ts';
import type {AllocationRules, RulesSource} from './rules.ts';
import {commitStepwise} from './stepwise-commit.ts';

/** What one request wants done. */
export interface Job {
  /** It takes blocks or addresses. */
  readonly isAllocating: boolean;
  /** Plans the request on the draft. An AgentError means: this request cannot be served. */
  plan(draft: Draft, rules: AllocationRules, services: PlanningServices): Promise<Plan>;
  /**
   * The request has failed. `unsettled` are addresses that it may have all the same, because the store went away in the
   * middle; whoever called must see to them.
   */
  fail(error: unknown, unsettled: readonly Allocation[]): void;
}

/** What a request would change, and how to tell it that this is committed. */
export interface Plan {
  readonly taken: readonly Allocation[];
  readonly freed: readonly Allocation[];
  /** What is undone or fenced: planned again when a block of it was not written. */
  readonly undone?: readonly Allocation[] | undefined;
  succeed(): void;
}

export interface TransactorOptions {
  /** Keys in one transaction at most. */
  readonly maxOps?: number | undefined;
}

export interface TransactorDependencies {
  readonly store: Store;
  readonly cache: EntryCache;
  readonly rules: RulesSource;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Beyond this a transaction of etcd costs more than two. */
const DEFAULT_MAX_OPS = 120;
/** Attempts in a row that serve nobody. */
const MOST_ATTEMPTS = 100;
/** After so many of them requests are served one by one. */
const MOST_TOGETHER = 4;

const OUTCOME_UNKNOWN: ReadonlySet<ErrorCode | undefined> = new Set(['E_UNREACHABLE', 'E_DEADLINE', 'E_ABORTED']);

interface JobState {
  readonly job: Job;
  /** The last plan, when it is not known whether, or how much of it, was committed. */
  unknown: Plan | undefined;
  /** What earlier plans of that kind may have taken. */
  suspects: readonly Allocation[];
  isOpen: boolean;
}

export class Transactor {
  readonly #maxOps: number;
  readonly #store: Store;
  readonly #cache: EntryCache;
  readonly #rules: RulesSource;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: TransactorOptions, dependencies: TransactorDependencies) {
    this.#store = dependencies.store;
    this.#maxOps = Math.min(options.maxOps ?? DEFAULT_MAX_OPS, this.#store.capabilities.maxOps);
    this.#cache = dependencies.cache;
    this.#rules = dependencies.rules;
    this.#clock = dependencies.clock;
    this.#log = dependencies.log;
  }

  /**
   * Serves the jobs in their order, each outcome reported as soon as it is known; `node` is the one that allocates, whose
   * labels select pools. Rejects only for what is a defect of ours.
   */
  async run(jobs: readonly Job[], node: string | undefined, call: CallOptions): Promise<void> {
    const states = jobs.map((job): JobState => ({job, unknown: undefined, suspects: [], isOpen: true}));
    const strays = new Set<string>();
    try {
      const isAllocating = jobs.some((job) => job.isAllocating);
      const rules = await this.#rules.load(node, {...call, isAllocating});
      const services: PlanningServices = {
        breather: createBreather({}, {clock: this.#clock}),
        takeAway: (block) => this.#takeAway(block, rules, call),
        noteStray: (cidr) => strays.add(cidr),
      };
      let attempts = 0;
      for (let open = states; open.length > 0; ) {
        if (attempts++ >= MOST_ATTEMPTS) throw busy();
        // A large transaction meets more neighbours than a small one: who loses again and again asks for less.
        await this.#round(attempts > MOST_TOGETHER ? open.slice(0, 1) : open, rules, services, call);
        const left = states.filter(({isOpen}) => isOpen);
        if (left.length < open.length) attempts = 0;
        open = left;
      }
      if (node !== undefined) await this.#giveUpStrays(strays, node, rules, call);
    } catch (error) {
      for (const state of states) if (state.isOpen) fail(state, error);
      if (codeOf(error) === undefined) throw error;
    }
  }

  /** Plans as many of the open jobs as fit into one commit, and commits. */
  async #round(
    open: readonly JobState[],
    rules: AllocationRules,
    services: PlanningServices,
    call: CallOptions,
  ): Promise<void> {
    const draft = this.#draft(rules, call);
    const planned: {readonly state: JobState; readonly plan: Plan}[] = [];
    for (const state of open) {
      if (services.breather.isDue()) await services.breather.breathe(call.signal);
      const mark = draft.mark();
      const plan = await this.#plan(state, draft, rules, services);
      if (plan === undefined) continue;
      if (draft.size > this.#maxOps && planned.length > 0) {
        draft.rollback(mark);
        break;
      }
      if (draft.isReplacing && !this.#isAtomic(draft)) {
        // Key by key the old block must be gone first: what deletes it is committed now, be it only what is undone here.
        draft.rollback(mark);
        if (planned.length === 0) await planUndo(draft, rules, state.suspects);
        break;
      }
      planned.push({state, plan});
    }
    const outcome = await this.#commit(draft).catch((error: unknown) => {
      const isUnknown = OUTCOME_UNKNOWN.has(codeOf(error));
      // Where keys are written one by one, some may be written whatever the error.
      if (isUnknown || !this.#isAtomic(draft)) for (const {state, plan} of planned) state.unknown = plan;
      if (!isUnknown) throw error;
      this.#log.warn({err: error, requests: planned.length}, 'outcome of a commit is unknown; reading again');
      this.#cache.clear();
      return undefined;
    });
    if (outcome === undefined || outcome.kind === 'replan') return;
    for (const {state, plan} of planned) {
      if (outcome.kind === 'partial' && touches(state, plan, outcome.failed)) learnPart(state, plan, outcome.failed);
      else succeed(state, plan);
    }
  }

  /** The plan of one job, or undefined when it has an outcome now. */
  async #plan(
    state: JobState,
    draft: Draft,
    rules: AllocationRules,
    services: PlanningServices,
  ): Promise<Plan | undefined> {
    const mark = draft.mark();
    try {
      const {unknown} = state;
      if (unknown !== undefined && (await isCommitted(draft, unknown))) {
        if (state.suspects.length > 0) {
          await planUndo(draft, rules, state.suspects);
          return unknown;
        }
        succeed(state, unknown);
        return undefined;
      }
      state.suspects = [...state.suspects, ...(unknown?.taken ?? [])];
      state.unknown = undefined;
      await planUndo(draft, rules, state.suspects);
      return await state.job.plan(draft, rules, services);
    } catch (error) {
      draft.rollback(mark);
      if (!isOwnFault(error)) throw error;
      fail(state, error);
      return undefined;
    }
  }

  /** Blocks of pools that no longer select the node go back as soon as they are empty; that one fails costs nothing. */
  async #giveUpStrays(
    strays: ReadonlySet<string>,
    node: string,
    rules: AllocationRules,
    call: CallOptions,
  ): Promise<void> {
    for (const cidr of strays) {
      try {
        const draft = this.#draft(rules, call);
        await planClaimRelease(draft, nodeHolder(node), cidr, {requireEmpty: true});
        await this.#commit(draft);
      } catch (err) {
        this.#log.debug({err, block: cidr}, 'block of a pool that does not select this node stays for now');
      }
    }
  }

  #commit(draft: Draft): Promise<CommitOutcome> {
    return this.#isAtomic(draft) ? commitAtomically(draft) : commitStepwise(draft, {log: this.#log});
  }

  /** One request alone may need more keys than a transaction takes; the protocol for single keys takes any number. */
  #isAtomic(draft: Draft): boolean {
    const {atomicAcrossKeys, maxOps} = this.#store.capabilities;
    return atomicAcrossKeys && draft.size <= maxOps;
  }

  #draft(rules: AllocationRules, call: CallOptions): Draft {
    const cooldown = {seconds: rules.config.ipCooldownSeconds, nowMs: this.#clock.wallMs()};
    return new Draft({call, cooldown}, {cache: this.#cache});
  }

  /** Takes an unused block from whoever holds it. It must still be as it was when it was found unused. */
  async #takeAway(block: Block, rules: AllocationRules, call: CallOptions): Promise<boolean> {
    const holder = holderOf(block.affinity);
    if (holder === undefined) return false;
    const draft = this.#draft(rules, call);
    const {sequenceNumber} = block;
    const release = await planClaimRelease(draft, holder, block.cidr, {requireEmpty: true, sequenceNumber});
    return release === 'released' && (await this.#commit(draft)).kind === 'committed';
  }
}

function succeed(state: JobState, plan: Plan): void {
  state.isOpen = false;
  plan.succeed();
}

function fail(state: JobState, error: unknown): void {
  state.isOpen = false;
  state.job.fail(error, [...state.suspects, ...(state.unknown?.taken ?? [])]);
}

/** Gives back what a lost commit may have taken, and makes sure that it takes nothing later. */
export async function planUndo(draft: Draft, rules: AllocationRules, taken: readonly Allocation[]): Promise<void> {
  for (const allocation of taken) {
    const {ip, handleId, sequenceNumber} = allocation;
    const block = await draft.block(allocation.block);
    if (block === undefined) continue;
    if (holds(block, allocation)) await planRelease(draft, rules, [{ip: requireIp(ip), handleId, sequenceNumber}]);
    else await draft.setBlock(allocation.block, block);
  }
}

async function isCommitted(draft: Draft, plan: Plan): Promise<boolean> {
  for (const allocation of plan.taken) {
    const block = await draft.block(allocation.block);
    if (block === undefined || !holds(block, allocation)) return false;
  }
  for (const allocation of plan.freed) {
    const block = await draft.block(allocation.block);
    if (block !== undefined && holds(block, allocation)) return false;
  }
  return plan.taken.length + plan.freed.length > 0;
}

/**
 * What was written of a plan is known, block by block: in those that failed nothing was taken, and suspects in the others
 * are settled. Without that they would grow with every attempt, and with them the blocks that may fail.
 */
function learnPart(state: JobState, plan: Plan, failed: ReadonlySet<string>): void {
  const isWritten = ({block}: Allocation) => !failed.has(block);
  const {taken, freed, undone = []} = plan;
  const isDone = [...taken, ...freed, ...undone].every(isWritten);
  const unsettled = state.suspects.filter((allocation) => !isWritten(allocation));
  state.unknown = isDone ? plan : undefined;
  state.suspects = isDone ? unsettled : [...unsettled, ...taken.filter(isWritten)];
}

/** What earlier plans may have taken is undone in the same commit: a block of those counts as well. */
const touches = ({suspects}: JobState, {taken, freed, undone = []}: Plan, blocks: ReadonlySet<string>): boolean =>
  [...taken, ...freed, ...undone, ...suspects].some(({block}) => blocks.has(block));

/** True when the error speaks of the request, not of the store or of us. */
function isOwnFault(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && (code.startsWith('E_IPAM_') || OWN_FAULTS.has(code));
}

const OWN_FAULTS: ReadonlySet<ErrorCode> = new Set([
  'E_BAD_ADDRESS',
  'E_BAD_CIDR',
  'E_BAD_JSON',
  'E_BAD_SELECTOR',
  'E_INVALID_RESOURCE',
  'E_NOT_FOUND',
]);

const busy = (): AgentError =>
  new AgentError('E_IPAM_BUSY', 'Max retries hit - excessive concurrent IPAM requests', {attempts: MOST_ATTEMPTS});
