/** A host with 10,000 routes: 40 workloads and 2,490 remote nodes with two blocks in each family. */
import type {Intent} from '../../../../src/felix/calc/intent.ts';
import {BASE, endpoint, remoteNode, route} from './host.ts';

export const WORKLOADS = 40;
const NODES = 2490;

export function largeContent(): Intent[] {
  const intents: Intent[] = [...BASE];
  for (let n = 1; n <= WORKLOADS; n++) intents.push(endpoint(n));
  for (let n = 2; n < 2 + NODES; n++) {
    const node = `node${n}`;
    intents.push(...remoteNode(n));
    const hex = n.toString(16);
    const [second, third] = [Math.floor(n / 256), n % 256];
    intents.push(
      route({
        cidr: `10.${128 + second}.${third}.64/26`,
        family: 4,
        type: 'remote-workload',
        node,
        nodeIp: `10.96.${second}.${third}`,
      }),
      route({
        cidr: `fd00:244:${hex}::40/122`,
        family: 6,
        type: 'remote-workload',
        node,
        nodeIp: `fd00:96::${hex}`,
      }),
    );
  }
  return intents;
}
