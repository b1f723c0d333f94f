/**
 * The agent as an image has it: compiled, so that no type stripping is loaded. Built into a folder of its own, because
 * `bin/calico-node` would prefer `dist` to the sources for everybody.
 */
import {copyFileSync, mkdirSync, rmSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {programs} from '../../test/lab/programs.ts';
import {runProgram} from '../../test/lab/run-program.ts';

const root = new URL('../..', import.meta.url).pathname;
const folder = join(root, '.cache/compiled-agent');

/** Compiles; returns the program to start. */
export async function compileAgent(): Promise<string> {
  rmSync(folder, {recursive: true, force: true});
  mkdirSync(join(folder, 'bin'), {recursive: true});
  // What the compiled code looks for beside itself.
  for (const name of ['native', 'node_modules']) symlinkSync(join(root, name), join(folder, name));
  const program = join(folder, 'bin/calico-node');
  copyFileSync(programs.calicoNode, program);
  const tsc = join(root, 'node_modules/.bin/tsc');
  const build = ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')];
  const {code, stdout} = await runProgram([process.execPath, tsc, ...build]);
  if (code !== 0) throw new Error(`the agent cannot be compiled:\n${stdout}`);
  return program;
}
