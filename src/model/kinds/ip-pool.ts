/**
 * IPPool: a range that pods, tunnels or load balancers get addresses from, and how its packets travel.
 */
import {z} from 'zod';
import {type Cidr, cidrContains, cidrsOverlap, formatCidr, parseCidr} from '../../lib/cidr.ts';
import {flag, integer, isMasked, selector} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {anyJson} from '../resource.ts';
import {kept} from '../schema.ts';
import {usesGlobal} from '../selector/global.ts';
import {type Violation, violation} from '../violation.ts';

const encapsulationMode = () => z.enum(['Never', 'Always', 'CrossSubnet']).default('Never');

const LONGEST_SELECTOR = 1024;

const spec = () =>
  z.object({
    cidr: z.string(),
    vxlanMode: encapsulationMode(),
    ipipMode: encapsulationMode(),
    natOutgoing: flag(),
    disabled: flag(),
    disableBGPExport: flag(),
    /** Prefix length of blocks; 26 or 122 when nobody chose one. */
    blockSize: integer().default(0),
    nodeSelector: selector(LONGEST_SELECTOR).default('all()'),
    namespaceSelector: selector(LONGEST_SELECTOR).default(''),
    allowedUses: z.array(z.enum(['Workload', 'Tunnel', 'LoadBalancer'])).default(['Workload', 'Tunnel']),
    assignmentMode: kept(z.enum(['Automatic', 'Manual']).default('Automatic')),
  });

const condition = () =>
  z.object({
    type: z.string(),
    status: z.string(),
    observedGeneration: z.int().default(0),
    lastTransitionTime: anyJson().optional(),
    reason: z.string(),
    message: z.string(),
  });

const status = () => z.object({conditions: z.array(condition()).optional()});

export type IPPoolSpec = FieldsOf<typeof spec>;
export type IPPool = ResourceOf<typeof spec, typeof status>;

export const IPPool = defineKind({
  kind: 'IPPool',
  plural: 'ippools',
  aliases: ['ipp', 'ipps', 'pool', 'pools'],
  spec,
  status,
  fillIn: (pool) => (pool.blockSize === 0 ? {...pool, blockSize: defaultBlockSize(pool.cidr)} : pool),
  beforeWrite: (pool) => ({...pool, spec: {...pool.spec, cidr: usualCidr(pool.spec.cidr)}}),
  rules: poolViolations,
});

/** In its usual spelling, with host bits as they are: the rules refuse those. */
function usualCidr(text: string): string {
  const cidr = parseCidr(text);
  return cidr === undefined || !isMasked(text) ? text : formatCidr(cidr);
}

const defaultBlockSize = (cidr: string): number => (cidr.includes(':') ? 122 : 26);

function poolViolations({spec: pool}: IPPool): readonly Violation[] {
  const cidr = parseCidr(pool.cidr);
  if (cidr === undefined)
    return [violation('spec.cidr', pool.cidr || undefined, 'must be a subnet, for example 10.65.0.0/16')];
  return [
    ...cidrViolations(pool, cidr),
    ...modeViolations(pool, cidr),
    ...selectorViolations(pool),
    ...useViolations(pool),
  ];
}

const RESERVED = [
  ['169.254.0.0/16', 'IPv4 link local'],
  ['::ffff:0:0/96', 'IPv4 in the form of IPv6'],
  ['fe80::/10', 'IPv6 link local'],
] as const;

function cidrViolations(pool: IPPoolSpec, cidr: Cidr): Violation[] {
  const violations: Violation[] = [];
  if (!isMasked(pool.cidr))
    violations.push(violation('spec.cidr', pool.cidr, `must be strictly masked: ${formatCidr(cidr)}`));
  for (const [range, name] of RESERVED) {
    const reserved = parseCidr(range);
    if (reserved !== undefined && cidrsOverlap(cidr, reserved))
      violations.push(violation('spec.cidr', pool.cidr, `must not overlap ${range} (${name})`));
  }
  const [smallest, largest] = cidr.ip.family === 4 ? [20, 32] : [116, 128];
  if (pool.blockSize < smallest || pool.blockSize > largest)
    violations.push(violation('spec.blockSize', pool.blockSize, `must be between ${smallest} and ${largest}`));
  else if (cidr.length > pool.blockSize && !pool.disabled)
    violations.push(violation('spec.cidr', pool.cidr, `must not be smaller than one block (/${pool.blockSize})`));
  return violations;
}

function modeViolations(pool: IPPoolSpec, cidr: Cidr): Violation[] {
  if (pool.ipipMode === 'Never') return [];
  const violations: Violation[] = [];
  if (cidr.ip.family === 6)
    violations.push(violation('spec.ipipMode', pool.ipipMode, 'must be Never for an IPv6 pool'));
  if (pool.vxlanMode !== 'Never')
    violations.push(violation('spec.vxlanMode', pool.vxlanMode, 'must be Never when ipipMode is not'));
  return violations;
}

function selectorViolations(pool: IPPoolSpec): Violation[] {
  const violations: Violation[] = [];
  for (const field of ['nodeSelector', 'namespaceSelector'] as const) {
    if (usesGlobal(pool[field]))
      violations.push(violation(`spec.${field}`, pool[field], 'must not use global(): use all() instead'));
  }
  if (pool.namespaceSelector !== '' && pool.allowedUses.includes('Tunnel'))
    violations.push(
      violation('spec.namespaceSelector', pool.namespaceSelector, 'must be empty when allowedUses has Tunnel'),
    );
  return violations;
}

function useViolations(pool: IPPoolSpec): Violation[] {
  if (!pool.allowedUses.includes('LoadBalancer')) return [];
  const violations: Violation[] = [];
  const require = (field: keyof IPPoolSpec, holds: boolean, rule: string): void => {
    if (!holds) violations.push(violation(`spec.${field}`, pool[field], `${rule} when allowedUses is LoadBalancer`));
  };
  require('allowedUses', pool.allowedUses.every((use) => use === 'LoadBalancer'), 'must hold nothing else');
  require('ipipMode', pool.ipipMode === 'Never', 'must be Never');
  require('vxlanMode', pool.vxlanMode === 'Never', 'must be Never');
  require('disableBGPExport', !pool.disableBGPExport, 'must be false');
  require('nodeSelector', pool.nodeSelector === 'all()', 'must be all()');
  return violations;
}

/** The first of `others` that shares addresses with `pool`; a pool does not overlap itself. */
export function overlappingPool(pool: IPPool, others: Iterable<IPPool>): IPPool | undefined {
  for (const other of others) {
    if (other.metadata.name !== pool.metadata.name && poolsOverlap(pool, other)) return other;
  }
  return undefined;
}

/** Whether two pools share addresses; false when a CIDR of them is not one. */
export function poolsOverlap(a: IPPool, b: IPPool): boolean {
  const [left, right] = [parseCidr(a.spec.cidr), parseCidr(b.spec.cidr)];
  return left !== undefined && right !== undefined && cidrsOverlap(left, right);
}

/** What a change of a pool must not touch: CIDR (but for its spelling), block size, and LoadBalancer as a use. */
export function poolChangeViolations(before: IPPool, after: IPPool): readonly Violation[] {
  const violations: Violation[] = [];
  const servedBalancers = before.spec.allowedUses.includes('LoadBalancer');
  if (servedBalancers && !after.spec.allowedUses.includes('LoadBalancer'))
    violations.push(violation('spec.allowedUses', after.spec.allowedUses, 'must stay LoadBalancer'));
  const [oldCidr, newCidr] = [parseCidr(before.spec.cidr), parseCidr(after.spec.cidr)];
  const isSameNetwork =
    oldCidr !== undefined && newCidr !== undefined && cidrContains(oldCidr, newCidr) && cidrContains(newCidr, oldCidr);
  if (!isSameNetwork) violations.push(violation('spec.cidr', after.spec.cidr, `must stay ${before.spec.cidr}`));
  if (before.spec.blockSize !== after.spec.blockSize)
    violations.push(violation('spec.blockSize', after.spec.blockSize, `must stay ${before.spec.blockSize}`));
  return violations;
}
