/**
 * NetworkPolicy: rules for the endpoints of one namespace that a selector selects.
 */
import {z} from 'zod';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {policyMetadata, policyName} from '../policy-names.ts';
import {completePolicy, networkPolicyFields, policyViolations} from '../policy-spec.ts';

const spec = () => z.object(networkPolicyFields());

export type NetworkPolicySpec = FieldsOf<typeof spec>;
export type NetworkPolicy = ResourceOf<typeof spec>;

export const NetworkPolicy = defineKind({
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  namespaced: true,
  aliases: ['policy', 'np', 'policies', 'pol', 'pols'],
  name: policyName,
  spec,
  storedMetadata: policyMetadata,
  beforeWrite: completePolicy,
  rules: ({spec: policy}) => policyViolations(policy, false),
});
