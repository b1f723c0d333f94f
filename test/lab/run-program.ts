/** Starting programs for the lab: output collected, failure explained. */
import {type ChildProcess, spawn} from 'node:child_process';

export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly stdin?: string | Uint8Array | undefined;
  /** The whole environment; PATH is added. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export const labPath = '/usr/sbin:/usr/bin:/sbin:/bin';

/** Runs a program to its end, whatever its exit code. */
export function runProgram(command: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {stdio: ['pipe', 'pipe', 'pipe'], env: {PATH: labPath, ...options.env}});
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    // A program that does not read its input closes the pipe: that is its business.
    child.stdin.on('error', () => {});
    child.stdin.end(options.stdin ?? '');
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({code: code ?? (signal ? 128 : 1), stdout, stderr}));
  });
}

/** Runs a program that must succeed; resolves to its standard output. */
export async function mustRun(command: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const result = await runProgram(command, options);
  if (result.code !== 0) {
    throw new Error(`${command.join(' ')}: exit code ${result.code}\n${result.stderr}${result.stdout}`.trimEnd());
  }
  return result.stdout;
}

/** Sends SIGTERM, and SIGKILL when that is not obeyed within `graceMs`; resolves when the process is gone. */
export function endProcess(child: ChildProcess, graceMs = 5000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
