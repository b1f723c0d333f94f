/**
 * The agent as an image has it: compiled, so that no type stripping is loaded. Built into a folder of its own, because
 * `bin/calico-node` would prefer `dist` to the sources for everybody.
 */
import {mkdirSync, rmSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {runProgram} from '../../test/lab/run-program.ts';

const root = new URL('../..', import.meta.url).pathname;
const folder = join(root, '.cache/compiled-agent');

/** Compiles; returns the file that Node runs. */
export async function compileAgent(): Promise<string> {
  rmSync(folder, {recursive: true, force: true});
  mkdirSync(folder, {recursive: true});
  // The addon is looked for beside the compiled code.
  symlinkSync(join(root, 'native'), join(folder, 'native'));
  const tsc = join(root, 'node_modules/.bin/tsc');
  const dist = join(folder, 'dist');
  const {code, stdout} = await runProgram([
    process.execPath,
    tsc,
    '-p',
    join(root, 'tsconfig.build.json'),
    '--outDir',
    dist,
  ]);
  if (code !== 0) throw new Error(`the agent cannot be compiled:\n${stdout}`);
  return join(dist, 'node/main.js');
}
