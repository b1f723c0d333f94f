/**
 * Tier: policies are asked tier by tier, in the order of the tiers; what none of a tier's policies decides, the tier's
 * default action does.
 */
import {z} from 'zod';
import {float} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {DEFAULT_TIER, tierName} from '../policy-names.ts';
import {anyJson} from '../resource.ts';
import {kept} from '../schema.ts';
import {type Violation, violation} from '../violation.ts';

export const DEFAULT_TIER_ORDER = 1_000_000;

interface BuiltInTier {
  readonly order: number;
  readonly defaultAction: 'Deny' | 'Pass';
}

/** Always there; what they are may not change. */
export const BUILT_IN_TIERS: ReadonlyMap<string, BuiltInTier> = new Map([
  ['kube-admin', {order: 1000, defaultAction: 'Pass'}],
  [DEFAULT_TIER, {order: DEFAULT_TIER_ORDER, defaultAction: 'Deny'}],
  ['kube-baseline', {order: 10_000_000, defaultAction: 'Pass'}],
]);

const spec = () =>
  z.object({
    /** Lower comes first. */
    order: float().optional(),
    defaultAction: kept(z.enum(['Deny', 'Pass']).default('Deny')),
  });

const status = () => z.object({conditions: z.array(anyJson()).optional()});

export type TierSpec = FieldsOf<typeof spec>;
export type Tier = ResourceOf<typeof spec, typeof status>;

export const Tier = defineKind({
  kind: 'Tier',
  plural: 'tiers',
  name: tierName,
  spec,
  status,
  statusAlways: true,
  fillIn: (tier) => (tier.order === undefined ? {...tier, order: DEFAULT_TIER_ORDER} : tier),
  rules: ({metadata: {name}, spec: tier}) => {
    const wanted = BUILT_IN_TIERS.get(name);
    if (wanted === undefined) return [];
    const violations: Violation[] = [];
    for (const field of ['order', 'defaultAction'] as const)
      if (tier[field] !== wanted[field])
        violations.push(violation(`spec.${field}`, tier[field], `must be ${wanted[field]} for the tier ${name}`));
    return violations;
  },
});
