/**
 * GlobalNetworkPolicy: rules for endpoints of all namespaces and for those of hosts.
 */
import {z} from 'zod';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {globalPolicyName, policyMetadata} from '../policy-names.ts';
import {completePolicy, globalNetworkPolicyFields, hostPolicyViolations, policyViolations} from '../policy-spec.ts';

const spec = () => z.object(globalNetworkPolicyFields());

export type GlobalNetworkPolicySpec = FieldsOf<typeof spec>;
export type GlobalNetworkPolicy = ResourceOf<typeof spec>;

export const GlobalNetworkPolicy = defineKind({
  kind: 'GlobalNetworkPolicy',
  plural: 'globalnetworkpolicies',
  aliases: ['gnp', 'gnps'],
  name: globalPolicyName,
  spec,
  storedMetadata: policyMetadata,
  beforeWrite: completePolicy,
  rules: ({spec: policy}) => [...policyViolations(policy, true), ...hostPolicyViolations(policy)],
});
