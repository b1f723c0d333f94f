/**
 * A lab with an agent per node and a way into the store that all of them share: what every cluster test begins with.
 * STORE says which store that is; the runner starts a test once with each of those it is for (test/tiers.json). Everything is removed at the end of the test, also when it fails or is ended by a signal.
 */
import type {Test} from 'tap';
import {openStore, parseStoreConfig} from '../../../src/datastore/open-store.ts';
import {Resources} from '../../../src/datastore/resources.ts';
import type {Store} from '../../../src/datastore/store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {IPPool, type IPPoolSpec} from '../../../src/model/kinds/ip-pool.ts';
import {Lab, type LabNodeOptions, type LabStore, parseLabStore} from '../../lab/lab.ts';
import type {LabNode} from '../../lab/lab-node.ts';

export interface ClusterOptions {
  readonly nodes: readonly LabNodeOptions[];
  /** Pools made before the first agent starts; the agents make none of their own. */
  readonly pools: readonly PoolInput[];
  /** Environment of every agent, on top of the lab's. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Default: as the variable STORE says. */
  readonly store?: LabStore;
}

export type PoolInput = {readonly name: string} & Pick<IPPoolSpec, 'cidr'> & Partial<IPPoolSpec>;

/** Two nodes on one subnet, one behind the router. */
export const THREE_NODES: readonly LabNodeOptions[] = [
  {name: 'node1', subnet: 1, host: 11},
  {name: 'node2', subnet: 1, host: 12},
  {name: 'node3', subnet: 2, host: 13},
];

export const POOL4: PoolInput = {name: 'pool4', cidr: '10.244.0.0/16', vxlanMode: 'CrossSubnet'};
export const POOL6: PoolInput = {name: 'pool6', cidr: 'fd00:244::/48', vxlanMode: 'Always'};

/** More agents at once would only wait for each other's CPU. */
const START_TOGETHER = 8;

export class Cluster {
  readonly lab: Lab;
  readonly store: Store;
  readonly resources: Resources;
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(lab: Lab, store: Store, environment: Readonly<Record<string, string>>) {
    this.lab = lab;
    this.store = store;
    this.resources = new Resources({store, clock: systemClock});
    this.#environment = {NO_DEFAULT_POOLS: 'true', IP6: 'autodetect', ...environment};
  }

  /** Agents run and are ready. */
  static async start(t: Test, options: ClusterOptions): Promise<Cluster> {
    // The runner's limit (test/tiers.json) is the one that counts.
    t.setTimeout(0);
    const subnets = Math.max(...options.nodes.map(({subnet}) => subnet));
    const lab = await Lab.create({subnets, store: options.store ?? parseLabStore(process.env.STORE)});
    t.teardown(() => lab.close());
    removeOnSignal(lab);
    try {
      return await Cluster.#inLab(t, lab, options);
    } catch (error) {
      // A test that never began has no teardown.
      await lab.close();
      throw error;
    }
  }

  static async #inLab(t: Test, lab: Lab, options: ClusterOptions): Promise<Cluster> {
    const config = parseStoreConfig(await lab.storeEnvironmentHere());
    const store = await openStore(config, {clock: systemClock, log: silentLogger});
    t.teardown(() => store.close());
    const cluster = new Cluster(lab, store, options.environment ?? {});
    for (const pool of options.pools) await cluster.applyPool(pool);
    for (const node of options.nodes) await lab.addNode(node);
    for (let from = 0; from < lab.nodes.length; from += START_TOGETHER) {
      const group = lab.nodes.slice(from, from + START_TOGETHER);
      for (const node of group) cluster.startAgent(node);
      await Promise.all(group.map((node) => node.waitUntilReady(60_000)));
    }
    return cluster;
  }

  node(name: string): LabNode {
    const node = this.lab.nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`the lab has no node ${name}`);
    return node;
  }

  startAgent(node: LabNode, extra: Readonly<Record<string, string>> = {}, wrapper: readonly string[] = []): void {
    node.startAgent({...this.#environment, ...extra}, wrapper);
  }

  async applyPool({name, ...spec}: PoolInput): Promise<void> {
    await this.resources.apply(IPPool, IPPool.create({metadata: {name}, spec}));
  }
}

/** The runner ends a test that takes too long with SIGTERM; a person presses Ctrl-C. */
function removeOnSignal(lab: Lab): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      void lab.close().finally(() => process.exit(1));
    });
}
