/**
 * StagedGlobalNetworkPolicy: a GlobalNetworkPolicy that is shown what it would do before it does it.
 */
import {z} from 'zod';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {globalPolicyName, policyMetadata} from '../policy-names.ts';
import {
  completeStagedPolicy,
  globalNetworkPolicyFields,
  hostPolicyViolations,
  policyViolations,
  stagedAction,
  stagedDeletionViolations,
} from '../policy-spec.ts';

const spec = () => z.object({stagedAction: stagedAction(), ...globalNetworkPolicyFields()});

export type StagedGlobalNetworkPolicySpec = FieldsOf<typeof spec>;
export type StagedGlobalNetworkPolicy = ResourceOf<typeof spec>;

export const StagedGlobalNetworkPolicy = defineKind({
  kind: 'StagedGlobalNetworkPolicy',
  plural: 'stagedglobalnetworkpolicies',
  aliases: ['sgnp', 'sgnps'],
  name: globalPolicyName,
  spec,
  storedMetadata: policyMetadata,
  beforeWrite: completeStagedPolicy,
  rules: ({spec: policy}) =>
    policy.stagedAction === 'Delete'
      ? stagedDeletionViolations(policy, spec())
      : [...policyViolations(policy, true), ...hostPolicyViolations(policy)],
});
