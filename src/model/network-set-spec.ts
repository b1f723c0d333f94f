/**
 * What the two kinds of network sets have in common: networks under labels, for the selectors of rules.
 */
import {z} from 'zod';
import {cidrOrIp} from './fields.ts';
import {NAMESPACE_LABEL} from './labels.ts';
import type {Metadata} from './resource.ts';
import {type Violation, violation} from './violation.ts';

/** Host bits may be set: they do not count. */
export const networkSetSpec = () => z.object({nets: z.array(cidrOrIp()).default([])});

/** The label that says in which namespace a set is comes from Calico alone. */
export function networkSetViolations({labels}: Metadata): readonly Violation[] {
  const forged = labels[NAMESPACE_LABEL];
  return forged === undefined
    ? []
    : [violation(`metadata.labels[${NAMESPACE_LABEL}]`, forged, 'must not be set: Calico sets it')];
}
