/** An address of the kernel -> an entry, when it is ours: on a tunnel device, of the device's family. */
import type {Address} from '../../../netlink/addresses.ts';
import {type AddressEntry, VXLAN_DEVICE} from '../../dataplane/entries.ts';

export function seenAddress(address: Address, nameOf: (index: number) => string | undefined): AddressEntry | undefined {
  const link = nameOf(address.index);
  if (link !== VXLAN_DEVICE[address.family]) return undefined;
  return {link, address: `${address.ip}/${address.prefixLength}`};
}
