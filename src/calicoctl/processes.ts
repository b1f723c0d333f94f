/** The processes of this machine. */
import {readdir, readFile} from 'node:fs/promises';

/** Arguments of every process; one that ends meanwhile is left out. */
export async function readProcesses(): Promise<readonly (readonly string[])[]> {
  const ids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const all = await Promise.all(ids.map(readArguments));
  return all.filter((args) => args !== undefined);
}

async function readArguments(id: string): Promise<readonly string[] | undefined> {
  try {
    const text = await readFile(`/proc/${id}/cmdline`, 'utf8');
    return text === '' ? undefined : text.replace(/\0$/, '').split('\0');
  } catch {
    return undefined;
  }
}
