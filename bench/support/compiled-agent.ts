/**
 * The agent as an image has it: compiled, so that no type stripping is loaded. Built into a folder of its own, because
 * every `bin/calico-node` of the checkout would prefer a `dist` to the sources.
 */
import {copyFileSync, mkdirSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {programs} from '../../test/lab/programs.ts';
import {runProgram} from '../../test/lab/run-program.ts';

const root = new URL('../..', import.meta.url).pathname;

/** Compiles into a new folder; returns the program to start. */
export async function compileAgent(folder: string): Promise<string> {
  mkdirSync(join(folder, 'bin'), {recursive: true});
  // What the compiled code looks for beside itself.
  for (const name of ['native', 'node_modules']) symlinkSync(join(root, name), join(folder, name));
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
  const program = join(folder, 'bin/calico-node');
  copyFileSync(programs.calicoNode, program);
  const tsc = join(root, 'node_modules/.bin/tsc');
  const build = ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')];
  const {code, stdout} = await runProgram([process.execPath, tsc, ...build]);
  if (code !== 0) throw new Error(`the agent cannot be compiled:\n${stdout}`);
  return program;
}
