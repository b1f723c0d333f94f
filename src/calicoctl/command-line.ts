/**
 * Arguments of one command: what it declares is what it takes, each option once unless it says otherwise. Anything else is
 * answered with Calico's usage text.
 */
import {Failure} from './failure.ts';
import {type OptionName, type ScannedLine, scanOptions, WrongOption} from './option-scanner.ts';
import {type CommandName, USAGE} from './usage.ts';

export interface Flag {
  readonly short?: string;
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
  const {name, takesOperands} = declaration;
  const flags = [HELP_FLAG, ...declaration.flags];
  const {options, operands} = scan(name, args, flags);
  if (options.some(({long}) => long === HELP_FLAG.long))
    throw new Failure(helpText(declaration, flags), {stream: 'out', exitCode: 0});
  const given = new Map<string, readonly string[]>();
  for (const {long, value} of options) {
    const flag = flags.find((each) => each.long === long);
    if (flag === undefined || (given.has(flag.long) && flag.repeats !== true)) throw usageFailure(name);
    given.set(flag.long, [...(given.get(flag.long) ?? []), ...(value === undefined ? [] : [value])]);
  }
  if (operands.length > 0 && !takesOperands) throw usageFailure(name);
  return {
    operands,
    value: (long) => given.get(long)?.[0],
    values: (long) => given.get(long) ?? [],
    has: (long) => given.has(long),
  };
}

function scan(name: CommandName, args: readonly string[], flags: readonly Flag[]): ScannedLine {
  try {
    return scanOptions(args, flags.map(optionName));
  } catch (error) {
    if (!(error instanceof WrongOption)) throw error;
    throw usageFailure(name, error.message);
  }
}

const optionName = ({value, ...names}: Flag): OptionName => ({...names, takesValue: value !== undefined});

/** The namespace that was asked for; an empty one is none. */
export const namespaceOf = (args: Arguments): string | undefined => args.value('namespace') || undefined;

/** Whether the arguments name resources, or a file; options about files go with a file only. */
export function namesEitherKindOrFile(args: Arguments): boolean {
  if (args.value('filename') !== undefined) return args.operands.length === 0;
  return args.operands.length > 0 && !args.has('recursive') && !args.has('skip-empty');
}

/** The usage text of a command, with what was wrong above it when that is not plain to see. */
export function usageFailure(name: CommandName, problem?: string): Failure {
  return new Failure(`${problem === undefined ? '' : `${problem}\n`}${USAGE[name].trimEnd()}`);
}

function helpText({name, help}: CommandDeclaration, flags: readonly Flag[]): string {
  const rows = flags.map(({short, long, value, help: text}) => {
    const names = `${short === undefined ? '   ' : `-${short} `}--${long}${value === undefined ? '' : `=<${value}>`}`;
    return `  ${names.padEnd(34)} ${text}`;
  });
  return `${USAGE[name]}\nOptions:\n${rows.join('\n')}\n\nDescription:\n  ${help}`;
}
