/**
 * Stored values as a later Calico could have written them: fields nobody knows here, with integers beyond 2^53 and names
 * that mean something to JavaScript, in every object that is no map.
 */
import {emptyObject, isJsonObject, type JsonValue, parseJsonObject, printJson} from '../../src/lib/exact-json.ts';
import {parseKey} from '../../src/model/keys.ts';
import {kindOfPlural} from '../../src/model/kinds.ts';
import {objectShape, type Shape} from '../../src/model/schema.ts';

/** One behind the first field of an object, the other at its end. */
const FIRST = parseJsonObject(
  '{"fromTheFuture":{"big":9223372036854775807,"list":[1.5,null,"<&>",{}],"toString":-9007199254740993}}',
);
const LAST = parseJsonObject('{"__proto__":18446744073709551615}');

/** The value of a key below /calico/ with such fields. */
export function plantFields(key: string, text: string): string {
  const parsed = parseKey(key);
  const kind = parsed?.kind === 'resource' ? kindOfPlural(parsed.plural) : undefined;
  if (kind !== undefined) return printJson(planted(objectShape(kind.schema), parseJsonObject(text)));
  // Records of IPAM: what is nested in them are maps, but for the owners of addresses.
  const record = parseJsonObject(text);
  const {attributes} = record;
  const all = Array.isArray(attributes) ? {...record, attributes: attributes.map(withFields)} : record;
  return printJson(withFields(all));
}

/** How many objects of the text have such fields. */
export const countPlanted = (text: string): number => text.split('"__proto__":18446744073709551615').length - 1;

function planted(shape: Shape, value: JsonValue): JsonValue {
  if (shape.type === 'list' && Array.isArray(value)) return value.map((one: JsonValue) => planted(shape.element, one));
  if (!isJsonObject(value) || (shape.type !== 'object' && shape.type !== 'map')) return value;
  const copy = emptyObject();
  for (const [name, one] of Object.entries(value)) {
    const inner = shape.type === 'map' ? shape.element : shape.fields.get(name)?.shape;
    if (inner === undefined || one === undefined) throw new Error(`${name} is not known`);
    copy[name] = planted(inner, one);
  }
  return shape.type === 'map' ? copy : withFields(copy);
}

function withFields(value: JsonValue): JsonValue {
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value);
  return Object.assign(
    emptyObject<JsonValue | undefined>(),
    Object.fromEntries(entries.slice(0, 1)),
    FIRST,
    Object.fromEntries(entries.slice(1)),
    LAST,
  );
}
