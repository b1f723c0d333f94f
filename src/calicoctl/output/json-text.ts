/** JSON for people: as Go's MarshalIndent with two spaces, strings and numbers as everywhere else. */
import {isJsonObject, type JsonValue, keysInOrder, printJson} from '../../lib/exact-json.ts';

export function printIndentedJson(value: JsonValue, indent = ''): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    const items = value.map((item: JsonValue) => `${inner}${printIndentedJson(item, inner)}`);
    return `[\n${items.join(',\n')}\n${indent}]`;
  }
  if (!isJsonObject(value)) return printJson(value);
  const lines = keysInOrder(value).flatMap((key) => {
    const item = value[key];
    return item === undefined ? [] : [`${inner}${printJson(key)}: ${printIndentedJson(item, inner)}`];
  });
  return lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n${indent}}`;
}
