/**
 * Builds addon and CNI plugin with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer and runs the other
 * tests of this folder on them. Any complaint ends a process with a code of its own (99) and stays in its output.
 *
 * node itself is not instrumented: the runtime of the sanitizer is loaded before it. Programs that the tests start for
 * other reasons run without it.
 */
import {execFile, execFileSync} from 'node:child_process';
import {globSync} from 'node:fs';
import {basename} from 'node:path';
import {promisify} from 'node:util';
import t from 'tap';
import {repository} from './support/builds.ts';

const run = promisify(execFile);
const COMPLAINT = /ERROR: (?:Address|Leak)Sanitizer|runtime error:|AddressSanitizer:/;
const folder = `${repository}native/build/asan/`;

const environment: NodeJS.ProcessEnv = {
  ...process.env,
  CT_NATIVE_BUILD: folder,
  ASAN_OPTIONS: 'detect_leaks=1:exitcode=99:abort_on_error=0:detect_stack_use_after_return=1',
  LSAN_OPTIONS: `suppressions=${new URL('support/leaks-of-others.txt', import.meta.url).pathname}:print_suppressions=0`,
  UBSAN_OPTIONS: 'print_stacktrace=1',
};

interface Outcome {
  readonly code: number;
  readonly output: string;
}

async function runSanitized(file: string): Promise<Outcome> {
  const runtime = execFileSync('cc', ['-print-file-name=libasan.so'], {encoding: 'utf8'}).trim();
  try {
    const {stdout, stderr} = await run(process.execPath, [file], {
      env: {...environment, LD_PRELOAD: runtime},
      maxBuffer: 64 << 20,
    });
    return {code: 0, output: stdout + stderr};
  } catch (error) {
    const {code, stdout, stderr} = error as {code: number; stdout: string; stderr: string};
    return {code, output: stdout + stderr};
  }
}

execFileSync('make', ['-s', '-C', `${repository}native`, 'asan']);
const files = globSync(`${import.meta.dirname}/{addon,shim}*.test.ts`);
t.jobs = 2;
t.ok(files.length >= 8, `${files.length} files`);
for (const file of files) {
  void t.test(basename(file), async (t) => {
    const {code, output} = await runSanitized(file);
    const lines = output.split('\n');
    const at = lines.findIndex((line) => COMPLAINT.test(line));
    t.equal(at, -1, at < 0 ? 'no complaint' : lines.slice(at, at + 25).join('\n'));
    t.equal(code, 0, lines.filter((line) => /^ *not ok/.test(line)).join('\n'));
  });
}
