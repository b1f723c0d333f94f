/**
 * What Go's types refuse of a value whose JSON type is right: numbers with too few bits, ports, AS numbers, durations.
 * Calico refuses the whole input for these, before anything is written; what its rules refuse only costs that resource.
 */
import {parseDuration} from '../../lib/duration.ts';
import type {JsonValue} from '../../lib/exact-json.ts';
import type {GoType} from '../../model/schema.ts';

/** Why the value does not fit its type; undefined when it does. */
export function narrowRule(goType: GoType, value: JsonValue): string | undefined {
  switch (goType) {
    case 'int32':
      return integerRule(value, -0x80000000, 0x7fffffff);
    case 'uint8':
      return unsignedRule(value, 0xff);
    case 'uint16':
      return unsignedRule(value, 0xffff);
    case 'uint32':
      return unsignedRule(value, 0xffffffff);
    case 'Protocol':
    case 'DSCP':
      return typeof value === 'string' ? undefined : unsignedRule(value, 0xff);
    case 'Port':
      return typeof value === 'string' ? portTextRule(value) : unsignedRule(value, 0xffff);
    case 'ASNumber':
      return typeof value === 'string' ? asNumberTextRule(value) : unsignedRule(value, 0xffffffff);
    case 'Duration':
      return typeof value === 'string' && parseDuration(value) !== undefined
        ? undefined
        : 'must be a duration such as 30s, 1m30s or 500ms';
    case 'Time':
      return typeof value === 'string' && isTime(value) ? undefined : 'must be a time such as 2026-01-31T08:30:00Z';
  }
}

/** RFC 3339, as Go reads it. */
const isTime = (text: string): boolean =>
  /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:\d{2})$/.test(text) &&
  !Number.isNaN(Date.parse(text.replace(',', '.')));

const unsignedRule = (value: JsonValue, max: number): string | undefined => integerRule(value, 0, max);

function integerRule(value: JsonValue, min: number, max: number): string | undefined {
  const isFit = Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
  return isFit ? undefined : `must be a whole number between ${min} and ${max}`;
}

/** A number, a range or a name. */
function portTextRule(text: string): string | undefined {
  const range = /^([0-9]+):([0-9]+)$/.exec(text);
  if (range === null) {
    const rule = 'must be a port, a range min:max or the name of a port';
    return /^[0-9]+$/.test(text) ? unsignedRule(Number(text), 0xffff) : isName(text) ? undefined : rule;
  }
  const [min, max] = [Number(range[1]), Number(range[2])];
  return min <= max && max <= 0xffff ? undefined : 'must be a range min:max of ports between 0 and 65535';
}

const isName = (text: string): boolean => /^[a-zA-Z0-9_.-]{1,128}$/.test(text);

function asNumberTextRule(text: string): string | undefined {
  const parts = /^([0-9]{1,10})(?:\.([0-9]{1,5}))?$/.exec(text);
  const [, high, low] = parts ?? [];
  const isFit = low === undefined ? Number(high) <= 0xffffffff : Number(high) <= 0xffff && Number(low) <= 0xffff;
  return isFit ? undefined : 'must be an AS number: 0 to 4294967295, or "high.low"';
}
