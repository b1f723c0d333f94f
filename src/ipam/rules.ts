/**
 * What governs allocation besides the blocks themselves: pools, reservations, the IPAM configuration, the node's labels.
 *
 * `StoreRules` reads them at the start of every operation. `WatchedRules` keeps them as a watch brings them, so that the
 * agent need not ask the datastore for each pod; until the watch is in sync it asks all the same.
 *
 * A resource that cannot be read gives no addresses and is named once in the log; it never stops the others.
 */
import type {CallOptions, Store, SyncSink, SyncStatus, Update} from '../datastore/store.ts';
import {compareBytes} from '../lib/byte-order.ts';
import {parseCidr} from '../lib/cidr.ts';
import {hasCode} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {DEFAULT_IPAM_CONFIG, decodeIpamConfig, encodeIpamConfig, type IpamConfig} from '../model/ipam-records.ts';
import {IPAM_CONFIG_KEY} from '../model/keys.ts';
import {IPPool} from '../model/kinds/ip-pool.ts';
import {IPReservation} from '../model/kinds/ip-reservation.ts';
import {Node} from '../model/kinds/node.ts';
import {labelMap} from '../model/resource.ts';
import {parseSelector} from '../model/selector/parser.ts';
import {readIpamConfig} from './ipam-config.ts';
import {isBlockSize, type Labels, type Pool} from './pool-selection.ts';
import {Reservations} from './reservations.ts';

export interface AllocationRules {
  readonly config: IpamConfig;
  /** All pools, in the order of preference: by name. */
  readonly pools: readonly Pool[];
  readonly reservations: Reservations;
  /** Labels of the node asked for; undefined when it has no Node resource, or none was asked for. */
  readonly nodeLabels: Labels | undefined;
}

export interface RulesCall extends CallOptions {
  /** Blocks or addresses are going to be taken: then the configuration is stored, should there be none yet. */
  readonly isAllocating?: boolean | undefined;
}

export interface RulesSource {
  /** The rules as they are now, for one node. */
  load(node: string | undefined, options: RulesCall): Promise<AllocationRules>;
}

export interface RulesDependencies {
  readonly store: Store;
  readonly log: Logger;
}

const POOLS = IPPool.prefix();
const RESERVATIONS = IPReservation.prefix();
const NODES = Node.prefix();
/** Whatever node is asked for, its labels are rules. */
const RULE_PREFIXES = [POOLS, RESERVATIONS, IPAM_CONFIG_KEY, NODES];

export class StoreRules implements RulesSource {
  readonly #store: Store;
  readonly #log: Logger;

  constructor(dependencies: RulesDependencies) {
    this.#store = dependencies.store;
    this.#log = dependencies.log;
  }

  async load(node: string | undefined, options: RulesCall): Promise<AllocationRules> {
    const [pools, reservations, config, nodeEntry] = await Promise.all([
      readPools(this.#store, this.#log, options),
      readReservations(this.#store, this.#log, options),
      (options.isAllocating === true ? ensureConfig : readIpamConfig)(this.#store, options),
      node === undefined ? undefined : this.#store.get(Node.key({name: node}), options),
    ]);
    return {
      config,
      pools,
      reservations,
      nodeLabels: nodeEntry && readNodeLabels(nodeEntry, this.#log),
    };
  }
}

/**
 * Feed it from a syncer over `WatchedRules.prefixes`, or over more: the agent has one syncer for everything. What is no
 * rule is neither kept nor a reason to work the rules out again, or each new pod would cost as much as the cluster is
 * large.
 */
export class WatchedRules implements RulesSource, SyncSink {
  readonly #fallback: StoreRules;
  readonly #log: Logger;
  readonly #values = new Map<string, string>();
  #status: SyncStatus = 'waiting';
  /** What was computed from `#values`; undefined after a change. */
  #computed: Omit<AllocationRules, 'nodeLabels'> | undefined;
  readonly #labels = new Map<string, Labels | undefined>();

  /** What the syncer has to watch for allocation on `node`. */
  static prefixes(node: string): readonly string[] {
    return [POOLS, RESERVATIONS, IPAM_CONFIG_KEY, Node.key({name: node})];
  }

  constructor(dependencies: RulesDependencies) {
    this.#fallback = new StoreRules(dependencies);
    this.#log = dependencies.log;
  }

  onStatus(status: SyncStatus): void {
    this.#status = status;
    this.#computed = undefined;
    this.#labels.clear();
  }

  onUpdates(updates: readonly Update[]): void {
    for (const {key, value} of updates) {
      if (!RULE_PREFIXES.some((prefix) => key.startsWith(prefix))) continue;
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
      if (key.startsWith(NODES)) this.#labels.delete(key);
      else this.#computed = undefined;
    }
  }

  async load(node: string | undefined, options: RulesCall): Promise<AllocationRules> {
    const nodeKey = node === undefined ? undefined : Node.key({name: node});
    const isComplete = this.#values.has(IPAM_CONFIG_KEY) && (nodeKey === undefined || this.#values.has(nodeKey));
    if (this.#status !== 'in-sync' || !isComplete) return this.#fallback.load(node, options);
    this.#computed ??= this.#compute();
    if (nodeKey !== undefined && !this.#labels.has(nodeKey)) this.#labels.set(nodeKey, this.#labelsAt(nodeKey));
    return {...this.#computed, nodeLabels: nodeKey === undefined ? undefined : this.#labels.get(nodeKey)};
  }

  #compute(): Omit<AllocationRules, 'nodeLabels'> {
    const entries = [...this.#values].map(([key, value]) => ({key, value})).sort((a, b) => compareBytes(a.key, b.key));
    return {
      config: decodeIpamConfig(this.#values.get(IPAM_CONFIG_KEY) ?? '{}'),
      pools: decodePools(
        entries.filter(({key}) => key.startsWith(POOLS)),
        this.#log,
      ),
      reservations: decodeReservations(
        entries.filter(({key}) => key.startsWith(RESERVATIONS)),
        this.#log,
      ),
    };
  }

  #labelsAt(key: string): Labels | undefined {
    const value = this.#values.get(key);
    return value === undefined ? undefined : readNodeLabels({key, value}, this.#log);
  }
}

/** As `readIpamConfig`, but stores the default first, as Calico v3.24 to v3.32 do before they allocate. */
async function ensureConfig(store: Store, options: CallOptions): Promise<IpamConfig> {
  const entry = await store.get(IPAM_CONFIG_KEY, options);
  if (entry !== undefined) return decodeIpamConfig(entry.value);
  try {
    const value = encodeIpamConfig(DEFAULT_IPAM_CONFIG);
    await store.commit([{kind: 'create', key: IPAM_CONFIG_KEY, value}], options);
  } catch (error) {
    if (hasCode(error, 'E_EXISTS')) return readIpamConfig(store, options);
    throw error;
  }
  return DEFAULT_IPAM_CONFIG;
}

/** All pools, by name. */
export async function readPools(store: Store, log: Logger, call: CallOptions): Promise<readonly Pool[]> {
  return decodePools((await store.list(POOLS, call)).entries, log);
}

export async function readReservations(store: Store, log: Logger, call: CallOptions): Promise<Reservations> {
  return decodeReservations((await store.list(RESERVATIONS, call)).entries, log);
}

type Stored = {readonly key: string; readonly value: string};

function decodePools(entries: readonly Stored[], log: Logger): readonly Pool[] {
  return read(entries, log, ({key, value}) => poolOf(IPPool.decode(value, key)));
}

function decodeReservations(entries: readonly Stored[], log: Logger): Reservations {
  const cidrs = read(entries, log, ({key, value}) => IPReservation.decode(value, key).spec.reservedCIDRs ?? []);
  return Reservations.parse(cidrs.flat());
}

function readNodeLabels(entry: Stored, log: Logger): Labels | undefined {
  return read([entry], log, ({key, value}) => labelMap(Node.decode(value, key).metadata.labels))[0];
}

function read<T>(entries: readonly Stored[], log: Logger, decode: (entry: Stored) => T | undefined): readonly T[] {
  return entries.flatMap((entry) => {
    try {
      const record = decode(entry);
      if (record !== undefined) return [record];
      log.warn({key: entry.key}, 'resource ignored by IPAM: its values make no sense');
    } catch (err) {
      log.warn({key: entry.key, err}, 'resource ignored by IPAM: it cannot be read');
    }
    return [];
  });
}

/** The pool as allocation sees it; undefined when its CIDR or block size is none. Throws E_BAD_SELECTOR. */
export function poolOf({metadata, spec, status}: IPPool): Pool | undefined {
  const cidr = parseCidr(spec.cidr);
  if (cidr === undefined || !isBlockSize(cidr.ip.family, spec.blockSize)) return undefined;
  const {disabled, nodeSelector, namespaceSelector, allowedUses} = spec;
  const isRefused = status?.conditions?.some(({type, status: value}) => type === 'Allocatable' && value === 'False');
  const node = parseSelector(nodeSelector);
  const namespace = parseSelector(namespaceSelector);
  return {
    name: metadata.name,
    cidr,
    blockSize: spec.blockSize,
    enabled: !disabled && metadata.deletionTimestamp === undefined && isRefused !== true,
    automatic: spec.assignmentMode === 'Automatic',
    allowedUses: new Set(allowedUses.length === 0 ? ['Workload', 'Tunnel'] : allowedUses),
    selectsNode: (labels) => node.matches(labels),
    selectsNamespace: (labels) => namespace.matches(labels),
    encapsulation: {ipip: spec.ipipMode !== 'Never', vxlan: spec.vxlanMode !== 'Never'},
  };
}
