/** Real programs: what they get, what comes back, and that nothing of them stays. */
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import t from 'tap';
import {execProgram} from '../../../src/exec/exec.ts';

const shell = (script: string, ...args: string[]) => ({path: '/bin/sh', args: ['-c', script, 'sh', ...args]});

void t.test('arguments arrive as they are, whatever is in them', async (t) => {
  const args = ['a b', '', '$HOME', '`id`', '; rm -rf /', "'", '"', '*', '-n', 'é\n'];
  const {stdout} = await execProgram({path: '/usr/bin/printf', args: ['%s\\0', ...args]});
  t.same(stdout.split('\0').slice(0, -1), args);
});

void t.test('output, error output and accepted exit codes come back', async (t) => {
  t.same(await execProgram(shell('echo out; echo err >&2')), {exitCode: 0, stdout: 'out\n', stderr: 'err\n'});
  t.same(await execProgram({...shell('exit 3'), acceptedExitCodes: [0, 3]}), {exitCode: 3, stdout: '', stderr: ''});
});

void t.test('input is written and closed, and need not be read', async (t) => {
  t.equal((await execProgram({path: '/bin/cat', input: 'é'.repeat(500_000)})).stdout.length, 500_000);
  t.equal((await execProgram({path: '/bin/cat', input: new Uint8Array([65, 66])})).stdout, 'AB');
  t.equal((await execProgram({path: '/bin/cat'})).stdout, '', 'no input is an empty input');
  t.equal((await execProgram({path: '/bin/true', input: 'x'.repeat(1_000_000)})).exitCode, 0);
});

void t.test('the environment holds what is named and nothing of ours', async (t) => {
  process.env.SECRET_OF_THE_AGENT = 'x';
  t.teardown(() => delete process.env.SECRET_OF_THE_AGENT);
  const {stdout} = await execProgram({path: '/usr/bin/env', env: {NAMED: 'yes'}});
  t.same(stdout.trim().split('\n').sort(), ['LC_ALL=C', 'NAMED=yes', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin']);
  t.equal((await execProgram({path: '/bin/pwd'})).stdout, '/\n');
});

void t.test('a failure carries exit code and message', async (t) => {
  await t.rejects(execProgram(shell('echo "no such \u001b[31mtable" >&2; echo more >&2; exit 4')), {
    code: 'E_EXEC',
    message: '/bin/sh failed with exit code 4: no such  [31mtable',
    context: {path: '/bin/sh', exitCode: 4, stderr: 'no such \u001b[31mtable\nmore\n'},
  });
  await t.rejects(execProgram(shell('kill -TERM $$')), {
    code: 'E_EXEC',
    message: '/bin/sh was ended by SIGTERM',
    context: {exitCode: null, signal: 'SIGTERM'},
  });
  await t.rejects(execProgram(shell('head -c 100000 /dev/zero | tr "\\0" x >&2; exit 1')), {
    code: 'E_EXEC',
    context: {stderr: `${'x'.repeat(2000)}...`},
  });
});

void t.test('what cannot be started is an error with its cause', async (t) => {
  await t.rejects(execProgram({path: '/does/not/exist'}), {code: 'E_EXEC', cause: {code: 'ENOENT'}});
  await t.rejects(execProgram({path: '/etc/passwd'}), {code: 'E_EXEC', cause: {code: 'EACCES'}});
  await t.rejects(execProgram({path: 'sh'}), /must be absolute/);
});

void t.test('an abort ends a program with everything it started', async (t) => {
  const pids = join(t.testdir(), 'pids');
  const stop = new AbortController();
  const running = execProgram({
    ...shell('sleep 600 & echo $$ $! >"$1.new"; mv "$1.new" "$1"; wait', pids),
    signal: stop.signal,
  });
  await until(() => existsSync(pids));
  stop.abort(new Error('stopping'));
  await t.rejects(running, {code: 'E_ABORTED', cause: {message: 'stopping'}});
  for (const pid of readFileSync(pids, 'utf8').trim().split(' ')) await until(() => !isRunning(pid));
});

void t.test('a program that takes too long is ended', async (t) => {
  const sleep = {path: '/bin/sleep', args: ['600'], timeoutMs: 30};
  await t.rejects(execProgram(sleep), {code: 'E_DEADLINE', context: {timeoutMs: 30}});
});

void t.test('what has left for a session of its own and keeps the pipes open does not hold us up', async (t) => {
  const pidFile = join(t.testdir(), 'pid');
  const stop = new AbortController();
  const running = execProgram({
    ...shell('setsid sh -c \'echo $$ >"$1.new"; mv "$1.new" "$1"; exec sleep 600\' sh "$1" & exit 0', pidFile),
    signal: stop.signal,
  });
  await until(() => existsSync(pidFile));
  const pid = readFileSync(pidFile, 'utf8').trim();
  t.teardown(() => process.kill(Number(pid)));
  stop.abort();
  await t.rejects(running, {code: 'E_ABORTED'});
  t.ok(isRunning(pid));
});

void t.test('a signal that is aborted already starts nothing', async (t) => {
  const mark = join(t.testdir(), 'mark');
  await t.rejects(execProgram({path: '/bin/touch', args: [mark], signal: AbortSignal.abort()}), {code: 'E_ABORTED'});
  t.notOk(existsSync(mark));
});

void t.test('too much output is an error and never a part of it', async (t) => {
  await t.rejects(execProgram({path: '/usr/bin/yes', maxOutputBytes: 10_000}), {
    code: 'E_EXEC',
    message: /more than 10000 bytes/,
  });
  const exact = await execProgram({path: '/usr/bin/head', args: ['-c', '10000', '/dev/zero'], maxOutputBytes: 10_000});
  t.equal(exact.stdout.length, 10_000);
});

/** Resolves when the condition holds; when it never does, the test ends by its time limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** False for what has ended, also while nobody has collected its exit code. */
function isRunning(pid: string): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
