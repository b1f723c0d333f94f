/**
 * CNI_ARGS: `KEY=value;KEY=value`, as the CNI library reads it.
 *
 * Calico tolerates unknown keys unless the runtime says IgnoreUnknown=0. An address given as `::ffff:10.0.0.1` is the
 * IPv4 address it stands for.
 */
import {formatIp, parseIp} from '../lib/cidr.ts';
import {AgentError} from '../lib/errors.ts';

export interface CniArgs {
  /** `IP`: the address the pod is to get, canonical. */
  readonly ip: string | undefined;
  /** Set when both K8S_POD_NAME and K8S_POD_NAMESPACE are. */
  readonly pod: {readonly namespace: string; readonly name: string} | undefined;
}

const KNOWN_KEYS: ReadonlySet<string> = new Set([
  'IP',
  'IgnoreUnknown',
  'K8S_POD_NAME',
  'K8S_POD_NAMESPACE',
  'K8S_POD_INFRA_CONTAINER_ID',
]);

const LONGEST_NAME = 253;

/** Throws E_CNI_BAD_ARGS. */
export function parseCniArgs(text: string): CniArgs {
  const values = new Map<string, string>();
  const unknown: string[] = [];
  for (const pair of text === '' ? [] : text.split(';')) {
    const [key = '', value, ...rest] = pair.split('=');
    if (value === undefined || rest.length > 0) throw badArgs(`invalid pair ${quoted(pair)}`);
    if (KNOWN_KEYS.has(key)) values.set(key, value);
    else unknown.push(pair);
  }
  const ip = parseGivenIp(values.get('IP') ?? '');
  if (!toleratesUnknown(values.get('IgnoreUnknown')) && unknown.length > 0)
    throw badArgs(`unknown args [${unknown.map(quoted).join(' ')}]`);
  return {ip, pod: parsePod(values.get('K8S_POD_NAMESPACE') ?? '', values.get('K8S_POD_NAME') ?? '')};
}

function toleratesUnknown(value: string | undefined): boolean {
  switch (value?.toLowerCase()) {
    case undefined:
    case '1':
    case 'true':
      return true;
    case '0':
    case 'false':
      return false;
    default:
      throw badArgs(
        `error parsing value of pair ${quoted(`IgnoreUnknown=${value}`)}: boolean unmarshal error: invalid input ${clip(value ?? '')}`,
      );
  }
}

function parseGivenIp(text: string): string | undefined {
  if (text === '') return undefined;
  const ip = parseIp(/^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(text)?.[1] ?? text);
  if (ip === undefined)
    throw badArgs(`error parsing value of pair ${quoted(`IP=${text}`)}: invalid IP address: ${clip(text)}`);
  return formatIp(ip);
}

/** The names become parts of keys and of interface names. */
function parsePod(namespace: string, name: string): CniArgs['pod'] {
  if (namespace === '' || name === '') return undefined;
  for (const text of [namespace, name])
    if (text.length > LONGEST_NAME || /[/\s\p{Cc}]/u.test(text))
      throw badArgs(`${quoted(text)} cannot be the name of a pod or of a namespace`);
  return {namespace, name};
}

const badArgs = (problem: string): AgentError => new AgentError('E_CNI_BAD_ARGS', `ARGS: ${problem}`);
const clip = (text: string): string => (text.length > 128 ? `${text.slice(0, 125)}...` : text);
const quoted = (text: string): string => JSON.stringify(clip(text));
