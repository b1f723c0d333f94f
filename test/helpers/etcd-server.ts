/**
 * Real etcd processes for tests, on high ports of the loopback address, with data in a temporary folder. They are ended
 * with the test that started them, by pid, and by the kernel should the test's process die.
 */
import {type ChildProcess, execFile, spawn} from 'node:child_process';
import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {setImmediate as nextTurn} from 'node:timers/promises';
import {promisify} from 'node:util';
import type {Test} from 'tap';

const run = promisify(execFile);

/** Files of one side of TLS. */
export interface TlsFiles {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

export interface EtcdServerOptions {
  /** Flags beyond those of the helper: `{'quota-backend-bytes': '1000000'}`. */
  readonly flags?: Readonly<Record<string, string>> | undefined;
  /** Serves clients with TLS and demands their certificate. */
  readonly tls?: TlsFiles | undefined;
  /** Its disk takes so long to write for good; without it, writes are not waited for. */
  readonly diskMs?: number | undefined;
}

export class EtcdServer {
  readonly name: string;
  readonly port: number;
  readonly endpoint: string;
  readonly #folder: string;
  readonly #command: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(member: Member, command: readonly string[], isTls: boolean) {
    this.name = member.name;
    this.port = member.clientPort;
    this.endpoint = `${isTls ? 'https' : 'http'}://127.0.0.1:${member.clientPort}`;
    this.#folder = member.folder;
    this.#command = command;
  }

  /** One etcd that is ready to serve. */
  static async start(t: Test, options: EtcdServerOptions = {}): Promise<EtcdServer> {
    const [server] = await EtcdServer.startCluster(t, 1, options);
    if (server === undefined) throw new Error('no etcd was started');
    return server;
  }

  /** Members of one cluster, all ready to serve. */
  static async startCluster(t: Test, size: number, options: EtcdServerOptions = {}): Promise<EtcdServer[]> {
    const {tls, diskMs} = options;
    const ports = await freePorts(2 * size);
    const members = Array.from({length: size}, (_, i): Member => {
      const [clientPort = 0, peerPort = 0] = ports.slice(2 * i, 2 * i + 2);
      return {name: `m${i}`, clientPort, peerPort, folder: mkdtempSync(join(tmpdir(), 'etcd-test-'))};
    });
    const initial = members.map(({name, peerPort}) => `${name}=http://127.0.0.1:${peerPort}`).join(',');
    const servers = members.map((member) => {
      const flags = flagsOf(member, initial, options);
      const server = new EtcdServer(member, [...slowDisk(diskMs), 'etcd', ...flags], tls !== undefined);
      t.teardown(async () => {
        await server.kill();
        rmSync(member.folder, {recursive: true, force: true});
      });
      return server;
    });
    await Promise.all(servers.map((server) => server.start()));
    return servers;
  }

  /** Starts it, again with the data it had. */
  async start(flags: readonly string[] = []): Promise<void> {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...this.#command, ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        reject(new Error(`etcd ended (${code ?? signal}): ${lines.slice(-5).join('\n')}`));
      });
      createInterface({input: child.stderr}).on('line', (line) => {
        lines.push(line);
        if (lines.length > 20) lines.shift();
        if (line.includes('serving client traffic')) resolve();
      });
    });
  }

  /** Ends it without warning, as a power cut does. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Asks it to end. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined || !this.isRunning) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** Holds it where it is; its connections stay, and the kernel accepts further ones for it. */
  async freeze(): Promise<void> {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    process.kill(pid, 'SIGSTOP');
    // The signal takes effect thread by thread.
    const isStopped = (thread: string) => /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'));
    while (!readdirSync(`/proc/${pid}/task`).every(isStopped)) await nextTurn();
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  /**
   * Starts it without the data it had; it must have ended. The id of a cluster follows from its members and its token: with
   * another token it is another cluster.
   */
  async startAnew(token: string): Promise<void> {
    rmSync(this.#folder, {recursive: true, force: true});
    await this.start([`--initial-cluster-token=${token}`]);
  }
}

interface Member {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly folder: string;
}

/** What etcd's own client prints. Rejects with what it complains about. */
export async function etcdctl(
  server: Pick<EtcdServer, 'endpoint'>,
  args: readonly string[],
  options: {readonly tls?: TlsFiles | undefined; readonly user?: string | undefined} = {},
): Promise<string> {
  const {tls, user} = options;
  const flags = [
    `--endpoints=${server.endpoint}`,
    ...(tls === undefined ? [] : [`--cert=${tls.cert}`, `--key=${tls.key}`, `--cacert=${tls.ca}`]),
    ...(user === undefined ? [] : [`--user=${user}`]),
  ];
  const {stdout} = await run('etcdctl', [...flags, ...args], {
    env: {...process.env, ETCDCTL_API: '3'},
    maxBuffer: 256 * 1024 * 1024,
  });
  return stdout;
}

/** Keys, values and revisions below a prefix, as etcd's own client reads them. */
export async function readAll(
  server: Pick<EtcdServer, 'endpoint'>,
  prefix: string,
  options: {readonly tls?: TlsFiles | undefined} = {},
): Promise<Map<string, {readonly value: string; readonly revision: string}>> {
  const text = await etcdctl(server, ['get', '--prefix', prefix, '-w', 'fields'], options);
  const all = new Map<string, {value: string; revision: string}>();
  // One field a line, strings in quotes: "Key" : "/a"
  let key = '';
  let revision = '';
  for (const line of text.split('\n')) {
    const [, name, field] = /^"(\w+)" : (.*)$/.exec(line) ?? [];
    if (name === 'Key') key = JSON.parse(field ?? '""') as string;
    else if (name === 'ModRevision') revision = field ?? '';
    else if (name === 'Value') all.set(key, {value: JSON.parse(field ?? '""') as string, revision});
  }
  return all;
}

/** The revision of the key space. */
export async function revisionNow(server: Pick<EtcdServer, 'endpoint'>): Promise<bigint> {
  const fields = await etcdctl(server, ['get', 'none', '-w', 'fields']);
  return BigInt(/^"Revision" : (\d+)$/m.exec(fields)?.[1] ?? '0');
}

function flagsOf(
  {name, clientPort, peerPort, folder}: Member,
  initial: string,
  {tls, diskMs, flags = {}}: EtcdServerOptions,
): string[] {
  const client = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const all: Record<string, string> = {
    name,
    'data-dir': folder,
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': initial,
    logger: 'zap',
    'log-outputs': 'stderr',
    'unsafe-no-fsync': String(diskMs === undefined),
    ...(tls === undefined
      ? {}
      : {'cert-file': tls.cert, 'key-file': tls.key, 'trusted-ca-file': tls.ca, 'client-cert-auth': 'true'}),
    ...flags,
  };
  return Object.entries(all).map(([flag, value]) => `--${flag}=${value}`);
}

/** A tracer that lets every write to the disk take that long. It dies with the test, and etcd with it. */
function slowDisk(diskMs: number | undefined): string[] {
  if (diskMs === undefined) return [];
  const inject = `inject=fdatasync:delay_exit=${diskMs * 1000}`;
  const tracer = ['strace', '-f', '--seccomp-bpf', '-e', 'trace=fdatasync', '-e', inject, '-o', '/dev/null'];
  return [...tracer, 'setpriv', '--pdeathsig', 'KILL'];
}

/** Ports nobody listens on; all held at once, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({length: count}, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
