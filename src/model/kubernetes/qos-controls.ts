/**
 * Limits of bandwidth, packets and connections that a pod's annotations ask for. What is out of range is moved into it,
 * what makes no sense alone is left out; both are named, and the pod gets its network all the same.
 */
import {parseDscp, usualDscp} from '../dscp.ts';
import type {WorkloadEndpointSpec} from '../kinds/workload-endpoint.ts';
import {type Violation, violation} from '../violation.ts';
import {own, type StringRecord} from './objects.ts';
import {parseQuantity} from './quantity.ts';

type QosControls = NonNullable<WorkloadEndpointSpec['qosControls']>;
type Limit = Exclude<keyof QosControls, 'dscp'>;

const PREFIX = 'qos.projectcalico.org/';
const LARGEST_UINT32 = 4_294_967_295n;

/** Name behind the direction, smallest and largest value. Bandwidth in bits per second, minburst in bytes. */
const RANGES = {
  Bandwidth: [1000n, 10n ** 15n],
  Burst: [1000n, LARGEST_UINT32 * 8n],
  Peakrate: [1010n, 1_010_000_000_000_000n],
  Minburst: [1000n, 100_000_000n],
  PacketRate: [1n, 10_000n],
  PacketBurst: [1n, 10_000n],
  MaxConnections: [1n, LARGEST_UINT32],
} as const;
type Quality = keyof typeof RANGES;
const QUALITIES = Object.keys(RANGES) as readonly Quality[];

const DEFAULT_BURST = 4n * 1024n ** 3n;
const DEFAULT_PACKET_BURST = 5n;

/** Undefined when no annotation asks for anything. */
export function qosControls(annotations: StringRecord | undefined): {
  readonly controls: QosControls | undefined;
  readonly warnings: readonly Violation[];
} {
  const warnings: Violation[] = [];
  const limits = {...limitsOf('ingress', annotations, warnings), ...limitsOf('egress', annotations, warnings)};
  const dscp = dscpOf(annotations, warnings);
  const isEmpty = Object.values(limits).every((limit) => limit === 0) && dscp === undefined;
  return {controls: isEmpty ? undefined : {...limits, ...(dscp === undefined ? {} : {dscp})}, warnings};
}

/** All limits of one direction; 0 is none. */
function limitsOf(
  direction: 'ingress' | 'egress',
  annotations: StringRecord | undefined,
  warnings: Violation[],
): Record<Limit, number | bigint> {
  const values = new Map<Quality, bigint>();
  for (const quality of QUALITIES) {
    const value = annotatedLimit(direction, quality, annotations, warnings);
    if (value !== undefined) values.set(quality, value);
  }
  const drop = (quality: Quality, rule: string): void => {
    warnings.push(violation(`${PREFIX}${direction}${quality}`, values.get(quality), rule));
    values.delete(quality);
  };
  const bandwidth = values.get('Bandwidth');
  const peakrate = values.get('Peakrate');
  if (values.has('Burst') && bandwidth === undefined) drop('Burst', 'must go with a bandwidth');
  if (peakrate !== undefined && (bandwidth === undefined || peakrate <= bandwidth))
    drop('Peakrate', 'must be greater than a bandwidth it goes with');
  if (values.has('Minburst') && !values.has('Peakrate')) drop('Minburst', 'must go with a peakrate');
  if (values.has('PacketBurst') && !values.has('PacketRate')) drop('PacketBurst', 'must go with a packet rate');
  if (bandwidth !== undefined && !values.has('Burst')) values.set('Burst', DEFAULT_BURST);
  if (values.has('PacketRate') && !values.has('PacketBurst')) values.set('PacketBurst', DEFAULT_PACKET_BURST);
  const entries = QUALITIES.map((quality) => [`${direction}${quality}`, exact(values.get(quality) ?? 0n)] as const);
  return Object.fromEntries(entries) as Record<Limit, number | bigint>;
}

function annotatedLimit(
  direction: string,
  quality: Quality,
  annotations: StringRecord | undefined,
  warnings: Violation[],
): bigint | undefined {
  const kubernetes = quality === 'Bandwidth' ? [`kubernetes.io/${direction}-bandwidth`] : [];
  // Calico's own annotation counts when there are both.
  for (const name of [`${PREFIX}${direction}${quality}`, ...kubernetes]) {
    const text = own(annotations, name);
    if (text === undefined) continue;
    const value = parseQuantity(text);
    if (value === undefined) {
      warnings.push(violation(name, text, 'must be a quantity, for example 10M'));
      return undefined;
    }
    const [smallest, largest] = RANGES[quality];
    const moved = value < smallest ? smallest : value > largest ? largest : value;
    if (moved !== value) warnings.push(violation(name, text, `must be between ${smallest} and ${largest}`));
    return moved;
  }
  return undefined;
}

function dscpOf(annotations: StringRecord | undefined, warnings: Violation[]): string | number | undefined {
  const name = `${PREFIX}dscp`;
  const text = own(annotations, name);
  if (text === undefined) return undefined;
  if (parseDscp(text) !== undefined) return usualDscp(text);
  warnings.push(violation(name, text, 'must be 0 to 63 or a name such as EF, AF11, CS1'));
  return undefined;
}

const exact = (value: bigint): number | bigint => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value);
