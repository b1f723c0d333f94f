/**
 * StagedKubernetesNetworkPolicy: a Kubernetes NetworkPolicy that is shown what it would do before it does it.
 */
import {z} from 'zod';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {convertRules} from '../kubernetes/network-policy.ts';
import {kubernetesPolicyFields} from '../kubernetes/network-policy-spec.ts';
import {stagedAction, stagedDeletionViolations} from '../policy-spec.ts';

const spec = () => z.object({stagedAction: stagedAction(), ...kubernetesPolicyFields()});

export type StagedKubernetesNetworkPolicySpec = FieldsOf<typeof spec>;
export type StagedKubernetesNetworkPolicy = ResourceOf<typeof spec>;

export const StagedKubernetesNetworkPolicy = defineKind({
  kind: 'StagedKubernetesNetworkPolicy',
  plural: 'stagedkubernetesnetworkpolicies',
  namespaced: true,
  aliases: ['stagedkubernetespolicy', 'stagedkubernetespolicies', 'sknp', 'skpol', 'skpols'],
  spec,
  rules: ({spec: policy}) =>
    policy.stagedAction === 'Delete'
      ? stagedDeletionViolations(withoutEmptySelector(policy), spec())
      : convertRules(policy).dropped,
});

/** The selector of pods is always there; empty it says nothing. */
function withoutEmptySelector(policy: StagedKubernetesNetworkPolicySpec): Readonly<Record<string, unknown>> {
  const {podSelector, ...rest} = policy;
  const isEmpty = Object.keys(podSelector.matchLabels).length === 0 && podSelector.matchExpressions.length === 0;
  return isEmpty ? rest : policy;
}
