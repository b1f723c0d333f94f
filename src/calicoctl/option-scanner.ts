/**
 * Splits a command line into options and operands by the rules of docopt, which Calico's tool is built on: a long option
 * may be shortened as long as one is meant, short ones may be joined (`-Rf x`), options and operands may be mixed, and
 * everything from `--` on is an operand, the two dashes included.
 *
 * What may be given together and how often is the business of the command.
 */

export interface OptionName {
  /** One letter, without the dash. */
  readonly short?: string;
  /** Without the dashes. */
  readonly long: string;
  readonly takesValue: boolean;
}

export interface GivenOption {
  /** The long name; undefined when there is no such option. */
  readonly long: string | undefined;
  readonly value: string | undefined;
}

export interface ScannedLine {
  readonly options: readonly GivenOption[];
  readonly operands: readonly string[];
}

/** What cannot be understood, in docopt's words. */
export class WrongOption extends Error {
  override readonly name = 'WrongOption';
}

export interface ScanOptions {
  /** Ends at the first operand: what follows belongs to somebody else. */
  readonly optionsFirst?: boolean;
}

/** Throws WrongOption. */
export function scanOptions(
  args: readonly string[],
  known: readonly OptionName[],
  {optionsFirst = false}: ScanOptions = {},
): ScannedLine {
  const options: GivenOption[] = [];
  const operands: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg.startsWith('--') && arg !== '--') options.push(longOption(arg, rest, known));
    else if (arg.startsWith('-') && arg !== '-' && arg !== '--') options.push(...shortOptions(arg, rest, known));
    else if (arg === '--' || optionsFirst) return {options, operands: [...operands, arg, ...rest]};
    else operands.push(arg);
  }
  return {options, operands};
}

/** Takes a value that is an argument of its own from `rest`. */
function longOption(arg: string, rest: string[], known: readonly OptionName[]): GivenOption {
  const equals = arg.indexOf('=');
  const name = equals < 0 ? arg : arg.slice(0, equals);
  const value = equals < 0 ? undefined : arg.slice(equals + 1);
  const exact = known.filter(({long}) => `--${long}` === name);
  const similar = exact.length > 0 ? exact : known.filter(({long}) => `--${long}`.startsWith(name));
  if (similar.length > 1)
    throw new WrongOption(`${name} is not a unique prefix: ${similar.map(({long}) => `--${long}`).join(', ')}?`);
  const [option] = similar;
  if (option === undefined) return {long: undefined, value};
  const {long, takesValue} = option;
  if (takesValue) return {long, value: value ?? nextValue(`--${long}`, rest)};
  if (value !== undefined) throw new WrongOption(`--${long} must not have an argument`);
  return {long, value: undefined};
}

/** Letters behind one dash; what follows a letter that takes a value is its value. */
function shortOptions(arg: string, rest: string[], known: readonly OptionName[]): readonly GivenOption[] {
  const given: GivenOption[] = [];
  const letters = arg.slice(1);
  for (let i = 0; i < letters.length; i++) {
    const letter = letters.charAt(i);
    const option = known.find(({short}) => short === letter);
    if (option === undefined || !option.takesValue) {
      given.push({long: option?.long, value: undefined});
      continue;
    }
    const attached = letters.slice(i + 1);
    given.push({long: option.long, value: attached === '' ? nextValue(`-${letter}`, rest) : attached});
    break;
  }
  return given;
}

function nextValue(name: string, rest: string[]): string {
  const value = rest.shift();
  if (value === undefined || value === '--') throw new WrongOption(`${name} requires argument`);
  return value;
}
