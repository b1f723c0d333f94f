/**
 * What the four kinds of policy have in common: fields, defaults, rules about the whole.
 */
import {z} from 'zod';
import {flag, float, nameReference, selector} from './fields.ts';
import type {FieldsOf} from './kind.ts';
import {DEFAULT_TIER, withTierLabel} from './policy-names.ts';
import {policyRule} from './policy-rule.ts';
import {ruleViolations} from './policy-rule-checks.ts';
import type {Resource} from './resource.ts';
import {NO_GLOBAL_RULE, usesGlobal} from './selector/global.ts';
import {type Violation, violation} from './violation.ts';

const MOST_RULES = 1024;
const policyRules = () => z.array(policyRule()).max(MOST_RULES, `must have at most ${MOST_RULES} entries`);

const leadingFields = () => ({
  tier: nameReference().default(DEFAULT_TIER),
  /** Lower comes first; absent is last. */
  order: float().optional(),
  ingress: policyRules().default([]),
  egress: policyRules().default([]),
  selector: selector().optional(),
  types: z.array(z.enum(['Ingress', 'Egress'])).default([]),
});

const hintsField = () => ({performanceHints: z.array(z.enum(['AssumeNeededOnEveryNode'])).default([])});

/** Of a policy in a namespace, in Calico's order. */
export const networkPolicyFields = () => ({
  ...leadingFields(),
  serviceAccountSelector: selector().optional(),
  ...hintsField(),
});

/** Of a policy of the whole cluster, in Calico's order. */
export const globalNetworkPolicyFields = () => ({
  ...leadingFields(),
  doNotTrack: flag(),
  preDNAT: flag(),
  applyOnForward: flag(),
  serviceAccountSelector: selector().optional(),
  namespaceSelector: selector().optional(),
  ...hintsField(),
});

/** Comes first in staged policies. */
export const stagedAction = () => z.enum(['Set', 'Delete', 'Learn', 'Ignore']).default('Set');

const networkPolicySpec = () => z.object(networkPolicyFields());

/** What every kind of policy has. */
export type PolicySpec = FieldsOf<typeof networkPolicySpec>;
type PolicyType = PolicySpec['types'][number];

/** What Calico's client fills in: the tier's label, and which directions the policy governs. */
export function completePolicy<R extends Resource<PolicySpec, unknown>>(policy: R): R {
  const {metadata, spec} = policy;
  return {...policy, metadata: withTierLabel(metadata, spec.tier), spec: withTypes(spec)};
}

/** As that, but for a staged deletion, which has nothing but its tier; types that it names are dropped. */
export function completeStagedPolicy<R extends Resource<PolicySpec & {readonly stagedAction: string}, unknown>>(
  policy: R,
): R {
  const {metadata, spec} = policy;
  if (spec.stagedAction !== 'Delete') return completePolicy(policy);
  return {...policy, metadata: withTierLabel(metadata, spec.tier), spec: {...spec, types: []}};
}

function withTypes<S extends PolicySpec>(spec: S): S {
  return spec.types.length > 0 ? spec : {...spec, types: impliedTypes(spec.ingress.length, spec.egress.length)};
}

/** The directions of a policy that names none. */
export function impliedTypes(ingressRules: number, egressRules: number): readonly PolicyType[] {
  if (egressRules === 0) return ['Ingress'];
  return ingressRules === 0 ? ['Egress'] : ['Ingress', 'Egress'];
}

/** What is wrong with the rules and selectors of a policy. */
export function policyViolations(
  spec: PolicySpec & {readonly namespaceSelector?: string | undefined},
  global: boolean,
): readonly Violation[] {
  const violations: Violation[] = [];
  for (const direction of ['ingress', 'egress'] as const)
    for (const [i, rule] of spec[direction].entries())
      violations.push(...ruleViolations(rule, {path: `spec.${direction}[${i}]`, direction, global}));
  for (const field of ['selector', 'serviceAccountSelector', 'namespaceSelector'] as const) {
    const text = spec[field];
    if (text !== undefined && usesGlobal(text)) violations.push(violation(`spec.${field}`, text, NO_GLOBAL_RULE));
  }
  if (new Set(spec.types).size !== spec.types.length)
    violations.push(violation('spec.types', spec.types.join(', '), 'must have each type once'));
  return violations;
}

/** The rules of profiles are judged alone: they belong to no policy. */
export function profileRuleViolations(spec: Pick<PolicySpec, 'ingress' | 'egress'>): readonly Violation[] {
  return (['ingress', 'egress'] as const).flatMap((direction) =>
    spec[direction].flatMap((rule, i) => ruleViolations(rule, {path: `spec.${direction}[${i}]`})),
  );
}

interface HostPolicySpec extends Pick<PolicySpec, 'egress' | 'types'> {
  readonly doNotTrack: boolean;
  readonly preDNAT: boolean;
  readonly applyOnForward: boolean;
}

/** Rules about when a policy of host endpoints acts. */
export function hostPolicyViolations(spec: HostPolicySpec): readonly Violation[] {
  const violations: Violation[] = [];
  const {doNotTrack, preDNAT, applyOnForward, egress, types} = spec;
  if (doNotTrack && preDNAT)
    violations.push(violation('spec.preDNAT', preDNAT, 'must not be set together with doNotTrack'));
  if ((doNotTrack || preDNAT) && !applyOnForward)
    violations.push(violation('spec.applyOnForward', applyOnForward, 'must be true with doNotTrack or preDNAT'));
  if (preDNAT && egress.length > 0) violations.push(violation('spec.egress', egress, 'must be empty with preDNAT'));
  if (preDNAT && types.includes('Egress'))
    violations.push(violation('spec.types', types.join(', '), 'must not have Egress with preDNAT'));
  return violations;
}

/**
 * A staged deletion says which policy goes, and nothing about it. `known` has the fields of its kind: those of a later
 * Calico are not judged.
 */
export function stagedDeletionViolations(
  spec: Readonly<Record<string, unknown>>,
  known: z.ZodObject,
): readonly Violation[] {
  return Object.entries(spec)
    .filter(([field, value]) => field !== 'stagedAction' && field !== 'tier' && !isZero(value))
    .filter(([field]) => Object.hasOwn(known.shape, field))
    .map(([field, value]) => violation(`spec.${field}`, value, 'must not be set with stagedAction Delete'));
}

const isZero = (value: unknown): boolean =>
  value === undefined || value === false || value === '' || (Array.isArray(value) && value.length === 0);
