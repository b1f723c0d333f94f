/**
 * ClusterInformation: what is true of the whole cluster. `datastoreReady` other than true keeps every agent waiting.
 */
import {z} from 'zod';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {onlyName} from '../name-rules.ts';

const spec = () =>
  z.object({
    /** 32 hexadecimal digits, no dashes. */
    clusterGUID: z.string().optional(),
    /** Comma-separated. */
    clusterType: z.string().optional(),
    calicoVersion: z.string().optional(),
    datastoreReady: z.boolean().optional(),
    variant: z.string().optional(),
  });

export type ClusterInformationSpec = FieldsOf<typeof spec>;
export type ClusterInformation = ResourceOf<typeof spec>;

export const ClusterInformation = defineKind({
  kind: 'ClusterInformation',
  plural: 'clusterinformations',
  aliases: ['clusterinfo', 'clusterinfos'],
  name: onlyName('default'),
  spec,
});
