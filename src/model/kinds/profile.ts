/**
 * Profile: rules and labels that workload endpoints inherit by naming it. The CNI side writes one per network without
 * Kubernetes; with Kubernetes they are derived from namespaces and service accounts.
 */
import {z} from 'zod';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {labelViolations} from '../label-checks.ts';
import {policyRule} from '../policy-rule.ts';
import {profileRuleViolations} from '../policy-spec.ts';
import {stringMap} from '../resource.ts';

const spec = () =>
  z.object({
    ingress: z.array(policyRule()).default([]),
    egress: z.array(policyRule()).default([]),
    labelsToApply: stringMap().default({}),
  });

export type ProfileSpec = FieldsOf<typeof spec>;
export type Profile = ResourceOf<typeof spec>;

export const Profile = defineKind({
  kind: 'Profile',
  plural: 'profiles',
  aliases: ['pro', 'pros'],
  spec,
  rules: ({spec: profile}) => [
    ...profileRuleViolations(profile),
    ...labelViolations(profile.labelsToApply, 'spec.labelsToApply'),
  ],
});

/** Allows everything in both directions; always there, never stored. */
export const DEFAULT_ALLOW_PROFILE = 'projectcalico-default-allow';
