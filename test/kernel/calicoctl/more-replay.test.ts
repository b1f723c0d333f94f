/**
 * Cases beyond the captured ones, recorded from Calico's calicoctl v3.32.1 where ours once did something else: options,
 * odd documents and values, objects that depend on others. Differences are the same as those of the captured cases.
 */
import {mkdirSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import t from 'tap';
import {CalicoctlRig, type Run} from '../../helpers/calicoctl-rig.ts';
import {differenceOf} from './differences.ts';
import {type Change, changesOf, normalised, readLines, storeOf, stripVarying} from './support/recorded.ts';

interface Case {
  readonly id: number;
  readonly fixture: string;
  readonly argv: readonly string[];
  /** Texts by name; a name that ends in a slash is a folder. */
  readonly files?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number;
  readonly changes: readonly Change[];
}

/** Beside the files of a case. */
const STORE = 'store';

void t.test('every recorded command line', async (t) => {
  const folder = t.testdir({});
  const rig = await CalicoctlRig.open(folder);
  t.teardown(() => rig.close());
  for (const each of readLines<Case>('more-cases.jsonl')) {
    const before = storeOf(each.fixture);
    await rig.load(before);
    replaceFiles(folder, each.files ?? {});
    const run = await rig.run(each.argv, {
      environment: {DATASTORE_TYPE: 'embedded', CALICO_STORE: '/unused'},
      ...(each.stdin === undefined ? {} : {stdin: Buffer.from(each.stdin)}),
    });
    const changes = (await changesOf(rig, before)).map((change) => stripVarying(change, before));
    const found = {...withoutBirth(normalised(run)), changes};
    const {stdout, stderr, exit, changes: wanted} = each;
    const expected = {stdout, stderr, exit, changes: wanted};
    t.same(
      found,
      differenceOf(each.argv, expected)?.expected(expected, found) ?? expected,
      `${each.id} ${each.argv.join(' ')} on ${each.fixture}`,
    );
  }
});

function replaceFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const name of readdirSync(folder)) if (name !== STORE) rmSync(join(folder, name), {recursive: true});
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(name.endsWith('/') ? path : dirname(path), {recursive: true});
    if (!name.endsWith('/')) writeFileSync(path, text);
  }
}

/** What a new resource is given, as it is shown. */
function withoutBirth({stdout, stderr, exit}: Run): Run {
  const clean = (text: string): string =>
    text
      .replace(/(uid"?: )"?[0-9a-f]{8}-[0-9a-f-]{27}"?/g, '$1U')
      .replace(/(creationTimestamp"?: )"?20\d\d-[^\n,"]*"?/g, '$1T');
  return {stdout: clean(stdout), stderr: clean(stderr), exit};
}
