/**
 * Merge patches: RFC 7386, and the strategic form of Kubernetes as far as it differs for Calico's kinds, which have no
 * list with a merge key. What is left of it are directives: `$patch: replace` and `$patch: delete`.
 */
import {emptyObject, isJsonObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';
import {Failure} from '../failure.ts';
import {scalarText} from '../scalar-text.ts';

/** RFC 7386: objects are merged, null removes, everything else replaces. */
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  return mergedFields(isJsonObject(target) ? target : emptyObject(), patch, mergePatch);
}

/** The same with directives. */
export function strategicMergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (Array.isArray(patch)) return patch.filter((element: JsonValue) => !isReplaceMark(element));
  if (!isJsonObject(patch)) return patch;
  const {$patch: directive = 'merge', ...fields} = patch;
  const unknown = Object.keys(fields).find((name) => name.startsWith('$'));
  if (unknown !== undefined) throw new Failure(`the directive ${unknown} of strategic patches is not supported`);
  switch (scalarText(directive)) {
    case 'merge':
      return mergedFields(isJsonObject(target) ? target : emptyObject(), fields, strategicMergePatch);
    case 'replace':
      return mergedFields(emptyObject(), fields, strategicMergePatch);
    case 'delete':
      return emptyObject();
    default:
      throw new Failure(`$patch is ${JSON.stringify(directive)}: it must be merge, replace or delete`);
  }
}

type Merge = (target: JsonValue | undefined, patch: JsonValue) => JsonValue;

function mergedFields(target: JsonObject, patch: JsonObject, merge: Merge): JsonObject {
  const merged = Object.assign(emptyObject(), target);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null || value === undefined) delete merged[name];
    else merged[name] = merge(target[name], value);
  }
  return merged;
}

/** In a list it says that the list replaces the other; without merge keys it always does. */
const isReplaceMark = (element: JsonValue): boolean =>
  isJsonObject(element) && element.$patch === 'replace' && Object.keys(element).length === 1;
