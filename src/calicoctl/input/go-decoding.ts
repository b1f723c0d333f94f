/**
 * A document as Go's decoder would take it, along the fields of its kind: names match in any case (of several spellings
 * the last by its bytes counts: small letters), a number or boolean where text belongs becomes text (`node: n` is the node
 * "false"), null in a list or a map is the empty value, a field that nobody declared is refused, and so is a value of the
 * wrong type. This happens before anything is written; whether values make sense is judged per resource.
 */
import {compareBytes} from '../../lib/byte-order.ts';
import {emptyObject, isJsonObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';
import type {ResourceKind} from '../../model/kind.ts';
import {type Field, type LeafShape, type ObjectShape, objectShape, type Shape} from '../../model/schema.ts';
import {type Violation, violation} from '../../model/violation.ts';
import {formatGoFloat} from '../output/go-number.ts';
import {scalarText} from '../scalar-text.ts';
import {narrowRule} from './narrow-types.ts';

export interface Decoding {
  readonly value: JsonObject;
  /** Names of fields that the kind does not have, in the order met. */
  readonly unknownFields: readonly string[];
  /** Values of the wrong type. */
  readonly mismatches: readonly Violation[];
  /** A field that the kind does not have came before any value of the wrong type. */
  readonly isUnknownFirst: boolean;
}

/** Decodes documents of any kinds; the fields of a kind are worked out once. */
export class GoDecoder {
  readonly #shapes = new Map<ResourceKind, ObjectShape>();

  decode(kind: ResourceKind, document: JsonObject): Decoding {
    const pass = new Pass();
    const value = pass.object(this.#shapeOf(kind), document, '');
    const {unknownFields, mismatches, isUnknownFirst} = pass;
    return {value, unknownFields, mismatches, isUnknownFirst};
  }

  #shapeOf(kind: ResourceKind): ObjectShape {
    const known = this.#shapes.get(kind);
    if (known !== undefined) return known;
    const shape = objectShape(kind.schema);
    this.#shapes.set(kind, shape);
    return shape;
  }
}

class Pass {
  readonly unknownFields: string[] = [];
  readonly mismatches: Violation[] = [];
  isUnknownFirst = false;

  object(shape: ObjectShape, input: JsonObject, path: string): JsonObject {
    const object = emptyObject();
    for (const [name, value] of sortedEntries(input)) {
      const field = fieldFor(shape, name);
      if (field === undefined) this.#unknown(name);
      else if (value !== undefined && value !== null)
        object[field.name] = this.#value(field.shape, value, path === '' ? field.name : `${path}.${field.name}`);
    }
    return object;
  }

  #unknown(name: string): void {
    if (this.mismatches.length === 0) this.isUnknownFirst = true;
    this.unknownFields.push(name);
  }

  #element(shape: Shape, value: JsonValue, path: string): JsonValue {
    return value === null ? emptyOf(shape) : this.#value(shape, value, path);
  }

  #value(shape: Shape, value: JsonValue, path: string): JsonValue {
    switch (shape.type) {
      case 'object':
        return isJsonObject(value) ? this.object(shape, value, path) : this.#mismatch(path, value, 'must be an object');
      case 'map':
        return isJsonObject(value)
          ? this.#map(shape.element, value, path)
          : this.#mismatch(path, value, 'must be an object');
      case 'list':
        return Array.isArray(value)
          ? value.map((element: JsonValue, i) => this.#element(shape.element, element, `${path}[${i}]`))
          : this.#mismatch(path, value, 'must be a list');
      case 'any':
        return value;
      case 'leaf':
        return this.#leaf(shape, value, path);
    }
  }

  #map(element: Shape, input: JsonObject, path: string): JsonObject {
    const object = emptyObject();
    for (const [name, value] of Object.entries(input))
      if (value !== undefined) object[name] = this.#element(element, value, `${path}[${name}]`);
    return object;
  }

  #leaf({accepts, goType}: LeafShape, value: JsonValue, path: string): JsonValue {
    const rule = value === null || goType === undefined ? undefined : narrowRule(goType, value);
    if (rule !== undefined) return this.#mismatch(path, value, rule);
    if (value === null || accepts.some((type) => TYPES[type].test(value))) return value;
    const isScalar = typeof value !== 'object';
    if (accepts.includes('string') && accepts.length === 1 && isScalar) return textOf(value);
    return this.#mismatch(path, value, `must be ${accepts.map((type) => TYPES[type].name).join(' or ')}`);
  }

  #mismatch(path: string, value: JsonValue, rule: string): JsonValue {
    this.mismatches.push(violation(path, value, rule));
    return null;
  }
}

const TYPES: Readonly<Record<LeafShape['accepts'][number], {name: string; test: (value: JsonValue) => boolean}>> = {
  string: {name: 'text', test: (value) => typeof value === 'string'},
  integer: {name: 'a whole number', test: (value) => Number.isInteger(value)},
  number: {name: 'a number', test: (value) => typeof value === 'number' || typeof value === 'bigint'},
  bigint: {name: 'a whole number', test: (value) => typeof value === 'bigint'},
  boolean: {name: 'true or false', test: (value) => typeof value === 'boolean'},
};

/** A number that is none of Go's integers is written as Go writes floats. */
const textOf = (value: JsonValue): string =>
  typeof value === 'number' && !Number.isSafeInteger(value) ? formatGoFloat(value) : scalarText(value);

/** Go reads a document after its keys were sorted. */
const sortedEntries = (object: JsonObject): readonly (readonly [string, JsonValue | undefined])[] =>
  Object.entries(object).sort(([a], [b]) => compareBytes(a, b));

/** What an element is to Go that nothing is said of. */
function emptyOf(shape: Shape): JsonValue {
  switch (shape.type) {
    case 'object':
    case 'map':
      return emptyObject();
    case 'list':
      return [];
    case 'any':
      return null;
    case 'leaf':
      if (shape.accepts.some((type) => type === 'integer' || type === 'number')) return 0;
      return shape.accepts.includes('boolean') ? false : '';
  }
}

/** The field of exactly this name, else the first that differs in case only. */
function fieldFor(shape: ObjectShape, name: string): Field | undefined {
  const field = shape.fields.get(name);
  if (field !== undefined) return field;
  const lowerCase = name.toLowerCase();
  for (const candidate of shape.fields.values()) if (candidate.name.toLowerCase() === lowerCase) return candidate;
  return undefined;
}
