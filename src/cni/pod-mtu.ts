/** MTU of a new pod: the network configuration's, else what Felix found out and wrote to a file, else the kernel's. */
import {readFileSync} from 'node:fs';
import {AgentError} from '../lib/errors.ts';
import type {NetworkConfig} from './network-config.ts';

/** Reads the file that Felix writes; undefined while there is none. Throws E_FILE for one that holds no MTU. */
export function mtuFileReader(path: string): () => number | undefined {
  return () => {
    let text: string;
    try {
      text = readFileSync(path, 'utf8').trim();
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw new AgentError('E_FILE', 'failed to read MTU file', {path}, error);
    }
    if (/^\d{1,6}$/.test(text)) return Number(text);
    throw new AgentError('E_FILE', `failed to read MTU file: ${path} holds no number`, {path});
  };
}

/** Undefined: the kernel's default. Throws E_FILE when the configuration insists on a file that is not there yet. */
export function podMtu(
  {mtu, requiresMtuFile}: Pick<NetworkConfig, 'mtu' | 'requiresMtuFile'>,
  readPodMtu: () => number | undefined,
): number | undefined {
  if (mtu > 0) return mtu;
  const found = readPodMtu();
  if (found === undefined && requiresMtuFile)
    throw new AgentError(
      'E_FILE',
      'failed to read MTU file: the agent has not written it yet, and require_mtu_file is set',
    );
  return found === 0 ? undefined : found;
}
