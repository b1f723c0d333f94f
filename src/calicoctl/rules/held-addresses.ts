/** Which addresses a block of IPAM could hold: nobody has the others, and to ask IPAM for them would write its settings. */
import {cidrContainsIp, formatIp, parseIpWithPrefix, requireCidr} from '../../lib/cidr.ts';
import {BLOCKS_PREFIX, parseKey} from '../../model/keys.ts';
import type {Session} from '../session.ts';

/** Those of `texts`, addresses with or without a prefix length, in their usual form. */
export async function heldAddresses(
  {store, call}: Session,
  texts: readonly string[],
): Promise<readonly {readonly ip: string}[]> {
  const {entries} = await store.list(BLOCKS_PREFIX, call);
  const blocks = entries.flatMap(({key}) => {
    const parsed = parseKey(key);
    return parsed?.kind === 'block' ? [requireCidr(parsed.cidr)] : [];
  });
  return texts.flatMap((text) => {
    const ip = parseIpWithPrefix(text)?.ip;
    return ip !== undefined && blocks.some((block) => cidrContainsIp(block, ip)) ? [{ip: formatIp(ip)}] : [];
  });
}
