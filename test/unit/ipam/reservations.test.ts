import t from 'tap';
import {Reservations} from '../../../src/ipam/reservations.ts';
import {requireCidr, requireIp} from '../../../src/lib/cidr.ts';

void t.test('an address is reserved when any CIDR covers it, in its own family', async (t) => {
  const reservations = Reservations.parse(['10.0.0.0/30', '10.0.0.9', 'fd00::/126', ' 10.0.1.0/24 ', 'nonsense', '']);
  for (const ip of ['10.0.0.0', '10.0.0.3', '10.0.0.9', '10.0.1.255', 'fd00::3'])
    t.equal(reservations.contains(requireIp(ip)), true, ip);
  for (const ip of ['10.0.0.4', '10.0.0.8', '10.0.0.10', '10.0.2.0', '9.255.255.255', 'fd00::4', '::'])
    t.equal(reservations.contains(requireIp(ip)), false, ip);
});

void t.test('a block is covered by one reservation or by several together, counted once', async (t) => {
  const block = requireCidr('10.0.0.0/29');
  const halves = ['10.0.0.0/30', '10.0.0.4/31', '10.0.0.6', '10.0.0.7'];
  t.equal(Reservations.parse(['10.0.0.0/24']).coversAll(block), true);
  t.equal(Reservations.parse(halves).coversAll(block), true);
  t.equal(Reservations.parse(halves.slice(1)).coversAll(block), false);
  // The same addresses twice are not two.
  t.equal(Reservations.parse(['10.0.0.0/30', '10.0.0.0/30', '10.0.0.1', '10.0.0.2/31']).countIn(block), 4);
  t.equal(Reservations.parse(['10.0.0.0/8']).countIn(block), 8);
  t.equal(Reservations.parse([]).coversAll(block), false);
});
