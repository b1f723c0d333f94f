/**
 * Dumps as a kernel (6.18) sent them, of a namespace with veth, vxlan and bridge links, routes of many forms, rules,
 * neighbours and forwarding entries of both families.
 */
import {readFileSync} from 'node:fs';

export type DumpName =
  | 'links'
  | 'addresses'
  | 'routes4'
  | 'routes6'
  | 'neighbours'
  | 'proxies'
  | 'forwarding'
  | 'rules4'
  | 'rules6'
  | 'netconf';

export function kernelDumps(): ReadonlyMap<DumpName, Uint8Array> {
  const path = new URL('../../../fixtures/netlink/kernel-dumps.json', import.meta.url);
  const texts = JSON.parse(readFileSync(path, 'utf8')) as Record<DumpName, string>;
  return new Map(
    Object.entries(texts).map(([name, text]) => [name as DumpName, Uint8Array.from(Buffer.from(text, 'base64'))]),
  );
}
