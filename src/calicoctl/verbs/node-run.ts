/**
 * `calicoctl node run`: starts the container of a node with docker, or nerdctl, in its stead. Whether there is an engine
 * that answers is asked first: nothing of this machine is changed for a container that cannot start.
 */
import {lookup} from 'node:dns/promises';
import {access, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {parseStoreConfig, readSetting} from '../../datastore/open-store.ts';
import {formatIp, parseIp} from '../../lib/cidr.ts';
import {sleep} from '../../lib/clock.ts';
import {AgentError, messageOf} from '../../lib/errors.ts';
import {asNumber} from '../../model/fields.ts';
import {type Arguments, CONFIG_FLAG, type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {loadSettings} from '../configuration.ts';
import {programEnvironment} from '../diags/bundle.ts';
import {plainText} from '../error-text.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {escapeForTerminal} from '../output/escape.ts';
import {
  CONTAINER,
  type ContainerOptions,
  commandText,
  containerArguments,
  type EtcdAccess,
  FIRST_FOUND,
} from '../rules/container-command.ts';
import {requireRoot} from '../rules/root.ts';

const DECLARATION: CommandDeclaration = {
  name: 'node run',
  help: 'Starts the container of a node on this machine. The datastore must be etcd.',
  flags: [
    {long: 'name', value: 'NAME', help: 'name of the node; by default that of the machine'},
    {long: 'as', value: 'AS_NUM', help: 'AS number of the node'},
    {long: 'ip', value: 'IP', help: 'IPv4 address of the node, or autodetect'},
    {long: 'ip6', value: 'IP6', help: 'IPv6 address of the node, or autodetect'},
    {
      long: 'ip-autodetection-method',
      value: 'IP_AUTODETECTION_METHOD',
      help: 'first-found (default), can-reach=, interface= or skip-interface=',
    },
    {long: 'ip6-autodetection-method', value: 'IP6_AUTODETECTION_METHOD', help: 'the same for IPv6'},
    {long: 'log-dir', value: 'LOG_DIR', help: 'folder for logs; by default /var/log/calico'},
    {long: 'node-image', value: 'DOCKER_IMAGE_NAME', help: 'image of the container; by default calico/node:latest'},
    {long: 'backend', value: '(bird|none)', help: 'what exchanges routes; by default bird'},
    {long: 'dryrun', help: 'print the command, and start nothing'},
    {long: 'init-system', help: 'with --dryrun: the command for an init system, which starts it again itself'},
    {long: 'no-default-ippools', help: 'without the pools that a first node makes'},
    {long: 'felix-config', value: 'CONFIG', help: "file with Felix's configuration"},
    CONFIG_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: false,
};

const ENGINES = ['docker', 'nerdctl'] as const;
/** An image may have to be fetched first. */
const START_MS = 15 * 60_000;
const LOG_MS = 10_000;
const LOG_PAUSE_MS = 250;
const STARTED = 'Calico node started successfully';

export async function runNodeRun(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  const {options, secrets} = await optionsOf(io, args);
  if (args.has('dryrun')) {
    printCommand(io, options);
    return 0;
  }
  requireRoot(io);
  if (options.isForInitSystem)
    throw wrong('--init-system prints the command that an init system is given: use it with --dryrun');
  const engine = await findEngine(io);
  if (io.environment.CALICO_CTL_CONTAINER === undefined || io.environment.CALICO_CTL_CONTAINER === '')
    await prepareMachine(io);
  await startContainer(io, engine, containerArguments(options), secrets);
  await awaitStart(io, engine);
  return 0;
}

const wrong = (reason: string, cause?: unknown): Failure =>
  new Failure(escapeForTerminal(`error executing command: ${reason}`), {cause});
/** Calico ends so what it looks at before everything else. */
const invalid = (reason: string): Failure =>
  new Failure(escapeForTerminal(`Error executing command: ${reason}`), {stream: 'out'});

function printCommand(io: Io, options: ContainerOptions): void {
  const command = commandText(['docker', ...containerArguments(options)]);
  io.out(`Use the following command to start the calico/node container:\n\n${escapeForTerminal(command)}\n\n`);
  io.out(
    options.isForInitSystem
      ? `Use the following command to stop the calico/node container:\n\ndocker stop ${CONTAINER}\n\n`
      : 'If you are running calico/node in an init system, use the --init-system flag\nto display the appropriate start and stop commands.\n',
  );
}

/** Everything that was asked for, checked in Calico's order; `secrets` are variables for the engine's environment. */
async function optionsOf(
  io: Io,
  args: Arguments,
): Promise<{readonly options: ContainerOptions; readonly secrets: Readonly<Record<string, string>>}> {
  const ip4 = addressOf(args, 'ip', 4);
  const ip6 = addressOf(args, 'ip6', 6);
  const asText = args.value('as') || undefined;
  const as = asText === undefined ? undefined : asNumber().safeParse(asText).data;
  if (as === undefined && asText !== undefined) throw invalid(`invalid AS Number specified: ${asText}`);
  const backend = args.value('backend') ?? 'bird';
  if (backend !== 'bird' && backend !== 'none') throw wrong(`unknown backend '${backend}'`);
  const autodetection4 = args.value('ip-autodetection-method') ?? FIRST_FOUND;
  const autodetection6 = args.value('ip6-autodetection-method') ?? FIRST_FOUND;
  await checkAutodetection(autodetection4, 4);
  await checkAutodetection(autodetection6, 6);
  const name = args.value('name') || io.hostname.trim().toLowerCase();
  const {etcd, secrets} = await etcdAccess(io, args.value('config'));
  return {
    options: {
      name,
      backend,
      image: args.value('node-image') ?? 'calico/node:latest',
      logFolder: args.value('log-dir') ?? '/var/log/calico',
      felixConfig: args.value('felix-config') || undefined,
      isForInitSystem: args.has('init-system'),
      noDefaultPools: args.has('no-default-ippools'),
      autodetection4,
      autodetection6,
      asNumber: as === undefined ? undefined : Number(as),
      ip4,
      ip6,
      etcd,
    },
    secrets,
  };
}

function addressOf(args: Arguments, flag: string, family: 4 | 6): string | undefined {
  const text = args.value(flag) ?? '';
  if (text === '' || text === 'autodetect') return text || undefined;
  const address = parseIp(text);
  if (address === undefined) throw invalid(`invalid IP address specified: ${text}`);
  if (address.family !== family) throw wrong(`--${flag} is wrong IP version`);
  return formatIp(address);
}

async function checkAutodetection(method: string, family: 4 | 6): Promise<void> {
  const [kind = '', ...values] = method.split('=');
  const value = values.join('=');
  if (method === FIRST_FOUND) return;
  switch (values.length === 0 ? '' : kind) {
    case 'can-reach':
      return checkReachable(value, family);
    case 'interface':
    case 'skip-interface': {
      const broken = value.split(',').find((expression) => !isExpression(expression));
      if (broken !== undefined) throw wrong(`invalid interface regex specified for IP autodetection: ${broken}`);
      return;
    }
    default:
      throw wrong(`invalid IP autodetection method: ${method}`);
  }
}

function isExpression(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}

async function checkReachable(host: string, family: 4 | 6): Promise<void> {
  let addresses: readonly {readonly family: number}[];
  try {
    addresses = await lookup(host, {all: true});
  } catch (cause) {
    throw wrong(`cannot resolve address specified for IP autodetection: ${host}`, cause);
  }
  if (addresses.some((address) => address.family === family)) return;
  throw wrong(`address for IP autodetection does not resolve to an IPv${family} address: ${host}`);
}

async function etcdAccess(
  io: Io,
  configFile: string | undefined,
): Promise<{readonly etcd: EtcdAccess; readonly secrets: Readonly<Record<string, string>>}> {
  const {variables, pem} = await loadSettings(io, configFile).catch((cause: unknown) => {
    if (!(cause instanceof Failure)) throw cause;
    throw wrong(`invalid config file: ${cause.message}`, cause);
  });
  try {
    if (parseStoreConfig(variables, pem).type !== 'etcdv3') throw wrong('unsupported backend specified in config');
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    throw wrong(`invalid config file: ${cause.message}`, cause);
  }
  if (Object.keys(pem).length > 0)
    throw wrong('a container needs keys and certificates as files: set etcdKeyFile, etcdCertFile and etcdCACertFile');
  const read = (name: string): string | undefined => readSetting(variables, name)?.trim();
  const [user, password] = [read('ETCD_USERNAME'), readSetting(variables, 'ETCD_PASSWORD')];
  const secrets: Record<string, string> = {};
  if (user !== undefined && password !== undefined)
    Object.assign(secrets, {ETCD_USERNAME: user, ETCD_PASSWORD: password});
  return {
    etcd: {
      endpoints: read('ETCD_ENDPOINTS') ?? '',
      discoverySrv: read('ETCD_DISCOVERY_SRV') ?? '',
      caFile: read('ETCD_CA_CERT_FILE'),
      keyFile: read('ETCD_KEY_FILE'),
      certFile: read('ETCD_CERT_FILE'),
      hasUser: Object.keys(secrets).length > 0,
    },
    secrets,
  };
}

interface Engine {
  readonly name: string;
  run(args: readonly string[], options?: {timeoutMs?: number; env?: Readonly<Record<string, string>>}): Promise<string>;
}

/** Throws a Failure when no engine is there, or none answers. */
async function findEngine(io: Io): Promise<Engine> {
  for (const name of ENGINES) {
    const path = await io.findProgram(name);
    if (path === undefined) continue;
    const engine = engineAt(io, name, path);
    try {
      await engine.run(['info']);
    } catch (cause) {
      throw wrong(`${name} does not answer, nothing was changed: ${plainText(cause)}`, cause);
    }
    return engine;
  }
  throw wrong(
    `there is no container engine on this machine (looked for ${ENGINES.join(' and ')}), nothing was changed: install one, or start the agent without a container`,
  );
}

function engineAt(io: Io, name: string, path: string): Engine {
  const {exec, signal} = io;
  return {
    name,
    async run(args, {timeoutMs, env} = {}) {
      const {stdout, stderr} = await exec({path, args, timeoutMs, signal, env: {...programEnvironment(io), ...env}});
      return stdout + stderr;
    },
  };
}

/** What a container may not be able to do itself. */
async function prepareMachine(io: Io): Promise<void> {
  io.out('Running command to load modules: modprobe -a xt_set ip6_tables\n');
  const modprobe = await io.findProgram('modprobe');
  try {
    if (modprobe !== undefined)
      await io.exec({path: modprobe, args: ['-a', 'xt_set', 'ip6_tables'], signal: io.signal});
  } catch (error) {
    // They may be built in; the agent says what it misses.
    if (!(error instanceof AgentError)) throw error;
  }
  const sysctl = (name: string): string => join(io.root, 'proc/sys/net', name);
  io.out('Enabling IPv4 forwarding\n');
  await enable(sysctl('ipv4/ip_forward'), 'ERROR: Could not enable ipv4 forwarding');
  if (await isThere(sysctl('ipv6'))) {
    io.out('Enabling IPv6 forwarding\n');
    await enable(sysctl('ipv6/conf/all/forwarding'), 'ERROR: Could not enable ipv6 forwarding');
  }
  io.out('Increasing conntrack limit\n');
  try {
    await writeFile(sysctl('netfilter/nf_conntrack_max'), '1000000');
  } catch {
    io.out('WARNING: Could not set nf_conntrack_max. This may have an impact at scale.\n');
  }
}

async function enable(path: string, problem: string): Promise<void> {
  try {
    await writeFile(path, '1');
  } catch (cause) {
    throw new Failure(`${problem}: ${messageOf(cause)}`, {cause});
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

async function startContainer(
  io: Io,
  engine: Engine,
  args: readonly string[],
  secrets: Readonly<Record<string, string>>,
): Promise<void> {
  io.out('Removing old calico-node container (if running).\n');
  try {
    await engine.run(['rm', '-f', CONTAINER]);
  } catch (error) {
    // There was none.
    if (!(error instanceof AgentError)) throw error;
  }
  io.out(
    `Running the following command to start calico-node:\n\n${escapeForTerminal(commandText([engine.name, ...args]))}\n\nImage may take a short time to download if it is not available locally.\n`,
  );
  try {
    await engine.run(args, {timeoutMs: START_MS, env: secrets});
  } catch (cause) {
    throw wrong(plainText(cause), cause);
  }
}

/** Shows what the node says until it has started. */
async function awaitStart(io: Io, engine: Engine): Promise<void> {
  io.out('Container started, checking progress logs.\n\n');
  const endMs = io.clock.monotonicMs() + LOG_MS;
  let shown = 0;
  while (io.clock.monotonicMs() < endMs) {
    const lines = (await engine.run(['logs', CONTAINER])).split('\n').slice(0, -1);
    for (const line of lines.slice(shown)) {
      io.out(`${escapeForTerminal(line)}\n`);
      if (line.trim() === STARTED) return;
    }
    shown = Math.max(shown, lines.length);
    await sleep(io.clock, LOG_PAUSE_MS, io.signal);
  }
  throw wrong(`calico/node has not started within ${LOG_MS / 1000} s: see \`${engine.name} logs ${CONTAINER}\``);
}
