/**
 * Eight nodes, each a process that is killed and started again, on one store; and what the world outside knows of them.
 *
 * A round ends when every node has done its share and nobody runs any more. Then everything is compared: what the keys
 * say, what the nodes said, and when they said it. Reports carry the machine's monotonic clock, told after an address was
 * committed and before its release began, so two nodes that had one address at one time are found whatever the store says.
 */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import type {Test} from 'tap';
import type {Store} from '../../../../src/datastore/store.ts';
import type {Random} from '../../../helpers/random.ts';
import {ChangeLog} from './change-log.ts';
import {checkIpam} from './checker.ts';
import type {Report, StoreAddress, WorkerOptions} from './protocol.ts';
import {nodeKey, RESERVED, worldOf} from './world.ts';

/** The program of one node; its argument is its WorkerOptions. */
export const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));

export interface FireOptions {
  readonly address: StoreAddress;
  /** One node each; false: it writes key by key, as Calico's own programs do. */
  readonly isAtomic: readonly boolean[];
  readonly operations: number;
  readonly rounds: number;
  /** Boundaries between calls of the store that a life has at most. */
  readonly longestLife: number;
}

export interface FireResult {
  readonly operations: number;
  readonly lives: number;
  readonly kills: number;
  readonly changes: number;
  readonly seen: Readonly<Record<string, number>>;
}

interface Holding {
  readonly container: string;
  readonly from: bigint;
  to: bigint | undefined;
}

/** What the world outside knows of one node. */
class NodeModel {
  readonly name: string;
  readonly isAtomic: boolean;
  /** Addresses of the containers that run. */
  readonly alive = new Map<string, Set<string>>();
  /** Containers whose ADD or DEL was not answered, with how many of these. */
  readonly unsettled = new Map<string, number>();
  /** Containers that were refused in this life: what had been taken for them may still be on its way back. */
  readonly refused = new Set<string>();
  lives = 0;
  kills = 0;

  constructor(name: string, isAtomic: boolean) {
    this.name = name;
    this.isAtomic = isAtomic;
  }
}

export class Fire {
  readonly #t: Test;
  readonly #options: FireOptions;
  readonly #store: Store;
  readonly #log: ChangeLog;
  readonly #random: Random;
  readonly #models: readonly NodeModel[];
  readonly #holdings = new Map<string, Holding[]>();
  readonly #exact = new Set<string>();
  /** Handles of which an ADD or DEL was interrupted at some time. */
  readonly #interrupted = new Set<string>();
  readonly #reports: string[] = [];
  readonly #seen = new Map<string, number>();
  #hasFailed = false;

  private constructor(t: Test, options: FireOptions, dependencies: {store: Store; log: ChangeLog; random: Random}) {
    this.#t = t;
    this.#options = options;
    this.#store = dependencies.store;
    this.#log = dependencies.log;
    this.#random = dependencies.random;
    this.#models = options.isAtomic.map((isAtomic, place) => new NodeModel(`n${place + 1}`, isAtomic));
  }

  /** Lays the fire on an empty store, lets it burn, and throws what it found. */
  static async burn(t: Test, options: FireOptions, dependencies: {store: Store; random: Random}): Promise<FireResult> {
    const {store, random} = dependencies;
    const names = options.isAtomic.map((_, place) => `n${place + 1}`);
    for (const {key, value} of worldOf(names)) await store.commit([{kind: 'put', key, value}]);
    const log = await ChangeLog.follow(store);
    t.teardown(() => log.stop());
    const fire = new Fire(t, options, {store, log, random});
    const result = await fire.#burn();
    await log.stop();
    return result;
  }

  async #burn(): Promise<FireResult> {
    const {operations, rounds} = this.#options;
    const share = Math.ceil(operations / rounds / this.#models.length);
    for (let round = 0; round < rounds; round++) {
      await Promise.all(this.#models.map((model) => this.#livesOf(model, share)));
      await this.#expectSound({isReclaimed: false});
    }
    for (const model of this.#models) await this.#live(model, {operations: 0});
    await this.#expectSound({isReclaimed: true});
    for (const model of this.#models) await this.#live(model, {operations: 0, isLast: true});
    await this.#expectNothingLeft();
    return {
      operations: [...this.#seen].reduce((sum, [kind, count]) => (isDone(kind) ? sum + count : sum), 0),
      lives: this.#models.reduce((sum, {lives}) => sum + lives, 0),
      kills: this.#models.reduce((sum, {kills}) => sum + kills, 0),
      changes: this.#log.changes,
      seen: Object.fromEntries([...this.#seen].sort(([a], [b]) => (a < b ? -1 : 1))),
    };
  }

  /** Lives one after the other until the share is done. */
  async #livesOf(model: NodeModel, share: number): Promise<void> {
    let left = share;
    while (left > 0 && !this.#hasFailed) {
      const end = this.#random.next();
      const dieAtCall = end < 0.45 ? this.#random.between(1, this.#options.longestLife) : 0;
      const killAtReport = end >= 0.45 && end < 0.7 ? this.#random.between(1, 60) : 0;
      left -= await this.#live(model, {operations: left, dieAtCall, killAtReport});
    }
  }

  /** One life of a node's process, by itself or to a violent end; resolves to how much it did. */
  async #live(
    model: NodeModel,
    life: {operations: number; dieAtCall?: number; killAtReport?: number; isLast?: boolean},
  ): Promise<number> {
    const options: WorkerOptions = {
      store: this.#options.address,
      node: model.name,
      nodes: this.#models.map(({name}) => name),
      seed: this.#random.below(2 ** 31),
      operations: life.operations,
      dieAtCall: life.dieAtCall ?? 0,
      isAtomic: model.isAtomic,
      alive: Object.fromEntries([...model.alive].map(([container, ips]) => [container, [...ips]])),
      isLast: life.isLast ?? false,
    };
    const child: ChildProcess = spawn(process.execPath, [WORKER, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#t.teardown(() => child.kill('SIGKILL'));
    if (child.stdout === null) throw new Error('no output to read');
    let done = 0;
    let reports = 0;
    createInterface({input: child.stdout}).on('line', (line) => {
      this.#remember(`${model.name} ${line}`);
      const report = JSON.parse(line) as Report;
      this.#hear(model, report);
      if (isDone(report.kind)) done++;
      if (++reports === life.killAtReport) child.kill('SIGKILL');
    });
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    model.lives++;
    if (signal === 'SIGKILL') {
      model.kills++;
      for (const container of model.refused) model.unsettled.set(container, 1);
      for (const container of model.unsettled.keys()) this.#interrupted.add(`net.${container}`);
      this.#interrupted.add(`vxlan-tunnel-addr-${model.name}`);
      this.#remember(`${model.name} killed`);
    } else if (code !== 0) {
      this.#hasFailed = true;
      throw new Error(`${options.node} ended with ${code ?? signal}\n${this.#recent(40)}`);
    }
    return done;
  }

  #hear(model: NodeModel, report: Report): void {
    this.#seen.set(report.kind, (this.#seen.get(report.kind) ?? 0) + 1);
    if (report.kind === 'did') this.#seen.set(report.what, (this.#seen.get(report.what) ?? 0) + 1);
    if (report.kind === 'refused') this.#seen.set(report.why ?? '', (this.#seen.get(report.why ?? '') ?? 0) + 1);
    const {alive, unsettled} = model;
    const at = BigInt(report.at);
    switch (report.kind) {
      case 'reclaimed':
        unsettled.clear();
        model.refused.clear();
        break;
      case 'adding':
        unsettled.set(report.container, 1);
        break;
      case 'added':
        unsettled.delete(report.container);
        alive.set(report.container, new Set(report.ips));
        for (const ip of report.ips) {
          const holdings = this.#holdings.get(ip) ?? [];
          holdings.push({container: report.container, from: at, to: undefined});
          this.#holdings.set(ip, holdings);
          if (report.isExact === true) this.#exact.add(`${report.container} ${ip}`);
        }
        break;
      case 'removing': {
        const left = alive.get(report.container);
        for (const ip of report.ips) {
          left?.delete(ip);
          const holding = this.#holdings.get(ip)?.find(({container}) => container === report.container);
          if (holding !== undefined) holding.to ??= at;
        }
        if (left?.size === 0) alive.delete(report.container);
        unsettled.set(report.container, (unsettled.get(report.container) ?? 0) + 1);
        break;
      }
      case 'refused':
        unsettled.delete(report.container);
        model.refused.add(report.container);
        break;
      case 'removed': {
        const open = (unsettled.get(report.container) ?? 0) - 1;
        if (open > 0) unsettled.set(report.container, open);
        else unsettled.delete(report.container);
        break;
      }
      case 'finished':
        model.refused.clear();
        break;
      case 'did':
        break;
    }
  }

  async #expectSound({isReclaimed}: {readonly isReclaimed: boolean}): Promise<void> {
    const entries = await this.#log.settled(this.#store);
    const {problems, owners, overcounts, unconfirmed} = checkIpam(entries);
    const found = [...this.#log.problems, ...problems, ...this.#strayClaims(unconfirmed), ...this.#wrong(overcounts)];
    const living = new Map<string, string>();
    const unsettled = new Set<string>();
    for (const model of this.#models) {
      for (const container of model.unsettled.keys()) unsettled.add(`net.${container}`);
      for (const [container, ips] of model.alive)
        for (const ip of ips) {
          if (living.has(ip)) found.push(`${ip} lives in ${container} and ${living.get(ip)}`);
          living.set(ip, container);
          if (owners.get(ip) !== `net.${container}`) found.push(`${ip} of ${container} belongs to ${owners.get(ip)}`);
          if (RESERVED.includes(ip) && !this.#exact.has(`${container} ${ip}`))
            found.push(`${ip} of ${container} is reserved`);
        }
      const address = await this.#tunnelAddress(model);
      const handle = `vxlan-tunnel-addr-${model.name}`;
      if (address === undefined) {
        if (model.kills > 0 && !isReclaimed) unsettled.add(handle);
        continue;
      }
      living.set(address, handle);
      if (owners.get(address) !== handle) found.push(`tunnel ${address} of ${model.name} is ${owners.get(address)}'s`);
    }
    for (const [ip, handle] of owners)
      if (!living.has(ip) && !unsettled.has(handle) && (isReclaimed || !handle.startsWith('vxlan')))
        found.push(`${ip} of ${handle} has no living owner`);
    found.push(...this.#sharedHoldings());
    this.#judge(found);
  }

  /** After everybody has left: what only an interrupted key-by-key writer may leave, and nothing else. */
  async #expectNothingLeft(): Promise<void> {
    const entries = await this.#log.settled(this.#store);
    const {problems, owners, overcounts, unconfirmed} = checkIpam(entries);
    const blocks = entries.filter(({key}) => key.includes('/block/')).map(({key}) => `${key} is left`);
    this.#judge([
      ...this.#log.problems,
      ...problems,
      ...[...owners].map(([ip, handle]) => `${ip} of ${handle} is left`),
      ...(unconfirmed.length === blocks.length ? [] : blocks),
      ...this.#strayClaims(unconfirmed),
      ...this.#wrong(overcounts),
    ]);
  }

  /** Handles count too much only where a key-by-key writer was interrupted in the middle of that handle. */
  #wrong(overcounts: readonly string[]): readonly string[] {
    const isAllAtomic = this.#models.every(({isAtomic}) => isAtomic);
    return overcounts
      .filter((name) => isAllAtomic || !this.#interrupted.has(name.split(' ')[0] ?? ''))
      .map((name) => `${name} counts too much`);
  }

  /** Claims are half made only where a key-by-key writer was killed; each death leaves a few at most. */
  #strayClaims(unconfirmed: readonly string[]): readonly string[] {
    const kills = this.#models.reduce((sum, model) => sum + (model.isAtomic ? 0 : model.kills), 0);
    return unconfirmed.length > 8 * kills ? unconfirmed.map((claim) => `${claim} without a death`) : [];
  }

  async #tunnelAddress(model: NodeModel): Promise<string | undefined> {
    const entry = await this.#store.get(nodeKey(model.name));
    if (entry === undefined) throw new Error(`${model.name} is gone`);
    return (JSON.parse(entry.value) as {spec?: {ipv4VXLANTunnelAddr?: string}}).spec?.ipv4VXLANTunnelAddr;
  }

  /** Addresses that two containers had at one time. Forgets what is over. */
  #sharedHoldings(): readonly string[] {
    const found: string[] = [];
    for (const [ip, holdings] of this.#holdings) {
      holdings.sort((a, b) => (a.from < b.from ? -1 : 1));
      for (const [place, {container, to}] of holdings.entries()) {
        const next = holdings[place + 1];
        if (next !== undefined && (to === undefined || to > next.from))
          found.push(`${ip} was given to ${next.container} at ${next.from} while ${container} had it`);
      }
      this.#holdings.set(
        ip,
        holdings.filter(({to}) => to === undefined),
      );
    }
    return found;
  }

  #judge(found: readonly string[]): void {
    if (found.length === 0) return;
    const shown = found.slice(0, 20).join('\n');
    throw new Error(`${found.length} problems:\n${shown}\n${this.#historyOf(found.slice(0, 3).join(' '))}`);
  }

  #remember(line: string): void {
    this.#reports.push(line);
  }

  #recent(count: number): string {
    return this.#reports.slice(-count).join('\n');
  }

  /** What is known of the addresses, blocks and handles that a text names. */
  #historyOf(text: string): string {
    const ips = text.match(/\b\d+\.\d+\.\d+\.\d+\b(?!\/)|\bfd00::[0-9a-f]*\b(?!\/)/g) ?? [];
    const blocks = text.match(/\b[0-9a-f.:]+\/\d+\b/g) ?? [];
    const containers = text.match(/\bn\d+x\d+x\d+\b/g) ?? [];
    const names = [...ips.map((ip) => `"${ip}"`), ...containers, ...blocks];
    const reports = this.#reports.filter((line) => names.some((name) => line.includes(name))).slice(-60);
    const keys = this.#log
      .keys()
      .filter(
        (key) =>
          containers.some((container) => key.endsWith(container)) ||
          blocks.some((block) => key.endsWith(`/${block.replace('/', '-')}`)),
      );
    const versions = keys.flatMap((key) =>
      this.#log.versions(key).map(({revision, value}) => `${key} @${revision} ${value ?? 'deleted'}`),
    );
    return [...reports, ...versions.slice(-80)].join('\n');
  }
}

const isDone = (kind: string): boolean => ['added', 'refused', 'removed', 'did'].includes(kind);
