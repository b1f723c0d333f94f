/**
 * `calicoctl node checksystem`: whether this machine's kernel has what Calico needs. It only reads, from files: no program
 * has to be there, and none is started.
 */
import {readdir, readFile} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {gunzipSync} from 'node:zlib';
import {messageOf} from '../../lib/errors.ts';
import {type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {
  hasFeature,
  isRecentEnough,
  KERNEL_FEATURES,
  type KernelFacts,
  moduleName,
  modulesIn,
  OLDEST_KERNEL,
  optionsIn,
} from '../rules/kernel-modules.ts';
import {requireRoot} from '../rules/root.ts';

const DECLARATION: CommandDeclaration = {
  name: 'node checksystem',
  help: 'Says whether the kernel of this machine has what a node needs.',
  flags: [
    {
      short: 'f',
      long: 'kernel-config',
      value: 'kernel-config',
      help: "file with the kernel's configuration, when it is not in one of the usual places",
    },
    VERSION_FLAG,
  ],
  takesOperands: false,
};

type Result = 'OK' | 'FAIL' | 'SKIP';

export async function runNodeChecksystem(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  requireRoot(io);
  const release = (await readFile(join(io.root, 'proc/sys/kernel/osrelease'), 'utf8')).trim();
  io.out('Checking kernel version...\n');
  const isRecent = isRecentEnough(release);
  printResult(io, release, isRecent ? 'OK' : 'FAIL');
  if (!isRecent)
    io.out(`Minimum kernel version to run Calico is ${OLDEST_KERNEL}. Detected kernel version: ${release}\n`);
  io.out('Checking kernel modules...\n');
  const facts = await readFacts(io, release, args.value('kernel-config'));
  if (![isRecent, checkFeatures(io, facts)].every(Boolean))
    throw new Failure("system doesn't meet one or more minimum systems requirements to run Calico");
  io.out('System meets minimum system requirements to run Calico!\n');
  return 0;
}

const printResult = (io: Io, what: string, result: Result): void =>
  io.out(`\t\t${what.padEnd(20)}\t\t\t\t\t${result}\n`);

function checkFeatures(io: Io, facts: KernelFacts): boolean {
  let isComplete = true;
  for (const feature of KERNEL_FEATURES) {
    const {name, optional = false} = feature;
    const isThere = hasFeature(feature, facts);
    isComplete &&= isThere || optional;
    if (!isThere)
      io.out(
        optional
          ? `WARNING: Unable to detect optional module/feature ${name}; continuing\n`
          : `WARNING: Unable to detect the ${name} module as Loaded/Builtin module or lsmod\n`,
      );
    printResult(io, name, isThere ? 'OK' : optional ? 'SKIP' : 'FAIL');
  }
  return isComplete;
}

async function readFacts(io: Io, release: string, configFile: string | undefined): Promise<KernelFacts> {
  const inRoot = (path: string): string => join(io.root, path);
  const modules = inRoot(`lib/modules/${release}`);
  const [loaded, known, loadable, builtIn, config] = await Promise.all([
    readIfThere(inRoot('proc/modules')),
    namesIn(inRoot('sys/module')),
    readIfThere(join(modules, 'modules.dep')),
    readIfThere(join(modules, 'modules.builtin')),
    configFile === undefined ? readUsualConfig(inRoot, release) : readNamedConfig(io, configFile),
  ]);
  return {
    present: new Set([...known, ...loaded.split('\n').map((line) => line.split(' ', 1)[0] ?? '')].map(moduleName)),
    available: new Set([...modulesIn(loadable), ...modulesIn(builtIn)]),
    options: new Set(optionsIn(config)),
  };
}

async function readUsualConfig(inRoot: (path: string) => string, release: string): Promise<string> {
  const places = [
    'usr/src/linux/.config',
    `boot/config-${release}`,
    `usr/src/linux-${release}/.config`,
    `usr/src/linux-headers-${release}/.config`,
    `lib/modules/${release}/build/.config`,
  ];
  for (const place of places) {
    const text = await readIfThere(inRoot(place));
    if (text !== '') return text;
  }
  return readPacked(inRoot('proc/config.gz'));
}

/** Some kernels carry their configuration with them. */
async function readPacked(path: string): Promise<string> {
  try {
    return gunzipSync(await readFile(path), {maxOutputLength: 4 * 1024 * 1024}).toString('utf8');
  } catch {
    return '';
  }
}

async function readNamedConfig({folder}: Io, file: string): Promise<string> {
  try {
    return await readFile(resolve(folder, file), 'utf8');
  } catch (cause) {
    throw new Failure(`cannot read the kernel's configuration ${file}: ${messageOf(cause)}`, {cause});
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return '';
  }
}

async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch {
    return [];
  }
}
