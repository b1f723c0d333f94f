/**
 * StagedNetworkPolicy: a NetworkPolicy that is shown what it would do before it does it.
 */
import {z} from 'zod';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {policyMetadata, policyName} from '../policy-names.ts';
import {
  completeStagedPolicy,
  networkPolicyFields,
  policyViolations,
  stagedAction,
  stagedDeletionViolations,
} from '../policy-spec.ts';

const spec = () => z.object({stagedAction: stagedAction(), ...networkPolicyFields()});

export type StagedNetworkPolicySpec = FieldsOf<typeof spec>;
export type StagedNetworkPolicy = ResourceOf<typeof spec>;

export const StagedNetworkPolicy = defineKind({
  kind: 'StagedNetworkPolicy',
  plural: 'stagednetworkpolicies',
  namespaced: true,
  aliases: ['stagedpolicy', 'stagedpolicies', 'snp', 'spol', 'spols'],
  name: policyName,
  spec,
  storedMetadata: policyMetadata,
  beforeWrite: completeStagedPolicy,
  rules: ({spec: policy}) =>
    policy.stagedAction === 'Delete' ? stagedDeletionViolations(policy, spec()) : policyViolations(policy, false),
});
