/**
 * The content of our datastore beside Calico's: whole keys and whole values, byte by byte, but for what differs from run
 * to run and for what we do otherwise on purpose.
 */
import type {Content} from '../../helpers/stored-stages.ts';

/** What cannot be the same twice, as it is in the text of a value; its form must be Calico's all the same. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/"uid":"[0-9a-f-]{36}"/g, '"uid":"<uid>"'],
  [/"creationTimestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/g, '"creationTimestamp":"<time>"'],
  [/"clusterGUID":"[0-9a-f]{32}"/g, '"clusterGUID":"<guid>"'],
  [/"affinity_claim_time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/g, '"affinity_claim_time":"<time>"'],
  [/"timestamp":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? \+0000 UTC"/g, '"timestamp":"<time>"'],
  [/"mac":"[0-9a-f:]{17}"/g, '"mac":"<mac>"'],
  [/"fe80::[0-9a-f:]+"/g, '"<link local>"'],
  [/"time":"[^"]*","uptime":[0-9.]+/g, '"time":"<time>","uptime":<seconds>'],
];

/** Blocks begin to count with the time of their making, in nanoseconds. */
const SEQUENCE_NUMBER = /(?<=:)\d{19}(?=[,}])/g;

/** A difference that is meant: docs/operations/differences-datastore.md has its reason. */
export interface Deliberate {
  readonly name: string;
  /** What of a pair takes part in the comparison; undefined: the pair does not. */
  readonly adapt: (key: string, value: string) => string | undefined;
}

/**
 * One side of the comparison. It remembers where the sequence numbers of each block began: what is compared is by how
 * much they have grown since.
 */
export class Side {
  readonly #names: readonly (readonly [string, string])[];
  readonly #firstNumbers = new Map<string, bigint>();

  /** `names` are replaced wherever they stand, longest first: what this side calls its own. */
  constructor(names: Readonly<Record<string, string>> = {}) {
    this.#names = Object.entries(names).sort(([a], [b]) => b.length - a.length);
  }

  comparable(content: Content, deliberate: readonly Deliberate[]): Content {
    const result = new Map<string, string>();
    for (const [key, value] of content) {
      let text: string | undefined = this.#numbersFromZero(key, this.#renamed(value));
      for (const [pattern, replacement] of VARYING) text = text.replaceAll(pattern, replacement);
      for (const {adapt} of deliberate) text = text === undefined ? undefined : adapt(key, text);
      if (text !== undefined) result.set(this.#renamed(key), text);
    }
    return result;
  }

  #renamed(text: string): string {
    return this.#names.reduce((renamed, [from, to]) => renamed.replaceAll(from, to), text);
  }

  #numbersFromZero(key: string, value: string): string {
    // As long as they are, the lowest is the first in the order of their text, too.
    const [lowest = '0'] = (value.match(SEQUENCE_NUMBER) ?? []).sort();
    const first = this.#firstNumbers.get(key) ?? BigInt(lowest);
    this.#firstNumbers.set(key, first);
    return value.replaceAll(SEQUENCE_NUMBER, (digits) => `+${BigInt(digits) - first}`);
  }
}

/** Every key that is missing, too many or another, with both values. */
export function differences(ours: Content, theirs: Content): string[] {
  const keys = [...new Set([...ours.keys(), ...theirs.keys()])].sort();
  return keys
    .filter((key) => ours.get(key) !== theirs.get(key))
    .map(
      (key) => `${key}\n  ours   ${ours.get(key) ?? '(no such key)'}\n  theirs ${theirs.get(key) ?? '(no such key)'}`,
    );
}
