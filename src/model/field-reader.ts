/**
 * Fields of a JSON object from the datastore, one by one, each checked for its JSON type. `null` and absence are the
 * same, as for Go. What nobody asked for is left over as `rest`, so that it can be written back.
 */
import {compareBytes} from '../lib/byte-order.ts';
import {emptyObject, isJsonObject, type JsonObject, type JsonValue} from '../lib/exact-json.ts';
import {invalidResource, violation} from './violation.ts';

/** Strings by name. A map, because the names come from outside. */
export type StringMap = ReadonlyMap<string, string>;

export class FieldReader {
  readonly #what: string;
  readonly #path: string;
  readonly #object: JsonObject;
  readonly #asked = new Set<string>();

  /** `what` names the record in errors. */
  constructor(what: string, value: JsonValue, path = '') {
    this.#what = what;
    this.#path = path;
    if (!isJsonObject(value)) throw invalidResource(what, [violation(path, value, 'must be an object')]);
    this.#object = value;
  }

  /** A reader of an object inside of this one. */
  inside(path: string, value: JsonValue): FieldReader {
    return new FieldReader(this.#what, value, this.#pathOf(path));
  }

  string(name: string): string | undefined {
    const value = this.#take(name);
    return value === undefined || typeof value === 'string' ? value : this.fail(name, 'must be a string');
  }

  boolean(name: string): boolean | undefined {
    const value = this.#take(name);
    return value === undefined || typeof value === 'boolean' ? value : this.fail(name, 'must be true or false');
  }

  integer(name: string): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    return typeof value === 'number' && Number.isSafeInteger(value) ? value : this.fail(name, 'must be a whole number');
  }

  bigint(name: string): bigint | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === 'bigint') return value;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
    return this.fail(name, 'must be a whole number');
  }

  list(name: string): readonly JsonValue[] {
    const value = this.#take(name) ?? [];
    return Array.isArray(value) ? value : this.fail(name, 'must be a list');
  }

  /** Entries of an object whose keys are data. */
  map(name: string): readonly (readonly [string, JsonValue])[] {
    return Object.entries(this.#takeObject(name) ?? {}).map(([key, value]) => [key, value ?? null] as const);
  }

  strings(name: string): StringMap | undefined {
    const object = this.#takeObject(name);
    if (object === undefined) return undefined;
    const strings = new Map<string, string>();
    for (const [key, value] of Object.entries(object)) {
      strings.set(key, typeof value === 'string' ? value : this.fail(`${name}[${key}]`, 'must be a string', value));
    }
    return strings;
  }

  /** The fields nobody asked for. */
  rest(): JsonObject | undefined {
    const names = Object.keys(this.#object).filter((name) => !this.#asked.has(name));
    if (names.length === 0) return undefined;
    const rest = emptyObject<JsonValue | undefined>();
    for (const name of names) rest[name] = this.#object[name];
    return Object.freeze(rest);
  }

  fail(name: string, rule: string, value: unknown = this.#object[name]): never {
    throw invalidResource(this.#what, [violation(this.#pathOf(name), value, rule)]);
  }

  #take(name: string): JsonValue | undefined {
    this.#asked.add(name);
    return this.#object[name] ?? undefined;
  }

  #takeObject(name: string): JsonObject | undefined {
    const value = this.#take(name);
    return value === undefined || isJsonObject(value) ? value : this.fail(name, 'must be an object');
  }

  #pathOf(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }
}

/** A map as the JSON object Go prints for it: keys sorted by their bytes. */
export function toJsonMap(entries: ReadonlyMap<string | number, JsonValue>): JsonObject {
  const object = emptyObject();
  const pairs = [...entries].map(([key, value]) => [String(key), value] as const);
  for (const [key, value] of pairs.sort(([a], [b]) => compareBytes(a, b))) object[key] = value;
  return object;
}
