/**
 * JSON without loss, read as strictly and written byte for byte as Go's encoding/json does it, because what we write
 * back must be what Calico wrote.
 *
 * What `JSON.parse` and `JSON.stringify` get wrong for us: integers beyond 2^53 lose digits (IPAM sequence numbers are
 * nanoseconds since 1970), an object has a prototype (a label may be called `constructor`), depth is not limited,
 * `<`, `>`, `&`, U+2028 and U+2029 are not escaped, and there is no position in half of the errors. Facts about Go: the
 * last of two equal keys wins, an unpaired surrogate becomes U+FFFD, a number outside of float64 is an error.
 *
 * JavaScript objects list keys that look like array indices first and in numeric order. In Calico's data only Go maps
 * have such keys (`sequenceNumberForAllocation`), and Go sorts maps by bytes: so an object with such a key is printed
 * sorted by bytes, and any other in the order in which it was read.
 */
import {compareBytes} from './byte-order.ts';
import {AgentError} from './errors.ts';

export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;

/** Keys are data: objects made here have no inherited property. */
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

export interface JsonLimits {
  /** Longest text, in UTF-16 units; default 16 Mi. */
  readonly maxLength?: number;
  /** Deepest nesting of arrays and objects; default 128. */
  readonly maxDepth?: number;
}

const DEFAULT_MAX_LENGTH = 16 * 1024 * 1024;
const DEFAULT_MAX_DEPTH = 128;

/** The value of a JSON text. An integer is a number when that is exact, and a bigint otherwise. Throws E_BAD_JSON. */
export function parseJson(text: string, limits: JsonLimits = {}): JsonValue {
  const maxLength = limits.maxLength ?? DEFAULT_MAX_LENGTH;
  if (text.length > maxLength) {
    throw new AgentError('E_BAD_JSON', `the JSON text is longer than ${maxLength} characters`, {
      length: text.length,
      maxLength,
    });
  }
  return new JsonReader(text, limits.maxDepth ?? DEFAULT_MAX_DEPTH).readAll();
}

/** As `parseJson`, but the text must be an object. */
export function parseJsonObject(text: string, limits?: JsonLimits): JsonObject {
  const value = parseJson(text, limits);
  if (isJsonObject(value)) return value;
  throw new AgentError('E_BAD_JSON', 'the JSON text is not an object', {position: 0});
}

export const isJsonObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * An object without a prototype, to be filled with keys from outside. One that loses its prototype keeps V8's compact
 * form; `Object.create(null)` and `{__proto__: null}` begin as hash tables, four times as large.
 */
export const emptyObject = <T = JsonValue>(): Record<string, T> => Object.setPrototypeOf({}, null) as Record<string, T>;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;

/**
 * V8 keeps a longer slice as a reference into the whole text, so one label would hold all of its object in memory.
 * Longer strings are therefore copied (by JSON.parse, which is the cheapest way to a string of its own).
 */
const LONGEST_COPIED_SLICE = 12;

class JsonReader {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;
  #depth = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  readAll(): JsonValue {
    const value = this.#value();
    this.#peek();
    if (this.#at < this.#text.length) throw this.#error('something follows the end of the value');
    return value;
  }

  #value(): JsonValue {
    const code = this.#peek();
    switch (code) {
      case QUOTE:
        return this.#string();
      case OPEN_OBJECT:
        return this.#object();
      case OPEN_ARRAY:
        return this.#array();
      case 0x74:
        return this.#word('true', true);
      case 0x66:
        return this.#word('false', false);
      case 0x6e:
        return this.#word('null', null);
      default:
        if (code === MINUS || isDigit(code)) return this.#number();
        throw this.#error('a value is expected');
    }
  }

  #object(): JsonObject {
    this.#enter();
    const object = emptyObject();
    if (this.#peek() !== CLOSE_OBJECT) {
      do {
        if (this.#peek() !== QUOTE) throw this.#error('a key in double quotes is expected');
        const key = this.#string();
        if (!this.#take(COLON)) throw this.#error('":" is expected');
        object[key] = this.#value();
      } while (this.#take(COMMA));
    }
    if (!this.#take(CLOSE_OBJECT)) throw this.#error('"," or "}" is expected');
    this.#depth--;
    return object;
  }

  #array(): JsonValue[] {
    this.#enter();
    const array: JsonValue[] = [];
    if (this.#peek() !== CLOSE_ARRAY) {
      do array.push(this.#value());
      while (this.#take(COMMA));
    }
    if (!this.#take(CLOSE_ARRAY)) throw this.#error('"," or "]" is expected');
    this.#depth--;
    return array;
  }

  #enter(): void {
    if (++this.#depth > this.#maxDepth) throw this.#error(`nesting is deeper than ${this.#maxDepth}`);
    this.#at++;
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let end = start;
    let isPlain = true;
    for (; ; end++) {
      const code = text.charCodeAt(end);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        isPlain = false;
        end++;
      } else if (!(code >= 0x20)) {
        this.#at = end;
        throw this.#error(end < text.length ? 'a control character must be escaped' : 'the string does not end');
      }
    }
    this.#at = end + 1;
    if (isPlain && end - start <= LONGEST_COPIED_SLICE) return text.slice(start, end);
    return this.#copiedString(start - 1, end + 1);
  }

  #copiedString(start: number, end: number): string {
    try {
      return (JSON.parse(this.#text.slice(start, end)) as string).toWellFormed();
    } catch {
      this.#at = start;
      throw this.#error('the string has an escape that is not one of JSON');
    }
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) throw this.#error('the number is not complete');
    const [literal, fraction, exponent] = match;
    const value = Number(literal);
    if (!Number.isFinite(value)) throw this.#error('the number is too large');
    this.#at += literal.length;
    const isExact = fraction !== undefined || exponent !== undefined || Number.isSafeInteger(value);
    return isExact ? value : BigInt(literal);
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error('a value is expected');
    this.#at += word.length;
    return value;
  }

  /** The next code that is not white space, NaN at the end of the text. */
  #peek(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code > 0x20 || (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09)) return code;
      this.#at++;
    }
  }

  #take(code: number): boolean {
    if (this.#peek() !== code) return false;
    this.#at++;
    return true;
  }

  #error(problem: string): AgentError {
    const position = this.#at;
    const before = this.#text.slice(0, position);
    const line = before.split('\n').length;
    const column = position - before.lastIndexOf('\n');
    return new AgentError('E_BAD_JSON', `${problem} at line ${line}, column ${column}`, {position, line, column});
  }
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** The text Go's encoding/json gives: no spaces. A property that is undefined is left out. */
export function printJson(value: JsonValue): string {
  if (typeof value === 'string') return printString(value);
  if (typeof value === 'number') return printNumber(value);
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  return isJsonObject(value) ? printObject(value) : `[${value.map(printJson).join(',')}]`;
}

/** The keys in the order in which they are printed. */
export function keysInOrder(object: JsonObject): readonly string[] {
  const keys = Object.keys(object);
  if (keys[0] !== undefined && isIndex(keys[0])) keys.sort(compareBytes);
  return keys;
}

function printObject(object: JsonObject): string {
  let text = '';
  for (const key of keysInOrder(object)) {
    const value = object[key];
    if (value !== undefined) text += `${text === '' ? '' : ','}${printString(key)}:${printJson(value)}`;
  }
  return `{${text}}`;
}

/** True for keys that JavaScript moves to the front: 0 .. 2^32-2 in canonical form. */
const isIndex = (key: string): boolean => /^(?:0|[1-9][0-9]{0,9})$/.test(key) && Number(key) < 4294967295;

/** JavaScript and Go agree on the shortest form, on its exponent, and on where the exponent begins; not on zero. */
function printNumber(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`${value} has no JSON form`);
  return Object.is(value, -0) ? '-0' : String(value);
}

/** What Go escapes and JSON.stringify does not. */
const ESCAPED_BY_GO = /[<>&\u2028\u2029]/g;

function printString(text: string): string {
  const json = JSON.stringify(text.toWellFormed());
  if (json.search(ESCAPED_BY_GO) < 0) return json;
  return json.replace(ESCAPED_BY_GO, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
