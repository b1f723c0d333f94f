/**
 * Where the CNI plugin finds `agent_socket`: the same as JSON.parse, for any text. Which socket it took is seen in its
 * error message, since nobody listens on any of them.
 */
import t from 'tap';
import {forAll, type Random} from '../../helpers/random.ts';
import {sanitized} from './support/builds.ts';
import {removeAll} from './support/namespaces.ts';
import {runShim} from './support/shim.ts';

t.teardown(removeAll);

/** Not the default one: an agent of this machine may listen there. */
type Found = {readonly path: string} | 'default' | 'invalid';

async function inShim(config: string | Uint8Array): Promise<Found> {
  const {stdout} = await runShim({env: {CNI_COMMAND: 'NONE'}, stdin: config});
  if (stdout.includes('"msg": "invalid agent_socket"')) return 'invalid';
  const {details} = JSON.parse(stdout) as {details: string};
  const path = /connect (.*): (?:No such file|Not a directory)/s.exec(details)?.[1];
  return path === undefined || path === '/var/run/calico/cni/cni.sock' ? 'default' : {path};
}

function inJavaScript(config: string): Found {
  let parsed: unknown;
  try {
    parsed = JSON.parse(config);
  } catch {
    return 'default';
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return 'default';
  if (!Object.hasOwn(parsed, 'agent_socket')) return 'default';
  const path = (parsed as Record<string, unknown>).agent_socket;
  if (typeof path !== 'string' || !path.startsWith('/') || path.includes('\0')) return 'invalid';
  return Buffer.byteLength(path) > 107 ? 'invalid' : {path};
}

void t.test('texts worth a thought', async (t) => {
  const long = `/ct-never/${'x'.repeat(97)}`;
  const texts = [
    '',
    ' ',
    '{}',
    '[]',
    'null',
    '"agent_socket"',
    '{"agent_socket":"/ct-never/a"}',
    ' \t\r\n{ "agent_socket" : "/ct-never/a" } \n',
    '\u00a0{"agent_socket":"/ct-never/a"}',
    '\ufeff{"agent_socket":"/ct-never/a"}',
    '{"agent_socket":"/ct-never/a"}x',
    '{"agent_socket":"/ct-never/a"',
    '{"agent_socket":"/ct-never/a",}',
    "{'agent_socket':'/ct-never/a'}",
    '{"agent_socket":"/ct-never/a","agent_socket":"/ct-never/b"}',
    '{"agent_socket":"/ct-never/a","agent_socket":5}',
    '{"agent_socket":5,"agent_socket":"/ct-never/a"}',
    '{"agent_socket":{"agent_socket":"/ct-never/a"}}',
    '{"a":{"agent_socket":"/ct-never/a"}}',
    '[{"agent_socket":"/ct-never/a"}]',
    '{"AGENT_SOCKET":"/ct-never/a"}',
    '{"agent_socket\\u0000":"/ct-never/a"}',
    '{"\\u0061gent\\u005fsocket":"\\/ct-never\\/\\u00fc\\ud83d\\ude00"}',
    '{"agent_socket":"/ct-never/\\u0000x"}',
    '{"agent_socket":"ct-never"}',
    '{"agent_socket":""}',
    '{"agent_socket":null}',
    `{"agent_socket":"${long}"}`,
    `{"agent_socket":"${long}x"}`,
    `{"agent_socket":"/ct-never/a","x":${'['.repeat(400)}${']'.repeat(400)}}`,
    '{"agent_socket":"/ct-never/a","x":01}',
    '{"agent_socket":"/ct-never/a","x":-0.5e+10}',
    '{"agent_socket":"/ct-never/a","x":1.}',
    '{"agent_socket":"/ct-never/a","x":+1}',
    '{"agent_socket":"/ct-never/a","x":.5}',
    '{"agent_socket":"/ct-never/a","x":1e}',
    '{"agent_socket":"/ct-never/a","x":tru}',
    '{"agent_socket":"/ct-never/a","x":"\t"}',
    '{"agent_socket":"/ct-never/a","x":"\\x"}',
    '{"agent_socket":"/ct-never/a","x":"\\u12g4"}',
    '{"agent_socket":"/ct-never/a","x":[1,]}',
    '{"agent_socket":"/ct-never/a" "x":1}',
    '{"agent_socket" "/ct-never/a"}',
  ];
  for (const text of texts) t.same(await inShim(text), inJavaScript(text), text.slice(0, 80));
  t.same(await inShim(Buffer.from('{"agent_socket":"/ct-never/a","x":\0}')), 'default');
  t.same(await inShim(`{"agent_socket":"/ct-never/a","x":${'['.repeat(100_000)}`), 'default', 'too deep');
  t.same(await inShim(`{"agent_socket":"/ct-never/a","x":${'{"y":'.repeat(100_000)}`), 'default', 'too deep');
});

function anyText(random: Random, depth = 0): string {
  const string = (): string =>
    JSON.stringify(
      random.pick(['agent_socket', '/ct-never/a', '/ct-never/\u00fc', '', 'a"b', '\\', '\n', 'x'.repeat(120)]),
    );
  const space = (): string => random.pick(['', '', ' ', '\n']);
  const list = (item: () => string): string =>
    Array.from({length: random.below(4)}, () => `${space()}${item()}${space()}`).join(',');
  const kind = depth === 0 ? 1 : random.below(depth > 3 ? 5 : 8);
  if (kind >= 5) return `[${list(() => anyText(random, depth + 1))}]`;
  if (kind === 1 && depth < 4)
    return `{${list(() => `${string()}${space()}:${space()}${anyText(random, depth + 1)}`)}}`;
  return random.chance(0.7) ? string() : random.pick(['true', 'null', '0', '-1.5e3', '12']);
}

void t.test('any text, damaged or not', async (t) => {
  await forAll(sanitized ? 50 : 250, async (random) => {
    let text = anyText(random);
    if (random.chance() && text.length > 0) {
      const at = random.below(text.length);
      text =
        text.slice(0, at) + random.pick(['', '"', '\\', '{', ']', ',', '0', ' ']) + text.slice(at + random.below(2));
    }
    const [found, expected] = [await inShim(text), inJavaScript(text)];
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      throw new Error(`${JSON.stringify(found)} instead of ${JSON.stringify(expected)} in ${text}`);
    }
  });
  t.pass('as JSON.parse has it');
});
