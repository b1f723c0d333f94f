/** One call of the real CNI plugin, as a runtime makes it. */
import {spawn} from 'node:child_process';
import {fileURLToPath} from 'node:url';

export interface CniAnswer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CniCallOptions {
  readonly program?: 'calico' | 'calico-ipam';
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
}

const build = fileURLToPath(new URL('../../../../native/build/', import.meta.url));

/** `enter` is the command line that the plugin is started by: one that enters the namespaces of a node, or none. */
export function runPlugin(options: CniCallOptions, enter: readonly string[] = []): Promise<CniAnswer> {
  const {program = 'calico', argv = [], env = {}, stdin = ''} = options;
  const [command = '', ...args] = [...enter, build + program, ...argv];
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {stdio: ['pipe', 'pipe', 'pipe'], env: {...env}});
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    // A plugin that refuses its input closes the pipe.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({
        code: code ?? 128,
        stdout: Buffer.concat(output).toString(),
        stderr: Buffer.concat(errors).toString(),
      }),
    );
  });
}
