/**
 * What Calico's own calicoctl did with the same command lines, files and datastore: output, exit code and changes are the
 * same, but for the differences listed here, each with its reason.
 */
import {cpSync, mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import t from 'tap';
import {CalicoctlRig, type Run} from '../../helpers/calicoctl-rig.ts';
import {DIFFERENCES, differenceOf} from './differences.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/calicoctl/', import.meta.url));

export interface Case {
  readonly id: number;
  readonly fixture: string;
  readonly argv: readonly string[];
  readonly stdin?: string;
  /** Captured after `datastore migrate lock`. */
  readonly locked?: boolean;
  readonly env?: Readonly<Record<string, string | null>>;
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number;
  readonly changes?: readonly {readonly key: string; readonly value: string | null}[];
}

const readLines = <T>(name: string): readonly T[] =>
  readFileSync(join(FIXTURES, name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

const CLUSTER_INFORMATION = '/calico/resources/v3/projectcalico.org/clusterinformations/default';
const locked = (content: ReadonlyMap<string, string>): ReadonlyMap<string, string> => {
  const value = content.get(CLUSTER_INFORMATION) ?? '';
  return new Map(content).set(CLUSTER_INFORMATION, value.replace('"datastoreReady":true', '"datastoreReady":false'));
};

const stores = new Map<string, ReadonlyMap<string, string>>([['empty', new Map()]]);
function storeOf(fixture: string): ReadonlyMap<string, string> {
  const known = stores.get(fixture);
  if (known !== undefined) return known;
  const pairs = readLines<{key: string; value: string}>(`stores/${fixture.replace('stages/', '')}.jsonl`);
  const content = new Map(pairs.map(({key, value}) => [key, value]));
  stores.set(fixture, content);
  return content;
}

void t.test('every captured command line', async (t) => {
  const folder = t.testdir({});
  cpSync(join(FIXTURES, 'files'), join(folder, 'files'), {recursive: true});
  mkdirSync(join(folder, 'files/emptydir'));
  const rig = await CalicoctlRig.open(folder);
  t.teardown(() => rig.close());
  const used = new Map<string, number>();
  for (const each of readLines<Case>('cases.jsonl')) {
    const before = each.locked === true ? locked(storeOf(each.fixture)) : storeOf(each.fixture);
    await rig.load(before);
    const run = await rig.run(each.argv, {
      environment: environmentOf(each),
      ...(each.stdin === undefined ? {} : {stdin: readFileSync(join(FIXTURES, each.stdin))}),
    });
    const changes = each.changes === undefined ? undefined : await changesOf(rig, before);
    const strip = (change: Change): Change => stripVarying(change, before);
    const found = {...normalised(run), changes: changes?.map(strip)};
    const expected = {...normalised(each), changes: each.changes?.map(strip)};
    const difference = differenceOf(each.argv, expected);
    if (difference !== undefined) used.set(difference.name, (used.get(difference.name) ?? 0) + 1);
    t.same(
      found,
      difference?.expected(expected, found) ?? expected,
      `${each.id} ${each.argv.join(' ')} on ${each.fixture}`,
    );
  }
  const page = readFileSync(new URL('../../../docs/operations/differences-calicoctl.md', import.meta.url), 'utf8');
  for (const {name} of DIFFERENCES) {
    t.ok(used.has(name), `the difference "${name}" is met`);
    t.ok(page.includes(`\n| ${name} |`), `and on the page of differences`);
  }
  t.comment(`differences met: ${[...used].map(([name, count]) => `${name} ${count}`).join(', ')}`);
});

function environmentOf({env}: Case): Readonly<Record<string, string>> {
  const base = {DATASTORE_TYPE: 'embedded', CALICO_STORE: '/unused'};
  const merged = {...base, ...env};
  return Object.fromEntries(Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== null));
}

/** What varies from run to run. */
function normalised({stdout, stderr, exit}: Run): Run {
  const clean = (text: string): string =>
    text
      .replace(/(resourceVersion"?: )"\d+"/g, '$1"N"')
      .replace(
        /valid values are: (.*)/g,
        (_, list: string) => `valid values are: ${list.split(', ').sort().join(', ')}`,
      );
  return {stdout: clean(stdout), stderr: clean(stderr), exit};
}

interface Change {
  readonly key: string;
  readonly value: string | null;
}

async function changesOf(rig: CalicoctlRig, before: ReadonlyMap<string, string>): Promise<readonly Change[]> {
  const after = await rig.content();
  const keys = [...new Set([...before.keys(), ...after.keys()])].sort();
  return keys.filter((key) => before.get(key) !== after.get(key)).map((key) => ({key, value: after.get(key) ?? null}));
}

function stripVarying({key, value}: Change, before: ReadonlyMap<string, string>): Change {
  const text = value
    ?.replace(/"uid":"[^"]*"/, '"uid":"U"')
    .replace(/"creationTimestamp":"[^"]*"/, '"creationTimestamp":"T"');
  // A new cluster gets a number by chance; one that it has stays.
  const plain = before.has(key) ? text : text?.replace(/"clusterGUID":"[0-9a-f]{32}"/, '"clusterGUID":"G"');
  return {key, value: plain ?? null};
}
