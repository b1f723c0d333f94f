/** A handful of commands through the executable itself, as a shell runs them. */
import {execFile} from 'node:child_process';
import {chmodSync, mkdirSync, statSync} from 'node:fs';
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
