/** Counts encapsulated packets (UDP 4789) between every two nodes, at the router and on the wires of the switch. */
import type {Family} from '../../src/lib/cidr.ts';
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
    const declare = pairs.flatMap(([from, to]) => [
      `counter ${counterName(from, to, 4)} { }`,
      `counter ${counterName(from, to, 6)} { }`,
    ]);
    const count = ([from, to]: readonly [LabNode, LabNode]) => {
      const ipv4 = `ip saddr ${from.facts.ipv4} ip daddr ${to.facts.ipv4}`;
      const ipv6 = `ip6 saddr ${from.facts.ipv6} ip6 daddr ${to.facts.ipv6}`;
      return [
        `${ipv4} udp dport 4789 counter name ${counterName(from, to, 4)}`,
        `${ipv6} udp dport 4789 counter name ${counterName(from, to, 6)}`,
      ].join('\n');
    };
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

  /** Counts of each ordered pair of nodes, key `from>to`, of packets whose outer addresses are of `family`. */
  async read(family: Family = 4): Promise<Map<string, VxlanCounts>> {
    const atRouter = await readCounters(this.#lab.router, family);
    const onWire = await readCounters(this.#lab.switch, family);
    const counts = new Map<string, VxlanCounts>();
    for (const [name, packets] of atRouter) counts.set(name, {atRouter: packets, onWire: onWire.get(name) ?? 0});
    return counts;
  }

  /** Counts from zero again. */
  async reset(): Promise<void> {
    for (const namespace of [this.#lab.router, this.#lab.switch])
      await mustRun(['nsenter', `--net=/run/netns/${namespace}`, 'nft', 'reset', 'counters']);
  }

  /** Stops counting: a node that comes later is then counted by another `install`. */
  async remove(): Promise<void> {
    await nft(this.#lab.router, [`delete table inet ${TABLE}`]);
    await nft(this.#lab.switch, [`delete table netdev ${TABLE}`]);
  }
}

const counterName = (from: LabNode, to: LabNode, family: Family): string => `${from.name}_${to.name}_v${family}`;

async function nft(namespace: string, lines: readonly string[]): Promise<void> {
  await mustRun(['nsenter', `--net=/run/netns/${namespace}`, 'nft', '-f', '-'], {stdin: `${lines.join('\n')}\n`});
}

async function readCounters(namespace: string, family: Family): Promise<Map<string, number>> {
  const text = await mustRun(['nsenter', `--net=/run/netns/${namespace}`, 'nft', '-j', 'list', 'counters']);
  const listing = JSON.parse(text) as {nftables: {counter?: {name: string; packets: number}}[]};
  return new Map(
    listing.nftables.flatMap(({counter}) => {
      const [from, to, version] = counter?.name.split('_') ?? [];
      return counter && version === `v${family}` ? [[`${from}>${to}`, counter.packets]] : [];
    }),
  );
}
