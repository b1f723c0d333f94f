/**
 * The only place that starts programs. No shell, an absolute path, an argument array, an environment that holds what
 * the caller names and nothing of ours, a time limit, an output limit, and an AbortSignal.
 *
 * Promise: the result is all of the program's output, or an error; never a part that looks like the whole. When the
 * promise settles, the program has ended and every pipe is closed.
 *
 * What surprised us: the C library hands an executable text file without `#!` to /bin/sh. Name binaries and proper
 * scripts only.
 */
import {type ChildProcess, spawn} from 'node:child_process';
import {isAbsolute} from 'node:path';
import {AgentError, type ErrorContext} from '../lib/errors.ts';

export interface ExecOptions {
  /** Absolute: what runs must not depend on PATH. */
  readonly path: string;
  readonly args?: readonly string[] | undefined;
  /** The whole environment besides PATH and LC_ALL=C, which make tools find their helpers and speak plainly. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Written to standard input, which is then closed; empty when absent. */
  readonly input?: string | Uint8Array | undefined;
  /** The program is killed after this time; default 10 seconds. */
  readonly timeoutMs?: number | undefined;
  /** Standard output and standard error may have this many bytes together; default 16 MiB. */
  readonly maxOutputBytes?: number | undefined;
  /** Exit codes that are a result and not a failure; default only 0. */
  readonly acceptedExitCodes?: readonly number[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts programs. A dependency of whoever needs one, so that a test can stand in for it. */
export type Exec = (options: ExecOptions) => Promise<ExecResult>;

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** So much of standard error goes into an error. */
const MAX_STDERR_IN_ERROR = 2000;

const BASE_ENVIRONMENT = {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C'};

/**
 * Runs a program to its end. Rejects with E_EXEC when it cannot be started, exits with a code that is not accepted, dies
 * by a signal or says too much (`exitCode`, `stderr` in the context); with E_DEADLINE when it takes too long; with
 * E_ABORTED when the signal aborts.
 */
export const execProgram: Exec = (options) => {
  const {path, args = [], signal, acceptedExitCodes = [0]} = options;
  const {timeoutMs = DEFAULT_TIMEOUT_MS, maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES} = options;
  const facts: ErrorContext = {path, args};
  if (!isAbsolute(path)) return Promise.reject(new Error(`the path of a program must be absolute: ${path}`));
  if (signal?.aborted) return Promise.reject(new AgentError('E_ABORTED', `${path} not started`, facts, signal.reason));

  return new Promise((resolve, reject) => {
    // Detached makes it the leader of a process group, so that a kill also reaches what it started itself.
    const child = spawn(path, args, {
      env: {...BASE_ENVIRONMENT, ...options.env},
      cwd: '/',
      shell: false,
      stdio: 'pipe',
      detached: true,
    });
    /** Why we ended it, when it did not end by itself. */
    let interruption: AgentError | undefined;
    const interrupt = (reason: AgentError): void => {
      interruption ??= reason;
      killGroup(child);
      // A grandchild in a session of its own may live on and hold the pipes: do not wait for it.
      child.stdout.destroy();
      child.stderr.destroy();
    };

    let outputBytes = 0;
    const collect = (chunks: Uint8Array[]) => (chunk: Uint8Array) => {
      outputBytes += chunk.length;
      if (outputBytes <= maxOutputBytes) chunks.push(chunk);
      else interrupt(new AgentError('E_EXEC', `${path} wrote more than ${maxOutputBytes} bytes`, facts));
    };
    const stdout: Uint8Array[] = [];
    const stderr: Uint8Array[] = [];
    child.stdout.on('data', collect(stdout));
    child.stderr.on('data', collect(stderr));

    const timer = setTimeout(() => {
      interrupt(new AgentError('E_DEADLINE', `${path} took longer than ${timeoutMs} ms`, {...facts, timeoutMs}));
    }, timeoutMs);
    const onAbort = () => interrupt(new AgentError('E_ABORTED', `${path} was stopped`, facts, signal?.reason));
    signal?.addEventListener('abort', onAbort, {once: true});

    // A program that ends without reading all of its input is judged by its exit code, not by the broken pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input);

    let startFailure: Error | undefined;
    child.on('error', (error) => {
      startFailure = error;
    });
    child.on('close', (exitCode, killedBy) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      if (startFailure) return reject(new AgentError('E_EXEC', `${path} cannot be started`, facts, startFailure));
      if (interruption) return reject(interruption);
      const errorText = Buffer.concat(stderr).toString();
      if (exitCode !== null && acceptedExitCodes.includes(exitCode)) {
        return resolve({exitCode, stdout: Buffer.concat(stdout).toString(), stderr: errorText});
      }
      const how = exitCode === null ? `was ended by ${killedBy}` : `failed with exit code ${exitCode}`;
      const context = {...facts, exitCode, signal: killedBy, stderr: clip(errorText, MAX_STDERR_IN_ERROR)};
      reject(new AgentError('E_EXEC', `${path} ${how}${summary(errorText)}`, context));
    });
  });
};

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: it has just ended by itself.
  }
}

/** The first line a program complained with, safe to show in a terminal. */
function summary(errorText: string): string {
  const firstLine = errorText.trim().split('\n', 1)[0] ?? '';
  return firstLine === '' ? '' : `: ${clip(firstLine.replace(/\p{Cc}/gu, ' '), 200)}`;
}

const clip = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}...` : text);
