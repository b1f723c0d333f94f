/**
 * Namespaces and service accounts as profiles: their labels are inherited by the endpoints that name the profile. With
 * Kubernetes profiles are made of these and nothing else.
 */
import type {Profile} from '../kinds/profile.ts';
import {NAME_LABEL, NAMESPACE_LABEL_PREFIX, SERVICE_ACCOUNT_LABEL_PREFIX} from '../labels.ts';
import type {PolicyRule} from '../policy-rule.ts';
import {API_VERSION} from '../resource.ts';
import {copyOf, derivedMetadata} from './metadata.ts';
import {ANYTHING} from './network-policy.ts';
import type {KubernetesObject, Namespace, ServiceAccount} from './objects.ts';

const NAMESPACE_PROFILE_PREFIX = 'kns.';
const SERVICE_ACCOUNT_PROFILE_PREFIX = 'ksa.';

export const namespaceProfileName = (namespace: string): string => `${NAMESPACE_PROFILE_PREFIX}${namespace}`;

export const serviceAccountProfileName = (namespace: string, account: string): string =>
  `${SERVICE_ACCOUNT_PROFILE_PREFIX}${namespace || 'default'}.${account}`;

/** What a profile is made of; undefined for profiles that people wrote. Account names may have dots. */
export function parseProfileName(name: string): {readonly namespace: string; readonly account?: string} | undefined {
  if (name.startsWith(NAMESPACE_PROFILE_PREFIX)) return {namespace: name.slice(NAMESPACE_PROFILE_PREFIX.length)};
  const [prefix, namespace, ...account] = name.split('.');
  if (`${prefix}.` !== SERVICE_ACCOUNT_PROFILE_PREFIX || namespace === undefined || account.length === 0)
    return undefined;
  return {namespace, account: account.join('.')};
}

const ALLOW_ALL: readonly PolicyRule[] = [{action: 'Allow', source: ANYTHING, destination: ANYTHING}];

export function namespaceProfile(namespace: Namespace): Profile {
  const {name, resourceVersion = ''} = namespace.metadata;
  return profileOf(namespace, namespaceProfileName(name), NAMESPACE_LABEL_PREFIX, `${resourceVersion}/`, ALLOW_ALL);
}

export function serviceAccountProfile(account: ServiceAccount): Profile {
  const {name, namespace = '', resourceVersion = ''} = account.metadata;
  const profileName = serviceAccountProfileName(namespace, name);
  return profileOf(account, profileName, SERVICE_ACCOUNT_LABEL_PREFIX, `/${resourceVersion}`, []);
}

/** Profiles come from two kinds of objects, so their revision has two halves. */
function profileOf(
  {metadata}: KubernetesObject,
  name: string,
  prefix: string,
  resourceVersion: string,
  rules: readonly PolicyRule[],
): Profile {
  return {
    kind: 'Profile',
    apiVersion: API_VERSION,
    metadata: {...derivedMetadata(metadata, name), resourceVersion},
    spec: {
      ingress: rules,
      egress: rules,
      labelsToApply: copyOf({...metadata.labels, [NAME_LABEL]: metadata.name}, prefix),
    },
  };
}
