/**
 * The etcd of a lab: a machine of its own on the lab's network, reached only with TLS and a client certificate. Who calls
 * is who the certificate names, and the user of agents and commands may touch nothing but Calico's keys.
 *
 * The process that made the lab has no way into that network. etcd therefore listens on a unix socket too, whose file both
 * sides see, and `here` opens a port on the loopback address that leads to it.
 */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, mkdirSync, openSync, readFileSync, rmSync} from 'node:fs';
import {connect, createServer, type Server} from 'node:net';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {Authority} from '../helpers/certificates.ts';
import type {TlsFiles} from '../helpers/etcd-server.ts';
import {endProcess, labPath, mustRun} from './run-program.ts';

export interface LabEtcdOptions {
  /** Network namespace of the machine. */
  readonly namespace: string;
  /** Its address. */
  readonly address: string;
  /** Its port in the switch. */
  readonly port: {readonly namespace: string; readonly name: string};
  /** Data, keys and log go there. */
  readonly folder: string;
}

const PORT = 2379;
/** etcd wants a socket's name in the form HOST:PORT, and makes it where it is started. */
const SOCKET = 'client:1';
/** The user that agents and commands are, and the keys they may read and write. */
const USER = 'calico';
const KEYS = '/calico/';
const START_LIMIT_MS = 30_000;

export class LabEtcd {
  /** As ETCD_ENDPOINTS has it, for those on the lab's network. */
  readonly endpoint: string;
  /** What agents and commands in the lab are told. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #options: LabEtcdOptions;
  readonly #server: TlsFiles;
  readonly #root: TlsFiles;
  #process: ChildProcess | undefined;
  #door: Promise<Server> | undefined;

  private constructor(options: LabEtcdOptions, tls: {server: TlsFiles; user: TlsFiles; root: TlsFiles}) {
    this.#options = options;
    this.#server = tls.server;
    this.#root = tls.root;
    this.endpoint = `https://${options.address}:${PORT}`;
    this.environment = {
      DATASTORE_TYPE: 'etcdv3',
      ETCD_ENDPOINTS: this.endpoint,
      ETCD_KEY_FILE: tls.user.key,
      ETCD_CERT_FILE: tls.user.cert,
      ETCD_CA_CERT_FILE: tls.user.ca,
    };
  }

  /** Makes keys and certificates, and an etcd with the user and the rights that an operator would give. It runs. */
  static async create(options: LabEtcdOptions): Promise<LabEtcd> {
    const keys = join(options.folder, 'tls');
    mkdirSync(keys, {recursive: true});
    const authority = await Authority.create(keys);
    const etcd = new LabEtcd(options, {
      server: await authority.issue('etcd', {addresses: [options.address]}),
      user: await authority.issue(USER),
      root: await authority.issue('root'),
    });
    await etcd.start();
    for (const command of [
      `role add ${USER}`,
      `role grant-permission ${USER} --prefix=true readwrite ${KEYS}`,
      // Without a password: the certificate says who it is.
      `user add ${USER} --no-password`,
      `user grant-role ${USER} ${USER}`,
      'user add root --no-password',
      'user grant-role root root',
      'auth enable',
    ])
      await etcd.etcdctl(command.split(' '));
    return etcd;
  }

  /** Starts it, again with the data it had; resolves when it serves. */
  async start(): Promise<void> {
    const {folder, namespace} = this.#options;
    // One that was killed has left it.
    rmSync(join(folder, SOCKET), {force: true});
    const logFile = join(folder, 'etcd.log');
    const log = openSync(logFile, 'a');
    const before = readFileSync(logFile).length;
    const [program = '', ...args] = [...enter(namespace), 'etcd', ...this.#flags()];
    const child = spawn(program, args, {
      cwd: folder,
      stdio: ['ignore', log, log],
      env: {PATH: labPath},
      detached: true,
    });
    closeSync(log);
    this.#process = child;
    await untilServing(child, () => readFileSync(logFile).subarray(before).toString());
  }

  /** Ends it without warning, as a power cut does. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Takes its wire away, or puts it back: it runs, but no packet reaches the nodes. */
  async plug(state: 'up' | 'down'): Promise<void> {
    const {namespace, name} = this.#options.port;
    await mustRun(['ip', '-n', namespace, 'link', 'set', name, state]);
  }

  /** etcd's own client, as root. */
  etcdctl(args: readonly string[]): Promise<string> {
    const {key, cert, ca} = this.#root;
    const flags = [`--endpoints=${this.endpoint}`, `--key=${key}`, `--cert=${cert}`, `--cacert=${ca}`];
    return mustRun([...enter(this.#options.namespace), 'etcdctl', ...flags, ...args], {env: {ETCDCTL_API: '3'}});
  }

  /** What a program outside of the lab's network, on this machine, has to be told. */
  async here(): Promise<Readonly<Record<string, string>>> {
    this.#door ??= openDoor(join(this.#options.folder, SOCKET));
    const address = (await this.#door).address();
    if (address === null || typeof address === 'string') throw new Error('the way to etcd has no port');
    return {...this.environment, ETCD_ENDPOINTS: `https://127.0.0.1:${address.port}`};
  }

  /** Lets this process end while etcd goes on. */
  async release(): Promise<void> {
    this.#process?.unref();
    (await this.#door)?.unref();
  }

  async close(): Promise<void> {
    if (this.#process !== undefined) await endProcess(this.#process);
    (await this.#door)?.close();
  }

  #flags(): string[] {
    const {key, cert, ca} = this.#server;
    const peer = 'http://127.0.0.1:2380';
    const all: Record<string, string> = {
      'data-dir': 'data',
      'listen-client-urls': `${this.endpoint},unixs://${SOCKET}`,
      'advertise-client-urls': this.endpoint,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `default=${peer}`,
      'cert-file': cert,
      'key-file': key,
      'trusted-ca-file': ca,
      'client-cert-auth': 'true',
      logger: 'zap',
      'log-outputs': 'stderr',
    };
    return Object.entries(all).map(([flag, value]) => `--${flag}=${value}`);
  }
}

const enter = (namespace: string): readonly string[] => ['nsenter', `--net=/run/netns/${namespace}`, '--'];

async function untilServing(child: ChildProcess, log: () => string): Promise<void> {
  const deadlineMs = performance.now() + START_LIMIT_MS;
  for (;;) {
    const text = log();
    // Once for the address, once for the socket.
    if ((text.match(/serving client traffic/g)?.length ?? 0) >= 2) return;
    const isOver = child.exitCode !== null || child.signalCode !== null || performance.now() > deadlineMs;
    if (isOver) throw new Error(`etcd does not serve:\n${text.split('\n').slice(-6).join('\n')}`);
    await sleep(20);
  }
}

/** Every connection to a port of ours becomes one to the socket. */
async function openDoor(socketPath: string): Promise<Server> {
  const server = createServer((outside) => {
    const inside = connect(socketPath);
    // etcd is away, or has dropped one end: so does the other.
    outside.on('error', () => inside.destroy()).on('close', () => inside.destroy());
    inside.on('error', () => outside.destroy()).on('close', () => outside.destroy());
    outside.pipe(inside).pipe(outside);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
