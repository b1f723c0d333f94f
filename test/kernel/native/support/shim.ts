/** Runs the CNI plugin as a container runtime does, and plays the agent for it over a real socket. */
import {spawn} from 'node:child_process';
import {closeSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {UnixConnection} from '../../../../src/native/addon.ts';
import {encodeFrame, type Frame, FrameDecoder} from '../../../../src/native/shim-protocol.ts';
import {addon, buildFolder} from './builds.ts';
import {scratchFolder} from './namespaces.ts';

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Call {
  readonly program?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  /** The standard input never ends. */
  readonly staysOpen?: boolean;
}

export function runShim({
  program = `${buildFolder}calico`,
  args = [],
  env = {},
  stdin = '',
  staysOpen = false,
}: Call): Promise<Ended> {
  const {ASAN_OPTIONS} = process.env;
  const child = spawn(program, args, {env: {...(ASAN_OPTIONS === undefined ? {} : {ASAN_OPTIONS}), ...env}});
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => out.push(data));
  child.stderr.on('data', (data: Buffer) => err.push(data));
  child.stdin.on('error', () => {}); // it may end without reading
  child.stdin.write(stdin);
  if (!staysOpen) child.stdin.end();
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      child.stdin.destroy();
      resolve({code, signal, stdout: String(Buffer.concat(out)), stderr: String(Buffer.concat(err))});
    });
  });
}

let count = 0;
export const newPath = (): string => join(scratchFolder(), `shim${count++}`);

/** An executable shell script, to be found as a delegate. */
export function writeScript(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, {mode: 0o755});
}

export interface Received {
  readonly frame: Frame;
  readonly fds: readonly number[];
}

/** What the agent's side of one call sees: `receive` is undefined at the end of the stream. */
export class AgentSide {
  readonly connection: UnixConnection;
  readonly #decoder = new FrameDecoder();
  readonly #queue: (Received | undefined | Error)[] = [];
  #fds: number[] = [];
  #wake: (() => void) | undefined;

  constructor(connection: UnixConnection) {
    this.connection = connection;
    connection.read((data, fds) => {
      this.#fds.push(...fds);
      try {
        this.#decoder.push(data);
        for (let frame = this.#decoder.next(); frame; frame = this.#decoder.next()) {
          this.#queue.push({frame, fds: this.#fds});
          this.#fds = [];
        }
      } catch (error) {
        this.#queue.push(error as Error);
      }
      if (data.length === 0) this.#queue.push(undefined);
      this.#wake?.();
    });
  }

  async receive(): Promise<Received | undefined> {
    while (this.#queue.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const next = this.#queue.shift();
    if (next instanceof Error) throw next;
    return next;
  }

  async send(frame: Frame): Promise<void> {
    await this.connection.write(encodeFrame(frame));
  }
}

/** One call that is answered by `agent`; descriptors are closed and the socket goes afterwards. */
export async function callAgent(
  call: Call & {readonly config?: Readonly<Record<string, unknown>>},
  agent: (side: AgentSide, request: Received) => Promise<void>,
): Promise<Ended> {
  const path = newPath();
  let failure: unknown;
  const listener = addon.listenUnix(path, {mode: 0o600, backlog: 4}, (connection) => {
    const side = new AgentSide(connection);
    const serve = async (): Promise<void> => {
      const request = await side.receive();
      if (request === undefined) throw new Error('no request');
      try {
        await agent(side, request);
      } finally {
        for (const fd of request.fds) closeSync(fd);
      }
    };
    serve()
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => connection.close());
  });
  const stdin = JSON.stringify({cniVersion: '1.0.0', name: 'net', type: 'calico', agent_socket: path, ...call.config});
  const ended = await runShim({stdin, ...call, env: {CNI_COMMAND: 'ADD', ...call.env}});
  listener.close();
  if (failure !== undefined) throw failure;
  return ended;
}

export const result = (stdout: string, exitCode = 0, stderr = ''): Frame => ({
  kind: 'result',
  exitCode,
  stdout: Buffer.from(stdout),
  stderr: Buffer.from(stderr),
});
