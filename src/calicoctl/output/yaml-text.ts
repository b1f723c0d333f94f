/**
 * YAML as Calico prints it, byte for byte: keys sorted, two spaces, lists not indented, long text folded at spaces.
 *
 * Text is written plain unless a reader of YAML 1.1 would take it for something else (then in double quotes: "1", "yes",
 * "64512:5", a date) or its characters forbid it (then in single quotes, or double ones when it cannot be printed).
 */
import {compareBytes} from '../../lib/byte-order.ts';
import {isJsonObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';
import {formatGoFloat} from './go-number.ts';

/** A line is broken at the first space beyond this column. */
const WIDTH = 80;

export function printYaml(value: JsonValue): string {
  return `${block(value, 0, 0).trimStart()}\n`;
}

/** What follows `key:` or `-`: text on the same line, or the lines below it. `column` is where it begins. */
function block(value: JsonValue, indent: number, column: number): string {
  if (typeof value === 'string') return ` ${scalar(value, indent, column + 1)}`;
  if (typeof value === 'number') return ` ${Number.isInteger(value) ? integerText(value) : formatGoFloat(value)}`;
  if (value === null || typeof value !== 'object') return ` ${String(value)}`;
  return isJsonObject(value) ? mapping(value, indent) : sequence(value, indent);
}

/** What fits a 64-bit integer is one to Go; beyond that it is a float. */
const integerText = (value: number): string => (Math.abs(value) < 2 ** 63 ? String(value) : formatGoFloat(value));

function mapping(object: JsonObject, indent: number): string {
  const keys = Object.keys(object)
    .filter((key) => object[key] !== undefined)
    .sort(compareKeys);
  if (keys.length === 0) return ' {}';
  const pad = ' '.repeat(indent);
  return keys.map((key) => `\n${pad}${entry(key, object[key] ?? null, indent)}`).join('');
}

function entry(key: string, value: JsonValue, indent: number): string {
  const name = quoted(key) ?? key;
  const isList = Array.isArray(value);
  const inner = isList || !isJsonObject(value) ? indent : indent + 2;
  return `${name}:${block(value, inner, indent + name.length + 1)}`;
}

function sequence(list: readonly JsonValue[], indent: number): string {
  if (list.length === 0) return ' []';
  const pad = ' '.repeat(indent);
  return list.map((item) => `\n${pad}-${listItem(item, indent)}`).join('');
}

/** The first key of a map stands behind the dash. */
function listItem(item: JsonValue, indent: number): string {
  if (item === null || typeof item !== 'object') return block(item, indent, indent + 1);
  const text = block(item, indent + 2, indent + 1);
  return text.startsWith('\n') ? ` ${text.slice(1 + indent + 2)}` : text;
}

/** Keys in Go's order: letters apart from digits, runs of digits by value. */
function compareKeys(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [l = '', r = ''] = [left[i], right[i]];
    if (l === r) continue;
    const [isLeftLetter, isRightLetter] = [isLetter(l), isLetter(r)];
    if (isLeftLetter && isRightLetter) return compareBytes(l, r);
    if (isLeftLetter || isRightLetter) return afterDigits(left, i) === isLeftLetter ? -1 : 1;
    const [leftNumber, rightNumber] = [digitsAt(left, i), digitsAt(right, i)];
    if (leftNumber !== undefined && rightNumber !== undefined && leftNumber !== rightNumber)
      return leftNumber < rightNumber ? -1 : 1;
    return compareBytes(l, r);
  }
  return left.length - right.length;
}

const isLetter = (char: string): boolean => /^\p{L}$/u.test(char);
const afterDigits = (chars: readonly string[], at: number): boolean => at > 0 && /^\p{Nd}$/u.test(chars[at - 1] ?? '');

function digitsAt(chars: readonly string[], at: number): bigint | undefined {
  let start = at;
  while (start > 0 && /^[0-9]$/.test(chars[start - 1] ?? '')) start--;
  const run = /^[0-9]+/.exec(chars.slice(start).join(''));
  return run === null ? undefined : BigInt(run[0]);
}

function scalar(text: string, indent: number, column: number): string {
  if (text.includes('\n') && allowsBlock(text)) return literal(text, indent + 2);
  const inQuotes = quoted(text);
  return fold(inQuotes ?? text, indent + 2, column, inQuotes?.startsWith('"') ?? false);
}

/** The text in quotes, or undefined when it may stand plain. */
function quoted(text: string): string | undefined {
  if (isPrintable(text) && !text.includes('\n')) {
    if (looksTyped(text)) return doubleQuoted(text);
    if (isPlain(text)) return undefined;
    return `'${text.replaceAll("'", "''")}'`;
  }
  return doubleQuoted(text);
}

const isPlain = (text: string): boolean =>
  !/^[ ]|[ ]$/.test(text) &&
  !/^(?:---|\.\.\.)/.test(text) &&
  !/^[#,[\]{}&*!|>'"%@`]/.test(text) &&
  !/^[-?:](?:\s|$)/.test(text) &&
  !/:(?:\s|$)/.test(text) &&
  !/\s#/.test(text);

/** Words that mean a boolean, nothing, a merge, or not a number. */
const WORDS =
  /^(?:|~|null|Null|NULL|y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|FALSE|<<|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const SEXAGESIMAL = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/;
const INTEGER = /^[-+]?(?:0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const DATE =
  /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|\s+)[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?\s*(?:Z|[-+][0-9]{2}:[0-9]{2})?)?$/;

function looksTyped(text: string): boolean {
  if (WORDS.test(text) || SEXAGESIMAL.test(text) || DATE.test(text)) return true;
  const digits = text.replaceAll('_', '');
  return /^[-+.0-9]/.test(text) && (INTEGER.test(digits) || FLOAT.test(digits));
}

/** Printable in the sense of YAML, which counts most of Unicode. */
const UNPRINTABLE = /[^\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;
const isPrintable = (text: string): boolean => !UNPRINTABLE.test(text) && !/[\x85\u2028\u2029]/.test(text);

/** Whether `|` may be used: no space before a line end, at the end, or behind a line end when quotes are needed. */
const allowsBlock = (text: string): boolean => isPrintable(text) && !/ \n| $/.test(text);

function literal(text: string, indent: number): string {
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const chomp = !text.endsWith('\n') ? '-' : text === '\n' || text.endsWith('\n\n') ? '+' : '';
  const lines = (chomp === '-' ? text : text.slice(0, -1)).split('\n');
  return `|${hint}${chomp}${lines.map((line) => (line === '' ? '\n' : `\n${' '.repeat(indent)}${line}`)).join('')}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '0',
  '\x07': 'a',
  '\b': 'b',
  '\t': 't',
  '\n': 'n',
  '\v': 'v',
  '\f': 'f',
  '\r': 'r',
  '\x1b': 'e',
  '"': '"',
  '\\': '\\',
  '\x85': 'N',
  '\u2028': 'L',
  '\u2029': 'P',
};

function doubleQuoted(text: string): string {
  let body = '';
  for (const char of text) {
    const name = ESCAPES[char];
    if (name !== undefined) body += `\\${name}`;
    else if (UNPRINTABLE.test(char)) body += hexEscape(char.codePointAt(0) ?? 0);
    else body += char;
  }
  return `"${body}"`;
}

function hexEscape(code: number): string {
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/** Breaks a long scalar at single spaces. */
function fold(text: string, indent: number, startColumn: number, isDouble: boolean): string {
  if (startColumn + text.length <= WIDTH) return text;
  let folded = '';
  let column = startColumn;
  const chars = Array.from(text);
  // The quotes are never a place to break.
  const last = chars.length - (isDouble || text.startsWith("'") ? 2 : 1);
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? '';
    const isBreak = char === ' ' && column > WIDTH && i > 1 && i < last && chars[i - 1] !== ' ';
    if (isBreak && (isDouble || chars[i + 1] !== ' ')) {
      folded += `\n${' '.repeat(indent)}${isDouble && chars[i + 1] === ' ' ? '\\' : ''}`;
      column = indent;
    } else {
      folded += char;
      column++;
    }
  }
  return folded;
}
