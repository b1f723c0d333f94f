/**
 * What names, labels and annotations may look like. Each rule takes a text and says what is wrong with it, or
 * undefined. Lengths are checked first, so the expressions only ever see short texts.
 */

/** Says what is wrong, as the end of a sentence; undefined when nothing is. */
export type TextRule = (text: string) => string | undefined;

const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LONGEST_ANNOTATIONS = 262_144;

/** Names of most kinds: lower-case DNS labels joined by dots. */
export const subdomainName: TextRule = (name) => {
  if (name === '') return 'must be specified';
  if (name.length > 253) return 'must have at most 253 characters';
  return SUBDOMAIN.test(name)
    ? undefined
    : "must consist of lower case letters, digits, '-' and '.', and begin and end with a letter or digit";
};

/** Calico judges no namespace; we want it to be one element of a key and of a line of text. */
export const namespaceName: TextRule = (name) => {
  if (name === '') return 'must be specified';
  if (name.length > 253) return 'must have at most 253 characters';
  return /[\s/\p{Cc}]/u.test(name) ? 'must not have slashes, white space or control characters' : undefined;
};

/** One DNS label: tiers. */
export const labelName: TextRule = (name) => {
  if (name === '') return 'must be specified';
  if (name.length > 63) return 'must have at most 63 characters';
  return LABEL.test(name)
    ? undefined
    : "must consist of lower case letters, digits and '-', and begin and end with a letter or digit";
};

export const PORT_NAME_RULE = "must be at most 15 lower case letters, digits and single '-', with a letter among them";
/** Names of ports, as in Kubernetes. */
export const isPortName = (name: string): boolean =>
  name.length <= 15 && LABEL.test(name) && /[a-z]/.test(name) && !name.includes('--');

/** The only name a kind may have. */
export const onlyName =
  (allowed: string): TextRule =>
  (name) =>
    name === allowed ? undefined : `must be "${allowed}", the only name of this kind`;

/** Keys of labels and annotations: `name` or `prefix/name`. */
export const qualifiedName: TextRule = (key) => {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix !== undefined && (prefix.length > 253 || !SUBDOMAIN.test(prefix)))
    return 'must have a DNS name of at most 253 characters before the slash';
  if (name === '' || name.length > 63) return 'must have a name of 1 to 63 characters';
  return QUALIFIED.test(name)
    ? undefined
    : "must consist of letters, digits, '-', '_' and '.', and begin and end with a letter or digit";
};

export const labelValue: TextRule = (value) => {
  if (value.length > 63) return 'must have at most 63 characters';
  return value === '' || QUALIFIED.test(value)
    ? undefined
    : "must be empty or consist of letters, digits, '-', '_' and '.', and begin and end with a letter or digit";
};

/** Annotations are limited together, in bytes. */
export function annotationsTooLarge(annotations: Readonly<Record<string, string>>): string | undefined {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  return bytes > LONGEST_ANNOTATIONS ? `must have at most ${LONGEST_ANNOTATIONS} bytes together` : undefined;
}
