/**
 * What a newer Calico wrote and this release does not know survives an edit by somebody who never saw it: a document of
 * calicoctl, or any other whole resource that takes the place of a stored one.
 *
 * A field nobody declared stays with the object it is in. Which object that is in a list, nothing says: an element that
 * is otherwise the same is the same wherever it stands now; one that changed in its place is the same, too, if what was
 * there is nowhere else.
 */
import {emptyObject, type JsonValue, printJson} from '../lib/exact-json.ts';
import {isPlainObject} from './plain-object.ts';
import type {ListShape, MapShape, ObjectShape, Shape} from './schema.ts';

type Fields = Readonly<Record<string, unknown>>;

/** `changed`, with the unknown fields of `stored`; `stored` itself where nothing that is known differs. */
export function carryOver(shape: Shape, stored: unknown, changed: unknown): unknown {
  if (isSame(shape, stored, changed)) return stored;
  switch (shape.type) {
    case 'object':
      return isPlainObject(stored) && isPlainObject(changed) ? objectOver(shape, stored, changed) : changed;
    case 'list':
      return Array.isArray(stored) && Array.isArray(changed) ? listOver(shape, stored, changed) : changed;
    case 'map':
      return isPlainObject(stored) && isPlainObject(changed) ? mapOver(shape, stored, changed) : changed;
    case 'any':
    case 'leaf':
      return changed;
  }
}

/** True when `changed` says nothing else: no known field differs, and no unknown one is given another value. */
function isSame(shape: Shape, stored: unknown, changed: unknown): boolean {
  if (stored === changed) return true;
  switch (shape.type) {
    case 'object':
      return isPlainObject(stored) && isPlainObject(changed) && isSameObject(shape, stored, changed);
    case 'list':
      return (
        Array.isArray(stored) &&
        Array.isArray(changed) &&
        stored.length === changed.length &&
        stored.every((element, i) => isSame(shape.element, element, changed[i]))
      );
    case 'map':
      return (
        isPlainObject(stored) &&
        isPlainObject(changed) &&
        Object.keys(stored).length === Object.keys(changed).length &&
        Object.keys(stored).every(
          (name) => Object.hasOwn(changed, name) && isSame(shape.element, stored[name], changed[name]),
        )
      );
    case 'any':
      return isSameJson(stored, changed);
    case 'leaf':
      return false;
  }
}

function isSameObject({fields}: ObjectShape, stored: Fields, changed: Fields): boolean {
  for (const {name, shape} of fields.values()) if (!isSame(shape, stored[name], changed[name])) return false;
  return Object.keys(changed).every(
    (name) => fields.has(name) || (Object.hasOwn(stored, name) && isSameJson(stored[name], changed[name])),
  );
}

const isSameJson = (a: unknown, b: unknown): boolean =>
  a !== undefined && b !== undefined && printJson(a as JsonValue) === printJson(b as JsonValue);

/** In the order in which it was stored, so that unknown fields stay behind those they followed. */
function objectOver({fields}: ObjectShape, stored: Fields, changed: Fields): Fields {
  const result: Record<string, unknown> = {};
  const put = (name: string, value: unknown) =>
    // Assignment to __proto__ would set the prototype.
    Object.defineProperty(result, name, {value, enumerable: true, configurable: true, writable: true});
  for (const [name, value] of Object.entries(stored)) {
    const field = fields.get(name);
    if (field === undefined) put(name, Object.hasOwn(changed, name) ? changed[name] : value);
    else if (changed[name] !== undefined) put(name, carryOver(field.shape, value, changed[name]));
  }
  for (const [name, value] of Object.entries(changed)) if (!Object.hasOwn(result, name)) put(name, value);
  return result;
}

function mapOver({element}: MapShape, stored: Fields, changed: Fields): Fields {
  const result = emptyObject<unknown>();
  for (const [name, value] of Object.entries(changed))
    result[name] = Object.hasOwn(stored, name) ? carryOver(element, stored[name], value) : value;
  return result;
}

function listOver({element}: ListShape, stored: readonly unknown[], changed: readonly unknown[]): readonly unknown[] {
  if (element.type === 'leaf') return changed;
  const isTaken = new Set<number>();
  /** Elements mostly keep their order: the next is looked for behind the last one found. */
  let next = 0;
  const partners = changed.map((value) => {
    for (let n = 0; n < stored.length; n++) {
      const i = (next + n) % stored.length;
      if (isTaken.has(i) || !isSame(element, stored[i], value)) continue;
      isTaken.add(i);
      next = i + 1;
      return i;
    }
    return undefined;
  });
  return changed.map((value, i) => {
    const partner = partners[i] ?? (i < stored.length && !isTaken.has(i) ? i : undefined);
    return partner === undefined ? value : carryOver(element, stored[partner], value);
  });
}
