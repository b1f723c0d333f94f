/** Counts encapsulated packets (UDP 4789) between every two nodes, at the router and on the wires of the switch. */
import type {Lab} from './lab.ts';
import type {LabNode} from './lab-node.ts';
import {mustRun} from './run-program.ts';

const TABLE = 'vxlan_count';

export interface VxlanCounts {
  /** Packets the router forwarded from one node to the other. */
  readonly atRouter: number;
  /** Packets that entered the switch from one node, addressed to the other. */
  readonly onWire: number;
}

export class VxlanCounters {
  readonly #lab: Lab;

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Counts from now on, for the nodes the lab has now. */
  static async install(lab: Lab): Promise<VxlanCounters> {
    const pairs = lab.nodes.flatMap((from) => lab.nodes.filter((to) => to !== from).map((to) => [from, to] as const));
    const declare = pairs.map(([from, to]) => `counter ${counterName(from, to)} { }`);
    const count = ([from, to]: readonly [LabNode, LabNode]) =>
      `ip saddr ${from.facts.ipv4} ip daddr ${to.facts.ipv4} udp dport 4789 counter name ${counterName(from, to)}`;
    await nft(lab.router, [
      `table inet ${TABLE} {`,
      ...declare,
      'chain forward {',
      'type filter hook forward priority 0;',
      ...pairs.map(count),
      '}\n}',
    ]);
    await nft(lab.switch, [
      `table netdev ${TABLE} {`,
      ...declare,
      ...lab.nodes.flatMap((node) => [
        `chain from_${node.name} {`,
        `type filter hook ingress device "${node.switchPort}" priority 0;`,
        ...pairs.filter(([from]) => from === node).map(count),
        '}',
      ]),
      '}',
    ]);
    return new VxlanCounters(lab);
  }

  /** Counts of each ordered pair of nodes, key `from>to`. */
  async read(): Promise<Map<string, VxlanCounts>> {
    const atRouter = await readCounters(this.#lab.router);
    const onWire = await readCounters(this.#lab.switch);
    const counts = new Map<string, VxlanCounts>();
    for (const [name, packets] of atRouter) counts.set(name, {atRouter: packets, onWire: onWire.get(name) ?? 0});
    return counts;
  }
}

const counterName = (from: LabNode, to: LabNode): string => `${from.name}_${to.name}`;

async function nft(namespace: string, lines: readonly string[]): Promise<void> {
  await mustRun(['nsenter', `--net=/run/netns/${namespace}`, 'nft', '-f', '-'], {stdin: `${lines.join('\n')}\n`});
}

async function readCounters(namespace: string): Promise<Map<string, number>> {
  const text = await mustRun(['nsenter', `--net=/run/netns/${namespace}`, 'nft', '-j', 'list', 'counters']);
  const listing = JSON.parse(text) as {nftables: {counter?: {name: string; packets: number}}[]};
  return new Map(
    listing.nftables.flatMap((item) =>
      item.counter ? [[item.counter.name.replace('_', '>'), item.counter.packets]] : [],
    ),
  );
}
