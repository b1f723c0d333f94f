/** Other plugins that the agent asks the CNI plugin to run. */
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setImmediate as turn} from 'node:timers/promises';
import t from 'tap';
import {type DelegateOrder, type DelegateReport, LIMITS} from '../../../src/native/shim-protocol.ts';
import {makeNamespace, removeAll, scratchFolder} from './support/namespaces.ts';
import {type AgentSide, callAgent, type Ended, result, writeScript} from './support/shim.ts';

t.teardown(removeAll);
const namespace = makeNamespace();
const [first, second] = ['first', 'second'].map((name) => {
  const folder = join(scratchFolder(), name);
  mkdirSync(folder);
  return folder;
}) as [string, string];
const CNI_PATH = `relative::${first}:${second}`;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

const order = (program: string, changes: Partial<DelegateOrder> = {}): DelegateOrder => ({
  kind: 'delegate',
  program,
  environment: new Map(),
  stdin: new Uint8Array(),
  timeLimitMs: 20_000,
  ...changes,
});

async function run(side: AgentSide, what: DelegateOrder): Promise<DelegateReport> {
  await side.send(what);
  const received = await side.receive();
  if (received?.frame.kind !== 'delegated') throw new Error(`not a report: ${received?.frame.kind}`);
  return received.frame;
}

/** One ADD whose agent runs delegates. */
const add = (env: Readonly<Record<string, string>>, agent: (side: AgentSide) => Promise<void>): Promise<Ended> =>
  callAgent({env: {CNI_PATH, ...env}}, async (side) => {
    await agent(side);
    await side.send(result('done'));
  });

void t.test('environment, input, output and exit code', async (t) => {
  writeScript(
    second,
    'echo-all',
    'cat; echo "$CNI_COMMAND|$CNI_ARGS|$CNI_IFNAME|$CNI_NEW|$OTHER"; echo "to stderr" >&2; exit 3',
  );
  const ended = await add(
    {CNI_ARGS: 'A=1', CNI_IFNAME: 'eth0', OTHER: 'kept', CNI_NETNS: namespace.path},
    async (side) => {
      const environment = new Map([
        ['CNI_COMMAND', 'DEL'],
        ['CNI_ARGS', 'A=1;IP=10.0.0.1'],
        ['CNI_NEW', ''],
      ]);
      const report = await run(side, order('echo-all', {environment, stdin: Buffer.from('{"in":1}\n')}));
      t.same(report.outcome, {kind: 'exited', exitCode: 3});
      t.equal(text(report.stdout), '{"in":1}\nDEL|A=1;IP=10.0.0.1|eth0||kept\n');
      t.equal(text(report.stderr), 'to stderr\n');
    },
  );
  t.same(ended, {code: 0, signal: null, stdout: 'done', stderr: ''}, 'nothing of it reaches the runtime');
});

void t.test('a program of the first folder wins; what is no program is passed over', async (t) => {
  writeScript(first, 'twice', 'echo first');
  writeScript(second, 'twice', 'echo second');
  mkdirSync(join(first, 'folder'));
  writeScript(second, 'folder', 'echo second');
  writeFileSync(join(first, 'text'), 'no program', {mode: 0o644});
  writeScript(second, 'text', 'echo second');
  writeFileSync(join(first, 'broken'), 'no interpreter', {mode: 0o755});
  await add({}, async (side) => {
    t.equal(text((await run(side, order('twice'))).stdout), 'first\n');
    t.equal(text((await run(side, order('folder'))).stdout), 'second\n');
    t.equal(text((await run(side, order('text'))).stdout), 'second\n');
    t.same((await run(side, order('broken'))).outcome, {kind: 'not-started', errno: 8});
    t.same((await run(side, order('sh'))).outcome, {kind: 'not-started', errno: 2});
    t.same((await run(side, order('nowhere'))).outcome, {kind: 'not-started', errno: 2});
  });
  await callAgent({}, async (side) => {
    t.same((await run(side, order('twice'))).outcome, {kind: 'not-started', errno: 2}, 'without CNI_PATH');
    await side.send(result(''));
  });
});

/** False for a process that only waits to be reaped. */
function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}/stat`) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

void t.test('signals and time limits; nothing of the program is left', async (t) => {
  writeScript(first, 'dies', 'kill -TERM $$');
  writeScript(first, 'hangs', `sleep 1000 & echo $! > ${first}/pid; wait`);
  await add({}, async (side) => {
    t.same((await run(side, order('dies'))).outcome, {kind: 'signalled', signal: 15});
    const report = await run(side, order('hangs', {timeLimitMs: 300}));
    t.same(report.outcome, {kind: 'timed-out'});
  });
  const pid = Number(readFileSync(`${first}/pid`, 'utf8'));
  while (isAlive(pid)) await turn();
  t.pass('what it started was killed with it');
});

void t.test('a daemon that keeps the output open holds up nothing', async (t) => {
  writeScript(first, 'daemon', `setsid sleep 1000 & echo $! > ${first}/daemon.pid; echo started`);
  await add({}, async (side) => {
    const report = await run(side, order('daemon'));
    t.same(report.outcome, {kind: 'exited', exitCode: 0});
    t.equal(text(report.stdout), 'started\n');
  });
  const pid = Number(readFileSync(`${first}/daemon.pid`, 'utf8'));
  t.ok(isAlive(pid));
  process.kill(pid);
});

void t.test('much input and output', async (t) => {
  writeScript(first, 'copy', 'exec cat');
  writeScript(first, 'ignore', 'exec 0<&-; exit 0');
  writeScript(first, 'flood', 'exec cat /dev/zero');
  writeScript(first, 'complain', 'exec cat /dev/zero >&2');
  await add({}, async (side) => {
    const stdin = new Uint8Array(LIMITS.MAX_DELEGATE_OUTPUT).fill(120);
    const report = await run(side, order('copy', {stdin}));
    t.same([report.outcome, report.stdout.length], [{kind: 'exited', exitCode: 0}, stdin.length]);
    t.same((await run(side, order('copy', {stdin: new Uint8Array(stdin.length + 1)}))).outcome, {
      kind: 'output-too-long',
    });
    t.same((await run(side, order('ignore', {stdin: new Uint8Array(800_000)}))).outcome, {kind: 'exited', exitCode: 0});
    t.same((await run(side, order('flood'))).outcome, {kind: 'output-too-long'});
    t.same((await run(side, order('complain'))).outcome, {kind: 'output-too-long'});
  });
});

void t.test('a delegate has no descriptor of ours', async (t) => {
  writeScript(first, 'descriptors', 'ls -l /proc/$$/fd | sed -n "s/.* -> //p"');
  await add({CNI_NETNS: namespace.path}, async (side) => {
    const open = text((await run(side, order('descriptors'))).stdout);
    t.notMatch(open, /net:\[|socket:|\/run\/netns/);
    t.match(open, /pipe:/);
  });
});
