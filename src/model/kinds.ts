/**
 * Every kind of resource this program knows, and how to find one by what a person or a key calls it. A kind is added by
 * one file in kinds/ and one line here.
 */
import {AgentError} from '../lib/errors.ts';
import type {ResourceKind} from './kind.ts';
import {BGPConfiguration} from './kinds/bgp-configuration.ts';
import {BGPFilter} from './kinds/bgp-filter.ts';
import {BGPPeer} from './kinds/bgp-peer.ts';
import {BlockAffinity} from './kinds/block-affinity.ts';
import {CalicoNodeStatus} from './kinds/calico-node-status.ts';
import {ClusterInformation} from './kinds/cluster-information.ts';
import {FelixConfiguration} from './kinds/felix-configuration.ts';
import {GlobalNetworkPolicy} from './kinds/global-network-policy.ts';
import {GlobalNetworkSet} from './kinds/global-network-set.ts';
import {HostEndpoint} from './kinds/host-endpoint.ts';
import {IPPool} from './kinds/ip-pool.ts';
import {IPReservation} from './kinds/ip-reservation.ts';
import {IPAMConfiguration} from './kinds/ipam-configuration.ts';
import {KubeControllersConfiguration} from './kinds/kube-controllers-configuration.ts';
import {LiveMigration} from './kinds/live-migration.ts';
import {NetworkPolicy} from './kinds/network-policy.ts';
import {NetworkSet} from './kinds/network-set.ts';
import {Node} from './kinds/node.ts';
import {Profile} from './kinds/profile.ts';
import {StagedGlobalNetworkPolicy} from './kinds/staged-global-network-policy.ts';
import {StagedKubernetesNetworkPolicy} from './kinds/staged-kubernetes-network-policy.ts';
import {StagedNetworkPolicy} from './kinds/staged-network-policy.ts';
import {Tier} from './kinds/tier.ts';
import {WorkloadEndpoint} from './kinds/workload-endpoint.ts';

export const KINDS: readonly ResourceKind[] = [
  BGPConfiguration,
  BGPFilter,
  BGPPeer,
  BlockAffinity,
  CalicoNodeStatus,
  ClusterInformation,
  FelixConfiguration,
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  HostEndpoint,
  IPAMConfiguration,
  IPPool,
  IPReservation,
  KubeControllersConfiguration,
  LiveMigration,
  NetworkPolicy,
  NetworkSet,
  Node,
  Profile,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
  Tier,
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
