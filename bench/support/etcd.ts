/**
 * An etcd for a bench: Debian's, with etcd's own defaults, so every write waits for the disk. It ends with the bench,
 * also when that dies.
 */
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {createServer} from 'node:net';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {EtcdStore} from '../../src/datastore/etcd/etcd-store.ts';
import {parseEtcdSettings} from '../../src/datastore/etcd/settings.ts';
import {systemClock as clock} from '../../src/lib/clock.ts';
import {silentLogger as log} from '../../src/lib/log.ts';
import {endProcess, labPath} from '../../test/lab/run-program.ts';
import {DISK_FOLDER} from './disk-folder.ts';

export interface RunningEtcd extends AsyncDisposable {
  readonly port: number;
  /** As ETCD_ENDPOINTS has it. */
  readonly endpoint: string;
}

/** Starts one on the loopback address and waits until it serves. `enter` is the beginning of a command line that runs it elsewhere. */
export async function startEtcd(enter: readonly string[] = []): Promise<RunningEtcd> {
  const folder = mkdtempSync(join(DISK_FOLDER, 'bench-etcd-'));
  const [port, peerPort] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const flags = {
    'data-dir': folder,
    'listen-client-urls': endpoint,
    'advertise-client-urls': endpoint,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
    logger: 'zap',
  };
  const command = ['--pdeathsig', 'KILL', ...enter, 'etcd', ...Object.entries(flags).map(([k, v]) => `--${k}=${v}`)];
  const child = spawn('setpriv', command, {stdio: ['ignore', 'ignore', 'pipe'], env: {PATH: labPath}});
  const dispose = async () => {
    await endProcess(child);
    rmSync(folder, {recursive: true, force: true});
  };
  try {
    await new Promise<void>((resolve, reject) => {
      let last = '';
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`etcd did not start: ${last}`)));
      createInterface({input: child.stderr}).on('line', (line) => {
        last = line;
        if (line.includes('serving client traffic')) resolve();
      });
    });
  } catch (error) {
    await dispose();
    throw error;
  }
  return {port, endpoint, [Symbol.asyncDispose]: dispose};
}

export const openEtcd = (endpoint: string): EtcdStore =>
  new EtcdStore({settings: parseEtcdSettings({endpoints: endpoint})}, {clock, log});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(address === null || typeof address === 'string' ? 0 : address.port));
    });
  });
}
