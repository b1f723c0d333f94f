/**
 * Every kind of resource this program knows, and how to find one by what a person or a key calls it. A kind is added by
 * one file in kinds/ and one line here.
 */
import {AgentError} from '../lib/errors.ts';
import type {ResourceKind} from './kind.ts';
import {BlockAffinity} from './kinds/block-affinity.ts';
import {ClusterInformation} from './kinds/cluster-information.ts';
import {FelixConfiguration} from './kinds/felix-configuration.ts';
import {IPPool} from './kinds/ip-pool.ts';
import {IPReservation} from './kinds/ip-reservation.ts';
import {IPAMConfiguration} from './kinds/ipam-configuration.ts';
import {Node} from './kinds/node.ts';
import {Profile} from './kinds/profile.ts';
import {WorkloadEndpoint} from './kinds/workload-endpoint.ts';

export const KINDS: readonly ResourceKind[] = [
  BlockAffinity,
  ClusterInformation,
  FelixConfiguration,
  IPAMConfiguration,
  IPPool,
  IPReservation,
  Node,
  Profile,
  WorkloadEndpoint,
];

/** By the exact `kind` of a resource. */
export const kindNamed = (kind: string): ResourceKind | undefined => KINDS.find((known) => known.kind === kind);

/** By the plural that its keys contain. */
export const kindOfPlural = (plural: string): ResourceKind | undefined =>
  KINDS.find((known) => known.plural === plural);

/** By anything a person may call it, in any case. */
export function kindOfAlias(text: string): ResourceKind | undefined {
  const alias = text.toLowerCase();
  return KINDS.find((known) => known.aliases.includes(alias));
}

/** As `kindOfAlias`, but throws E_UNKNOWN_KIND. */
export function requireKind(text: string): ResourceKind {
  const kind = kindOfAlias(text);
  if (kind !== undefined) return kind;
  const shown = text.length > 64 ? `${text.slice(0, 61)}...` : text;
  throw new AgentError('E_UNKNOWN_KIND', `there is no resource kind "${shown}"`, {
    kind: shown,
    known: KINDS.map((known) => known.kind),
  });
}
