/**
 * GlobalNetworkSet: networks outside of the cluster that any policy selects by label.
 */
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {networkSetSpec, networkSetViolations} from '../network-set-spec.ts';

export type GlobalNetworkSetSpec = FieldsOf<typeof networkSetSpec>;
export type GlobalNetworkSet = ResourceOf<typeof networkSetSpec>;

export const GlobalNetworkSet = defineKind({
  kind: 'GlobalNetworkSet',
  plural: 'globalnetworksets',
  aliases: ['gnetsets'],
  spec: networkSetSpec,
  rules: ({metadata}) => networkSetViolations(metadata),
});
