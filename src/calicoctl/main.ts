/** The program `calicoctl`: hands the process to the command line and takes its exit code. */
import {hostname} from 'node:os';
import {systemClock} from '../lib/clock.ts';
import {runCalicoctl} from './cli.ts';
import type {Io} from './io.ts';
import {createTextLog} from './text-log.ts';

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    abort.abort(new Error(`stopped by ${signal}`));
    process.exitCode = 130;
  });
}
// Whoever read our output may leave early (`| head`): that is no error of ours.
process.stdout.on('error', () => process.exit(process.exitCode ?? 0));

const log = createTextLog((line) => void process.stderr.write(line));
const io: Io = {
  environment: process.env,
  folder: process.cwd(),
  defaultConfigFile: '/etc/calico/calicoctl.cfg',
  clock: systemClock,
  signal: abort.signal,
  readStdin,
  async readProcesses() {
    const {readProcesses} = await import('./processes.ts');
    return readProcesses();
  },
  userId: process.getuid?.() ?? 0,
  hostname: hostname(),
  root: '/',
  async findProgram(name) {
    const {findProgram} = await import('./find-program.ts');
    return findProgram(name);
  },
  async exec(options) {
    const {execProgram} = await import('../exec/exec.ts');
    return execProgram(options);
  },
  isErrorTerminal: process.stderr.isTTY,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  log,
  async openStore(config, options) {
    const {openStore} = await import('../datastore/open-store.ts');
    return openStore(config, {clock: systemClock, log}, options);
  },
};

process.exitCode = await runCalicoctl(process.argv.slice(2), io);

async function readStdin(limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    if (!(chunk instanceof Uint8Array)) throw new Error('standard input without an encoding gives bytes');
    size += chunk.length;
    if (size > limit) throw new Error(`is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
