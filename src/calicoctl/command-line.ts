/**
 * Arguments of one command. Commander does the splitting; what it prints when something is wrong is replaced by Calico's
 * usage text, and what it would let pass (an option given twice) is refused.
 */
import {Command, CommanderError, Option} from 'commander';
import {Failure} from './failure.ts';
import {type CommandName, USAGE} from './usage.ts';

export interface Flag {
  readonly short?: string;
  /** An old spelling of `short`, not in the help. */
  readonly oldShort?: string;
  /** Without the dashes. */
  readonly long: string;
  /** Name of its value; a flag without one is on or off. */
  readonly value?: string;
  /** May be given several times. */
  readonly repeats?: boolean;
  readonly help: string;
}

export interface CommandDeclaration {
  readonly name: CommandName;
  readonly help: string;
  readonly flags: readonly Flag[];
  readonly takesOperands: boolean;
}

export interface Arguments {
  readonly operands: readonly string[];
  /** Value of a flag; undefined when it was not given. */
  value(long: string): string | undefined;
  /** All values of a flag that may be given several times, in order. */
  values(long: string): readonly string[];
  has(long: string): boolean;
}

/** Flags that many commands share. */
export const FILE_FLAGS: readonly Flag[] = [
  {short: 'f', long: 'filename', value: 'FILENAME', help: 'file or folder with the resources; - is standard input'},
  {short: 'R', long: 'recursive', help: 'also the folders below a folder'},
  {long: 'skip-empty', help: 'a file or folder without resources is not an error'},
];
export const CONFIG_FLAG: Flag = {
  short: 'c',
  long: 'config',
  value: 'CONFIG',
  help: 'settings of the datastore; by default /etc/calico/calicoctl.cfg, else the environment',
};
export const NAMESPACE_FLAG: Flag = {short: 'n', long: 'namespace', value: 'NS', help: 'namespace of the resources'};
export const CONTEXT_FLAG: Flag = {long: 'context', value: 'context', help: 'context of the kubeconfig'};
export const VERSION_FLAG: Flag = {
  long: 'allow-version-mismatch',
  help: 'go on although the cluster is of another release',
};
const HELP_FLAG: Flag = {short: 'h', long: 'help', help: 'show this text'};

/** Throws a Failure with the usage text for what cannot be; `help` ends the command with its help instead. */
export function parseArguments(declaration: CommandDeclaration, args: readonly string[]): Arguments {
  const flags = [...declaration.flags, HELP_FLAG];
  const given: Given = new Map();
  const command = new Command(declaration.name)
    .helpOption(false)
    .exitOverride()
    .configureOutput({writeErr() {}});
  for (const flag of flags) {
    command.addOption(optionOf(flag, namesOf(flag), given));
    if (flag.oldShort !== undefined) command.addOption(optionOf(flag, `-${flag.oldShort}`, given));
  }
  if (declaration.takesOperands) command.argument('[operands...]');
  try {
    command.parse(args, {from: 'user'});
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw usageFailure(declaration.name, problemOf(error));
  }
  if (given.has('help')) throw new Failure(helpText(declaration, flags), {stream: 'out', exitCode: 0});
  return {
    operands: command.args,
    value: (long) => given.get(long)?.[0],
    values: (long) => given.get(long) ?? [],
    has: (long) => given.has(long),
  };
}

/** The usage text of a command, with what was wrong above it when that is not plain to see. */
export function usageFailure(name: CommandName, problem?: string): Failure {
  return new Failure(`${problem === undefined ? '' : `${problem}\n`}${USAGE[name].trimEnd()}`);
}

const namesOf = ({short, long}: Flag): string => `${short === undefined ? '' : `-${short}, `}--${long}`;

/** Values of the flags that were given; none for one that is on or off. */
type Given = Map<string, readonly string[]>;

function optionOf({long, value, repeats = false}: Flag, names: string, given: Given): Option {
  const option = new Option(value === undefined ? names : `${names} <${value.replaceAll(' ', '-')}>`);
  if (value === undefined) option.preset(true);
  return option.argParser((text: string) => {
    const before = given.get(long);
    if (before !== undefined && !repeats) throw new CommanderError(1, 'commander.repeated', `--${long} is given twice`);
    given.set(long, value === undefined ? [] : [...(before ?? []), text]);
    return text;
  });
}

function problemOf(error: CommanderError): string | undefined {
  if (error.code !== 'commander.optionMissingArgument') return undefined;
  const name = /'(?:(-\w), )?(--[\w-]+)/.exec(error.message)?.[2];
  return name === undefined ? undefined : `${name} requires argument`;
}

function helpText({name, help}: CommandDeclaration, flags: readonly Flag[]): string {
  const rows = flags.map(({short, long, value, help: text}) => {
    const names = `${short === undefined ? '   ' : `-${short} `}--${long}${value === undefined ? '' : `=<${value}>`}`;
    return `  ${names.padEnd(34)} ${text}`;
  });
  return `${USAGE[name]}\nOptions:\n${rows.join('\n')}\n\nDescription:\n  ${help}`;
}
