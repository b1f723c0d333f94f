/**
 * From JSON to the typed view of a resource, along a shape.
 *
 * `stored` is how Calico's own data is read: types are checked and nothing else, unknown fields are kept, absent ones
 * get their defaults, and an object whose print would differ from what was read carries what was read (stored-form.ts).
 * `written` is how a person's input or a resource about to be written is read: every rule is checked, all violations are
 * collected, and unknown fields are refused or (`keepUnknown`) kept.
 *
 * Go knows no difference between null and absent, and matches the names of fields in any case; so do we, the latter
 * for input only.
 */
import type {z} from 'zod';
import {compareBytes} from '../lib/byte-order.ts';
import {emptyObject, type JsonValue} from '../lib/exact-json.ts';
import {isPlainObject} from './plain-object.ts';
import {
  type Field,
  isEmptyValue,
  type LeafShape,
  type ListShape,
  type ObjectShape,
  type Shape,
  type ValueType,
} from './schema.ts';
import {keepStored} from './stored-form.ts';
import {type Violation, violation} from './violation.ts';

export interface ReadMode {
  readonly form: 'stored' | 'written';
  readonly keepUnknown: boolean;
}

const DEEPEST = 64;
const MOST_VALUES = 1_000_000;
const MOST_VIOLATIONS = 100;

/** What was read, and what is wrong with it; with violations the view must not be used. */
export interface Reading {
  readonly view: Readonly<Record<string, unknown>>;
  readonly violations: readonly Violation[];
}

/** `input` is what a JSON or YAML parser gives, or a view made before. */
export function readObject(shape: ObjectShape, input: unknown, mode: ReadMode): Reading {
  const reader = new Reader(mode);
  const view = reader.object(shape, input, '');
  return {view, violations: reader.violations};
}

type View = Record<string, unknown>;

class Reader {
  readonly violations: Violation[] = [];
  readonly #mode: ReadMode;
  /** How often the view came to differ from what was read. */
  #differences = 0;
  #values = 0;

  constructor(mode: ReadMode) {
    this.#mode = mode;
  }

  object(shape: ObjectShape, input: unknown, path: string): View {
    const differencesBefore = this.#differences;
    const view: View = {};
    if (!isPlainObject(input)) {
      this.#violate(path, input, 'must be an object');
      return view;
    }
    // Fields that are absent cost memory too, once their defaults are filled in.
    if (!this.#hasRoomFor(shape.fields.size, path)) return view;
    this.#readFields(shape, input, path, view);
    for (const field of shape.fields.values()) if (!Object.hasOwn(view, field.name)) this.#fillIn(field, path, view);
    return this.#seal(view, input, differencesBefore);
  }

  #readFields(shape: ObjectShape, input: Readonly<Record<string, unknown>>, path: string, view: View): void {
    let lastIndex = -1;
    for (const [name, value] of Object.entries(input)) {
      const field = this.#fieldFor(shape, name);
      if (field === undefined) {
        this.#readUnknown(name, value, path, view);
        continue;
      }
      if (Object.hasOwn(view, field.name)) {
        this.#violate(joinPath(path, name), value, `is given twice (${field.name})`);
        continue;
      }
      if (field.index < lastIndex) this.#differences++;
      lastIndex = field.index;
      this.#readField(field, value, joinPath(path, field.name), view);
    }
  }

  #fieldFor(shape: ObjectShape, name: string): Field | undefined {
    const field = shape.fields.get(name);
    if (field !== undefined || this.#mode.form === 'stored' || this.#mode.keepUnknown) return field;
    const lowerCase = name.toLowerCase();
    for (const candidate of shape.fields.values()) if (candidate.name.toLowerCase() === lowerCase) return candidate;
    return undefined;
  }

  #readField(field: Field, value: unknown, path: string, view: View): void {
    const isAbsent = value === null || value === undefined;
    if (isAbsent || (field.presence !== 'required' && !field.kept && isEmptyValue(field, value))) {
      // Go would not print it. A default that is not the empty value itself comes in its place.
      if (value !== undefined) this.#differences++;
      if (field.presence === 'default') this.#fillIn(field, path, view);
      return;
    }
    view[field.name] = this.#value(field.shape, value, path);
  }

  #readUnknown(name: string, value: unknown, path: string, view: View): void {
    if (value === undefined) return;
    const fieldPath = joinPath(path, name);
    if (!this.#mode.keepUnknown) {
      this.#violate(fieldPath, value, 'is not a field of this kind');
      return;
    }
    const kept = this.#mode.form === 'stored' ? value : this.#json(value, fieldPath, 0);
    // Assignment to __proto__ would set the prototype.
    Object.defineProperty(view, name, {value: kept, enumerable: true, configurable: true, writable: true});
  }

  #fillIn(field: Field, path: string, view: View): void {
    if (field.presence === 'optional') return;
    const fieldPath = joinPath(path, field.name);
    if (field.presence === 'required') {
      if (this.#mode.form === 'written') this.#violate(fieldPath, undefined, 'must be specified');
      this.#differences++;
      view[field.name] = zeroOf(field.shape);
      return;
    }
    view[field.name] = this.#value(field.shape, field.fallback, fieldPath);
    if (field.kept || !isEmptyValue(field, view[field.name])) this.#differences++;
  }

  #value(shape: Shape, input: unknown, path: string): unknown {
    switch (shape.type) {
      case 'object':
        return this.object(shape, input, path);
      case 'list':
        return this.#list(shape, input, path);
      case 'map':
        return this.#map(shape.element, input, path);
      case 'any':
        return this.#mode.form === 'stored' ? input : this.#json(input, path, 0);
      case 'leaf':
        return this.#leaf(shape, input, path);
    }
  }

  #list({element, rules}: ListShape, input: unknown, path: string): unknown {
    if (!Array.isArray(input)) return this.#violate(path, input, 'must be a list');
    const violationsBefore = this.violations.length;
    if (rules !== undefined && this.#mode.form === 'written') this.#applyRules(rules, input, path);
    // One that is too long says so, and not what is wrong with each of its elements.
    if (this.violations.length > violationsBefore) return null;
    const list: unknown[] = [];
    for (const [i, value] of input.entries()) {
      if (this.#values > MOST_VALUES) break;
      list.push(this.#value(element, value, `${path}[${i}]`));
    }
    return Object.freeze(list);
  }

  #map(element: Shape, input: unknown, path: string): unknown {
    if (!isPlainObject(input)) return this.#violate(path, input, 'must be an object');
    const differencesBefore = this.#differences;
    const view = emptyObject<unknown>();
    let last = '';
    for (const [name, value] of Object.entries(input)) {
      if (this.#values > MOST_VALUES) break;
      if (compareBytes(name, last) < 0) this.#differences++;
      last = name;
      if (value !== undefined) view[name] = this.#value(element, value, `${path}[${name}]`);
    }
    return this.#seal(view, input, differencesBefore);
  }

  #leaf(shape: LeafShape, input: unknown, path: string): unknown {
    if (!this.#hasRoomFor(1, path)) return null;
    if (!shape.accepts.some((type) => isOfType(type, input)))
      return this.#violate(path, input, `must be ${shape.accepts.map((type) => TYPE_NAMES[type]).join(' or ')}`);
    if (this.#mode.form === 'stored' && !shape.normalised) return input;
    const value = this.#applyRules(shape.schema, input, path);
    if (value !== input) this.#differences++;
    return value;
  }

  /** What zod makes of the value. A broken rule counts only when something is to be written. */
  #applyRules(schema: z.ZodType, input: unknown, path: string): unknown {
    const result = schema.safeParse(input);
    if (result.success) return result.data;
    if (this.#mode.form === 'written')
      for (const issue of result.error.issues) this.#violate(path, input, ruleOf(issue));
    return input;
  }

  /** A copy of anything, as JSON. */
  #json(input: unknown, path: string, depth: number): JsonValue {
    if (!this.#hasRoomFor(1, path)) return null;
    if (depth > DEEPEST) return this.#violate(path, undefined, `is nested more than ${DEEPEST} deep`);
    if (input === null || typeof input === 'string' || typeof input === 'boolean' || typeof input === 'bigint')
      return input;
    if (typeof input === 'number' && Number.isFinite(input)) return input;
    if (Array.isArray(input)) return input.map((value, i) => this.#json(value, `${path}[${i}]`, depth + 1));
    if (!isPlainObject(input)) return this.#violate(path, input, 'must be a JSON value');
    const copy = emptyObject();
    for (const [name, value] of Object.entries(input))
      if (value !== undefined) copy[name] = this.#json(value, joinPath(path, name), depth + 1);
    return copy;
  }

  /** A resource is bounded as a whole, whatever it is made of. */
  #hasRoomFor(values: number, path: string): boolean {
    this.#values += values;
    if (this.#values <= MOST_VALUES) return true;
    this.#violate(path, undefined, `has more than ${MOST_VALUES} values`);
    return false;
  }

  #seal(view: View, input: unknown, differencesBefore: number): View {
    const isFaithful = this.#mode.form === 'written' || this.#differences === differencesBefore;
    return isFaithful ? Object.freeze(view) : keepStored(view, input as JsonValue);
  }

  /** Counts as null, so that reading can go on and find the rest. */
  #violate(path: string, value: unknown, rule: string): null {
    if (this.violations.length < MOST_VIOLATIONS) this.violations.push(violation(path, value, rule));
    return null;
  }
}

const ruleOf = (issue: z.core.$ZodIssue): string =>
  issue.code === 'invalid_value'
    ? `must be one of ${issue.values.filter((value) => value !== '').join(', ')}`
    : issue.message;

const TYPE_NAMES: Readonly<Record<ValueType, string>> = {
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  bigint: 'a whole number of any size',
  boolean: 'true or false',
};

function isOfType(type: ValueType, value: unknown): boolean {
  if (type === 'integer') return Number.isSafeInteger(value);
  return typeof value === type;
}

function zeroOf(shape: Shape): unknown {
  switch (shape.type) {
    case 'object':
      return Object.freeze({});
    case 'list':
      return Object.freeze([]);
    case 'map':
      return Object.freeze(emptyObject());
    case 'any':
      return null;
    case 'leaf':
      if (shape.accepts.includes('string')) return '';
      return shape.accepts.includes('boolean') ? false : 0;
  }
}

const joinPath = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);
