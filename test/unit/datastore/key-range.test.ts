import t from 'tap';
import {prefixEnd} from '../../../src/datastore/key-range.ts';
import {compareBytes} from '../../../src/lib/byte-order.ts';
import {forAll} from '../../helpers/random.ts';

await t.test('the end of a prefix', (t) => {
  t.equal(prefixEnd('a'), 'b');
  t.equal(prefixEnd('/calico/'), '/calico0');
  t.equal(prefixEnd('a\u007f'), 'a\u0080');
  t.equal(prefixEnd('\ud7ff'), '\ue000', 'surrogates are no code points');
  t.equal(prefixEnd('\uffff'), '\u{10000}');
  t.equal(prefixEnd('a\u{10ffff}'), 'b', 'the last code point cannot be raised');
  t.equal(prefixEnd('\u{10ffff}\u{10ffff}'), undefined);
  t.equal(prefixEnd(''), undefined);
  t.end();
});

await t.test('a key lies between prefix and end exactly when it begins with the prefix', async (t) => {
  const points = ['a', 'b', '/', '\u007f', '\u0080', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '😀', '\u{10ffff}'];
  await forAll(2000, (random) => {
    const text = () => Array.from({length: random.below(4)}, () => random.pick(points)).join('');
    const [prefix, key] = [text(), text()];
    const end = prefixEnd(prefix);
    const isInside = compareBytes(prefix, key) <= 0 && (end === undefined || compareBytes(key, end) < 0);
    if (isInside !== key.startsWith(prefix)) throw new Error(JSON.stringify({prefix, key, end}));
  });
  t.pass('in 2000 cases');
});
