/**
 * What a resource names must be there, and what is named may not go: the tier of a policy, the filters of a BGP peer.
 */

import type {ResourceKind} from '../../model/kind.ts';
import {BGPFilter} from '../../model/kinds/bgp-filter.ts';
import {BGPPeer} from '../../model/kinds/bgp-peer.ts';
import {GlobalNetworkPolicy} from '../../model/kinds/global-network-policy.ts';
import {NetworkPolicy} from '../../model/kinds/network-policy.ts';
import {StagedGlobalNetworkPolicy} from '../../model/kinds/staged-global-network-policy.ts';
import {StagedNetworkPolicy} from '../../model/kinds/staged-network-policy.ts';
import {Tier} from '../../model/kinds/tier.ts';
import type {Resource} from '../../model/resource.ts';
import {nameOf, notThere} from '../error-text.ts';
import {Failure} from '../failure.ts';
import {valueAt} from '../output/columns.ts';
import {scalarText} from '../scalar-text.ts';
import type {Session} from '../session.ts';

const IN_TIERS: readonly ResourceKind[] = [
  GlobalNetworkPolicy,
  NetworkPolicy,
  StagedGlobalNetworkPolicy,
  StagedNetworkPolicy,
];

/** Refuses a resource that names what is not there. The tier of a policy counts only when the policy is new. */
export async function checkReferences(
  session: Session,
  kind: ResourceKind,
  resource: Resource,
  {isNew}: {readonly isNew: boolean},
): Promise<void> {
  if (isNew && IN_TIERS.some((policy) => policy.kind === kind.kind)) await checkTier(session, tierOf(kind, resource));
  if (kind.kind === BGPPeer.kind) await checkFilters(session, kind, resource);
}

async function checkTier({resources, call}: Session, name: string): Promise<void> {
  if ((await resources.get(Tier, {name}, call)) === undefined) throw new Failure(notThere(Tier, {name}));
}

async function checkFilters({resources, call}: Session, kind: ResourceKind, peer: Resource): Promise<void> {
  const filters = valueAt(kind.toJson(peer), 'spec.filters');
  const missing: string[] = [];
  for (const filter of Array.isArray(filters) ? filters : []) {
    const name = scalarText(filter);
    if ((await resources.get(BGPFilter, {name}, call)) === undefined) missing.push(name);
  }
  if (missing.length > 0)
    throw new Failure(`error with field BGPPeer.Spec.Filters = '[${missing.join(' ')}]' (BGPFilter(s) not found)`);
}

/** Refuses to delete a tier that policies are in. */
export async function checkTierIsFree({resources, call}: Session, name: string): Promise<void> {
  for (const kind of IN_TIERS) {
    const {resources: policies} = await resources.list(kind, {}, call);
    const user = policies.find((policy) => tierOf(kind, policy) === name);
    if (user !== undefined)
      throw new Failure(
        `operation Delete is not supported on ${name}: Cannot delete a tier that has policies: ${nameOf(kind, user.metadata)}`,
      );
  }
}

const tierOf = (kind: ResourceKind, policy: Resource): string => scalarText(valueAt(kind.toJson(policy), 'spec.tier'));
