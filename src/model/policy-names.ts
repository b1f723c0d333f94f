/**
 * Policies have a name people give them and a name they are stored under, and the relation of the two has changed:
 *
 *   up to v3.29    `web` of the default tier is stored as `default.web`; nothing says what the given name was
 *   v3.30, v3.31   the same, and an annotation says it
 *   from v3.32     stored as `web`, with the annotation
 *
 * Names that begin with a tier (`security.web`) or stand for a Kubernetes policy (`knp.default.web`) are stored as they
 * are, always. What any of them wrote is read; what is written is v3.32's form, at the key it was found at, which every
 * release from v3.30 on understands.
 */

import {messageOf} from '../lib/errors.ts';
import {emptyObject, isJsonObject, parseJson, printJson} from '../lib/exact-json.ts';
import type {StoredMetadata} from './kind.ts';
import {labelName, subdomainName, type TextRule} from './name-rules.ts';
import type {Metadata} from './resource.ts';
import {invalidResource, violation} from './violation.ts';

export const DEFAULT_TIER = 'default';
export const TIER_LABEL = 'projectcalico.org/tier';
/** `{"name":"web"}`; in the store only. */
export const GIVEN_NAME_ANNOTATION = 'projectcalico.org/metadata';

/** Releases that differ in how they store names; each stands for all up to the next. */
export type NamingRelease = 'v3.0' | 'v3.30' | 'v3.32';

const KUBERNETES_PREFIXES = ['knp.', 'kanp.', 'kbanp.', 'ossg.'];

/** The name under which that release stores the policy. */
export function storedPolicyName(name: string, release: NamingRelease): string {
  if (release === 'v3.32' || KUBERNETES_PREFIXES.some((prefix) => name.startsWith(prefix))) return name;
  return name.includes('.') ? name : `${DEFAULT_TIER}.${name}`;
}

/** The name people know, of a policy that any release stored. Throws E_INVALID_RESOURCE. */
export function givenPolicyName(
  storedName: string,
  tier: string,
  annotations: Metadata['annotations'],
  what = 'policy',
): string {
  const annotation = annotations[GIVEN_NAME_ANNOTATION];
  if (annotation !== undefined) return nameInAnnotation(annotation, what) ?? storedName;
  const isInDefaultTier = tier === '' || tier === DEFAULT_TIER;
  return isInDefaultTier && storedName.startsWith(`${DEFAULT_TIER}.`) && storedName.length > DEFAULT_TIER.length + 1
    ? storedName.slice(DEFAULT_TIER.length + 1)
    : storedName;
}

function nameInAnnotation(annotation: string, what: string): string | undefined {
  const path = `metadata.annotations[${GIVEN_NAME_ANNOTATION}]`;
  let value: unknown;
  try {
    const json = parseJson(annotation);
    value = isJsonObject(json) ? (json.name ?? '') : undefined;
  } catch (error) {
    throw invalidResource(what, [violation(path, annotation, `must be JSON: ${messageOf(error)}`)]);
  }
  if (typeof value !== 'string')
    throw invalidResource(what, [violation(path, annotation, 'must be a JSON object with the name')]);
  return value === '' ? undefined : value;
}

/** For the kinds that are policies of a tier. */
export const policyMetadata: StoredMetadata<{readonly tier: string}> = {
  read(metadata, {tier}, what) {
    const annotations = copyOf(metadata.annotations);
    delete annotations[GIVEN_NAME_ANNOTATION];
    const labels = copyOf(metadata.labels);
    labels[TIER_LABEL] ??= DEFAULT_TIER;
    const name = givenPolicyName(metadata.name, tier, metadata.annotations, what);
    return {...metadata, name, labels: Object.freeze(labels), annotations: Object.freeze(annotations)};
  },
  write(metadata, name) {
    const annotations = copyOf(metadata.annotations);
    annotations[GIVEN_NAME_ANNOTATION] = printJson({name: metadata.name});
    return {...metadata, name, annotations: Object.freeze(annotations)};
  },
  earlierNames(name) {
    const earlier = storedPolicyName(name, 'v3.0');
    return earlier === name ? [] : [earlier];
  },
};

/** What Calico's client sees to before a write: the label tells the tier, the annotation is the store's alone. */
export function withTierLabel(metadata: Metadata, tier: string): Metadata {
  const labels = copyOf(metadata.labels);
  labels[TIER_LABEL] = tier;
  const annotations = copyOf(metadata.annotations);
  delete annotations[GIVEN_NAME_ANNOTATION];
  return {...metadata, labels: Object.freeze(labels), annotations: Object.freeze(annotations)};
}

/** Labels and annotations have no prototype. */
const copyOf = (map: Readonly<Record<string, string>>): Record<string, string> =>
  Object.assign(emptyObject<string>(), map);

/** `web`, or a tier's name before it. */
export const globalPolicyName: TextRule = (name) => {
  const general = subdomainName(name);
  if (general !== undefined) return general;
  const dots = name.split('.').length - 1;
  return dots <= 1 ? undefined : 'must have one dot at most';
};

/** As that, or a policy that stands for one of Kubernetes or OpenStack. */
export const policyName: TextRule = (name) =>
  /^(?:knp|ossg)\.default\./.test(name) ? subdomainName(name) : globalPolicyName(name);

/** Tiers are parts of other names, so theirs have no dot. */
export const tierName: TextRule = labelName;
