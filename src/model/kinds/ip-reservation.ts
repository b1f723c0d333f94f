/**
 * IPReservation: addresses that automatic assignment must not use. What is already allocated or asked for by name is not
 * affected.
 */
import {z} from 'zod';
import {cidrOrIp} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';

const spec = () => z.object({reservedCIDRs: z.array(cidrOrIp()).optional()});

export type IPReservationSpec = FieldsOf<typeof spec>;
export type IPReservation = ResourceOf<typeof spec>;

export const IPReservation = defineKind({
  kind: 'IPReservation',
  plural: 'ipreservations',
  aliases: ['reservation', 'reservations'],
  spec,
});
