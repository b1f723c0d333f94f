/**
 * An agent of one node for tests: embedded store, IPAM, Felix and CNI server, all real, in one process, with the node in
 * a network namespace of its own. Calls come from the real CNI plugin.
 */
import {closeSync, mkdtempSync, openSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setImmediate as nextTurn} from 'node:timers/promises';
import {CniServer} from '../../../../src/cni/cni-server.ts';
import type {Readiness} from '../../../../src/cni/services.ts';
import {EmbeddedStore} from '../../../../src/datastore/embedded/embedded-store.ts';
import {Resources} from '../../../../src/datastore/resources.ts';
import type {Store} from '../../../../src/datastore/store.ts';
import {Syncer} from '../../../../src/datastore/syncer.ts';
import {Config} from '../../../../src/felix/config.ts';
import {noRules, type RulesStep} from '../../../../src/felix/dataplane/rules-step.ts';
import {Felix} from '../../../../src/felix/felix.ts';
import {NodeAllocator} from '../../../../src/ipam/node-allocator.ts';
import {WatchedRules} from '../../../../src/ipam/rules.ts';
import {systemClock as clock} from '../../../../src/lib/clock.ts';
import {HealthRegistry} from '../../../../src/lib/health.ts';
import {createLogger, type Logger, type LogLevel} from '../../../../src/lib/log.ts';
import {createRegistry, type Registry, StageMetrics} from '../../../../src/lib/metrics.ts';
import {BLOCKS_PREFIX, IPAM_CONFIG_KEY, RESOURCES_PREFIX} from '../../../../src/model/keys.ts';
import {ClusterInformation} from '../../../../src/model/kinds/cluster-information.ts';
import {IPPool} from '../../../../src/model/kinds/ip-pool.ts';
import {Node} from '../../../../src/model/kinds/node.ts';
import {type Addon, addon} from '../../../../src/native/addon.ts';
import {createNamespace, type TestNamespace} from '../../netlink/support/test-namespace.ts';
import {type CniAnswer, type CniCallOptions, runPlugin} from './run-plugin.ts';

export interface TestAgentOptions {
  readonly nodeName?: string;
  /** Folder of the store; one of its own when absent. */
  readonly storeFolder?: string;
  /** Wraps the store that all parts see. */
  readonly wrapStore?: (store: Store) => Store;
  /** Wraps the addon that the CNI server sees. */
  readonly wrapAddon?: (addon: Addon) => Addon;
  readonly rules?: RulesStep;
  readonly readiness?: () => Readiness;
  readonly logLevel?: LogLevel;
  readonly callLimitMs?: number;
  /** Folder of the socket; one beside the store when absent. */
  readonly socketFolder?: string;
}

export const IPV4_POOL = '10.244.0.0/16';
export const IPV6_POOL = 'fd00:10:244::/48';

/** As it would stand in the runtime's folder. */
export const networkConfig = (socketPath: string, changes: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'k8s-pod-network',
    type: 'calico',
    agent_socket: socketPath,
    mtu: 1400,
    ipam: {type: 'calico-ipam'},
    policy: {},
    ...changes,
  });

/** Makes the node's resources, as its start-up does. */
export async function prepareCluster(resources: Resources, nodeName: string): Promise<void> {
  const pool = (cidr: string) => ({cidr, vxlanMode: 'Never', natOutgoing: true});
  await resources.apply(Node, Node.create({metadata: {name: nodeName}, spec: {bgp: {ipv4Address: '10.95.1.11/24'}}}));
  await resources.apply(
    IPPool,
    IPPool.create({metadata: {name: 'default-ipv4-ippool'}, spec: {...pool(IPV4_POOL), blockSize: 26}}),
  );
  await resources.apply(
    IPPool,
    IPPool.create({metadata: {name: 'default-ipv6-ippool'}, spec: {...pool(IPV6_POOL), blockSize: 122}}),
  );
  await resources.apply(
    ClusterInformation,
    ClusterInformation.create({metadata: {name: 'default'}, spec: {datastoreReady: true}}),
  );
}

export class TestAgent {
  readonly nodeName: string;
  readonly node: TestNamespace;
  readonly folder: string;
  readonly log: Logger;
  readonly registry: Registry;
  readonly store: Store;
  readonly resources: Resources;
  readonly felix: Felix;
  readonly server: CniServer;
  readonly #options: TestAgentOptions;
  readonly #syncer: Syncer;
  readonly #nodeAllocator: NodeAllocator;
  readonly #ownsFolder: boolean;
  #isRunning = false;

  private constructor(options: TestAgentOptions, node: TestNamespace, folder: string, store: Store) {
    const {nodeName = 'node1', logLevel = 'silent'} = options;
    this.#options = options;
    this.nodeName = nodeName;
    this.node = node;
    this.folder = folder;
    this.#ownsFolder = options.storeFolder === undefined;
    this.log = createLogger({level: logLevel, fd: 2});
    const log = this.log;
    this.registry = createRegistry();
    const stageMetrics = new StageMetrics({}, {registry: this.registry});
    this.store = options.wrapStore?.(store) ?? store;
    this.resources = new Resources({store: this.store, clock});
    const config = new Config({log});
    config.setLayer('environment', new Map([['Ipv6Support', 'true']]));
    this.felix = new Felix(
      {nodeName, netnsFd: node.fd},
      {
        clock,
        log,
        registry: this.registry,
        stageMetrics,
        health: new HealthRegistry({}, {clock}),
        config,
        rules: options.rules ?? noRules,
      },
    );
    const rules = new WatchedRules({store: this.store, log});
    this.#nodeAllocator = new NodeAllocator({node: nodeName}, {store: this.store, rules, clock, log});
    this.server = new CniServer(
      {
        socketPath: this.socketPath,
        nodeName,
        datastoreType: 'embedded',
        hostNetnsFd: node.fd,
        interfacePrefix: 'cali',
        mtuFile: join(folder, 'mtu'),
        journalFile: join(folder, 'calls'),
        ...(options.callLimitMs === undefined ? {} : {callLimitMs: options.callLimitMs}),
      },
      {
        store: this.store,
        resources: this.resources,
        nodeAllocator: this.#nodeAllocator,
        felix: this.felix,
        readiness: options.readiness ?? (() => ({state: 'ready'})),
        addon: options.wrapAddon?.(addon()) ?? addon(),
        clock,
        log,
        registry: this.registry,
        stageMetrics,
      },
    );
    const sinks = [this.felix, rules, this.#nodeAllocator, this.server.sink];
    this.#syncer = new Syncer(
      {prefixes: [RESOURCES_PREFIX, BLOCKS_PREFIX, IPAM_CONFIG_KEY]},
      {
        store: this.store,
        clock,
        log,
        sink: {
          onStatus: (status) => {
            for (const sink of sinks) sink.onStatus(status);
          },
          onUpdates: (updates) => {
            for (const sink of sinks) sink.onUpdates(updates);
          },
        },
      },
    );
  }

  /** An agent on a store with a node, two pools and ClusterInformation. `node` is reused when given. */
  static async start(options: TestAgentOptions = {}, node?: TestNamespace): Promise<TestAgent> {
    const folder = options.storeFolder ?? mkdtempSync(join(tmpdir(), 'cni-test-'));
    const store = await EmbeddedStore.open(
      {folder: join(folder, 'store')},
      {clock, log: createLogger({level: 'silent'})},
    );
    const namespace = node ?? createNamespace('node');
    const agent = new TestAgent(options, namespace, folder, store);
    await prepareCluster(new Resources({store, clock}), agent.nodeName);
    agent.felix.start();
    agent.#syncer.start();
    agent.#isRunning = true;
    try {
      await agent.server.start();
      await agent.server.leftOversDone;
      return agent;
    } catch (error) {
      await (node === undefined ? agent.dispose() : agent.stop());
      throw error;
    }
  }

  get socketPath(): string {
    return join(this.#options.socketFolder ?? join(this.folder, 'cni'), 'cni.sock');
  }

  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    await this.server.stop();
    await this.felix.stop();
    await this.#syncer.stop();
    await this.#nodeAllocator.close();
    await this.store.close();
  }

  /** Stops, and removes node and store. */
  async dispose(): Promise<void> {
    await this.stop();
    this.node[Symbol.dispose]();
    if (this.#ownsFolder) rmSync(this.folder, {recursive: true, force: true});
  }

  config(changes: Readonly<Record<string, unknown>> = {}): string {
    return networkConfig(this.socketPath, changes);
  }

  /** One call for `pod`; what `options` says replaces the usual. */
  call(
    verb: string,
    pod: Pod,
    options: CniCallOptions & {readonly config?: Record<string, unknown>} = {},
  ): Promise<CniAnswer> {
    return runPlugin({
      ...options,
      env: {
        ...pod.environment(),
        CNI_COMMAND: verb,
        ...options.env,
      },
      stdin: options.stdin ?? this.config(options.config),
    });
  }

  /** ADD that must succeed; resolves to the result. */
  async add(pod: Pod, options: CniCallOptions & {readonly config?: Record<string, unknown>} = {}): Promise<CniResult> {
    const answer = await this.call('ADD', pod, options);
    if (answer.code !== 0) throw new Error(`ADD of ${pod.containerId}: ${answer.stdout}${answer.stderr}`);
    return JSON.parse(answer.stdout) as CniResult;
  }

  async del(pod: Pod, options: CniCallOptions & {readonly config?: Record<string, unknown>} = {}): Promise<void> {
    const answer = await this.call('DEL', pod, options);
    if (answer.code !== 0) throw new Error(`DEL of ${pod.containerId}: ${answer.stdout}${answer.stderr}`);
  }

  /** What is there of pods: host links, their routes, endpoints, handles. */
  async state(): Promise<AgentState> {
    // A plugin may have ended before the agent has let go of its connection.
    while (this.server.openCalls > 0) await nextTurn();
    return {
      links: hostLinks(this.node),
      routes: this.node
        .ip('route', 'show')
        .split('\n')
        .filter((line) => line.includes(' dev cali'))
        .map((line) => line.trim().replace(/ +/g, ' ')),
      endpoints: await this.keys('/calico/resources/v3/projectcalico.org/workloadendpoints/'),
      handles: await this.keys('/calico/ipam/v2/handle/'),
      descriptors: readdirSync('/proc/self/fd').length - Pod.open,
    };
  }

  async keys(prefix: string): Promise<string[]> {
    return (await this.store.list(prefix)).entries.map(({key}) => key.slice(prefix.length));
  }
}

export interface AgentState {
  readonly links: readonly string[];
  readonly routes: readonly string[];
  readonly endpoints: readonly string[];
  readonly handles: readonly string[];
  /** Open in this process, without those of pods. */
  readonly descriptors: number;
}

export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces: readonly {
    readonly name: string;
    readonly mac?: string;
    readonly mtu?: number;
    readonly sandbox?: string;
  }[];
  readonly ips: readonly {readonly address: string; readonly interface?: number}[];
  readonly routes?: readonly {readonly dst: string}[];
}

export const hostLinks = (node: TestNamespace): string[] =>
  node
    .ipJson('link', 'show')
    .map(({ifname}) => String(ifname))
    .filter((name) => name.startsWith('cali'))
    .sort();

/** A container: an id and a namespace. */
export class Pod {
  /** Pods whose descriptor is open. */
  static open = 0;
  readonly containerId: string;
  readonly namespace: TestNamespace;

  constructor(containerId: string, namespace?: TestNamespace) {
    this.containerId = containerId;
    this.namespace = namespace ?? createNamespace('pod');
    Pod.open++;
  }

  get path(): string {
    return `/run/netns/${this.namespace.name}`;
  }

  /** What a runtime sets for it. */
  environment(): Record<string, string> {
    return {CNI_CONTAINERID: this.containerId, CNI_NETNS: this.path, CNI_IFNAME: 'eth0', CNI_PATH: '/usr/lib/cni'};
  }

  /** `address/length` of its links except lo, without link-local ones. */
  addresses(): string[] {
    return this.namespace
      .ipJson('addr', 'show')
      .flatMap(({addr_info: info}) => info as readonly {local: string; prefixlen: number; scope: string}[])
      .filter(({scope}) => scope === 'global')
      .map(({local, prefixlen}) => `${local}/${prefixlen}`);
  }

  links(): string[] {
    return this.namespace
      .ipJson('link', 'show')
      .map(({ifname}) => String(ifname))
      .filter((name) => name !== 'lo');
  }

  routes(family: 4 | 6): string[] {
    return this.namespace
      .ip(`-${family}`, 'route', 'show')
      .split('\n')
      .map((line) => line.trim().replace(/ +/g, ' '))
      .filter((line) => line !== '');
  }

  /** Value of a setting of the namespace. */
  sysctl(path: string): string {
    const fd = openSync(this.path, 'r');
    try {
      return String(addon().readSysctls(fd, [path])[0]).trim();
    } finally {
      closeSync(fd);
    }
  }

  [Symbol.dispose](): void {
    this.namespace[Symbol.dispose]();
    Pod.open--;
  }
}
