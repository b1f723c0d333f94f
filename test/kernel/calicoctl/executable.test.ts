/** A handful of commands through the executable itself, as a shell runs them. */
import {execFile, execFileSync} from 'node:child_process';
import {chmodSync, copyFileSync, mkdirSync, rmSync, statSync, utimesSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import t from 'tap';

const PROGRAM = fileURLToPath(new URL('../../../bin/calicoctl', import.meta.url));
const folder = t.testdir({
  'pool.yaml': 'apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: p}\nspec: {cidr: 10.0.0.0/16}\n',
});
const environment = {PATH: process.env.PATH, DATASTORE_TYPE: 'embedded', CALICO_STORE: join(folder, 'store')};

interface Outcome {
  readonly exit: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function run(
  args: readonly string[],
  options: {readonly stdin?: string; readonly env?: NodeJS.ProcessEnv} = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      PROGRAM,
      args,
      {cwd: folder, env: {...environment, ...options.env}},
      (error, stdout, stderr) => {
        resolve({exit: error === null ? 0 : error.code, stdout, stderr});
      },
    );
    child.stdin?.end(options.stdin ?? '');
  });
}

void t.test('a pool from file to table and away again', async (t) => {
  t.same(await run(['apply', '-f', 'pool.yaml']), {
    exit: 0,
    stdout: "Successfully applied 1 'IPPool' resource(s)\n",
    stderr: '',
  });
  t.equal(statSync(join(folder, 'store')).mode & 0o777, 0o700);
  t.same(await run(['get', 'ippool']), {
    exit: 0,
    stdout: 'NAME   CIDR          SELECTOR   \np      10.0.0.0/16   all()      \n\n',
    stderr: '',
  });
  t.match(await run(['ipam', 'show']), {
    exit: 0,
    stdout: /\| IP Pool {2}\| 10\.0\.0\.0\/16 \| {5}65536 \| 0 \(0%\) {5}\| 65536 \(100%\) \|/,
  });
  const yaml = (await run(['get', 'ippool', 'p', '-o', 'yaml', '--export'])).stdout;
  t.same(await run(['delete', 'ippool', 'p']), {
    exit: 0,
    stdout: "Successfully deleted 1 'IPPool' resource(s)\n",
    stderr: '',
  });
  t.same(
    await run(['apply', '-f', '-'], {stdin: yaml}),
    {exit: 0, stdout: "Successfully applied 1 'IPPool' resource(s)\n", stderr: ''},
    'what was exported is taken back',
  );
  t.equal((await run(['get', 'ippool', 'p', '-o', 'yaml', '--export'])).stdout, yaml);
});

void t.test('failures have exit code 1 and say which setting or place', async (t) => {
  t.match(await run(['get', 'ippool', 'nope']), {
    exit: 1,
    stdout: '',
    stderr: 'resource does not exist: IPPool(nope) with error: <nil>\n',
  });
  const unsafe = join(folder, 'unsafe');
  mkdirSync(unsafe);
  chmodSync(unsafe, 0o777);
  const {exit, stdout} = await run(['get', 'ippool'], {env: {CALICO_STORE: unsafe}});
  t.equal(exit, 1);
  t.match(stdout, /^Failed to create Calico API client: datastore \/.*unsafe: .*0700.*\n$/);
  t.match(await run(['version', '--client'], {env: {CALICO_STORE: unsafe}}), {
    exit: 0,
    stdout: 'Client Version:    v3.32.1\n',
    stderr: '',
  });
});

void t.test('the bundle is run unless sources are newer', async (t) => {
  const root = t.testdir({
    bin: {},
    build: {calicoctl: {'main.js': "console.log('bundle');"}},
    src: {calicoctl: {'main.ts': "console.log('sources');", verbs: {'get.ts': ''}}},
    'package.json': '{"type": "module"}',
    node_modules: t.fixture('symlink', fileURLToPath(new URL('../../../node_modules', import.meta.url))),
  });
  const launcher = join(root, 'bin/calicoctl');
  copyFileSync(PROGRAM, launcher);
  const date = (path: string, minute: number) => utimesSync(join(root, path), minute * 60, minute * 60);
  const sources = [
    'src/calicoctl/main.ts',
    'src/calicoctl/verbs/get.ts',
    'src/calicoctl/verbs',
    'src/calicoctl',
    'src',
  ];
  const what = () => execFileSync(launcher, {encoding: 'utf8', env: {...environment, NODE_COMPILE_CACHE: ''}}).trim();

  for (const path of sources) date(path, 1);
  date('build/calicoctl/main.js', 2);
  t.equal(what(), 'bundle');
  for (const [path, reason] of [
    ['src/calicoctl/verbs/get.ts', 'a file was changed'],
    ['src/calicoctl/verbs', 'a file has come or gone'],
  ] as const) {
    date(path, 3);
    t.equal(what(), 'sources', reason);
    date(path, 1);
  }
  rmSync(join(root, 'build'), {recursive: true});
  t.equal(what(), 'sources', 'nothing was built');
});
