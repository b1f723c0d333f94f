/** An authority and certificates of its own for one test, made with openssl in a temporary folder. */
import {execFile} from 'node:child_process';
import {copyFile, rename} from 'node:fs/promises';
import {join} from 'node:path';
import {promisify} from 'node:util';
import type {TlsFiles} from './etcd-server.ts';

const run = promisify(execFile);
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export class Authority {
  readonly #ca: string;
  #serial = 0;

  private constructor(folder: string, name: string) {
    this.#ca = join(folder, name);
  }

  static async create(folder: string, name = 'ca'): Promise<Authority> {
    const authority = new Authority(folder, name);
    const ca = authority.#ca;
    await openssl('req', '-x509', ...KEY, '-keyout', `${ca}.key`, '-out', `${ca}.pem`, '-subj', `/CN=${name}`);
    return authority;
  }

  /** Key and certificate for `name`, for both ends of TLS on the loopback address and those given. */
  async issue(
    name: string,
    options: {readonly isExpired?: boolean; readonly addresses?: readonly string[]} = {},
  ): Promise<TlsFiles> {
    const base = `${this.#ca}-${name}-${++this.#serial}`;
    const files = {key: `${base}.key`, cert: `${base}.pem`, ca: `${this.#ca}.pem`};
    const addresses = ['127.0.0.1', ...(options.addresses ?? [])].map((address) => `IP:${address}`);
    const names = ['-addext', `subjectAltName=${addresses.join(',')},DNS:localhost`];
    await openssl('req', ...KEY, '-keyout', files.key, '-out', `${base}.csr`, '-subj', `/CN=${name}`, ...names);
    const signing = [
      '-CA',
      `${this.#ca}.pem`,
      '-CAkey',
      `${this.#ca}.key`,
      '-CAcreateserial',
      '-copy_extensions',
      'copy',
    ];
    const days = options.isExpired ? '-1' : '30';
    await openssl('x509', '-req', '-in', `${base}.csr`, '-out', files.cert, '-days', days, ...signing);
    return files;
  }
}

/** Puts key and certificate of `from` in the place of those of `to`, as a rotation does. */
export async function replaceFiles(to: TlsFiles, from: TlsFiles): Promise<void> {
  for (const part of ['key', 'cert'] as const) {
    await copyFile(from[part], `${to[part]}.new`);
    await rename(`${to[part]}.new`, to[part]);
  }
}

async function openssl(...args: string[]): Promise<void> {
  await run('openssl', args);
}
