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

function contextOf(options: SecureContextOptions, {key, cert, ca}: TlsSettings): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    const names = [key, cert, ca].flatMap((source) => source?.name ?? []);
    throw new Error(`cannot use what is in ${names.join(', ')}`, {cause: error});
  }
}

async function readPem(source: PemSource | undefined): Promise<string | Buffer | undefined> {
  if (source === undefined) return undefined;
  if (source.kind === 'inline') return source.text.reveal();
  try {
    return await readFile(source.path);
  } catch (error) {
    throw new Error(`cannot read ${source.name}`, {cause: error});
  }
}
