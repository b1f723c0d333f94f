/**
 * calico-node: the agent of one node, in the foreground, in the network namespace it is started in. This file only puts
 * the parts together, in the order in which they come to life:
 *
 *   settings ──> probes, metrics ──> start-up (Node, pools, tunnel addresses) ──> Felix, IPAM <── one Syncer
 *                                                                                  └──> CNI server
 *
 * Start-up waits for a datastore that is away; probes say so meanwhile.
 *
 * SIGTERM takes them down in the opposite order and leaves pods connected. A defect ends the process; the supervisor
 * starts it again, and a restart is always safe.
 */
import {randomBytes} from 'node:crypto';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {dirname, join} from 'node:path';
import {collectDefaultMetrics} from 'prom-client';
import {CniServer} from '../cni/cni-server.ts';
import {openStore, parseStoreConfig} from '../datastore/open-store.ts';
import {Resources} from '../datastore/resources.ts';
import type {Store} from '../datastore/store.ts';
import {Syncer} from '../datastore/syncer.ts';
import {Config} from '../felix/config.ts';
import {environmentLayer, parseConfigFile} from '../felix/config-sources.ts';
import {noRules} from '../felix/dataplane/rules-step.ts';
import {Felix} from '../felix/felix.ts';
import {Allocator} from '../ipam/allocator.ts';
import {NodeAllocator} from '../ipam/node-allocator.ts';
import {WatchedRules} from '../ipam/rules.ts';
import {ensureTunnelAddresses} from '../ipam/tunnel-addresses.ts';
import {systemClock} from '../lib/clock.ts';
import {AgentError, codeOf, messageChain} from '../lib/errors.ts';
import {HealthRegistry} from '../lib/health.ts';
import {createLogger, type Logger} from '../lib/log.ts';
import {createRegistry, type Registry, StageMetrics} from '../lib/metrics.ts';
import {BLOCKS_PREFIX, IPAM_CONFIG_KEY, RESOURCES_PREFIX} from '../model/keys.ts';
import {CALICO_VERSION} from '../model/version.ts';
import {addon} from '../native/addon.ts';
import {RouteSocket} from '../netlink/route-socket.ts';
import {type Command, parseCommandLine, USAGE} from './command-line.ts';
import {type NodeSettings, parseNodeSettings} from './environment.ts';
import {readHostInterfaces, sourceTowards} from './host-interfaces.ts';
import {Listeners} from './listeners.ts';
import {chooseNodeName} from './node-name.ts';
import {probeFelix} from './probe.ts';
import {whenReachable} from './start-up-wait.ts';
import {startNode} from './startup.ts';
import type {ListenSettings} from './switchable-server.ts';
import {fanOut} from './sync-fan-out.ts';
import {TunnelAddressKeeper} from './tunnel-address-keeper.ts';

const NODENAME_FILE = '/var/lib/calico/nodename';
const FELIX_CONFIG_FILE = '/etc/calico/felix.cfg';
/** As Calico names it. */
const STARTUP_HEALTH = 'FelixStartup';
/** A stop that takes longer is a defect. */
const STOP_LIMIT_MS = 10_000;
/** How long CNI calls under way may go on when the agent stops. */
const CNI_STOP_GRACE_MS = 5_000;

const env = process.env;
const clock = systemClock;

async function main(args: readonly string[]): Promise<number> {
  let command: Command;
  try {
    command = parseCommandLine(args);
  } catch (error) {
    console.error(`${messageChain(error)}\n${USAGE}`);
    return 1;
  }
  if (command.kind === 'version') {
    console.log(CALICO_VERSION);
    return 0;
  }
  if (command.kind === 'probe') return probe(command);
  const log = createLogger({level: parseLevel()});
  try {
    return await prepareAndRun(command, log);
  } catch (error) {
    const remedy = error instanceof AgentError ? {remedy: error.remedy} : {};
    log.error({code: codeOf(error), reason: messageChain(error), ...remedy, err: error}, 'calico-node cannot run');
    return 1;
  }
}

/** The level is wanted before any other setting is known to be good. */
function parseLevel() {
  try {
    return parseNodeSettings(env).logLevel;
  } catch {
    return 'info';
  }
}

async function probe(wanted: {live: boolean; ready: boolean}): Promise<number> {
  const target = {host: env.FELIX_HEALTHHOST || 'localhost', port: Number(env.FELIX_HEALTHPORT || 9099)};
  const problem = await probeFelix(target, wanted);
  if (problem === undefined) return 0;
  console.log(problem);
  return 1;
}

async function prepareAndRun(command: Command, log: Logger): Promise<number> {
  const settings = parseNodeSettings(env);
  const nodeName = readNodeName();
  const store = await openStore(parseStoreConfig(env), {clock, log});
  try {
    const allocator = new Allocator({store, clock, log});
    const startUp = async () => {
      if (command.kind !== 'allocate-tunnel-addresses') await prepare(nodeName, settings, store, log);
      if (command.kind !== 'startup') {
        await ensureTunnelAddresses({node: nodeName, usePodCidr: settings.usePodCidr}, {store, allocator, log});
      }
    };
    if (command.kind === 'agent') await runAgent({nodeName, settings, store, allocator}, startUp, log);
    else await whenReachable(startUp, {}, {clock, log});
    return 0;
  } finally {
    await store.close();
  }
}

/** Writes what the cluster has to know of this node, and last the file that tells others its name. */
async function prepare(nodeName: string, settings: NodeSettings, store: Store, log: Logger): Promise<void> {
  const socket = new RouteSocket();
  try {
    await startNode(
      {nodeName, settings, calicoVersion: CALICO_VERSION},
      {
        resources: new Resources({store, clock}),
        log: log.child({module: 'startup'}),
        readInterfaces: () => readHostInterfaces(socket),
        kernelHasIpv6: () => existsSync('/proc/sys/net/ipv6'),
        randomBytes,
        sourceTowards,
      },
    );
  } finally {
    socket.close();
  }
  const file = nodeNameFile();
  mkdirSync(dirname(file), {recursive: true});
  writeFileSync(file, nodeName, {mode: 0o644});
}

const nodeNameFile = (): string => env.CALICO_NODENAME_FILE || NODENAME_FILE;

function readNodeName(): string {
  const file = nodeNameFile();
  return chooseNodeName({
    variable: env.NODENAME,
    file: existsSync(file) ? readFileSync(file, 'utf8') : undefined,
    hostnameVariable: env.HOSTNAME,
    systemHostname: hostname(),
  });
}

function loadConfig(log: Logger): Config {
  const config = new Config({log: log.child({module: 'config'})});
  if (existsSync(FELIX_CONFIG_FILE)) config.setLayer('file', parseConfigFile(readFileSync(FELIX_CONFIG_FILE, 'utf8')));
  config.setLayer('environment', environmentLayer(env));
  // There is no BIRD beside us yet: plain routes between nodes are Felix's unless somebody says otherwise.
  config.setLayer('fallback', new Map([['ProgramClusterRoutes', 'Enabled']]));
  return config;
}

interface Identity {
  readonly nodeName: string;
  readonly settings: NodeSettings;
  readonly store: Store;
  readonly allocator: Allocator;
}

interface Observation {
  readonly config: Config;
  readonly registry: Registry;
  readonly stageMetrics: StageMetrics;
  readonly health: HealthRegistry;
}

/** Starts up and runs until SIGTERM or SIGINT; can be asked how it is from the beginning. */
async function runAgent(identity: Identity, startUp: () => Promise<void>, log: Logger): Promise<void> {
  const stop = stopRequested();
  const config = loadConfig(log);
  const registry = createRegistry();
  const stageMetrics = new StageMetrics({}, {registry});
  const health = new HealthRegistry({timeoutOverridesMs: config.get('HealthTimeoutOverrides')}, {clock});
  if (config.get('PrometheusProcessMetricsEnabled')) collectDefaultMetrics({register: registry});
  health.register(STARTUP_HEALTH);
  const reportStartUp = (detail: string | undefined) =>
    health.report(STARTUP_HEALTH, {live: true, ready: detail === undefined, detail});
  reportStartUp('starting');
  const listeners = new Listeners({health, registry, log});
  const listen = () => listeners.apply({health: healthSettings(config), metrics: metricsSettings(config)});
  const stopListening = config.subscribe(LISTEN_PARAMETERS, () => void listen());
  await listen();
  try {
    const onAway = (reason: string) => reportStartUp(`waiting for the datastore: ${reason}`);
    await whenReachable(startUp, {signal: stop, onAway}, {clock, log});
    await using _parts = await startParts(identity, {config, registry, stageMetrics, health}, log);
    reportStartUp(undefined);
    await aborted(stop);
    log.info({signal: stop.reason}, 'stopping');
    limitStop(log);
  } catch (error) {
    // Whoever waits for the datastore may be stopped, too.
    if (error !== stop.reason || !stop.aborted) throw error;
  } finally {
    stopListening();
    await listeners.stop();
  }
  log.info({}, 'stopped; pods stay connected');
}

/** Felix, IPAM and the CNI server come to life; resolves to what ends them. When one cannot, all end. */
async function startParts(
  {nodeName, settings, store, allocator}: Identity,
  {config, registry, stageMetrics, health}: Observation,
  log: Logger,
): Promise<AsyncDisposable> {
  await using parts = new AsyncDisposableStack();
  const felix = new Felix(
    {nodeName, mtuFolder: dirname(nodeNameFile()), watchdogTimeoutMs: config.get('DataplaneWatchdogTimeout')},
    {clock, log, registry, stageMetrics, health, config, rules: noRules},
  );
  const rules = new WatchedRules({store, log});
  const nodeAllocator = createNodeAllocator(nodeName, {store, rules, stageMetrics, log});
  const tunnels = new TunnelAddressKeeper(
    {node: nodeName, usePodCidr: settings.usePodCidr},
    {store, allocator, clock, log: log.child({module: 'tunnel-addresses'})},
  );
  const cni = new CniServer(
    {
      socketPath: env.CALICO_CNI_SOCKET || undefined,
      nodeName,
      datastoreType: parseStoreConfig(env).type,
      interfacePrefix: config.get('InterfacePrefix')[0] ?? 'cali',
      mtuFile: join(dirname(nodeNameFile()), 'mtu'),
      journalFile: join(dirname(nodeNameFile()), 'cni', 'calls'),
      stopGraceMs: CNI_STOP_GRACE_MS,
    },
    {
      store,
      resources: new Resources({store, clock}),
      nodeAllocator,
      rules,
      felix,
      readiness: () =>
        felix.isInSync ? {state: 'ready'} : {state: 'unavailable', reason: 'the agent has not synchronised yet'},
      addon: addon(),
      clock,
      log,
      registry,
      stageMetrics,
    },
  );

  const syncer = new Syncer(
    {prefixes: [RESOURCES_PREFIX, BLOCKS_PREFIX, IPAM_CONFIG_KEY]},
    {
      store,
      clock,
      log: log.child({module: 'datastore'}),
      sink: fanOut([felix, rules, nodeAllocator, tunnels, cni.sink]),
    },
  );

  log.warn({}, 'there is no policy yet: every pod of this node is open');
  parts.defer(() => nodeAllocator.close());
  parts.defer(() => syncer.stop());
  parts.defer(() => felix.stop());
  parts.defer(() => tunnels.stop());
  parts.defer(() => cni.stop());
  felix.start();
  // A second agent on the node fails here, before it has done anything.
  await cni.start();
  syncer.start();
  log.info({node: nodeName, version: CALICO_VERSION}, 'calico-node runs');
  return parts.move();
}

function limitStop(log: Logger): void {
  const giveUp = setTimeout(() => {
    log.error({limitMs: STOP_LIMIT_MS}, 'stop takes too long');
    process.exit(1);
  }, STOP_LIMIT_MS);
  giveUp.unref();
}

function createNodeAllocator(
  nodeName: string,
  {stageMetrics, ...dependencies}: {store: Store; rules: WatchedRules; stageMetrics: StageMetrics; log: Logger},
): NodeAllocator {
  const recorder = stageMetrics.stage('ipam', {
    queueDepth: () => allocator.queueDepth(),
    oldestPendingMs: () => allocator.oldestPendingMs(),
  });
  const log = dependencies.log.child({module: 'ipam'});
  const allocator = new NodeAllocator({node: nodeName}, {...dependencies, clock, log, recorder});
  return allocator;
}

const LISTEN_PARAMETERS = [
  'HealthEnabled',
  'HealthHost',
  'HealthPort',
  'PrometheusMetricsEnabled',
  'PrometheusMetricsHost',
  'PrometheusMetricsPort',
] as const;

function healthSettings(config: Config): ListenSettings {
  if (!config.get('HealthEnabled')) return undefined;
  return {host: config.get('HealthHost'), port: config.get('HealthPort')};
}

function metricsSettings(config: Config): ListenSettings {
  if (!config.get('PrometheusMetricsEnabled')) return undefined;
  return {host: config.get('PrometheusMetricsHost') || undefined, port: config.get('PrometheusMetricsPort')};
}

/** Aborts on SIGTERM and on SIGINT, with the name of the signal. */
function stopRequested(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => controller.abort(name));
  return controller.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), {once: true});
  });
}

// Last: everything above is defined by now.
process.exitCode = await main(process.argv.slice(2));
