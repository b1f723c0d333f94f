/** One call of the real CNI plugin, as a runtime makes it. */
import {spawn} from 'node:child_process';
import {join} from 'node:path';
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

/** Where the plugin is built. */
export const PLUGIN_FOLDER = fileURLToPath(new URL('../../../../native/build', import.meta.url));

/** Inside the namespaces of a node: `enter` is the command line that enters them, `folder` where the plugin is seen there. */
export interface CniCallPlace {
  readonly enter: readonly string[];
  readonly folder: string;
}

export function runPlugin(
  options: CniCallOptions,
  {enter, folder}: CniCallPlace = {enter: [], folder: PLUGIN_FOLDER},
): Promise<CniAnswer> {
  const {program = 'calico', argv = [], env = {}, stdin = ''} = options;
  const [command = '', ...args] = [...enter, join(folder, program), ...argv];
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
