/** Builds and runs the awkward peer of peer.c. */
import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {join} from 'node:path';
import {cleanEnvironment} from './builds.ts';
import {scratchFolder} from './namespaces.ts';

let program: string | undefined;

export function peerProgram(): string {
  if (program === undefined) {
    program = join(scratchFolder(), 'peer');
    execFileSync('cc', ['-O1', '-o', program, new URL('peer.c', import.meta.url).pathname], {env: cleanEnvironment()});
  }
  return program;
}

export const startPeer = (...words: string[]): ChildProcess =>
  spawn(peerProgram(), words, {stdio: ['ignore', 'inherit', 'inherit'], env: cleanEnvironment()});
