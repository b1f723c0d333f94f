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
import {DEFAULT_TIER} from '../../model/policy-names.ts';
import type {Resource} from '../../model/resource.ts';
import {notThere} from '../error-text.ts';
import {Failure} from '../failure.ts';
import type {Target} from '../input/targets.ts';
import {valueAt} from '../output/columns.ts';
import {findResource} from '../resource-reader.ts';
import {scalarText} from '../scalar-text.ts';
import type {Session} from '../session.ts';

const IN_TIERS: readonly ResourceKind[] = [
  GlobalNetworkPolicy,
  NetworkPolicy,
  StagedGlobalNetworkPolicy,
  StagedNetworkPolicy,
];

/** Refuses a new policy whose tier is not there. It is said before anything is said about the policy. */
export async function checkTierIsThere(session: Session, {kind, document}: Target): Promise<void> {
  if (document === undefined || !IN_TIERS.some((policy) => policy.kind === kind.kind)) return;
  const id = {name: scalarText(valueAt(document, 'spec.tier')) || DEFAULT_TIER};
  if ((await findResource(session, Tier, id)) === undefined) throw new Failure(notThere(Tier, id));
}

/** Refuses a resource that names what is not there. */
export async function checkReferences(session: Session, kind: ResourceKind, resource: Resource): Promise<void> {
  if (kind.kind === BGPPeer.kind) await checkFilters(session, kind, resource);
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
    if (policies.some((policy) => tierOf(kind, policy) === name))
      throw new Failure(`operation delete is not supported on ${name}: Cannot delete a non-empty tier`);
  }
}

const tierOf = (kind: ResourceKind, policy: Resource): string => scalarText(valueAt(kind.toJson(policy), 'spec.tier'));
