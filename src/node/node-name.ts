/** Which node this is: the name under which everything of it is stored. */
import {AgentError} from '../lib/errors.ts';

/** Where a name may come from, in order of precedence; undefined where there is none. */
export interface NodeNameSources {
  /** NODENAME */
  readonly variable: string | undefined;
  /** Content of the nodename file. */
  readonly file: string | undefined;
  /** HOSTNAME */
  readonly hostnameVariable: string | undefined;
  /** Host name of the operating system. */
  readonly systemHostname: string;
}

/** RFC 1123 subdomain, as every resource name. */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** The node's name; throws E_BAD_CONFIG when the source that decides is not usable as a resource name. */
export function chooseNodeName(sources: NodeNameSources): string {
  const candidates: readonly (readonly [source: string, value: string | undefined])[] = [
    ['NODENAME', sources.variable?.trim()],
    ['the nodename file', sources.file?.trim()],
    ['HOSTNAME', sources.hostnameVariable?.trim().toLowerCase()],
    ['the host name', sources.systemHostname.trim().toLowerCase()],
  ];
  for (const [source, value] of candidates) {
    if (value === undefined || value === '') continue;
    if (value.length > 253 || !NAME.test(value)) {
      throw new AgentError(
        'E_BAD_CONFIG',
        `"${value}" from ${source} is no node name: lower case letters, digits, "-" and "." only`,
        {source, value},
      );
    }
    return value;
  }
  throw new AgentError('E_BAD_CONFIG', 'this machine has no name: set NODENAME', {});
}
