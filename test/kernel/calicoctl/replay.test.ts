/**
 * What Calico's own calicoctl did with the same command lines, files and datastore: output, exit code and changes are the
 * same, but for the differences listed here, each with its reason.
 */
import {cpSync, mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import t from 'tap';
import {CalicoctlRig} from '../../helpers/calicoctl-rig.ts';
import {DIFFERENCES, differenceOf} from './differences.ts';
import {type Change, changesOf, FIXTURES, normalised, readLines, storeOf, stripVarying} from './support/recorded.ts';

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
  readonly changes?: readonly Change[];
}

const CLUSTER_INFORMATION = '/calico/resources/v3/projectcalico.org/clusterinformations/default';
const locked = (content: ReadonlyMap<string, string>): ReadonlyMap<string, string> => {
  const value = content.get(CLUSTER_INFORMATION) ?? '';
  return new Map(content).set(CLUSTER_INFORMATION, value.replace('"datastoreReady":true', '"datastoreReady":false'));
};

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
