/**
 * Keys and certificates for a connection. They are read anew for each one, so a rotated file is in force from the next
 * connection on, and a file that is broken for a moment costs an attempt and nothing more.
 */
import {readFile} from 'node:fs/promises';
import {isIP} from 'node:net';
import {type ConnectionOptions, createSecureContext, type SecureContext, type SecureContextOptions} from 'node:tls';
import type {Endpoint, PemSource, TlsSettings} from './settings.ts';

/** What a TLS connection to `endpoint` is made with. The peer is always verified. Rejects when a file is of no use. */
export async function readTlsOptions(tls: TlsSettings, endpoint: Endpoint): Promise<ConnectionOptions> {
  const [key, cert, ca] = await Promise.all([readPem(tls.key), readPem(tls.cert), readPem(tls.ca)]);
  const pem = Object.fromEntries(Object.entries({key, cert, ca}).filter(([, text]) => text !== undefined));
  return {
    host: endpoint.host,
    port: endpoint.port,
    ...(isIP(endpoint.host) === 0 ? {servername: endpoint.host} : {}),
    secureContext: contextOf({...pem, minVersion: 'TLSv1.2'}, tls),
    ALPNProtocols: ['h2'],
    rejectUnauthorized: true,
  };
}

function contextOf(options: SecureContextOptions, tls: TlsSettings): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    const name = PARTS.find((part) => !isUsable({[part]: options[part]}));
    // Each is fine by itself: then it is the key that does not belong to the certificate.
    const culprits = name === undefined ? PARTS.filter((part) => part !== 'ca') : [name];
    const names = culprits.flatMap((part) => (tls[part] === undefined ? [] : [nameOf(tls[part])]));
    throw new Error(`cannot use what is in ${names.join(' and ')}`, {cause: error});
  }
}

const PARTS = ['ca', 'cert', 'key'] as const;

function isUsable(options: SecureContextOptions): boolean {
  try {
    createSecureContext(options);
    return true;
  } catch {
    return false;
  }
}

/** The setting, and the file it names. */
export const nameOf = (source: PemSource): string =>
  source.kind === 'file' ? `${source.name} ${source.path}` : source.name;

async function readPem(source: PemSource | undefined): Promise<string | Buffer | undefined> {
  if (source === undefined) return undefined;
  if (source.kind === 'inline') return source.text.reveal();
  try {
    return await readFile(source.path);
  } catch (error) {
    throw new Error(`cannot read ${source.name}`, {cause: error});
  }
}
