/** Network namespaces of one test file, and its scratch folder. Both go with the process, whatever happens. */
import {execFileSync} from 'node:child_process';
import {closeSync, mkdtempSync, openSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {cleanEnvironment} from './builds.ts';

export interface TestNamespace {
  readonly name: string;
  readonly path: string;
  readonly fd: number;
  /** `ip -batch`, one command a line. */
  ip(...commands: string[]): void;
}

const namespaces: TestNamespace[] = [];
let folder: string | undefined;

export function makeNamespace(): TestNamespace {
  const name = `ct-${process.pid}-native${namespaces.length}`;
  execFileSync('ip', ['netns', 'add', name], {env: cleanEnvironment()});
  const path = `/run/netns/${name}`;
  const ip = (...commands: string[]): void => {
    execFileSync('ip', ['-n', name, '-batch', '-'], {input: commands.join('\n'), env: cleanEnvironment()});
  };
  const namespace = {name, path, fd: openSync(path, 'r'), ip};
  namespaces.push(namespace);
  return namespace;
}

export function scratchFolder(): string {
  folder ??= mkdtempSync(join(tmpdir(), `ct-${process.pid}-`));
  return folder;
}

/** For `t.teardown` of the file. */
export function removeAll(): void {
  for (const {name, fd} of namespaces.splice(0)) {
    closeSync(fd);
    execFileSync('ip', ['netns', 'delete', name], {env: cleanEnvironment()});
  }
  if (folder !== undefined) rmSync(folder, {recursive: true, force: true});
}
