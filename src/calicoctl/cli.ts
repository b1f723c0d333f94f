/**
 * The frame of calicoctl: options of the whole tool, then one command, each in a file of its own that is loaded when it is
 * asked for. Starting quickly matters: scripts call this in loops.
 */
import {AgentError, messageChain} from '../lib/errors.ts';
import {Failure} from './failure.ts';
import type {Io} from './io.ts';
import {GLOBAL_USAGE, GROUPS, HELP} from './usage.ts';

type Run = (io: Io, args: readonly string[]) => Promise<number>;

/** Command, or command and sub-command, -> how to load it. */
const COMMANDS: ReadonlyMap<string, () => Promise<Run>> = new Map([
  ['get', async (): Promise<Run> => (await import('./verbs/get.ts')).runGet],
  ['create', async (): Promise<Run> => (await import('./verbs/write-file.ts')).runCreate],
  ['apply', async (): Promise<Run> => (await import('./verbs/write-file.ts')).runApply],
  ['replace', async (): Promise<Run> => (await import('./verbs/write-file.ts')).runReplace],
  ['validate', async (): Promise<Run> => (await import('./verbs/validate.ts')).runValidate],
  ['delete', async (): Promise<Run> => (await import('./verbs/delete.ts')).runDelete],
  ['patch', async (): Promise<Run> => (await import('./verbs/patch.ts')).runPatch],
  ['label', async (): Promise<Run> => (await import('./verbs/label.ts')).runLabel],
  ['version', async (): Promise<Run> => (await import('./verbs/version.ts')).runVersion],
  ['ipam show', async (): Promise<Run> => (await import('./verbs/ipam-show.ts')).runIpamShow],
  ['ipam configure', async (): Promise<Run> => (await import('./verbs/ipam-configure.ts')).runIpamConfigure],
  ['ipam release', async (): Promise<Run> => (await import('./verbs/ipam-release.ts')).runIpamRelease],
  ['ipam check', async (): Promise<Run> => (await import('./verbs/ipam-check.ts')).runIpamCheck],
  ['node status', async (): Promise<Run> => (await import('./verbs/node-status.ts')).runNodeStatus],
  ['completion', async (): Promise<Run> => (await import('./verbs/completion.ts')).runCompletion],
  ['datastore migrate', async (): Promise<Run> => (await import('./verbs/datastore-migrate.ts')).runDatastoreMigrate],
  ['ipam split', async (): Promise<Run> => (await import('./verbs/ipam-split.ts')).runIpamSplit],
]);

/** Commands of Calico's tool that this one does not have yet. */
const MISSING = new Set(['node run', 'node diags', 'node checksystem', 'cluster diags']);

const LOG_LEVELS = ['panic', 'fatal', 'error', 'warn', 'info', 'debug'];

/** Runs one command line, without the name of the program. Resolves to the exit code; everything to say has been said. */
export async function runCalicoctl(args: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    if (error instanceof Failure) {
      if (error.hint !== undefined) io.out(`${error.hint}\n`);
      io[error.stream](`${error.message}\n`);
      return error.exitCode;
    }
    if (!(error instanceof AgentError)) throw error;
    io.err(`${messageChain(error)}. ${error.remedy}\n`);
    return 1;
  }
}

async function dispatch(args: readonly string[], io: Io): Promise<number> {
  const {rest, forwarded, environment} = takeGlobalOptions(args, io.environment);
  const [name, ...commandArgs] = rest;
  if (name === undefined) throw invalidOption('');
  const group = Object.hasOwn(GROUPS, name) ? GROUPS[name] : undefined;
  if (group === undefined) return run(name, commandArgs);
  const [subcommand, ...subArgs] = commandArgs;
  if (subcommand === undefined) throw new Failure(group.usage.trimEnd());
  const path = `${name} ${subcommand}`;
  if (COMMANDS.has(path) || MISSING.has(path)) return run(path, subArgs);
  io.out(group.help);
  return 0;

  async function run(path: string, pathArgs: readonly string[]): Promise<number> {
    const load = COMMANDS.get(path);
    const inherited = forwarded.filter((option) => !pathArgs.includes(option));
    if (load !== undefined) return (await load())({...io, environment}, [...pathArgs, ...inherited]);
    if (MISSING.has(path)) throw new Failure(`"calicoctl ${path}" is not part of this release`);
    throw new Failure(`unknown command: ${JSON.stringify(path)}\n${HELP}`);
  }
}

interface GlobalOptions {
  /** The command and its arguments. */
  readonly rest: readonly string[];
  /** What the command has to be told. */
  readonly forwarded: readonly string[];
  readonly environment: Io['environment'];
}

/** Options in front of the command. */
function takeGlobalOptions(args: readonly string[], environment: Io['environment']): GlobalOptions {
  const forwarded: string[] = [];
  let settings = environment;
  let at = 0;
  for (let arg = args[at]; arg?.startsWith('-'); arg = args[++at]) {
    const equals = arg.startsWith('--') ? arg.indexOf('=') : -1;
    const option = equals < 0 ? arg : arg.slice(0, equals);
    const value = (): string => (equals < 0 ? (args[++at] ?? '') : arg.slice(equals + 1));
    if (arg === '-h' || arg === '--help') throw new Failure(HELP.trimEnd(), {stream: 'out', exitCode: 0});
    if (option === '-l' || option === '--log-level') checkLogLevel(value());
    else if (option === '--context') settings = {...settings, K8S_CURRENT_CONTEXT: value()};
    else if (arg === '--allow-version-mismatch') forwarded.push(arg);
    else throw invalidOption(args.join(' '));
  }
  return {rest: args.slice(at), forwarded, environment: settings};
}

const invalidOption = (given: string): Failure =>
  new Failure(GLOBAL_USAGE.trimEnd(), {
    hint: `Invalid option: '${given}'. Use flag '--help' to read about a specific subcommand.`,
  });

function checkLogLevel(level: string): void {
  if (LOG_LEVELS.includes(level)) return;
  throw new Failure(`Unknown log level: ${level}, expected one of: \n${LOG_LEVELS.join(', ')}.`, {stream: 'out'});
}
