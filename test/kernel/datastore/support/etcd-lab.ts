/**
 * What a fault is tried on: etcd with three programs' worth of work going on, each over a way of its own that can be
 * disturbed. One writes numbered values, one follows them through a Syncer, one lists.
 *
 *     writer  --+
 *     watcher --+-- proxies -- etcd, one to three members
 *     lister  --+
 */
import type {Test} from 'tap';
import {EtcdStore} from '../../../../src/datastore/etcd/etcd-store.ts';
import {parseEtcdSettings} from '../../../../src/datastore/etcd/settings.ts';
import type {CallOptions, Operation, Store, SyncStatus} from '../../../../src/datastore/store.ts';
import {Syncer} from '../../../../src/datastore/syncer.ts';
import {systemClock} from '../../../../src/lib/clock.ts';
import {AgentError, codeOf, type ErrorCode} from '../../../../src/lib/errors.ts';
import {silentLogger} from '../../../../src/lib/log.ts';
import {EtcdServer, type EtcdServerOptions, type TlsFiles} from '../../../helpers/etcd-server.ts';
import {TcpProxy} from '../../../helpers/tcp-proxy.ts';

export const FOLDER = '/calico/fault/';
const ROLES = ['writer', 'watcher', 'lister'] as const;
export type Role = (typeof ROLES)[number];

const DEADLINE_MS = 2000;
/** A listing begins anew when history is compacted. */
const LIST_DEADLINE_MS = 10_000;
/** Faults are noticed soon; the servers are told to bear pings that often. */
const TIMING = {deadlineMs: DEADLINE_MS, dialMs: 800, idleMs: 400, answerMs: 400};
const FLAGS = {'grpc-keepalive-min-time': '100ms'};
const BASE_KEYS = 2000;
const WRITERS = 8;

export interface LabOptions extends EtcdServerOptions {
  readonly members?: number;
  /** What our side of TLS is made with. */
  readonly clientTls?: TlsFiles | undefined;
}

/** What the watcher knows of a key. */
interface Seen {
  readonly value: string;
  readonly revision: string;
}

export class EtcdLab {
  readonly servers: readonly EtcdServer[];
  readonly proxies: Readonly<Record<Role, readonly TcpProxy[]>>;
  readonly stores: Readonly<Record<Role, Store>>;
  readonly clientTls: TlsFiles | undefined;

  /** The watcher's map. */
  readonly content = new Map<string, Seen>();
  /** Revisions that did not rise. */
  readonly steps: string[] = [];
  status: SyncStatus = 'waiting';
  /** How often the watcher had to take a listing. */
  resyncs = 0;
  /** What calls failed with, per role; that there is nothing to delete is no failure. */
  readonly codes: Readonly<Record<Role, Set<ErrorCode>>> = {writer: new Set(), watcher: new Set(), lister: new Set()};
  written = 0;
  /** How long after its deadline the latest call ended. */
  overrunMs = -Infinity;

  readonly #lastRevisions = new Map<string, bigint>();
  readonly #waiting = new Set<() => void>();
  readonly #syncer: Syncer;

  private constructor(
    servers: readonly EtcdServer[],
    proxies: EtcdLab['proxies'],
    stores: EtcdLab['stores'],
    tls: TlsFiles | undefined,
  ) {
    this.servers = servers;
    this.proxies = proxies;
    this.stores = stores;
    this.clientTls = tls;
    const sink = {
      onStatus: (status: SyncStatus) => {
        if (status === 'resyncing' && this.status !== status) this.resyncs++;
        this.status = status;
        this.#wake();
      },
      onUpdates: (updates: readonly {key: string; value: string | undefined; revision: string}[]) => {
        for (const {key, value, revision} of updates) this.#apply(key, value, revision);
        this.#wake();
      },
    };
    const dependencies = {store: stores.watcher, clock: systemClock, log: silentLogger, sink};
    this.#syncer = new Syncer({prefixes: [FOLDER]}, dependencies);
  }

  /** In step, with keys enough for many pages. */
  static async start(t: Test, options: LabOptions = {}): Promise<EtcdLab> {
    const {members = 1, clientTls, flags, ...others} = options;
    const servers = await EtcdServer.startCluster(t, members, {...others, flags: {...FLAGS, ...flags}});
    const proxiesOf = () => Promise.all(servers.map(({port}) => TcpProxy.start(t, port)));
    const proxies = {writer: await proxiesOf(), watcher: await proxiesOf(), lister: await proxiesOf()};
    const storeOf = (role: Role) => {
      const scheme = clientTls === undefined ? 'http' : 'https';
      const endpoints = proxies[role].map(({port}) => `${scheme}://127.0.0.1:${port}`).join();
      const {key: keyFile, cert: certFile, ca: caFile} = clientTls ?? {};
      const settings = parseEtcdSettings({endpoints, keyFile, certFile, caFile});
      const store = new EtcdStore({settings, ...TIMING}, {clock: systemClock, log: silentLogger});
      t.teardown(() => store.close());
      return store;
    };
    const stores = {writer: storeOf('writer'), watcher: storeOf('watcher'), lister: storeOf('lister')};
    const lab = new EtcdLab(servers, proxies, stores, clientTls);
    t.teardown(() => lab.#syncer.stop());
    await lab.#fill();
    lab.#syncer.start();
    await lab.until(() => lab.status === 'in-sync');
    return lab;
  }

  /** Resolves as soon as `condition` holds; it is looked at after everything that happens. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** The same, for `limitMs` at most: who asked finds out what is wrong. */
  async untilOrFor(limitMs: number, condition: () => boolean): Promise<void> {
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, limitMs);
    await Promise.race([this.until(condition), limit.promise]);
    clearTimeout(timer);
  }

  /** Does `task` on every way of these roles. */
  disturb(task: (proxy: TcpProxy) => void, roles: readonly Role[] = ROLES): void {
    for (const role of roles) for (const proxy of this.proxies[role]) task(proxy);
  }

  /** Writes numbers, each until it is acknowledged: at least `total`, and as long as `isOn`. */
  async writeNumbers(total: number, isOn: () => boolean): Promise<void> {
    let next = 0;
    const work = async () => {
      while (next < total || isOn()) await this.#writeNumber(next++);
    };
    await Promise.all(Array.from({length: WRITERS}, work));
  }

  /**
   * Lists, with `task` in the middle: some pages have come, the next is under way. True when the listing succeeded; what
   * it gives is then of one moment.
   */
  async listAcross(task: () => Promise<void>): Promise<boolean> {
    let isDone = false;
    const once = async () => {
      if (isDone) return;
      isDone = true;
      await task();
    };
    // Some of the first page, whose 500 entries have 325 kB: the others have not been asked for.
    for (const proxy of this.proxies.lister) proxy.afterBytesToClient(200_000, once);
    try {
      const {entries} = await this.call('lister', (options) => this.stores.lister.list(FOLDER, options));
      const [first, last] = [entries[0], entries.at(-1)];
      if (!isDone) throw new Error('the fault did not strike in the middle of the listing');
      if (entries.length < BASE_KEYS || first?.value !== last?.value || first?.revision !== last?.revision) {
        throw new Error(`a listing of two moments: ${first?.value} and ${last?.value}, ${entries.length} entries`);
      }
      return true;
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      return false;
    }
  }

  /** A call of one role, watched: what it ends with, and whether by its deadline. */
  async call<T>(role: Role, task: (options: CallOptions) => Promise<T>): Promise<T> {
    const sinceMs = performance.now();
    const deadlineMs = role === 'lister' ? LIST_DEADLINE_MS : DEADLINE_MS;
    try {
      return await task({deadlineMs});
    } catch (error) {
      const code = codeOf(error);
      if (code !== undefined && code !== 'E_NOT_FOUND') this.codes[role].add(code);
      this.#wake();
      throw error;
    } finally {
      this.overrunMs = Math.max(this.overrunMs, performance.now() - sinceMs - deadlineMs);
    }
  }

  async #fill(): Promise<void> {
    const value = 'x'.repeat(600);
    for (let from = 0; from < BASE_KEYS; from += 100) {
      const keys = Array.from({length: 100}, (_, i) => `${FOLDER}base/${String(from + i).padStart(5, '0')}`);
      await this.stores.writer.commit(keys.map((key): Operation => ({kind: 'put', key, value})));
    }
    await this.stores.writer.commit(ends('0'));
  }

  async #writeNumber(number: number): Promise<void> {
    // Most keys are written once, so that a change that was missed is never made good by a later one.
    const isDeletion = number % 7 === 6;
    const key = `${FOLDER}number/${isDeletion ? number - 3 : number}`;
    const put: Operation = {kind: 'put', key, value: String(number)};
    let operations: Operation[] = [isDeletion ? {kind: 'delete', key} : put, ...ends(String(number))];
    for (;;) {
      try {
        await this.call('writer', (options) => this.stores.writer.commit(operations, options));
        this.written++;
        this.#wake();
        return;
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        // There was nothing to delete; also when an earlier attempt has done it.
        if (error.code === 'E_NOT_FOUND') operations = [put, ...ends(String(number))];
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  #apply(key: string, value: string | undefined, revision: string): void {
    const last = this.#lastRevisions.get(key) ?? 0n;
    const isStep = value === undefined ? BigInt(revision) >= last : BigInt(revision) > last;
    if (!isStep) this.steps.push(`${key}: ${last} -> ${revision}`);
    this.#lastRevisions.set(key, BigInt(revision));
    if (value === undefined) this.content.delete(key);
    else this.content.set(key, {value, revision});
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

/** The first and the last key, always written together. */
function ends(value: string): Operation[] {
  return ['a', 'z'].map((name) => ({kind: 'put', key: `${FOLDER}${name}`, value}));
}
