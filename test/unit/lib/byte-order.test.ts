import assert from 'node:assert/strict';
import t from 'tap';
import {compareBytes} from '../../../src/lib/byte-order.ts';
import {forAll} from '../../helpers/random.ts';

void t.test('strings compare as their UTF-8 bytes do', () =>
  forAll(3000, (random) => {
    const text = () =>
      Array.from({length: random.below(4)}, () =>
        random.pick(['', '\u0000', 'a', 'b', '/', 'é', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}']),
      ).join('');
    const [a, b] = [text(), text()];
    assert.equal(Math.sign(compareBytes(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)), JSON.stringify([a, b]));
  }),
);
