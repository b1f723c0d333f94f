/** What Calico v3.32.1 stored, by key: the fixtures of this folder's round-trip tests. */
import {readFileSync} from 'node:fs';

export interface Stored {
  readonly key: string;
  readonly value: string;
}

/** The pairs of one fixture file; deleted keys are left out. */
export function readStored(file: string): readonly Stored[] {
  const text = readFileSync(new URL(`../../fixtures/model/${file}`, import.meta.url), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as {key: string; value: string | null})
    .flatMap(({key, value}) => (value === null ? [] : [{key, value}]));
}
