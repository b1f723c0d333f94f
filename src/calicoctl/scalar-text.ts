import type {JsonValue} from '../lib/exact-json.ts';

/** A single value as text; nothing for what is absent, and for lists and objects. */
export function scalarText(value: JsonValue | undefined): string {
  return value === undefined || value === null || typeof value === 'object' ? '' : String(value);
}
