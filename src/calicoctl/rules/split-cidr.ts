/** A network cut into equal parts. */
import {addToIp, bitsOf, type Cidr, formatCidr} from '../../lib/cidr.ts';
import {Failure} from '../failure.ts';

const MOST_PARTS = 1024;

/** `count` networks of the same size, in order. Throws a Failure for a number that is no power of two, or too large. */
export function splitCidr(cidr: Cidr, count: number): readonly Cidr[] {
  const failed = (reason: string): Failure =>
    new Failure(`error splitting the CIDR ${formatCidr(cidr)} into ${count} CIDRs: ${reason}`);
  const bits = Math.log2(count);
  if (count < 2 || !Number.isInteger(bits))
    throw failed(`number to split CIDR into is not a valid power of 2: ${count}`);
  const length = cidr.length + bits;
  if (length > bitsOf(cidr.ip.family))
    throw failed(`the CIDR ${formatCidr(cidr)} is not large enough to be split into ${count} parts`);
  if (count > MOST_PARTS) throw failed(`there may be ${MOST_PARTS} parts at most`);
  const size = 2 ** (bitsOf(cidr.ip.family) - length);
  return Array.from({length: count}, (_, i) => ({ip: addToIp(cidr.ip, i * size), length}));
}
