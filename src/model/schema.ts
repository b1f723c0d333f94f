/**
 * A zod schema as the tree that reading and printing walk.
 *
 * zod says what a kind's fields are, their defaults, their types and the rules of single values; that is the only
 * declaration. Three things of Calico's storage form are not zod's business, so objects are walked here and only single
 * values are handed to it: a stored object is read more leniently than an input (types only, unknown fields kept),
 * bytes follow the order of the declaration, and Go leaves out empty values.
 *
 * How a field is declared decides when Go would print it:
 *   z.string()              always; absent in a stored object it reads as '', 0, false, []
 *   z.boolean().default(x)  unless false, 0, '' or empty: Go's plain fields with `omitempty`
 *   z.boolean().optional()  when set; strings, lists and maps when not empty: pointers, and everything with no default
 *   kept(...)               the two above also when empty
 *   storedWhenEmpty(...)    the same where it is stored; people do not see it (`source: {}` of a rule)
 */
import {z} from 'zod';
import {isPlainObject} from './plain-object.ts';

export type Shape = ObjectShape | ListShape | MapShape | LeafShape | AnyShape;

export interface ObjectShape {
  readonly type: 'object';
  /** Of objects that several fields have, for documentation; see `titled`. */
  readonly title: string | undefined;
  /** In Go's order. */
  readonly fields: ReadonlyMap<string, Field>;
}

export interface ListShape {
  readonly type: 'list';
  readonly element: Shape;
  /** Rules about the list itself, such as its length; undefined when there are none. */
  readonly rules: z.ZodType | undefined;
}

/** Keys are data; printed sorted by their bytes. */
export interface MapShape {
  readonly type: 'map';
  readonly element: Shape;
}

/** A single value: its JSON types, and the schema with its rules. */
export interface LeafShape {
  readonly type: 'leaf';
  readonly accepts: readonly ValueType[];
  readonly schema: z.ZodType;
  /** Another spelling is changed to the usual one also when a stored object is read. */
  readonly normalised: boolean;
  /** Its type in Go, where that refuses values that JSON allows; see `narrow`. */
  readonly goType: GoType | undefined;
}

/** Types of Go that are narrower than JSON's: what does not fit is refused while a document is read, not by a rule. */
export type GoType = (typeof GO_TYPES)[number];
const GO_TYPES = [
  'int32',
  'uint8',
  'uint16',
  'uint32',
  'Protocol',
  'Port',
  'ASNumber',
  'DSCP',
  'Duration',
  'Time',
] as const;

/** Kept as it is. */
export interface AnyShape {
  readonly type: 'any';
}

export type ValueType = 'string' | 'integer' | 'number' | 'bigint' | 'boolean';

export interface Field {
  readonly name: string;
  /** Place in Go's order. */
  readonly index: number;
  readonly shape: Shape;
  readonly presence: 'required' | 'optional' | 'default';
  /** For presence `default`: JSON as a person would write it. */
  readonly fallback: unknown;
  /** Stored also when it is empty. */
  readonly kept: boolean;
  /** People see it only when it is not. */
  readonly hiddenWhenEmpty: boolean;
}

/** Printed also when it is empty. */
export function kept<T extends z.ZodType>(schema: T): T {
  return schema.meta({kept: true});
}

/** Printed also when it is empty, but for people. */
export function storedWhenEmpty<T extends z.ZodType>(schema: T): T {
  return schema.meta({kept: true, hiddenWhenEmpty: true});
}

/** An object with a name, which documentation describes once. */
export const titled = <T extends z.ZodObject>(title: string, schema: T): T => schema.meta({title});

/** A value whose other spellings become the usual one whenever it is read, as in Calico. */
export function normalised<T extends z.ZodType>(schema: T): T {
  return schema.meta({normalised: true});
}

/** Says that the value has this type in Go. */
export function narrow<T extends z.ZodType>(goType: GoType, schema: T): T {
  return schema.meta({goType});
}

export function objectShape(schema: z.ZodObject): ObjectShape {
  refuseRules(schema);
  const fields = new Map<string, Field>();
  for (const [name, fieldSchema] of Object.entries(schema.shape)) {
    if (!(fieldSchema instanceof z.ZodType)) throw new Error(`field ${name} has no zod schema`);
    fields.set(name, fieldOf(name, fields.size, fieldSchema));
  }
  return {type: 'object', title: schema.meta()?.title, fields};
}

function fieldOf(name: string, index: number, schema: z.ZodType): Field {
  const meta = schema.meta();
  const common = {name, index, kept: meta?.kept === true, hiddenWhenEmpty: meta?.hiddenWhenEmpty === true};
  if (schema instanceof z.ZodOptional)
    return {...common, shape: shapeOf(schema.unwrap()), presence: 'optional', fallback: undefined};
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    const fallback: unknown = schema.def.defaultValue;
    return {...common, shape: shapeOf(schema.unwrap()), presence: 'default', fallback};
  }
  return {...common, shape: shapeOf(schema), presence: 'required', fallback: undefined, kept: true};
}

function shapeOf(schema: unknown): Shape {
  if (schema instanceof z.ZodObject) return objectShape(schema);
  if (schema instanceof z.ZodArray) return listShape(schema);
  if (schema instanceof z.ZodRecord) {
    refuseRules(schema);
    return {type: 'map', element: shapeOf(schema.valueType)};
  }
  if (schema instanceof z.ZodCustom) return {type: 'any'};
  if (!(schema instanceof z.ZodType)) throw new Error('not a zod schema');
  const meta = schema.meta();
  const goType = GO_TYPES.find((name) => name === meta?.goType);
  return {type: 'leaf', accepts: valueTypes(schema), schema, normalised: meta?.normalised === true, goType};
}

function listShape(schema: z.ZodArray): ListShape {
  const hasRules = (schema.def.checks ?? []).length > 0;
  // Elements are read one by one; what is left are the rules about the list.
  const rules = hasRules ? schema.clone({...schema.def, element: z.unknown()}) : undefined;
  return {type: 'list', element: shapeOf(schema.element), rules};
}

/** A rule that nothing would apply is a mistake in a declaration: rules about several fields belong to the kind. */
function refuseRules(schema: z.ZodObject | z.ZodRecord): void {
  if ((schema.def.checks ?? []).length > 0) throw new Error('rules of an object belong to the rules of its kind');
}

function valueTypes(schema: unknown): readonly ValueType[] {
  if (schema instanceof z.ZodString || schema instanceof z.ZodEnum) return ['string'];
  if (schema instanceof z.ZodBoolean) return ['boolean'];
  if (schema instanceof z.ZodBigInt) return ['bigint'];
  if (schema instanceof z.ZodNumber) return [schema.isInt ? 'integer' : 'number'];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(valueTypes);
  throw new Error('this zod type cannot be a field of a resource');
}

/** What Go's omitempty leaves out. Optional numbers, booleans and objects are pointers: they are printed when set. */
export function isEmptyValue({shape, presence, fallback}: Field, value: unknown): boolean {
  switch (shape.type) {
    case 'list':
      return Array.isArray(value) && value.length === 0;
    case 'map':
      return isPlainObject(value) && Object.keys(value).length === 0;
    case 'leaf':
      // What may be a number too is a struct of Go, which text without characters does not fit.
      if (value === '') return !shape.accepts.includes('integer');
      if (presence !== 'default') return false;
      if (value === false) return shape.accepts.includes('boolean');
      // A number or text (a port) is a struct of Go, never empty; one that is 0 unless set is a plain number.
      return value === 0 && (fallback === 0 || !shape.accepts.includes('string'));
    case 'object':
    case 'any':
      return false;
  }
}
