/** What a person may not write: resources that Calico keeps itself. */
import type {ResourceId, ResourceKind} from '../../model/kind.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {DEFAULT_ALLOW_PROFILE, Profile} from '../../model/kinds/profile.ts';

export type WriteVerb = 'create' | 'update' | 'delete';

/** Why the write is refused; undefined when it is not. */
export function refusalOf(kind: ResourceKind, {name}: ResourceId, verb: WriteVerb): string | undefined {
  if (kind.kind === ClusterInformation.kind)
    return `operation ${CLUSTER_INFORMATION_VERBS[verb]} is not supported on ${kind.kind}`;
  if (kind.kind === Profile.kind && name === DEFAULT_ALLOW_PROFILE) {
    const operation = verb.charAt(0).toUpperCase() + verb.slice(1);
    const done = verb.endsWith('e') ? `${verb}d` : `${verb}ed`;
    return `operation ${operation} is not supported on ${name}: The profile "${name}" is a default provided by Calico and cannot be ${done}`;
  }
  return undefined;
}

const CLUSTER_INFORMATION_VERBS: Readonly<Record<WriteVerb, string>> = {
  create: 'create or apply',
  update: 'apply or replace',
  delete: 'delete',
};

/** The profile that is always there and never stored, as a reader sees it. */
export const defaultAllowProfile = (): ReturnType<typeof Profile.create> => {
  const {metadata, ...rest} = Profile.create({
    metadata: {name: DEFAULT_ALLOW_PROFILE},
    spec: {ingress: [{action: 'Allow'}], egress: [{action: 'Allow'}]},
  });
  return {...rest, metadata: {...metadata, resourceVersion: '1'}};
};
