/** What Calico v3.32.1 had in its datastore after each step of the life of a small cluster. */
import {readFileSync} from 'node:fs';

/** Values by key. */
export type Content = ReadonlyMap<string, string>;

/** The whole content after every stage, by its two digits. */
export function readStages(): ReadonlyMap<string, Content> {
  const text = readFileSync(new URL('../fixtures/datastore/stages.jsonl', import.meta.url), 'utf8');
  const stages = new Map<string, Content>();
  const content = new Map<string, string>();
  for (const line of text.trimEnd().split('\n')) {
    const {stage, changes} = JSON.parse(line) as {stage: string; changes: {key: string; value: string | null}[]};
    for (const {key, value} of changes)
      if (value === null) content.delete(key);
      else content.set(key, value);
    stages.set(stage.slice(0, 2), new Map(content));
  }
  return stages;
}
