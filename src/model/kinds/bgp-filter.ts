/**
 * BGPFilter: which routes a peer is told and which are taken from it; the first rule that matches decides.
 */
import {z} from 'zod';
import {bitsOf, type Family} from '../../lib/cidr.ts';
import {community, ROUTE_PRIORITIES} from '../bgp-fields.ts';
import {asNumber, integer, maskedNetwork, textThat} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {narrow, titled} from '../schema.ts';
import {type Violation, violation} from '../violation.ts';

const interfacePattern = () =>
  textThat((text) => /^[a-zA-Z0-9_.*-]{1,15}$/.test(text), "must be 1 to 15 letters, digits, '_', '.', '-' or '*'");

const MOST_OPERATIONS = 10;

/** Exactly one of the fields is set. */
const operation = () =>
  z.object({
    addCommunity: z.object({value: community()}).optional(),
    prependASPath: z
      .object({prefix: z.array(asNumber()).min(1, 'must not be empty').max(10, 'must have at most 10 entries')})
      .optional(),
    setPriority: z.object({value: integer(...ROUTE_PRIORITIES)}).optional(),
  });

type Operation = FieldsOf<typeof operation>;

const filterRule = (family: Family) => {
  const prefixLength = () => narrow('int32', integer(0, bitsOf(family))).optional();
  return titled(
    `BGPFilterRuleV${family}`,
    z.object({
      cidr: maskedNetwork(family).optional(),
      prefixLength: z.object({min: prefixLength(), max: prefixLength()}).optional(),
      source: z.enum(['RemotePeers']).optional(),
      interface: interfacePattern().optional(),
      matchOperator: z.enum(['Equal', 'NotEqual', 'In', 'NotIn']).optional(),
      peerType: z.enum(['eBGP', 'iBGP']).optional(),
      communities: z.object({values: z.array(community()).length(1, 'must have exactly one entry')}).optional(),
      asPathPrefix: z.array(asNumber()).default([]),
      priority: integer(...ROUTE_PRIORITIES).optional(),
      action: z.enum(['Accept', 'Reject']),
      operations: z.array(operation()).max(MOST_OPERATIONS, `must have at most ${MOST_OPERATIONS} entries`).default([]),
    }),
  );
};

const spec = () =>
  z.object({
    exportV4: z.array(filterRule(4)).default([]),
    importV4: z.array(filterRule(4)).default([]),
    exportV6: z.array(filterRule(6)).default([]),
    importV6: z.array(filterRule(6)).default([]),
  });

export type BGPFilterSpec = FieldsOf<typeof spec>;
export type BGPFilterRule = BGPFilterSpec['exportV4'][number];
export type BGPFilter = ResourceOf<typeof spec>;

export const BGPFilter = defineKind({
  kind: 'BGPFilter',
  plural: 'bgpfilters',
  aliases: ['bgpf', 'bgpfs', 'bf', 'bfs'],
  spec,
  rules: ({spec: filter}) =>
    (['exportV4', 'importV4', 'exportV6', 'importV6'] as const).flatMap((list) =>
      filter[list].flatMap((rule, i) => filterRuleViolations(rule, `spec.${list}[${i}]`)),
    ),
});

function filterRuleViolations(rule: BGPFilterRule, path: string): Violation[] {
  const violations: Violation[] = [];
  const {cidr, matchOperator, prefixLength, operations, action} = rule;
  if (cidr !== undefined && matchOperator === undefined)
    violations.push(violation(`${path}.matchOperator`, undefined, 'must be specified with cidr'));
  if (cidr === undefined && matchOperator !== undefined)
    violations.push(violation(`${path}.matchOperator`, matchOperator, 'must go with cidr'));
  if (cidr === undefined && prefixLength !== undefined)
    violations.push(violation(`${path}.prefixLength`, prefixLength, 'must go with cidr'));
  if (action === 'Reject' && operations.length > 0)
    violations.push(violation(`${path}.operations`, operations, 'must go with action Accept'));
  for (const [i, fields] of operations.entries())
    if (!hasOneOperation(fields))
      violations.push(violation(`${path}.operations[${i}]`, fields, 'must have exactly one operation'));
  return violations;
}

/** What a later Calico wrote beside the operation, or instead of it, is not ours to judge. */
function hasOneOperation({addCommunity, prependASPath, setPriority, ...unknown}: Operation): boolean {
  const known = [addCommunity, prependASPath, setPriority].filter((value) => value !== undefined);
  return known.length === 1 || (known.length === 0 && Object.keys(unknown).length > 0);
}
