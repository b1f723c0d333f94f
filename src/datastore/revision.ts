/**
 * A store's revision as `metadata.resourceVersion`. It is put on when a resource is read and never stored; a resource
 * that carries the bytes it was read from (model/stored-form) keeps carrying them.
 */
import {emptyObject, type JsonObject, type JsonValue} from '../lib/exact-json.ts';
import type {Metadata, Resource} from '../model/resource.ts';
import {keepStored, storedForm} from '../model/stored-form.ts';
import type {Revision} from './store.ts';

/** The same resource at `revision`. */
export function withRevision<R extends Resource>(resource: R, revision: Revision): R {
  const change = {resourceVersion: revision};
  const metadata: Metadata = carryOver(resource.metadata, {...resource.metadata, ...change}, (raw) =>
    assign(raw, change),
  );
  return carryOver(resource, {...resource, metadata}, (raw) => {
    return isObject(raw.metadata) ? assign(raw, {metadata: assign(raw.metadata, change)}) : raw;
  });
}

/** `copy` of `view`, frozen; printed as what `view` was read from, with the same change made to it. */
function carryOver<T extends object>(view: T, copy: T, change: (raw: JsonObject) => JsonObject): T {
  const raw = storedForm(view);
  return raw !== undefined && isObject(raw) ? keepStored(copy, change(raw)) : Object.freeze(copy);
}

const assign = (raw: JsonObject, change: JsonObject): JsonObject => Object.assign(emptyObject(), raw, change);

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
