/**
 * Large files: fast enough, with progress for a person at a terminal and for nobody else, and with a plain account of
 * what was wrong. The executable runs on a real terminal (of `script`) and on real pipes.
 */
import {execFile} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import t from 'tap';
import {startProgress} from '../../../src/calicoctl/progress.ts';
import {AgentError} from '../../../src/lib/errors.ts';
import {CalicoctlRig} from '../../helpers/calicoctl-rig.ts';
import {EtcdServer} from '../../helpers/etcd-server.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/calicoctl', import.meta.url));
const folder = t.testdir({});
const COUNT = 1000;

const networkSet = (i: number, net = `10.${i >> 8}.${i & 255}.0/24`): string =>
  `apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: set-${i}}\nspec: {nets: [${net}]}\n`;
const fileOf = (name: string, documents: readonly string[]): void =>
  writeFileSync(join(folder, name), documents.join('---\n'));
fileOf(
  'large.yaml',
  Array.from({length: COUNT}, (_, i) => networkSet(i)),
);

/** What the command shows on a terminal; rejects when it fails. */
function onTerminal(command: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const env = {PATH: process.env.PATH, TERM: 'xterm', ...environment};
  return new Promise((resolve, reject) => {
    execFile('script', ['-qec', command, '/dev/null'], {cwd: folder, env}, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command}: ${stderr}${stdout}`, {cause: error}));
    });
  });
}

const done = `Successfully applied ${COUNT} 'GlobalNetworkSet' resource(s)`;
const CLEAR = '\r\u001b[2K';
const APPLY = `'${PROGRAM}' apply -f large.yaml`;
const EMBEDDED = {DATASTORE_TYPE: 'embedded', CALICO_STORE: join(folder, 'shelf')};

void t.test('a thousand resources, for a person who waits', async (t) => {
  const etcd = await EtcdServer.start(t);
  const stores = {embedded: EMBEDDED, etcd: {DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: etcd.endpoint}};
  for (const [name, environment] of Object.entries(stores)) {
    const shown = await onTerminal(APPLY, environment);
    const frames = shown.split(CLEAR).slice(1, -1);
    const counts = frames.map((frame) => Number(/^applied (\d+) of 1000$/.exec(frame)?.[1]));
    t.ok(
      counts.length > 0 && counts.every((count, i) => count > (counts[i - 1] ?? 0) && count <= COUNT),
      `${name}: ${counts.join(' ')}`,
    );
    t.ok(shown.endsWith(`${CLEAR}${done}\r\n`), `${name}: the line is gone before the result`);
  }
});

void t.test('a program that reads gets nothing but the result', async (t) => {
  fileOf(
    'some.yaml',
    Array.from({length: 300}, (_, i) => networkSet(i)),
  );
  t.equal(
    await onTerminal(`'${PROGRAM}' apply -f some.yaml 2>&1 | cat`, EMBEDDED),
    done.replace('1000', '300').concat('\r\n'),
  );
});

void t.test('progress is shown after half a second, ten times a second at most', async (t) => {
  const clock = new FakeClock();
  const frames: string[] = [];
  const io = {isErrorTerminal: true, clock, err: (frame: string) => void frames.push(frame)};
  const progress = startProgress(io, 'applied', 9);
  progress.report(1);
  await clock.advance(499);
  progress.report(2);
  t.same(frames, []);
  await clock.advance(1);
  progress.report(3);
  await clock.advance(99);
  progress.report(4);
  await clock.advance(1);
  progress.report(5);
  progress.end();
  progress.end();
  t.same(frames, [`${CLEAR}applied 3 of 9`, `${CLEAR}applied 5 of 9`, CLEAR]);
});

void t.test('one bad document among many', async (t) => {
  const rig = await CalicoctlRig.open(folder);
  t.teardown(() => rig.close());
  const good = Array.from({length: 20}, (_, i) => networkSet(i));
  const stored = async () =>
    [...(await rig.content()).keys()].filter((key) => key.includes('globalnetworksets')).length;
  fileOf('unreadable.yaml', good.with(6, networkSet(6, '[[')));
  t.match(await rig.run(['apply', '-f', 'unreadable.yaml']), {
    exit: 1,
    stdout: '',
    stderr: /^failed to execute command: error converting YAML to JSON: yaml: .* \(document 7 of unreadable\.yaml\)\n$/,
  });
  t.equal(await stored(), 0, 'one that cannot be read: nothing is written');
  fileOf('broken-rule.yaml', good.with(6, networkSet(6, '10.0.0.0/33')));
  const {exit, stdout, stderr} = await rig.run(['apply', '-f', 'broken-rule.yaml']);
  t.same([exit, stdout], [1, "Partial success: applied the first 19 out of 20 'GlobalNetworkSet' resources:\n"]);
  t.match(
    stderr,
    /^hit error\(s\): \[error with field spec\.nets\[0\] = '10\.0\.0\.0\/33' \(.*\) in GlobalNetworkSet\(set-6\), resource 7 of 20\]\n$/,
  );
  t.equal(await stored(), 19, 'one that breaks a rule: the others are written');
  // The datastore goes away.
  let writes = 0;
  const lost = await rig.run(['apply', '-f', 'large.yaml'], {
    through: (store) => ({
      capabilities: store.capabilities,
      get: (...args) => store.get(...args),
      list: (...args) => store.list(...args),
      watch: (...args) => store.watch(...args),
      close: () => store.close(),
      commit: (...args) =>
        ++writes > 40
          ? Promise.reject(new AgentError('E_UNREACHABLE', 'etcd http://10.0.0.1:2379: gone'))
          : store.commit(...args),
    }),
  });
  t.equal(lost.exit, 1);
  const [, applied] =
    /^Partial success: applied the first (\d+) out of 1000 'GlobalNetworkSet' resources:\n$/.exec(lost.stdout) ?? [];
  t.match(
    lost.stderr,
    `hit error(s): [etcd http://10.0.0.1:2379: gone. Check that the datastore runs and that this machine may reach it. (${COUNT - Number(applied) - 1} more not tried)]\n`,
  );
  t.ok(Number(applied) > 20 && Number(applied) < 41, `${applied} were`);
});
