/**
 * Why an endpoint could not be connected to, for the person who set it up: with the credentials that were in play, and
 * without what OpenSSL and Node.js say to their own developers.
 */
import {messageChain} from '../../lib/errors.ts';
import type {DialStep} from './connection.ts';
import {nameOf} from './credentials.ts';
import type {Endpoint, TlsSettings} from './settings.ts';

export function dialReason(error: unknown, step: DialStep, endpoint: Endpoint, tls: TlsSettings): string {
  if (step === 'read credentials') return messageChain(error);
  const alert = alertOf(error);
  if (alert !== undefined) return `the server refused us with "${alert}" (${presented(tls)})`;
  const plain = messageChain(error)
    .trim()
    .replace(/; if the root CA is installed locally, try running .*$/, '');
  if (isAboutItsCertificate(error))
    return `${plain} (the server was verified with ${tls.ca === undefined ? "the system's authorities" : nameOf(tls.ca)})`;
  // What the other side does with bytes it cannot make sense of.
  if (HUNG_UP.test(plain) && (step === 'TLS handshake' || (step === 'HTTP/2 settings' && !endpoint.isTls)))
    return `${plain} (is it an ${endpoint.isTls ? 'http' : 'https'} endpoint?)`;
  return plain;
}

const HUNG_UP = /disconnected before secure|closed the connection|ECONNRESET|EPIPE|hang up/;

/** It is about who we or they are, not about the way to each other. */
export function isAboutCredentials(error: unknown, step: DialStep): boolean {
  return step === 'read credentials' || alertOf(error) !== undefined || isAboutItsCertificate(error);
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');

/** What the server told us before it hung up: `bad certificate`. */
function alertOf(error: unknown): string | undefined {
  const words = /^ERR_SSL_.*?ALERT_(\w+)$/.exec(codeOf(error))?.[1];
  return words?.toLowerCase().replaceAll('_', ' ');
}

const isAboutItsCertificate = (error: unknown): boolean =>
  /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|ERR_OSSL_/.test(codeOf(error));

const presented = ({cert}: TlsSettings): string =>
  cert === undefined ? 'no certificate was presented to it' : `${nameOf(cert)} was presented to it`;
