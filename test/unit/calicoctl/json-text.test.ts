/** Indented JSON in Go's order: maps by the bytes of their keys, also where JavaScript would sort numbers. */
import t from 'tap';
import {printIndentedJson} from '../../../src/calicoctl/output/json-text.ts';
import {parseJson} from '../../../src/lib/exact-json.ts';

void t.test('keys that look like numbers', async (t) => {
  const text = '{"2":1795251076356893816,"10":1,"1":{"b":[],"a":{}}}';
  t.equal(
    printIndentedJson(parseJson(text)),
    `{
  "1": {
    "b": [],
    "a": {}
  },
  "10": 1,
  "2": 1795251076356893816
}`,
  );
});
