/** Patches, by the examples of their RFCs. */
import t from 'tap';
import {jsonPatch} from '../../../src/calicoctl/rules/json-patch.ts';
import {strategicMergePatch} from '../../../src/calicoctl/rules/merge-patch.ts';
import {parseJson, printJson} from '../../../src/lib/exact-json.ts';

void t.test('merge patches, RFC 7386 appendix A', async (t) => {
  for (const [target, patch, result] of [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', 'null', 'null'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ] as const)
    t.equal(printJson(strategicMergePatch(parseJson(target), parseJson(patch))), result, `${target} + ${patch}`);
});

void t.test('directives of strategic patches', async (t) => {
  const merged = (target: string, patch: string): string =>
    printJson(strategicMergePatch(parseJson(target), parseJson(patch)));
  t.equal(merged('{"a":{"b":1,"c":2}}', '{"a":{"$patch":"replace","d":3}}'), '{"a":{"d":3}}');
  t.equal(merged('{"a":{"b":1}}', '{"a":{"$patch":"delete"}}'), '{"a":{}}');
  t.equal(merged('{"a":[1,2]}', '{"a":[{"$patch":"replace"},3]}'), '{"a":[3]}');
  t.throws(() => merged('{}', '{"$retainKeys":["a"]}'), {
    message: /\$retainKeys of strategic patches is not supported/,
  });
});

void t.test('JSON patches, RFC 6902 appendix A', async (t) => {
  for (const [document, patch, result] of [
    ['{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux"}]', '{"foo":"bar","baz":"qux"}'],
    ['{"foo":["bar","baz"]}', '[{"op":"add","path":"/foo/1","value":"qux"}]', '{"foo":["bar","qux","baz"]}'],
    ['{"baz":"qux","foo":"bar"}', '[{"op":"remove","path":"/baz"}]', '{"foo":"bar"}'],
    ['{"foo":["bar","qux","baz"]}', '[{"op":"remove","path":"/foo/1"}]', '{"foo":["bar","baz"]}'],
    ['{"foo":"bar","baz":"qux"}', '[{"op":"replace","path":"/baz","value":"boo"}]', '{"foo":"bar","baz":"boo"}'],
    ['{"foo":[1,2]}', '[{"op":"replace","path":"/foo/0","value":3}]', '{"foo":[3,2]}'],
    ['{"a":{"b":1},"c":{}}', '[{"op":"move","from":"/a/b","path":"/c/d"}]', '{"a":{},"c":{"d":1}}'],
    ['{"foo":[1,2,3]}', '[{"op":"move","from":"/foo/0","path":"/foo/2"}]', '{"foo":[2,3,1]}'],
    ['{"a":[1]}', '[{"op":"copy","from":"/a","path":"/b"}]', '{"a":[1],"b":[1]}'],
    ['{"baz":"qux"}', '[{"op":"test","path":"/baz","value":"qux"}]', '{"baz":"qux"}'],
    ['{"a/b":1,"m~n":2}', '[{"op":"test","path":"/a~1b","value":1},{"op":"remove","path":"/m~0n"}]', '{"a/b":1}'],
    ['{"foo":["bar"]}', '[{"op":"add","path":"/foo/-","value":["abc"]}]', '{"foo":["bar",["abc"]]}'],
    ['{"a":{"x":1,"y":2}}', '[{"op":"test","path":"/a","value":{"y":2,"x":1}}]', '{"a":{"x":1,"y":2}}'],
  ] as const)
    t.equal(printJson(jsonPatch(parseJson(document), parseJson(patch))), result, `${document} + ${patch}`);
});

void t.test('a JSON patch that cannot be applied names its operation', async (t) => {
  for (const [document, patch, message] of [
    ['{"baz":"qux"}', '[{"op":"test","path":"/baz","value":"bar"}]', /^operation 1 .*: the value is another$/],
    ['{"foo":"bar"}', '[{"op":"add","path":"/baz/bat","value":1}]', /there is nothing at "baz"/],
    ['{"foo":[1]}', '[{"op":"add","path":"/foo/2","value":1}]', /there is nothing at "2"/],
    ['{"foo":[1]}', '[{"op":"remove","path":"/foo/01"}]', /there is nothing at "01"/],
    ['{}', '[{"op":"remove","path":"/constructor"}]', /there is nothing at "constructor"/],
    ['{}', '[{"op":"replace","path":"/a","value":1}]', /there is nothing at "a"/],
    ['{}', '[{"op":"add","path":"a","value":1}]', /path must be a JSON pointer/],
    ['{}', '[{"op":"add","path":"/a"}]', /value must be given/],
    ['{}', '[{"op":"poke","path":"/a"}]', /op must be/],
    ['{}', '{"op":"add"}', /must be a list of operations/],
  ] as const)
    t.throws(() => jsonPatch(parseJson(document), parseJson(patch)), {message}, patch);
});
