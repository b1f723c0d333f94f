/**
 * Merge patches in the strategic form of Kubernetes. Calico's kinds have no list with a merge key, so that these are merge
 * patches of RFC 7386 with directives: `$patch: replace` and `$patch: delete`.
 */
import {emptyObject, isJsonObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';
import {Failure} from '../failure.ts';
import {scalarText} from '../scalar-text.ts';

/** Objects are merged, null removes, everything else replaces. */
export function strategicMergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (Array.isArray(patch)) return patch.filter((element: JsonValue) => !isReplaceMark(element));
  if (!isJsonObject(patch)) return patch;
  const {$patch: directive = 'merge', ...fields} = patch;
  const unknown = Object.keys(fields).find((name) => name.startsWith('$'));
  if (unknown !== undefined) throw new Failure(`the directive ${unknown} of strategic patches is not supported`);
  switch (scalarText(directive)) {
    case 'merge':
      return mergedFields(isJsonObject(target) ? target : emptyObject(), fields);
    case 'replace':
      return mergedFields(emptyObject(), fields);
    case 'delete':
      return emptyObject();
    default:
      throw new Failure(`$patch is ${JSON.stringify(directive)}: it must be merge, replace or delete`);
  }
}

function mergedFields(target: JsonObject, patch: JsonObject): JsonObject {
  const merged = Object.assign(emptyObject(), target);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null || value === undefined) delete merged[name];
    else merged[name] = strategicMergePatch(target[name], value);
  }
  return merged;
}

/** In a list it says that the list replaces the other; without merge keys it always does. */
const isReplaceMark = (element: JsonValue): boolean =>
  isJsonObject(element) && element.$patch === 'replace' && Object.keys(element).length === 1;
