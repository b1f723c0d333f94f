/** Runs calicoctl in this process on one embedded store, with its own files, input and output. */
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {runCalicoctl} from '../../src/calicoctl/cli.ts';
import {findProgram} from '../../src/calicoctl/find-program.ts';
import type {Io} from '../../src/calicoctl/io.ts';
import {EmbeddedStore} from '../../src/datastore/embedded/embedded-store.ts';
import type {StoreConfig} from '../../src/datastore/open-store.ts';
import type {Operation, Store} from '../../src/datastore/store.ts';
import {execProgram} from '../../src/exec/exec.ts';
import {type Clock, systemClock} from '../../src/lib/clock.ts';
import {silentLogger} from '../../src/lib/log.ts';

export interface RunOptions {
  readonly environment?: Io['environment'];
  readonly stdin?: Uint8Array;
  /** What the command gets in place of the store. */
  readonly through?: (store: Store) => Store;
  /** Default: root. */
  readonly userId?: number;
  /** Where the machine's own files are; by default they are the machine's. */
  readonly root?: string;
  /** Default: it is not. */
  readonly isErrorTerminal?: boolean;
  /** Arguments of the processes that run; by default Calico's agent. */
  readonly processes?: readonly (readonly string[])[];
}

export interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number;
}

const MOST_OPERATIONS = 4000;

export class CalicoctlRig {
  readonly #folder: string;
  readonly #store: Store;
  /** What commands did, in order: `update KEY`, `pause 500`. */
  readonly steps: string[] = [];
  #openStores = 0;

  private constructor(folder: string, store: Store) {
    this.#folder = folder;
    this.#store = store;
  }

  /** `folder` is where file names of the command line begin; the store lies in a folder of its own below it. */
  static async open(folder: string): Promise<CalicoctlRig> {
    const storeFolder = join(folder, 'store');
    mkdirSync(storeFolder, {mode: 0o700});
    const store = await EmbeddedStore.open({folder: storeFolder}, {clock: systemClock, log: silentLogger});
    return new CalicoctlRig(folder, store);
  }

  get store(): Store {
    return this.#store;
  }

  /** Makes the store hold exactly these pairs. */
  async load(content: ReadonlyMap<string, string>): Promise<void> {
    const operations: Operation[] = [];
    const current = await this.content();
    for (const [key, value] of content) if (current.get(key) !== value) operations.push({kind: 'put', key, value});
    for (const key of current.keys()) if (!content.has(key)) operations.push({kind: 'delete', key});
    for (let start = 0; start < operations.length; start += MOST_OPERATIONS)
      await this.#store.commit(operations.slice(start, start + MOST_OPERATIONS));
  }

  async content(): Promise<ReadonlyMap<string, string>> {
    const {entries} = await this.#store.list('/');
    return new Map(entries.map(({key, value}) => [key, value]));
  }

  async run(args: readonly string[], options: RunOptions = {}): Promise<Run> {
    let stdout = '';
    let stderr = '';
    const io: Io = {
      environment: options.environment ?? {DATASTORE_TYPE: 'embedded', CALICO_STORE: join(this.#folder, 'store')},
      folder: this.#folder,
      defaultConfigFile: 'default.cfg',
      clock: this.#hastyClock(),
      log: silentLogger,
      signal: new AbortController().signal,
      readStdin: async () => options.stdin ?? new Uint8Array(),
      readProcesses: async () => options.processes ?? [['calico-node', '-felix']],
      userId: options.userId ?? 0,
      hostname: 'Machine-1',
      root: options.root ?? '/',
      findProgram: (name) => findProgram(name, [join(this.#folder, 'programs')]),
      exec: execProgram,
      isErrorTerminal: options.isErrorTerminal ?? false,
      out: (text) => {
        stdout += text;
      },
      err: (text) => {
        stderr += text;
      },
      openStore: async (config) => (options.through ?? ((store) => store))(await this.#open(config)),
    };
    const exit = await runCalicoctl(args, io);
    if (this.#openStores !== 0) throw new Error(`${args.join(' ')} did not close its datastore`);
    return {stdout, stderr, exit};
  }

  /** Commands close what they opened; the store of the rig stays open. */
  async #open(config: StoreConfig): Promise<Store> {
    const {openStore} = await import('../../src/datastore/open-store.ts');
    if (config.type !== 'embedded') return openStore(config, {clock: systemClock, log: silentLogger});
    const store = this.#store;
    this.#openStores++;
    return {
      capabilities: store.capabilities,
      get: (...args) => store.get(...args),
      list: (...args) => store.list(...args),
      commit: (operations, options) => {
        this.steps.push(...operations.map(({kind, key}) => `${kind} ${key}`));
        return store.commit(operations, options);
      },
      watch: (...args) => store.watch(...args),
      close: async () => {
        this.#openStores--;
      },
    };
  }

  /** Pauses of a command pass at once, but are written down. */
  #hastyClock(): Clock {
    return {
      ...systemClock,
      schedule: (delayMs, task) => {
        this.steps.push(`pause ${delayMs}`);
        return systemClock.schedule(0, task);
      },
    };
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
