import t from 'tap';
import {Claims} from '../../../../src/felix/calc/claims.ts';

void t.test('the first in order has it, whoever came first', async (t) => {
  const claims = new Claims<string, string>();
  t.equal(claims.ownerOf('eth0'), undefined);
  claims.claim('eth0', 'b');
  t.equal(claims.ownerOf('eth0'), 'b');
  claims.claim('eth0', 'c');
  claims.claim('eth0', 'a');
  claims.claim('eth0', 'a');
  t.same(claims.claimantsOf('eth0'), ['a', 'b', 'c']);
  claims.release('eth0', 'a');
  t.equal(claims.ownerOf('eth0'), 'b', 'the next is promoted');
  claims.release('eth0', 'nobody');
  claims.release('eth0', 'c');
  claims.release('eth0', 'b');
  t.same(claims.claimantsOf('eth0'), []);
});

void t.test('the order can be another', async (t) => {
  const claims = new Claims<string, string>((a, b) => b.length - a.length);
  claims.claim('x', 'short');
  claims.claim('x', 'much longer');
  t.equal(claims.ownerOf('x'), 'much longer');
});
