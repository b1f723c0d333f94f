/**
 * The frame of calicoctl: options of the whole tool, then one command, each in a file of its own that is loaded when it is
 * asked for. Starting quickly matters: scripts call this in loops.
 */
import {AgentError, messageChain} from '../lib/errors.ts';
import {Failure, type FailureOptions} from './failure.ts';
import type {Io} from './io.ts';
import {type OptionName, type ScannedLine, scanOptions, WrongOption} from './option-scanner.ts';
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
  ['node run', async (): Promise<Run> => (await import('./verbs/node-run.ts')).runNodeRun],
  ['node diags', async (): Promise<Run> => (await import('./verbs/node-diags.ts')).runNodeDiags],
  ['node checksystem', async (): Promise<Run> => (await import('./verbs/node-checksystem.ts')).runNodeChecksystem],
  ['cluster diags', async (): Promise<Run> => (await import('./verbs/cluster-diags.ts')).runClusterDiags],
  ['node status', async (): Promise<Run> => (await import('./verbs/node-status.ts')).runNodeStatus],
  ['completion', async (): Promise<Run> => (await import('./verbs/completion.ts')).runCompletion],
  ['datastore migrate', async (): Promise<Run> => (await import('./verbs/datastore-migrate.ts')).runDatastoreMigrate],
  ['ipam split', async (): Promise<Run> => (await import('./verbs/ipam-split.ts')).runIpamSplit],
]);

const LOG_LEVELS = ['panic', 'fatal', 'error', 'warn', 'warning', 'info', 'debug', 'trace'];

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
  const [name, ...commandArgs] = [...rest, ...forwarded];
  if (name === undefined) throw invalidOption(args);
  const group = Object.hasOwn(GROUPS, name) ? GROUPS[name] : undefined;
  if (group === undefined) return run(name, commandArgs);
  const [subcommand, ...subArgs] = commandArgs;
  if (subcommand === undefined) throw new Failure(group.usage.trimEnd());
  const path = `${name} ${subcommand}`;
  if (COMMANDS.has(path)) return run(path, subArgs);
  io.out(group.help);
  return 0;

  async function run(path: string, pathArgs: readonly string[]): Promise<number> {
    const load = COMMANDS.get(path);
    if (load !== undefined) return (await load())({...io, environment}, pathArgs);
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

const GLOBAL_OPTIONS: readonly OptionName[] = [
  {short: 'h', long: 'help', takesValue: false},
  {short: 'l', long: 'log-level', takesValue: true},
  {long: 'context', takesValue: true},
  {long: 'allow-version-mismatch', takesValue: false},
];

/** Options in front of the command. */
function takeGlobalOptions(args: readonly string[], environment: Io['environment']): GlobalOptions {
  // Not an option, but understood.
  if (args[0] === '--version') throw new Failure("Run 'calicoctl version' to see version information.", SHOWN);
  const {options, operands} = scanGlobal(args);
  const names = options.map(({long}) => long);
  if (names.includes('help')) throw new Failure(HELP.trimEnd(), SHOWN);
  if (names.includes(undefined) || new Set(names).size < names.length) throw invalidOption(args);
  const givenValue = (name: string): string | undefined => options.find(({long}) => long === name)?.value;
  checkLogLevel(givenValue('log-level'));
  const context = givenValue('context');
  return {
    rest: operands,
    forwarded: names.includes('allow-version-mismatch') && operands.length > 0 ? ['--allow-version-mismatch'] : [],
    environment: context === undefined ? environment : {...environment, K8S_CURRENT_CONTEXT: context},
  };
}

const SHOWN: FailureOptions = {stream: 'out', exitCode: 0};

function scanGlobal(args: readonly string[]): ScannedLine {
  try {
    return scanOptions(args, GLOBAL_OPTIONS, {optionsFirst: true});
  } catch (error) {
    if (!(error instanceof WrongOption)) throw error;
    throw invalidOption(args, `${error.message}\n`);
  }
}

const invalidOption = (args: readonly string[], problem = ''): Failure =>
  new Failure(`${problem}${GLOBAL_USAGE.trimEnd()}`, {
    hint: `Invalid option: '${args.join(' ')}'. Use flag '--help' to read about a specific subcommand.`,
  });

function checkLogLevel(level = 'panic'): void {
  if (LOG_LEVELS.includes(level.toLowerCase())) return;
  throw new Failure(`Unknown log level: ${level}, expected one of: \npanic, fatal, error, warn, info, debug.`, {
    stream: 'out',
  });
}
