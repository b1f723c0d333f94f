/**
 * Ports of Kubernetes policies as ports of Calico's rules: by protocol, merged to the fewest ranges.
 */
import {compareBytes} from '../../lib/byte-order.ts';
import type {RulePort} from '../protocol.ts';
import type {KubernetesPolicyPort} from './network-policy-spec.ts';

const NAME = /^[a-zA-Z0-9_.-]{1,128}$/;

/** A port of a rule: a name, or a range (of one, mostly). */
export type PortMatch = string | {readonly first: number; readonly last: number};

/** Undefined when the port is not one. */
export function portMatch({port, endPort}: KubernetesPolicyPort): PortMatch | undefined {
  if (port === undefined) return undefined;
  const first = typeof port === 'string' && /^[0-9]{1,5}$/.test(port) ? Number(port) : port;
  if (typeof first === 'string')
    return endPort === undefined && NAME.test(first) && !/^[0-9]+$/.test(first) ? first : undefined;
  const last = endPort ?? first;
  return first >= 0 && first <= last && last <= 65535 ? {first, last} : undefined;
}

/** Ports for each protocol, by the bytes of its name; an empty list is all ports. */
export type ProtocolPorts = readonly (readonly [protocol: string | undefined, ports: readonly RulePort[]])[];

/** No entry at all: one for all protocols. */
export const ANY_PROTOCOL: ProtocolPorts = [[undefined, []]];

/** Of entries that each name a protocol and, unless they mean all ports, a port. */
export function groupByProtocol(
  entries: Iterable<readonly [protocol: string, port: PortMatch | undefined]>,
): ProtocolPorts {
  const groups = new Map<string, PortMatch[] | 'all'>();
  for (const [protocol, port] of entries) {
    const group = groups.get(protocol);
    if (port === undefined) groups.set(protocol, 'all');
    else if (group === undefined) groups.set(protocol, [port]);
    else if (group !== 'all') group.push(port);
  }
  return [...groups]
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([protocol, ports]) => [protocol, ports === 'all' ? [] : simplify(ports)] as const);
}

/** Names as they come, then the fewest ranges in order; one numeric port alone keeps its place. */
function simplify(ports: readonly PortMatch[]): readonly RulePort[] {
  const ranges = ports.filter((port) => typeof port !== 'string');
  const numericPorts = ranges.reduce((sum, {first, last}) => sum + last - first + 1, 0);
  if (ports.length <= 1 || numericPorts <= 1) return ports.map(textOf);
  const merged: {first: number; last: number}[] = [];
  for (const {first, last} of ranges.toSorted((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous !== undefined && first <= previous.last + 1) previous.last = Math.max(previous.last, last);
    else merged.push({first, last});
  }
  return [...ports.filter((port) => typeof port === 'string'), ...merged.map(textOf)];
}

function textOf(port: PortMatch): RulePort {
  if (typeof port === 'string') return port;
  return port.first === port.last ? port.first : `${port.first}:${port.last}`;
}
