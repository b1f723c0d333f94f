/**
 * Who holds which blocks: claims made and given up by hand, when a node or a pool goes, and before a node needs its
 * first address.
 */
import type {CallOptions, Store} from '../datastore/store.ts';
import {cidrContains, type Family, requireCidr} from '../lib/cidr.ts';
import {AgentError, hasCode} from '../lib/errors.ts';
import {HOST_AFFINITIES_PREFIX, hostMarkerKey, parseKey} from '../model/keys.ts';
import {type BlockHolder, holderOf, nodeHolder, requireHost} from './holder.ts';
import {ask, askToRelease} from './jobs.ts';
import {blocksOf, type ClaimRelease, type ClaimReleaseOptions, planClaim, planClaimRelease} from './plan-affinity.ts';
import {planBlock} from './plan-assign.ts';
import {type SessionDependencies, Sessions} from './sessions.ts';

export class BlockClaims {
  readonly #store: Store;
  readonly #sessions: Sessions;

  constructor(dependencies: SessionDependencies) {
    this.#store = dependencies.store;
    this.#sessions = new Sessions(dependencies);
  }

  /** Makes `node` hold all blocks of a CIDR; `failed` are those that somebody else holds. */
  async claim(
    cidr: string,
    node: string,
    call: CallOptions = {},
  ): Promise<{readonly claimed: readonly string[]; readonly failed: readonly string[]}> {
    const holder = nodeHolder(requireHost(node));
    const claimed: string[] = [];
    const failed: string[] = [];
    const {rules} = await this.#sessions.read(call);
    for (const block of blocksOf(rules.pools, cidr)) {
      const asked = ask(async (draft) => ({value: await planClaim(draft, holder, block), taken: [], freed: []}));
      ((await this.#sessions.run(asked, node, call)) ? claimed : failed).push(block);
    }
    return {claimed, failed};
  }

  /** Makes sure that `node` holds a block with a free address for workloads; resolves to its CIDR. */
  async ensureBlock(
    node: string,
    family: Family,
    options: {readonly pools?: readonly string[] | undefined} = {},
    call: CallOptions = {},
  ): Promise<string> {
    const request = {family, use: 'Workload', pools: options.pools, holder: nodeHolder(requireHost(node))} as const;
    const asked = ask(async (draft, rules, services) => ({
      value: await planBlock(draft, rules, request, services),
      taken: [],
      freed: [],
    }));
    return this.#sessions.run(asked, node, call);
  }

  /** Makes `node` give up the blocks of a CIDR; those it does not hold are left alone. */
  async release(cidr: string, node: string, options: ClaimReleaseOptions, call: CallOptions = {}): Promise<void> {
    const holder = nodeHolder(requireHost(node));
    const {rules} = await this.#sessions.read(call);
    await this.#releaseAll(holder, blocksOf(rules.pools, cidr), options, call);
  }

  /** Makes a node give up all its blocks, IPv4 first. Goes on after a block that it must keep, then throws. */
  async releaseHost(node: string, options: ClaimReleaseOptions, call: CallOptions = {}): Promise<void> {
    const holder = nodeHolder(requireHost(node));
    const {draft} = await this.#sessions.read(call);
    const cidrs = [...(await draft.claims(holder, 4)), ...(await draft.claims(holder, 6))];
    await this.#releaseAll(holder, cidrs, options, call);
  }

  /** Makes all nodes give up their blocks in a pool; addresses in use stay with their handles. */
  async releasePool(poolCidr: string, call: CallOptions = {}): Promise<void> {
    const pool = requireCidr(poolCidr);
    const {entries} = await this.#store.list(HOST_AFFINITIES_PREFIX, call);
    for (const {key} of entries) {
      const parsed = parseKey(key);
      if (parsed?.kind !== 'affinity' || !cidrContains(pool, requireCidr(parsed.cidr))) continue;
      await this.releaseClaim(parsed, parsed.cidr, {requireEmpty: false}, call);
    }
  }

  /** Makes whoever holds a block give it up. */
  async releaseBlock(cidr: string, options: ClaimReleaseOptions, call: CallOptions = {}): Promise<ClaimRelease> {
    const {draft} = await this.#sessions.read(call);
    const holder = holderOf((await draft.block(cidr))?.affinity);
    return holder === undefined ? 'absent' : this.releaseClaim(holder, cidr, options, call);
  }

  /** Makes a holder give up one block. */
  releaseClaim(
    {type, host}: BlockHolder,
    cidr: string,
    options: ClaimReleaseOptions,
    call: CallOptions = {},
  ): Promise<ClaimRelease> {
    const asked = askToRelease(async (draft) => {
      return {value: await planClaimRelease(draft, {type, host}, cidr, options), taken: [], freed: []};
    });
    return this.#sessions.run(asked, undefined, call);
  }

  /** Forgets a node that is gone: its blocks are given up; addresses in use stay with their handles. */
  async removeHost(node: string, call: CallOptions = {}): Promise<void> {
    await this.releaseHost(node, {requireEmpty: false}, call);
    try {
      await this.#store.commit([{kind: 'delete', key: hostMarkerKey(requireHost(node))}], call);
    } catch (error) {
      // Only old releases made the marker.
      if (!hasCode(error, 'E_NOT_FOUND')) throw error;
    }
  }

  async #releaseAll(
    holder: BlockHolder,
    cidrs: readonly string[],
    options: ClaimReleaseOptions,
    call: CallOptions,
  ): Promise<void> {
    const kept: string[] = [];
    for (const cidr of cidrs) {
      const result = await this.releaseClaim(holder, cidr, options, call);
      if (result === 'not-empty' || result === 'changed') kept.push(cidr);
    }
    if (kept.length > 0)
      throw new AgentError('E_IPAM_NOT_EMPTY', 'blocks with addresses in use were not given up', {
        host: holder.host,
        blocks: kept,
      });
  }
}
