/** JSON patches: RFC 6902, with pointers of RFC 6901. All operations are done, or none: the first that cannot be throws. */
import {emptyObject, isJsonObject, type JsonObject, type JsonValue, printJson} from '../../lib/exact-json.ts';
import {Failure} from '../failure.ts';
import {scalarText} from '../scalar-text.ts';

/** The document after all operations of the patch. */
export function jsonPatch(document: JsonValue, patch: JsonValue): JsonValue {
  if (!Array.isArray(patch)) throw new Failure('a JSON patch must be a list of operations');
  return patch.reduce<JsonValue>((current, operation: JsonValue, i) => {
    try {
      return applied(current, objectOf(operation));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      throw new Failure(`operation ${i + 1} ${printJson(operation)}: ${error.message}`, {cause: error});
    }
  }, document);
}

function objectOf(operation: JsonValue): JsonObject {
  if (isJsonObject(operation)) return operation;
  throw new Failure('must be an object');
}

function applied(document: JsonValue, operation: JsonObject): JsonValue {
  const path = pointerOf(operation, 'path');
  switch (scalarText(operation.op)) {
    case 'add':
      return added(document, path, givenValue(operation));
    case 'remove':
      return removed(document, path);
    case 'replace':
      at(document, path);
      return path.length === 0 ? givenValue(operation) : added(removed(document, path), path, givenValue(operation));
    case 'move': {
      const from = pointerOf(operation, 'from');
      return added(removed(document, from), path, at(document, from));
    }
    case 'copy':
      return added(document, path, at(document, pointerOf(operation, 'from')));
    case 'test':
      if (!isEqual(at(document, path), givenValue(operation))) throw new Failure('the value is another');
      return document;
    default:
      throw new Failure('op must be add, remove, replace, move, copy or test');
  }
}

function givenValue({value}: JsonObject): JsonValue {
  if (value === undefined) throw new Failure('value must be given');
  return value;
}

function pointerOf(operation: JsonObject, field: 'path' | 'from'): readonly string[] {
  const text = operation[field];
  if (typeof text !== 'string' || !/^(?:\/(?:[^~]|~[01])*)?$/.test(text))
    throw new Failure(`${field} must be a JSON pointer such as /spec/order`);
  return text
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

const nothingAt = (part: string): Failure => new Failure(`there is nothing at ${JSON.stringify(part)}`);

function at(document: JsonValue, path: readonly string[]): JsonValue {
  return path.reduce<JsonValue>(child, document);
}

function child(parent: JsonValue, part: string): JsonValue {
  const value = Array.isArray(parent)
    ? parent[indexOf(part, parent.length - 1)]
    : isJsonObject(parent) && Object.hasOwn(parent, part)
      ? parent[part]
      : undefined;
  if (value === undefined) throw nothingAt(part);
  return value;
}

function indexOf(part: string, max: number): number {
  const index = /^(?:0|[1-9][0-9]{0,8})$/.test(part) ? Number(part) : Number.NaN;
  if (index <= max) return index;
  throw nothingAt(part);
}

function added(document: JsonValue, path: readonly string[], value: JsonValue): JsonValue {
  return path.length === 0
    ? value
    : changed(document, path, (parent, part) => {
        if (!Array.isArray(parent)) return Object.assign(emptyObject(), parent, {[part]: value});
        return parent.toSpliced(part === '-' ? parent.length : indexOf(part, parent.length), 0, value);
      });
}

function removed(document: JsonValue, path: readonly string[]): JsonValue {
  at(document, path);
  if (path.length === 0) throw new Failure('the whole document cannot be removed');
  return changed(document, path, (parent, part) => {
    if (Array.isArray(parent)) return parent.toSpliced(indexOf(part, parent.length - 1), 1);
    const rest = Object.assign(emptyObject(), parent);
    delete rest[part];
    return rest;
  });
}

type Parent = JsonObject | readonly JsonValue[];

/** A copy in which the parent of what the path names is replaced. */
function changed(
  document: JsonValue,
  [part = '', ...rest]: readonly string[],
  change: (parent: Parent, part: string) => JsonValue,
): JsonValue {
  if (!isParent(document)) throw nothingAt(part);
  if (rest.length === 0) return change(document, part);
  const value = changed(child(document, part), rest, change);
  if (Array.isArray(document)) return document.with(Number(part), value);
  return Object.assign(emptyObject(), document, {[part]: value});
}

const isParent = (value: JsonValue): value is Parent => Array.isArray(value) || isJsonObject(value);

/** Equal as JSON: the order of fields does not count. */
function isEqual(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((element: JsonValue, i) => isEqual(element, b[i]));
  if (isJsonObject(a) && isJsonObject(b)) {
    const names = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...names].every((name) => isEqual(a[name], b[name]));
  }
  return a === b;
}
