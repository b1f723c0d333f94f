/**
 * What must not leave a machine in a bundle that people send around: private keys, passwords (of etcd, of BGP peers),
 * tokens. Text is changed line by line where one is recognised; what surrounds it stays, so that one sees there was one.
 */

const HIDDEN = '***';

const PRIVATE_KEY = /(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
/** Base64 of `-----BEGIN` and of what PEM and certificates in kubeconfigs have before it. */
const ENCODED_KEY = /\b(client-key-data|key-data|tls\.key)(["']?\s*[:=]\s*["']?)[A-Za-z0-9+/=]+/g;
/** `ETCD_PASSWORD=x`, `password: x`, `"token":"x"`, `--password x`, BIRD's `password "x";`. */
const NAMED =
  /([A-Za-z0-9_.-]*(?:passw(?:or)?d|passphrase|secret[_-]?key|private[_ -]?key|preshared[_ -]?key|token|authorization)(?:"|')?\s*(?:[:=]\s*|\s))("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|(?:Bearer |Basic )?[^\s,;}"']+)/gi;
const IN_URL = /([a-z][a-z0-9+.-]*:\/\/)[^\s/@:]+:[^\s/@]+@/gi;

/** The text without secrets; `known` are those that must not occur whatever stands before them. */
export function withoutSecrets(text: string, known: readonly string[] = []): string {
  let clean = text.replace(PRIVATE_KEY, `$1\n${HIDDEN}`).replace(ENCODED_KEY, `$1$2${HIDDEN}`);
  for (const secret of known) if (secret.length >= 4) clean = clean.replaceAll(secret, HIDDEN);
  return clean.replace(NAMED, `$1${HIDDEN}`).replace(IN_URL, `$1${HIDDEN}@`);
}
