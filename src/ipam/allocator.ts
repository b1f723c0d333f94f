/**
 * IPAM for single calls: node start-up, tunnel addresses, calicoctl, controllers. Every call reads what it needs, plans,
 * and commits with compare-and-swap; nothing is remembered. The agent's CNI side uses `NodeAllocator` instead.
 *
 * Expected outcomes are in the results; AgentErrors E_IPAM_* and E_NOT_FOUND say why a request cannot be served, the
 * store's errors that the datastore did not answer. After E_UNREACHABLE or E_DEADLINE it is unknown whether addresses
 * were taken: release by handle.
 */
import type {CallOptions} from '../datastore/store.ts';
import {requireIp} from '../lib/cidr.ts';
import {type Allocation, allocationsAt, type Occupancy, occupancyOf, ordinalOf, ordinalsOf} from './block.ts';
import {type BlockHolder, holderOf, LOAD_BALANCER_HOLDER, nodeHolder, requireHost} from './holder.ts';
import {
  type AssignRequest,
  type AssignResult,
  ask,
  askToRelease,
  type ExactAssignRequest,
  planAssign,
  planExact,
  planHandleRelease,
  planReleases,
  planStrayNote,
  type ReleaseRequest,
} from './jobs.ts';
import {findBlock, type ReleasePlan} from './plan-release.ts';
import {type SessionDependencies, Sessions} from './sessions.ts';

/** Addresses in one commit at most; more are released in several. */
const RELEASES_PER_COMMIT = 100;

export class Allocator {
  readonly #sessions: Sessions;

  constructor(dependencies: SessionDependencies) {
    this.#sessions = new Sessions(dependencies);
  }

  /** Addresses for a node; each family says what it came short of, and why. */
  async autoAssign(node: string, request: AssignRequest, call: CallOptions = {}): Promise<AssignResult> {
    return this.#assign(nodeHolder(requireHost(node)), request, call);
  }

  /** Addresses for Services of type LoadBalancer, which belong to no node. */
  autoAssignForServices(request: AssignRequest, call: CallOptions = {}): Promise<AssignResult> {
    return this.#assign(LOAD_BALANCER_HOLDER, request, call);
  }

  #assign(holder: BlockHolder, request: AssignRequest, call: CallOptions): Promise<AssignResult> {
    const asked = ask(planAssign(holder, request, {whole: false}));
    return this.#sessions.run(asked, holder.type === 'host' ? holder.host : undefined, call);
  }

  /** One given address. Throws E_IPAM_NOT_IN_POOL, E_IPAM_TAKEN or E_IPAM_STRICT. */
  async assignIp(node: string, request: ExactAssignRequest, call: CallOptions = {}): Promise<Allocation> {
    return this.#sessions.run(ask(planExact(nodeHolder(requireHost(node)), request)), node, call);
  }

  /** Releases addresses; those of somebody else are reported as conflicts and stay. */
  async releaseIps(requests: readonly ReleaseRequest[], call: CallOptions = {}): Promise<ReleasePlan> {
    const plans: ReleasePlan[] = [];
    for (let start = 0; start < requests.length; start += RELEASES_PER_COMMIT) {
      const part = requests.slice(start, start + RELEASES_PER_COMMIT);
      plans.push(await this.#sessions.run(askToRelease(planReleases(part)), undefined, call));
    }
    const released = plans.flatMap((plan) => plan.released);
    await this.#giveUpStrays(released, call);
    return {
      released,
      unallocated: plans.flatMap((plan) => plan.unallocated),
      conflicts: plans.flatMap((plan) => plan.conflicts),
    };
  }

  /** Releases all addresses of a handle; undefined when there is no such handle. */
  async releaseByHandle(handleId: string, call: CallOptions = {}): Promise<readonly Allocation[] | undefined> {
    const asked = askToRelease(planHandleRelease(handleId, {whole: false}));
    const released = await this.#sessions.run(asked, undefined, call);
    await this.#giveUpStrays(released ?? [], call);
    return released;
  }

  /** Addresses of a handle; none when there is no such handle. Blocks that cannot be read are left out. */
  async ipsByHandle(handleId: string, call: CallOptions = {}): Promise<readonly Allocation[]> {
    const {draft} = await this.#sessions.read(call);
    const counts = await draft.handleCounts(handleId);
    const allocations: Allocation[] = [];
    for (const cidr of counts?.keys() ?? []) {
      const block = await draft.readableBlock(cidr);
      if (block !== undefined) allocations.push(...allocationsAt(block, ordinalsOf(block, handleId)));
    }
    return allocations;
  }

  /** Who has an address: nobody, a cooldown, or an owner with handle and attributes. */
  async assignmentOf(ip: string, call: CallOptions = {}): Promise<Occupancy> {
    const {draft, rules} = await this.#sessions.read(call);
    const address = requireIp(ip);
    const block = await findBlock(draft, rules, address);
    const ordinal = block && ordinalOf(block, address);
    return block === undefined || ordinal === undefined ? {kind: 'free'} : occupancyOf(block, ordinal);
  }

  /** Blocks of pools that do not select their holder any more go back as soon as they are empty. */
  async #giveUpStrays(released: readonly Allocation[], call: CallOptions): Promise<void> {
    if (released.length === 0) return;
    const {draft} = await this.#sessions.read(call);
    for (const cidr of new Set(released.map(({block}) => block))) {
      const holder = holderOf((await draft.readableBlock(cidr))?.affinity);
      if (holder?.type === 'host') await this.#sessions.run(askToRelease(planStrayNote(cidr)), holder.host, call);
    }
  }
}
