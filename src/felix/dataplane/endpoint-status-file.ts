/**
 * The file that says "this endpoint's network is in place" to programs beside us (Calico's own CNI plugin waits for it).
 * It exists exactly while the endpoint is up; its name is the endpoint's three names, escaped as in a URL path.
 */
import type {WorkloadEndpointIntent} from '../calc/intent.ts';

export function endpointStatusFileName({id}: Pick<WorkloadEndpointIntent, 'id'>): string {
  const parts = id.split('/');
  const orchestrator = parts[0] ?? '';
  const endpoint = parts.at(-1) ?? '';
  return [orchestrator, parts.slice(1, -1).join('/'), endpoint].map(escapePathSegment).join(' ');
}

/** Empty fields are left out. */
export function endpointStatusText(endpoint: WorkloadEndpointIntent): string {
  const {interfaceName, mac, ipv4Nets, ipv6Nets} = endpoint;
  return JSON.stringify({
    ifaceName: interfaceName,
    ...(mac === undefined ? {} : {mac}),
    ...(ipv4Nets.length === 0 ? {} : {ipv4Nets}),
    ...(ipv6Nets.length === 0 ? {} : {ipv6Nets}),
  });
}

/** As a URL path segment: letters, digits and these stay. */
function escapePathSegment(text: string): string {
  return [...new TextEncoder().encode(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9\-_.~$&+=:@]/.test(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}
