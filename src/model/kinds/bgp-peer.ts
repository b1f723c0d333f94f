/**
 * BGPPeer: whom some nodes speak BGP with - a router by its address, other nodes by a selector, or workloads of the
 * node itself.
 */
import {z} from 'zod';
import {parseIp} from '../../lib/cidr.ts';
import {parsePeerAddress, passwordReference, peerAddress} from '../bgp-fields.ts';
import {asNumber, duration, flag, integer, ipAddress, nameReference, selector} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {kept, narrow} from '../schema.ts';
import {type Violation, violation} from '../violation.ts';

const spec = () =>
  z.object({
    /** Neither node nor nodeSelector: all nodes. */
    node: nameReference().optional(),
    nodeSelector: selector().optional(),
    peerIP: peerAddress().optional(),
    asNumber: asNumber().default(0),
    localASNumber: asNumber().optional(),
    peerSelector: selector().optional(),
    keepOriginalNextHop: flag(),
    nextHopMode: kept(z.enum(['Auto', 'Self', 'Keep']).optional()),
    password: passwordReference().optional(),
    sourceAddress: z.enum(['UseNodeIP', 'None']).optional(),
    maxRestartTime: duration().optional(),
    keepaliveTime: duration().optional(),
    numAllowedLocalASNumbers: narrow('int32', integer(-2147483648, 2147483647)).optional(),
    ttlSecurity: narrow('uint8', integer(0, 255)).optional(),
    reachableBy: ipAddress().optional(),
    /** Names of BGPFilters. */
    filters: z.array(z.string()).default([]),
    localWorkloadSelector: selector().optional(),
    reversePeering: kept(z.enum(['Auto', 'Manual']).optional()),
  });

export type BGPPeerSpec = FieldsOf<typeof spec>;
export type BGPPeer = ResourceOf<typeof spec>;

export const BGPPeer = defineKind({
  kind: 'BGPPeer',
  plural: 'bgppeers',
  aliases: ['bgpp', 'bgpps', 'bp', 'bps'],
  spec,
  rules: ({spec: peer}) => [...exclusionViolations(peer), ...asNumberViolations(peer), ...routeViolations(peer)],
});

const EXCLUSIVE = [
  ['node', 'nodeSelector'],
  ['peerIP', 'peerSelector'],
  ['peerIP', 'localWorkloadSelector'],
  ['peerSelector', 'localWorkloadSelector'],
] as const;

function exclusionViolations(peer: BGPPeerSpec): Violation[] {
  return EXCLUSIVE.filter(([one, other]) => peer[one] !== undefined && peer[other] !== undefined).map(([one, other]) =>
    violation(`spec.${one}`, peer[one], `must not be set together with ${other}`),
  );
}

function asNumberViolations({asNumber: number, peerSelector, localWorkloadSelector}: BGPPeerSpec): Violation[] {
  if (number !== 0 && peerSelector !== undefined)
    return [violation('spec.asNumber', number, 'must not be set together with peerSelector')];
  if (number === 0 && localWorkloadSelector !== undefined)
    return [violation('spec.asNumber', undefined, 'must be specified with localWorkloadSelector')];
  return [];
}

function routeViolations({keepOriginalNextHop, nextHopMode, reachableBy, peerIP}: BGPPeerSpec): Violation[] {
  const violations: Violation[] = [];
  if (keepOriginalNextHop && nextHopMode !== undefined)
    violations.push(
      violation('spec.keepOriginalNextHop', keepOriginalNextHop, 'must not be true when nextHopMode is set'),
    );
  if (reachableBy === undefined) return violations;
  if (peerIP === undefined) violations.push(violation('spec.reachableBy', reachableBy, 'must go with peerIP'));
  else if (parseIp(reachableBy)?.family !== parsePeerAddress(peerIP)?.ip.family)
    violations.push(violation('spec.reachableBy', reachableBy, `must be of the family of ${peerIP}`));
  return violations;
}
