/**
 * `calicoctl cluster diags`: what kubectl can tell of Calico in a cluster, in one archive. Secrets are not asked for, and
 * what looks like one is left out of everything else.
 */

import {readSetting} from '../../datastore/open-store.ts';
import {AgentError} from '../../lib/errors.ts';
import {parseJson} from '../../lib/exact-json.ts';
import {type Arguments, CONFIG_FLAG, type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {loadSettings} from '../configuration.ts';
import {Bundle, programEnvironment} from '../diags/bundle.ts';
import {
  calicoNamespaces,
  calicoPods,
  calicoQueries,
  calicoResources,
  chosenPods,
  clusterQueries,
  namespaceQueries,
  type PodChoice,
  podQueries,
  type Query,
} from '../diags/cluster-plan.ts';
import {plainText} from '../error-text.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';

const DECLARATION: CommandDeclaration = {
  name: 'cluster diags',
  help: 'Packs what kubectl can tell of Calico in this cluster into one file. Secrets are left out.',
  flags: [
    {long: 'since', value: 'SINCE', help: 'only logs that are younger (30s, 10m, 2h)'},
    {long: 'max-logs', value: 'MAXLOGS', help: 'logs of so many pods of each component; by default 5'},
    {long: 'max-parallelism', value: 'MAXPARALLELISM', help: 'so many questions at a time; by default 10'},
    {long: 'focus-nodes', value: 'NODES', help: 'nodes, separated by commas, whose pods come first'},
    {long: 'skip-temp-dir-cleanup', help: 'leave the temporary folder'},
    CONFIG_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: false,
};

const WHOLE_MS = 10 * 60_000;

export async function runClusterDiags(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  const choice = choiceOf(args);
  const parallelism = numberOf(args, 'max-parallelism', 10);
  const path = await io.findProgram('kubectl');
  if (path === undefined) throw new Failure('missing dependency: unable to locate kubectl in PATH');
  const access = await accessOf(io, args.value('config'));
  await requireCluster(io, path, access);
  io.out('==== Begin collecting diagnostics. ====\n');
  const name = `calico-diagnostics-${new Date(io.clock.wallMs()).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_')}`;
  const bundle = await Bundle.create(io, {name, secrets: [], timeoutMs: WHOLE_MS});
  io.out(`Created temporary directory: ${bundle.folder}\n`);
  const ask = ({args: question, file}: Query, title?: string): Promise<string | undefined> =>
    bundle.run({program: 'kubectl', args: [...access, ...question], file, ...(title === undefined ? {} : {title})});
  try {
    await collect(ask, choice, parallelism);
    io.out('\n==== Producing a diagnostics bundle. ====\n');
    await bundle.pack(io.folder, `${name}.tar.gz`);
    io.out(`Diagnostic bundle created at ./${name}.tar.gz\n`);
  } finally {
    if (!args.has('skip-temp-dir-cleanup')) await bundle.remove();
  }
  return 0;
}

type Ask = (query: Query, title?: string) => Promise<string | undefined>;

async function collect(ask: Ask, choice: PodChoice, parallelism: number): Promise<void> {
  const names = async (...args: readonly string[]): Promise<string> =>
    (await ask({args, file: `cluster/names/${args[1]}.txt`})) ?? '';
  const resources = calicoResources(
    await names('get', 'customresourcedefinitions', '-o', 'name'),
    await names('api-resources', '--api-group=projectcalico.org', '-o', 'name'),
  );
  const namespaces = calicoNamespaces(await names('get', 'namespaces', '-o', 'name'));
  const queries: Query[] = [...clusterQueries(), ...calicoQueries(resources)];
  for (const namespace of namespaces) {
    queries.push(...namespaceQueries(namespace));
    const answer = await ask({
      args: ['get', 'pods', '-n', namespace, '-o', 'json'],
      file: `cluster/${namespace}/pods.json`,
    });
    for (const pod of chosenPods(podsIn(answer), choice)) queries.push(...podQueries(namespace, pod, choice.since));
  }
  const waiting = queries.values();
  const worker = async (): Promise<void> => {
    for (const query of waiting) await ask(query, `Collecting ${query.file}`);
  };
  await Promise.all(Array.from({length: parallelism}, worker));
}

function podsIn(answer: string | undefined): ReturnType<typeof calicoPods> {
  try {
    return calicoPods(parseJson(answer ?? '{}', {maxLength: 64 * 1024 * 1024}));
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return [];
  }
}

/** Checked in Calico's order. */
function choiceOf(args: Arguments): PodChoice {
  const since = args.value('since') || '0s';
  if (!/^[0-9]+[smh]$/.test(since)) throw invalid(`invalid duration for since flag (try 10s, 5m, or 1h): ${since}`);
  const most = numberOf(args, 'max-logs', 5);
  const focusNodes = (args.value('focus-nodes') ?? '').split(',').flatMap((node) => node.trim() || []);
  return {since, most, focusNodes};
}

function numberOf(args: Arguments, flag: string, usual: number): number {
  const text = args.value(flag);
  if (text === undefined) return usual;
  if (/^-[0-9]+$/.test(text)) throw invalid(`negative value for ${flag} flag`);
  if (!/^[0-9]{1,6}$/.test(text) || (flag === 'max-parallelism' && Number(text) === 0))
    throw invalid(`--${flag} must be a number: ${text}`);
  return Number(text);
}

const invalid = (reason: string): Failure => new Failure(`Error executing command: ${reason}`, {stream: 'out'});

/** Options of kubectl that name the cluster. */
async function accessOf(io: Io, configFile: string | undefined): Promise<readonly string[]> {
  const {variables} = await loadSettings(io, configFile);
  const kubeconfig = readSetting(variables, 'KUBECONFIG');
  const context = readSetting(io.environment, 'K8S_CURRENT_CONTEXT') ?? readSetting(variables, 'K8S_CURRENT_CONTEXT');
  return [
    ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
    ...(context === undefined ? [] : ['--context', context]),
    '--request-timeout=8s',
  ];
}

/** Better no bundle than one that is full of the same error. */
async function requireCluster(io: Io, path: string, access: readonly string[]): Promise<void> {
  const args = [...access, 'get', '--raw', '/version'];
  try {
    await io.exec({path, args, env: programEnvironment(io), signal: io.signal});
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    throw new Failure(`cannot reach the Kubernetes API, nothing was collected: ${plainText(cause)}`, {cause});
  }
}
