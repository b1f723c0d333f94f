/** What a person may not write: resources that Calico keeps itself. */
import type {ResourceId, ResourceKind} from '../../model/kind.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {KubeControllersConfiguration} from '../../model/kinds/kube-controllers-configuration.ts';
import {NetworkPolicy} from '../../model/kinds/network-policy.ts';
import {DEFAULT_ALLOW_PROFILE, Profile} from '../../model/kinds/profile.ts';
import {BUILT_IN_TIERS, Tier} from '../../model/kinds/tier.ts';
import {subdomainName} from '../../model/name-rules.ts';
import {nameOf} from '../error-text.ts';

export type WriteVerb = 'create' | 'update' | 'delete';

/** Policies of Kubernetes, as they are shown among those of Calico. */
const KUBERNETES_POLICY = 'knp.default.';
export const isOfKubernetes = (policyName: string): boolean => policyName.startsWith(KUBERNETES_POLICY);

/** Why the write is refused; undefined when it is not. */
export function refusalOf(kind: ResourceKind, id: ResourceId, verb: WriteVerb): string | undefined {
  const {name} = id;
  switch (kind.kind) {
    case ClusterInformation.kind:
      return `operation ${VERBS[verb]} is not supported on ${kind.kind}`;
    case Profile.kind:
      // To create it fails because it is there.
      return name === DEFAULT_ALLOW_PROFILE && verb !== 'create' ? defaultProfileRefusal(verb) : undefined;
    case Tier.kind:
      return verb === 'delete' && BUILT_IN_TIERS.has(name)
        ? `operation Delete is not supported on ${name}: Cannot delete ${name} tier`
        : undefined;
    case NetworkPolicy.kind:
      return isOfKubernetes(name)
        ? `operation ${VERBS[verb]} is not supported on ${nameOf(kind, id)}: kubernetes network policies must be managed through the kubernetes API`
        : undefined;
    case KubeControllersConfiguration.kind:
      // One that is no name at all is refused as such.
      return name !== 'default' && subdomainName(name) === undefined && verb === 'create'
        ? 'Cannot create a Kube Controllers Configuration resource with a name other than "default"'
        : undefined;
    default:
      return undefined;
  }
}

const VERBS: Readonly<Record<WriteVerb, string>> = {
  create: 'create or apply',
  update: 'apply or replace',
  delete: 'delete',
};

function defaultProfileRefusal(verb: WriteVerb): string {
  const operation = verb.charAt(0).toUpperCase() + verb.slice(1);
  return `operation ${operation} is not supported on ${DEFAULT_ALLOW_PROFILE}: The profile "${DEFAULT_ALLOW_PROFILE}" is a default provided by Calico and cannot be ${verb}d`;
}

/** The profile that is always there and never stored, as a reader sees it. */
export const defaultAllowProfile = (): ReturnType<typeof Profile.create> => {
  const {metadata, ...rest} = Profile.create({
    metadata: {name: DEFAULT_ALLOW_PROFILE},
    spec: {ingress: [{action: 'Allow'}], egress: [{action: 'Allow'}]},
  });
  return {...rest, metadata: {...metadata, resourceVersion: '1'}};
};
