/**
 * What a vanished sandbox or a half-finished ADD left behind on this node is found and given back when the agent starts.
 *
 * Only allocations whose own attributes say that they are this node's, that a CNI call made them (`network.container`
 * as the handle) and that they are older than the agent's start are looked at; tunnel addresses, virtual machines, what
 * Windows reserves, what has no attributes and whatever belongs to other nodes is never touched. Each release compares
 * owner and sequence number, so an address that was assigned anew meanwhile stays.
 *
 * Whether an owner is dead is not decided here: `isDead` must prove it.
 */
import type {CallOptions, Store} from '../datastore/store.ts';
import type {Clock} from '../lib/clock.ts';
import type {Logger} from '../lib/log.ts';
import {createBreather} from '../lib/yielding.ts';
import {type Block, type BlockAttributes, decodeBlock} from '../model/ipam-records.ts';
import {BLOCKS_PREFIX} from '../model/keys.ts';
import {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';
import {parseWorkloadEndpointName, TUNNEL_TYPES, tunnelHandleId, WINDOWS_RESERVED_HANDLE} from '../model/names.ts';
import type {Allocator} from './allocator.ts';
import {type Allocation, allocationsAt, occupancyOf} from './block.ts';

/** An allocation that this node made for a container. */
export interface ReclaimCandidate extends Allocation {
  readonly handleId: string;
  readonly networkName: string;
  readonly containerId: string;
  readonly attributes: BlockAttributes;
}

export interface ReclaimOptions {
  readonly node: string;
  /** When this agent started, Unix time: nothing younger is looked at, because an ADD may be under way. */
  readonly startedMs: number;
}

export interface ReclaimDependencies {
  readonly store: Store;
  readonly allocator: Allocator;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * True only when nobody can use the address any more: no WorkloadEndpoint of this node has the container
   * (`endpointContainerIds`), no ADD or DEL of it is under way in this process, and, where it can be asked, the runtime
   * does not know the sandbox. From the moment an ADD for the handle begins it must be false. An error counts as false.
   */
  isDead(candidate: ReclaimCandidate): boolean | Promise<boolean>;
}

export interface ReclaimResult {
  readonly released: readonly Allocation[];
  /** Candidates whose owner lives, or may live. */
  readonly kept: number;
  /** Addresses that changed hands between the look and the release. */
  readonly conflicts: number;
}

/** Gives back what the dead left; safe to repeat, and to be killed in at any point. */
export async function reclaim(
  options: ReclaimOptions,
  dependencies: ReclaimDependencies,
  call: CallOptions = {},
): Promise<ReclaimResult> {
  const {allocator, log} = dependencies;
  const candidates = await findCandidates(options, dependencies, call);
  const dead: ReclaimCandidate[] = [];
  for (const candidate of candidates) if (await isProvenDead(candidate, dependencies)) dead.push(candidate);
  const {released, conflicts} = await allocator.releaseIps(
    dead.map(({ip, handleId, sequenceNumber}) => ({ip, handleId, sequenceNumber})),
    call,
  );
  const result = {released, kept: candidates.length - dead.length, conflicts: conflicts.length};
  if (dead.length > 0)
    log.info({released: released.length, kept: result.kept, conflicts: result.conflicts}, 'lost addresses reclaimed');
  return result;
}

/**
 * Containers that have a WorkloadEndpoint on this node: their addresses are in use. Rejects when an endpoint that may be
 * this node's cannot be read: then nothing is proven.
 */
export async function endpointContainerIds(
  store: Store,
  node: string,
  call: CallOptions = {},
): Promise<ReadonlySet<string>> {
  const {entries} = await store.list(WorkloadEndpoint.prefix(), call);
  const ids = new Set<string>();
  for (const {key, value} of entries) {
    const name = parseWorkloadEndpointName(key.slice(key.lastIndexOf('/') + 1));
    if (name !== undefined && name.node !== node) continue;
    const {spec} = WorkloadEndpoint.decode(value, key);
    if (spec.node === node && spec.containerID !== undefined) ids.add(spec.containerID);
  }
  return ids;
}

async function isProvenDead(candidate: ReclaimCandidate, dependencies: ReclaimDependencies): Promise<boolean> {
  try {
    return await dependencies.isDead(candidate);
  } catch (err) {
    dependencies.log.warn({err, handle: candidate.handleId}, 'cannot tell whether the owner of an address lives');
    return false;
  }
}

async function findCandidates(
  options: ReclaimOptions,
  {store, clock, log}: ReclaimDependencies,
  call: CallOptions,
): Promise<readonly ReclaimCandidate[]> {
  const {entries} = await store.list(BLOCKS_PREFIX, call);
  const breather = createBreather({}, {clock});
  const candidates: ReclaimCandidate[] = [];
  for (const {key, value} of entries) {
    if (breather.isDue()) await breather.breathe(call.signal);
    // Decoding every block of a large cluster is not needed to see that this node has nothing in most of them.
    if (!value.includes(options.node)) continue;
    try {
      candidates.push(...candidatesIn(decodeBlock(value), options));
    } catch (err) {
      log.warn({key, err}, 'block left out of the reclaim: it cannot be read');
    }
  }
  return candidates;
}

function candidatesIn(block: Block, options: ReclaimOptions): readonly ReclaimCandidate[] {
  const allocations = allocationsAt(
    block,
    block.allocations.map((_, ordinal) => ordinal),
  );
  return allocations.flatMap((allocation) => {
    const occupancy = occupancyOf(block, allocation.ordinal);
    if (occupancy.kind !== 'owned' || allocation.handleId === undefined) return [];
    const attributes = occupancy.attribute.secondary;
    const container = containerOf(allocation.handleId, attributes, options);
    return container === undefined ? [] : [{...allocation, ...container, handleId: allocation.handleId, attributes}];
  });
}

/** The container that a CNI call of this node made the allocation for; undefined when it is any other allocation. */
function containerOf(
  handleId: string,
  attributes: BlockAttributes,
  {node, startedMs}: ReclaimOptions,
): {readonly networkName: string; readonly containerId: string} | undefined {
  if (attributes.get('node') !== node || attributes.has('type') || attributes.has('vmi-name')) return undefined;
  if (handleId === WINDOWS_RESERVED_HANDLE || TUNNEL_TYPES.some((type) => handleId === tunnelHandleId(type, node)))
    return undefined;
  const timestamp = attributes.get('timestamp');
  if (timestamp !== undefined && !(goTimestampMs(timestamp) < startedMs)) return undefined;
  const [, networkName, containerId] = /^([A-Za-z0-9_.-]+)\.([A-Za-z0-9][A-Za-z0-9-]*)$/.exec(handleId) ?? [];
  return networkName === undefined || containerId === undefined || networkName.includes('.vmi.')
    ? undefined
    : {networkName, containerId};
}

/** `2024-05-01 10:00:00.123456789 +0000 UTC`; NaN for anything else. */
function goTimestampMs(text: string): number {
  const [, day, time] = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,9})?) \+0000 UTC$/.exec(text) ?? [];
  return day === undefined || time === undefined ? Number.NaN : Date.parse(`${day}T${time}Z`);
}
