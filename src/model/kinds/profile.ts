/**
 * Profile: rules and labels that workload endpoints inherit by naming it. The CNI side writes one per network without
 * Kubernetes; with Kubernetes they are derived from namespaces and service accounts.
 *
 * Rules are kept as they are: `source` and `destination` are always stored, the rest is nobody's business here yet.
 */
import {z} from 'zod';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {labelValue, qualifiedName} from '../name-rules.ts';
import {anyJson, stringMap} from '../resource.ts';
import {type Violation, violation} from '../violation.ts';

const rules = () => z.array(anyJson());

const spec = () =>
  z.object({
    ingress: rules().optional(),
    egress: rules().optional(),
    labelsToApply: stringMap().default({}),
  });

export type ProfileSpec = FieldsOf<typeof spec>;
export type Profile = ResourceOf<typeof spec>;

export const Profile = defineKind({
  kind: 'Profile',
  plural: 'profiles',
  aliases: ['pro', 'pros'],
  spec,
  rules: ({spec: {labelsToApply}}) => {
    const violations: Violation[] = [];
    for (const [key, value] of Object.entries(labelsToApply)) {
      const broken = qualifiedName(key);
      if (broken !== undefined) violations.push(violation('spec.labelsToApply', key, broken));
      const brokenValue = labelValue(value);
      if (brokenValue !== undefined) violations.push(violation(`spec.labelsToApply[${key}]`, value, brokenValue));
    }
    return violations;
  },
});

/** Allows everything in both directions; always there, never stored. */
export const DEFAULT_ALLOW_PROFILE = 'projectcalico-default-allow';
