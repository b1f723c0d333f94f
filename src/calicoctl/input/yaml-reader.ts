/**
 * YAML as calicoctl reads it: version 1.1 (bare `y`, `no`, `on` are booleans, also as keys), with keys that are text in
 * the end, duplicate keys refused, dates left as text. JSON is YAML, so there is one reader for both.
 *
 * Values become what parseJson would give: objects without a prototype, integers exact. What a person may demand of us
 * is limited: size, depth, aliases (a few lines of nested aliases can stand for gigabytes), number of values.
 */
import {
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Tags,
  type YAMLMap,
} from 'yaml';
import {AgentError} from '../../lib/errors.ts';
import {emptyObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';

export const MOST_ALIASES = 100;
const DEEPEST = 128;
const TOO_DEEP = `nesting is deeper than ${DEEPEST}`;
const MOST_VALUES = 1_000_000;
const MOST_TOKENS = 4_000_000;

const FLOAT = 'tag:yaml.org,2002:float';
const BINARY = 'tag:yaml.org,2002:binary';

/** Tab, line feed and next line are none. */
const CONTROL_CHARACTER = /(?![\t\n\u0085])\p{Cc}/u;

/** The value of one YAML document; undefined when it holds nothing. Throws E_BAD_YAML, which names the line. */
export function readYaml(text: string): JsonValue | undefined {
  const lines = new LineCounter();
  const plain = text.replace(/^\uFEFF/, '').replaceAll(/\r\n?/g, '\n');
  const control = CONTROL_CHARACTER.exec(plain);
  if (control !== null)
    throw badYaml(plain.slice(0, control.index).split('\n').length, 'control characters are not allowed');
  checkTokens(plain);
  const document = parse(plain, lines);
  const end = endOfContents(document.contents);
  const error = document.errors.find(({code, pos: [start]}) => code !== 'UNEXPECTED_TOKEN' || start < end);
  if (error !== undefined) throw badYaml(lines.linePos(error.pos[0]).line, problemOf(error));
  return document.contents === null ? undefined : new Walker(lines).value(document.contents, 0);
}

/** Go's reader stops where brackets at the top are closed, and never looks at what comes after. */
const endOfContents = (contents: unknown): number =>
  isCollection(contents) && contents.flow === true ? (contents.range?.[1] ?? 0) : Number.POSITIVE_INFINITY;

function parse(text: string, lineCounter: LineCounter): ReturnType<typeof parseDocument> {
  try {
    return parseDocument(text, {
      version: '1.1',
      customTags: withoutDates,
      intAsBigInt: true,
      // The walker does it: here it would take time that grows with the square of the size.
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'silent',
      lineCounter,
    });
  } catch (error) {
    if (error instanceof RangeError) throw badYaml(1, TOO_DEEP);
    throw error;
  }
}

/**
 * Refuses what would cost the parser gigabytes before it begins: nesting, of brackets or of dashes on one line (deeper
 * indentation is bounded by the size of the text), and the number of tokens.
 */
function checkTokens(text: string): void {
  let depth = 0;
  let dashes = 0;
  let line = 1;
  let tokens = 0;
  for (const token of new Lexer().lex(text)) {
    if (++tokens > MOST_TOKENS) throw badYaml(line, `there are more than ${MOST_TOKENS} tokens`);
    if (token === '[' || token === '{') depth++;
    else if (token === ']' || token === '}') depth--;
    else if (token === '-' || token === '?') dashes++;
    if (depth > DEEPEST || dashes > DEEPEST) throw badYaml(line, TOO_DEEP);
    if (!token.includes('\n')) continue;
    dashes = 0;
    line += token.split('\n').length - 1;
  }
}

/** Go's reader leaves dates, times of day and numbers to the base 60 as text, and knows no sets. */
function withoutDates(tags: Tags): Tags {
  const dropped = ['binary', 'omap', 'pairs', 'set', 'timestamp'].map((name) => `tag:yaml.org,2002:${name}`);
  return tags.filter((tag) => typeof tag === 'string' || !(dropped.includes(tag.tag) || isTimeOfDay(tag)));
}

const isTimeOfDay = (tag: object): boolean => 'format' in tag && tag.format === 'TIME';

const problemOf = (error: {readonly code: string; readonly message: string}): string =>
  error.code === 'TAB_AS_INDENT'
    ? 'found character that cannot start any token'
    : isStackOverflow(error.message)
      ? TOO_DEEP
      : lowerFirst(error.message);

/** The parser recurses, and reports its own end like any other error. */
const isStackOverflow = (message: string): boolean => /call stack/.test(message);

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

const badYaml = (line: number, problem: string): AgentError =>
  new AgentError('E_BAD_YAML', `line ${line}: ${problem}`, {line});

class Walker {
  readonly #lines: LineCounter;
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  #aliases = 0;
  #values = 0;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  value(node: unknown, depth: number): JsonValue {
    if (node === null || node === undefined) return null;
    if (depth > DEEPEST) throw this.#error(node, TOO_DEEP);
    if (++this.#values > MOST_VALUES) throw this.#error(node, `there are more than ${MOST_VALUES} values`);
    if (isAlias(node)) return this.#alias(node, depth);
    if (isMap(node)) return this.#inside(node, () => this.#map(node, depth));
    if (isSeq(node)) return this.#inside(node, () => node.items.map((item) => this.value(item, depth + 1)));
    if (!isScalar(node)) throw this.#error(node, 'this kind of value is not supported');
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    return this.#scalar(node.value, node);
  }

  #inside<T>(node: Node & {anchor?: string}, read: () => T): T {
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    this.#open.add(node);
    const value = read();
    this.#open.delete(node);
    return value;
  }

  #alias(alias: {readonly source: string}, depth: number): JsonValue {
    if (++this.#aliases > MOST_ALIASES) throw this.#error(alias, `there are more than ${MOST_ALIASES} aliases`);
    const node = this.#anchors.get(alias.source);
    if (node === undefined) throw this.#error(alias, `unknown anchor '${alias.source}' referenced`);
    if (this.#open.has(node)) throw this.#error(alias, `anchor '${alias.source}' value contains itself`);
    return this.value(node, depth + 1);
  }

  #scalar(value: unknown, node: unknown): JsonValue {
    if (typeof value === 'string' && isScalar(node)) {
      if (node.tag === FLOAT && Number.isFinite(Number(value)) && value.trim() !== '') return Number(value);
      if (node.tag === BINARY) return Buffer.from(value, 'base64').toString();
    }
    // Octal as YAML 1.2 writes it is read as well.
    if (typeof value === 'string' && isPlain(node) && /^[-+]?0o[0-7]{1,21}$/.test(value)) return octalOf(value);
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'bigint')
      return Number.isSafeInteger(Number(value)) || !isOf64Bits(value) ? Number(value) : value;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    const source = isScalar(node) ? (node.source ?? '') : '';
    // Go's reader takes a number that is too large, or the dot alone, for text.
    if (typeof value === 'number' && !/^[-+]?\.(?:inf|nan)$/i.test(source)) return source;
    throw this.#error(node, 'this value has no JSON form');
  }

  #map(map: YAMLMap, depth: number): JsonObject {
    const object = emptyObject();
    const merged: JsonObject[] = [];
    for (const pair of map.items) {
      if (isMergeKey(pair.key)) {
        merged.push(...this.#mergedMaps(pair, depth));
        continue;
      }
      const key = this.#key(pair.key);
      if (Object.hasOwn(object, key))
        throw this.#error(pair.key, `key ${JSON.stringify(key)} already set in map`, true);
      object[key] = this.value(pair.value, depth + 1);
    }
    // What the map says itself wins over what it is merged with, and an earlier map over a later one.
    for (const source of merged)
      for (const [key, value] of Object.entries(source)) if (!Object.hasOwn(object, key)) object[key] = value ?? null;
    return object;
  }

  #mergedMaps(pair: Pair, depth: number): readonly JsonObject[] {
    const value = this.value(pair.value, depth + 1);
    return (Array.isArray(value) ? value : [value]).map((source: JsonValue) => {
      if (typeof source === 'object' && source !== null && !Array.isArray(source)) return source as JsonObject;
      throw this.#error(pair.key, 'map merge requires map or sequence of maps as the value');
    });
  }

  /** Go's JSON keys are text: `y` became true, and is "true" now. */
  #key(node: unknown): string {
    const key = isScalar(node) || isAlias(node) ? this.value(node, 0) : undefined;
    if (typeof key === 'string') return key;
    if (typeof key === 'boolean' || typeof key === 'number' || typeof key === 'bigint') return String(key);
    throw this.#error(node, 'a key must be text, a number or a boolean');
  }

  #error(node: unknown, problem: string, isUnmarshal = false): AgentError {
    const range: unknown = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
    const start: unknown = Array.isArray(range) ? range[0] : undefined;
    const {line} = this.#lines.linePos(typeof start === 'number' ? start : 0);
    if (!isUnmarshal) return badYaml(line, problem);
    return new AgentError('E_BAD_YAML', `unmarshal errors:\n  line ${line}: ${problem}`, {line});
  }
}

const isPlain = (node: unknown): boolean => isScalar(node) && node.type === 'PLAIN' && node.tag === undefined;

function octalOf(text: string): number {
  const digits = Number(text.replace(/^[-+]/, ''));
  return text.startsWith('-') ? -digits : digits;
}

const isOf64Bits = (value: bigint): boolean => value >= -(2n ** 63n) && value < 2n ** 64n;

const isMergeKey = (node: unknown): boolean => isScalar(node) && node.type === 'PLAIN' && node.source === '<<';
