/**
 * A small cluster on one machine: nodes and pods are namespaces, the wires between them veth pairs and bridges.
 *
 *     node ── eth0 ── bridge of its subnet ── router ── bridge of another subnet ── eth0 ── node
 *
 * The router knows no pod routes: a packet between pods of one subnet needs no encapsulation, across subnets it is
 * lost without. The datastore is a file that all nodes share, or an etcd on subnet 1. Everything lives in namespaces named `<lab>-...`; nothing is made in the machine's own. A lab whose
 * owner died is removed by the next one.
 */
import {type ChildProcess, spawn} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {LabEtcd} from './lab-etcd.ts';
import {LabNode} from './lab-node.ts';
import {endProcess, mustRun, runProgram} from './run-program.ts';

/** Namespaces and folders of labs begin with this and the pid of the owner. */
const NAME_PREFIX = 'clab';
const FOLDER = '/var/tmp';
const ETCD_HOST = 250;

/** The datastores a lab can have. */
export type LabStore = 'embedded' | 'etcd';

/** Reads the name of a datastore as a person gives it; embedded when none is given. */
export function parseLabStore(text: string | undefined): LabStore {
  if (text === undefined || text === '') return 'embedded';
  if (text === 'embedded' || text === 'etcd') return text;
  throw new Error(`STORE is ${text}: it must be embedded or etcd`);
}

export interface LabOptions {
  /** Number of subnets behind the router: subnet b is 10.99.b.0/24 and fd00:99:b::/64. */
  readonly subnets: number;
  /** The lab outlives this process; `removeLab` takes it away. */
  readonly keep?: boolean;
  /** Default embedded. */
  readonly store?: LabStore;
}

export interface LabNodeOptions {
  readonly name: string;
  /** Subnet number, from 1. */
  readonly subnet: number;
  /** Last byte of the node's addresses. */
  readonly host: number;
}

export class Lab {
  /** `clab<pid>`: prefix of every namespace of this lab. */
  readonly name: string;
  /** Folder of this lab, shared by its nodes. */
  readonly folder: string;
  readonly nodes: LabNode[] = [];
  #etcd: LabEtcd | undefined;
  readonly #holders: ChildProcess[] = [];
  readonly #keep: boolean;

  private constructor(name: string, keep: boolean) {
    this.name = name;
    this.folder = join(FOLDER, name);
    this.#keep = keep;
  }

  /** Makes switch and router. Call `close` whatever happens afterwards. */
  static async create(options: LabOptions): Promise<Lab> {
    await removeAbandonedLabs();
    const lab = new Lab(`${NAME_PREFIX}${process.pid}`, options.keep ?? false);
    mkdirSync(lab.folder, {recursive: true, mode: 0o700});
    if (lab.#keep) writeFileSync(join(lab.folder, KEPT_FILE), '');
    try {
      await lab.#makeUnderlay(options.subnets);
      if (options.store === 'etcd') lab.#etcd = await lab.#addEtcd();
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  /** Network namespace of the router: counters and captures of what crosses subnets are taken there. */
  get router(): string {
    return `${this.name}-rt`;
  }

  /** Network namespace with the bridges `br<subnet>`. */
  get switch(): string {
    return `${this.name}-sw`;
  }

  /** The etcd of a lab that has one. */
  get etcd(): LabEtcd {
    if (this.#etcd === undefined) throw new Error('this lab has an embedded store');
    return this.#etcd;
  }

  /** The settings of the datastore for programs in the nodes. */
  get storeEnvironment(): Readonly<Record<string, string>> {
    return this.#etcd?.environment ?? this.#embedded;
  }

  /** The settings of the datastore for the process that made the lab. */
  async storeEnvironmentHere(): Promise<Readonly<Record<string, string>>> {
    return this.#etcd?.here() ?? this.#embedded;
  }

  get #embedded(): Readonly<Record<string, string>> {
    return {DATASTORE_TYPE: 'embedded', CALICO_STORE: this.#storeFolder};
  }

  get #storeFolder(): string {
    return join(this.folder, 'store');
  }

  async addNode(options: LabNodeOptions): Promise<LabNode> {
    const {subnet, host} = options;
    const {namespace, port} = await this.#addMachine(options);
    const holder = await this.#holdNode(namespace, options.name);
    const node = new LabNode({
      name: options.name,
      namespace,
      switchPort: port,
      holderPid: holder.pid ?? 0,
      folder: join(this.folder, options.name),
      storeFolder: this.#storeFolder,
      storeEnvironment: this.storeEnvironment,
      ipv4: `10.99.${subnet}.${host}`,
      ipv6: `fd00:99:${subnet}::${host.toString(16)}`,
    });
    this.nodes.push(node);
    return node;
  }

  /** Lets this process end while a kept lab goes on. */
  async release(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.release()));
    await this.#etcd?.release();
    for (const holder of this.#holders) holder.unref();
  }

  /** Ends every process started in the lab and removes namespaces and files. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
    await this.#etcd?.close();
    await Promise.all(this.#holders.map((holder) => endProcess(holder)));
    await removeLab(this.name);
  }

  async #makeUnderlay(subnets: number): Promise<void> {
    await mustRun(['ip', 'netns', 'add', this.switch]);
    await mustRun(['ip', 'netns', 'add', this.router]);
    const switchLines: string[] = ['link set lo up'];
    const routerLines: string[] = ['link set lo up'];
    for (let b = 1; b <= subnets; b++) {
      switchLines.push(`link add br${b} type bridge`, `link set br${b} up`);
      switchLines.push(`link add p-rt${b} type veth peer name eth${b} netns ${this.router}`);
      switchLines.push(`link set p-rt${b} master br${b} up`);
      routerLines.push(`link set eth${b} up`, `addr add 10.99.${b}.254/24 dev eth${b}`);
      routerLines.push(`addr add fd00:99:${b}::fe/64 dev eth${b} nodad`);
    }
    await mustRun(['ip', '-n', this.switch, '-batch', '-'], {stdin: switchLines.join('\n')});
    await mustRun(['ip', '-n', this.router, '-batch', '-'], {stdin: routerLines.join('\n')});
    await mustRun([
      'nsenter',
      `--net=/run/netns/${this.router}`,
      'sysctl',
      '-qw',
      'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1',
    ]);
  }

  /** A namespace with one wire into the switch. */
  async #addMachine({name, subnet, host}: LabNodeOptions): Promise<{namespace: string; port: string}> {
    const namespace = `${this.name}-${name}`;
    await mustRun(['ip', 'netns', 'add', namespace]);
    const port = `p-${name}`.slice(0, 15);
    await mustRun(['ip', '-n', namespace, '-batch', '-'], {
      stdin: [
        `link add eth0 type veth peer name ${port} netns ${this.switch}`,
        'link set lo up',
        'link set eth0 up',
        `addr add 10.99.${subnet}.${host}/24 dev eth0`,
        `addr add fd00:99:${subnet}::${host.toString(16)}/64 dev eth0 nodad`,
        `route add default via 10.99.${subnet}.254`,
        `route add default via fd00:99:${subnet}::fe`,
      ].join('\n'),
    });
    await mustRun(['ip', '-n', this.switch, 'link', 'set', port, 'master', `br${subnet}`, 'up']);
    return {namespace, port};
  }

  async #addEtcd(): Promise<LabEtcd> {
    const {namespace, port} = await this.#addMachine({name: 'etcd', subnet: 1, host: ETCD_HOST});
    return LabEtcd.create({
      namespace,
      address: `10.99.1.${ETCD_HOST}`,
      port: {namespace: this.switch, name: port},
      folder: join(this.folder, 'etcd'),
    });
  }

  async #holdNode(namespace: string, name: string): Promise<ChildProcess> {
    const script = new URL('node-init.sh', import.meta.url).pathname;
    const folder = join(this.folder, name);
    mkdirSync(folder, {recursive: true});
    const unshare = ['unshare', '--mount', '--uts', '--propagation', 'private'];
    const hold = [script, name, folder, ...(this.#keep ? ['forever'] : [])];
    const holder = spawn('nsenter', [`--net=/run/netns/${namespace}`, ...unshare, ...hold], {
      stdio: [this.#keep ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#holders.push(holder);
    await new Promise<void>((resolve, reject) => {
      let errors = '';
      holder.stderr?.on('data', (chunk: Buffer) => {
        errors += chunk.toString();
      });
      holder.stdout?.once('data', () => resolve());
      holder.once('exit', () => reject(new Error(`lab node ${name} did not start: ${errors}`)));
    });
    writeFileSync(join(folder, 'pid'), String(holder.pid));
    return holder;
  }
}

/** Removes a lab by name: processes in its namespaces, the namespaces, its folder. */
export async function removeLab(name: string): Promise<void> {
  const namespaces = labNamespaces().filter((namespace) => namespace.startsWith(`${name}-`));
  for (const namespace of namespaces) {
    const pids = await runProgram(['ip', 'netns', 'pids', namespace]);
    for (const pid of pids.stdout.split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // Gone meanwhile.
      }
    }
  }
  for (const namespace of namespaces) await runProgram(['ip', 'netns', 'del', namespace]);
  rmSync(join(FOLDER, name), {recursive: true, force: true});
}

async function removeAbandonedLabs(): Promise<void> {
  const owners = new Set([...labNamespaces(), ...readdirSync(FOLDER)].flatMap((entry) => labName(entry) ?? []));
  for (const name of owners) {
    const kept = readKept(name);
    if (!kept && !isAlive(Number(name.slice(NAME_PREFIX.length)))) await removeLab(name);
  }
}

function labNamespaces(): string[] {
  try {
    return readdirSync('/run/netns').filter((entry) => labName(entry) !== undefined);
  } catch {
    return [];
  }
}

const labName = (entry: string): string | undefined => new RegExp(`^${NAME_PREFIX}[0-9]+`).exec(entry)?.[0];

/** A lab that was left running on purpose carries this file. */
const KEPT_FILE = 'kept';

function readKept(name: string): boolean {
  try {
    readFileSync(join(FOLDER, name, KEPT_FILE));
    return true;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
