/** What Calico's calicoctl did, as recorded, and what ours does, in a form in which the two can be compared. */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {CalicoctlRig, Run} from '../../../helpers/calicoctl-rig.ts';

export const FIXTURES: string = fileURLToPath(new URL('../../../fixtures/calicoctl/', import.meta.url));

export interface Change {
  readonly key: string;
  /** Null: the key is gone. */
  readonly value: string | null;
}

/** Keys and values of a datastore. */
export type Content = ReadonlyMap<string, string>;

export const readLines = <T>(name: string): readonly T[] =>
  readFileSync(join(FIXTURES, name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

const stores = new Map<string, Content>([['empty', new Map()]]);

/** What the datastore holds before the command. */
export function storeOf(fixture: string): Content {
  const known = stores.get(fixture);
  if (known !== undefined) return known;
  const pairs = readLines<{key: string; value: string}>(`stores/${fixture.replace('stages/', '')}.jsonl`);
  const content = new Map(pairs.map(({key, value}) => [key, value]));
  stores.set(fixture, content);
  return content;
}

/** Without what varies from run to run. */
export function normalised({stdout, stderr, exit}: Run): Run {
  const clean = (text: string): string =>
    text
      .replace(/(resourceVersion"?: )"\d+"/g, '$1"N"')
      .replace(
        /valid values are: (.*)/g,
        (_, list: string) => `valid values are: ${list.split(', ').sort().join(', ')}`,
      );
  return {stdout: clean(stdout), stderr: clean(stderr), exit};
}

export async function changesOf(rig: CalicoctlRig, before: Content): Promise<readonly Change[]> {
  const after = await rig.content();
  const keys = [...new Set([...before.keys(), ...after.keys()])].sort();
  return keys.filter((key) => before.get(key) !== after.get(key)).map((key) => ({key, value: after.get(key) ?? null}));
}

export function stripVarying({key, value}: Change, before: Content): Change {
  const text = value
    ?.replace(/"uid":"[^"]*"/, '"uid":"U"')
    .replace(/"creationTimestamp":"[^"]*"/, '"creationTimestamp":"T"');
  // A new cluster gets a number by chance; one that it has stays.
  const plain = before.has(key) ? text : text?.replace(/"clusterGUID":"[0-9a-f]{32}"/, '"clusterGUID":"G"');
  return {key, value: plain ?? null};
}
