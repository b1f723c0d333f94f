/**
 * NetworkSet: networks outside of the cluster that the policies of one namespace select by label.
 */
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {networkSetSpec, networkSetViolations} from '../network-set-spec.ts';

export type NetworkSetSpec = FieldsOf<typeof networkSetSpec>;
export type NetworkSet = ResourceOf<typeof networkSetSpec>;

export const NetworkSet = defineKind({
  kind: 'NetworkSet',
  plural: 'networksets',
  namespaced: true,
  aliases: ['netsets'],
  spec: networkSetSpec,
  rules: ({metadata}) => networkSetViolations(metadata),
});
