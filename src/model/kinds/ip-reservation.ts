/**
 * IPReservation: addresses that automatic assignment must not use. What is already allocated or asked for by name is not
 * affected.
 */
import {z} from 'zod';
import {cidrOrIp} from '../fields.ts';
import {defineKind, type ResourceOf} from '../kind.ts';
import type {Immutable} from '../resource.ts';

const spec = z.object({reservedCIDRs: z.array(cidrOrIp()).optional()});

export type IPReservationSpec = Immutable<z.infer<typeof spec>>;
export type IPReservation = ResourceOf<typeof spec, undefined>;

export const IPReservation = defineKind({
  kind: 'IPReservation',
  plural: 'ipreservations',
  aliases: ['reservation', 'reservations'],
  spec,
});
