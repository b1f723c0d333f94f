/**
 * Label selectors of Kubernetes as selectors of Calico, letter for letter as Calico writes them: the text is hashed, and
 * the hash names IP sets.
 */
import {compareBytes} from '../../lib/byte-order.ts';
import {ORCHESTRATOR_LABEL} from '../labels.ts';
import type {LabelSelector} from './network-policy-spec.ts';

/** Selects pods only: hosts and network sets have labels too, and Kubernetes knows nothing of them. */
export function podSelectorText(selector: LabelSelector | undefined): string {
  return [`${ORCHESTRATOR_LABEL} == 'k8s'`, ...terms(selector)].join(' && ');
}

/** Undefined when there is none, which means the policy's own namespace; an empty one means all. */
export function namespaceSelectorText(selector: LabelSelector | undefined): string | undefined {
  if (selector === undefined) return undefined;
  return terms(selector).join(' && ') || 'all()';
}

function terms(selector: LabelSelector | undefined): string[] {
  if (selector === undefined) return [];
  const {matchLabels, matchExpressions} = selector;
  const labels = Object.entries(matchLabels).sort(([a], [b]) => compareBytes(a, b));
  return [
    ...labels.map(([key, value]) => `${key} == '${value}'`),
    ...matchExpressions.flatMap(({key, operator, values}) => {
      const list = `{ '${values.join("', '")}' }`;
      switch (operator) {
        case 'In':
          return [`${key} in ${list}`];
        case 'NotIn':
          return [`${key} not in ${list}`];
        case 'Exists':
          return [`has(${key})`];
        case 'DoesNotExist':
          return [`! has(${key})`];
        default:
          // Calico leaves it out; the API server admits no other operator.
          return [];
      }
    }),
  ];
}
