/**
 * From the typed view of a resource to the JSON Calico would store for it: fields in Go's order, empty ones left out as
 * Go does, maps sorted by bytes. An object that carries what it was read from is printed as that.
 *
 * A field nobody declared stays behind the field it followed: a newer Calico's field keeps its place. People do not see
 * it, as in Calico: they could not write it either.
 */
import {compareBytes} from '../lib/byte-order.ts';
import {emptyObject, isJsonObject, type JsonObject, type JsonValue} from '../lib/exact-json.ts';
import {type Field, isEmptyValue, type ObjectShape, type Shape} from './schema.ts';
import {storedForm} from './stored-form.ts';

/** `stored`: the bytes to store, untouched parts as they were read. `view`: what is there now, defaults included, as far as it is known. */
export type PrintForm = 'stored' | 'view';

export function printObject(shape: ObjectShape, view: object, form: PrintForm): JsonObject {
  const stored = form === 'stored' ? storedForm(view) : undefined;
  if (isJsonObject(stored)) return stored;
  const printed = emptyObject<JsonValue | undefined>();
  for (const [name, value] of inGoOrder(shape, view)) {
    const field = shape.fields.get(name);
    if (field === undefined) {
      if (form === 'stored') printed[name] = value as JsonValue | undefined;
    } else if (!isLeftOut(field, value)) {
      const json = printValue(field.shape, value, form);
      if (form === 'stored' || !field.hiddenWhenEmpty || !isEmptyObject(json)) printed[name] = json;
    }
  }
  return printed;
}

function inGoOrder(shape: ObjectShape, view: object): readonly (readonly [string, unknown])[] {
  let last = -1;
  let isSorted = true;
  const ranked = Object.entries(view).map((entry) => {
    const index = shape.fields.get(entry[0])?.index;
    if (index !== undefined) {
      if (index < last) isSorted = false;
      last = index;
    }
    return {entry, rank: last};
  });
  if (!isSorted) ranked.sort((a, b) => a.rank - b.rank);
  return ranked.map(({entry}) => entry);
}

function printValue(shape: Shape, value: unknown, form: PrintForm): JsonValue {
  if (value === null) return null;
  switch (shape.type) {
    case 'object':
      return printObject(shape, value as object, form);
    case 'list':
      return (value as readonly unknown[]).map((element) => printValue(shape.element, element, form));
    case 'map':
      return printMap(shape.element, value as Readonly<Record<string, unknown>>, form);
    case 'any':
    case 'leaf':
      return value as JsonValue;
  }
}

function printMap(element: Shape, map: Readonly<Record<string, unknown>>, form: PrintForm): JsonObject {
  const stored = form === 'stored' ? storedForm(map) : undefined;
  if (isJsonObject(stored)) return stored;
  const printed = emptyObject<JsonValue | undefined>();
  for (const name of Object.keys(map).sort(compareBytes)) {
    if (map[name] !== undefined) printed[name] = printValue(element, map[name], form);
  }
  return printed;
}

const isEmptyObject = (json: JsonValue): boolean => isJsonObject(json) && Object.keys(json).length === 0;

function isLeftOut(field: Field, value: unknown): boolean {
  return value === undefined || (!field.kept && isEmptyValue(field, value));
}
