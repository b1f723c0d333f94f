/**
 * BlockAffinity as a resource: a claim on a block. In etcd nothing reads it, IPAM has records of its own
 * (ipam-records.ts). Calico v3.32 stores `deleted` as text and shows it as a boolean; both are read.
 */
import {z} from 'zod';
import {isMasked, textThat} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {normalised} from '../schema.ts';
import {violation} from '../violation.ts';

const deleted = normalised(z.union([z.string(), z.boolean()]).overwrite((value) => String(value)));

const spec = () =>
  z.object({
    state: z.enum(['confirmed', 'pending', 'pendingDeletion']),
    node: z.string(),
    type: z.enum(['host', 'virtual']).optional(),
    cidr: textThat((text) => text.includes('/') && isMasked(text), 'must be a strictly masked CIDR'),
    deleted: deleted.default('false'),
  });

export type BlockAffinitySpec = FieldsOf<typeof spec>;
export type BlockAffinity = ResourceOf<typeof spec>;

export const BlockAffinity = defineKind({
  kind: 'BlockAffinity',
  plural: 'blockaffinities',
  aliases: ['affinity', 'affinities'],
  spec,
  rules: ({spec: {deleted: isDeleted}}) =>
    isDeleted === 'false' ? [] : [violation('spec.deleted', isDeleted, 'must not be set: delete the resource instead')],
});
