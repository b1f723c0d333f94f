/** What bash offers after its user has typed so much: the script is loaded by a real bash, at a real prompt too. */
import {execFileSync, spawn} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import t from 'tap';
import {CalicoctlRig} from '../../helpers/calicoctl-rig.ts';

const folder = t.testdir({});
const rig = await CalicoctlRig.open(folder);
t.teardown(() => rig.close());
const scriptOf = async (shell: string): Promise<string> => (await rig.run(['completion', shell])).stdout;
writeFileSync(join(folder, 'completion.bash'), await scriptOf('bash'));
writeFileSync(join(folder, 'with space.yaml'), '');
mkdirSync(join(folder, 'pools'));

/** As bash hands over the words: `--output=js` are three. */
function complete(...words: readonly string[]): readonly string[] {
  const quoted = ['calicoctl', ...words].map((word) => `'${word}'`).join(' ');
  const ask = `. ./completion.bash; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _calicoctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', ask], {cwd: folder, encoding: 'utf8'}).trim().split('\n');
}

void t.test('bash completes commands, options, kinds, values and files', async (t) => {
  t.same(complete('pa'), ['patch']);
  t.same(complete('ipam', 'sh'), ['show']);
  t.same(complete('datastore', 'migrate', 'l'), ['lock']);
  t.same(complete('datastore', 'migrate', ''), ['export', 'import', 'lock', 'unlock']);
  t.same(complete('node', ''), ['run', 'diags', 'checksystem', 'status']);
  t.same(complete('-l', 'debug', 'cluster', 'd'), ['diags'], 'options in front of the command');
  t.same(complete('-l', 'd'), ['debug']);
  t.same(complete('ipam', 'show', '--show-bl'), ['--show-blocks']);
  t.same(complete('ipam', 'configure', '--ip-'), ['--ip-cooldown-seconds']);
  t.same(complete('get', 'ippo'), ['ippool', 'ippools']);
  t.same(complete('get', 'ippool', '-o', 'js'), ['json']);
  t.same(complete('get', 'ippool', '--output', '=', 'y'), ['yaml']);
  t.same(complete('get', 'ippool', '--output=y'), ['--output=yaml'], 'as zsh has it');
  t.same(complete('get', 'ippool', '--output', '='), [
    'ps',
    'wide',
    'yaml',
    'json',
    'custom-columns=',
    'go-template=',
    'go-template-file=',
  ]);
  t.same(complete('node', 'run', '--backend', ''), ['bird', 'none']);
  t.same(complete('datastore', 'migrate', 'export', '--target', '=', 'em'), ['embedded']);
  t.same(complete('apply', '-f', 'completion.b'), ['completion.bash']);
  t.same(complete('apply', '--filename', '=', 'comp'), ['completion.bash']);
  t.same(complete('apply', '-f', 'with'), ['with space.yaml']);
  t.same(complete('ipam', 'check', '-o', 'comp'), ['completion.bash'], 'a file here, a form elsewhere');
  t.same(complete('completion', ''), ['bash', 'zsh', 'fish']);
  t.same(complete('version', 'ippo'), [''], 'no kinds where none is asked for');
});

void t.test('at a prompt', async (t) => {
  const typed =
    '. ./completion.bash\ncalicoctl datas\tmig\tun\t\ncalicoctl apply --filename=comp\t\ncalicoctl apply -f with\t\ncalicoctl get node -o cust\t\n';
  const bash = spawn('script', ['-qec', 'bash --norc --noprofile -i', '/dev/null'], {
    cwd: folder,
    env: {PATH: '/usr/bin:/bin', TERM: 'dumb', PS1: '> ', HISTFILE: ''},
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const chunks: Uint8Array[] = [];
  bash.stdout.on('data', (chunk: Uint8Array) => void chunks.push(chunk));
  const ended = new Promise((resolve) => bash.once('close', resolve));
  bash.stdin.end(`${typed}exit\n`);
  await ended;
  const shown = Buffer.concat(chunks).toString().replaceAll('\u0007', '');
  t.match(shown, 'calicoctl datastore migrate unlock ');
  t.match(shown, 'calicoctl apply --filename=completion.bash ');
  t.match(shown, 'calicoctl apply -f with\\ space.yaml ');
  t.match(shown, /calicoctl get node -o custom-columns=\r?\n/, 'to be continued: no space');
});

void t.test('scripts for the other shells', async (t) => {
  t.match(await scriptOf('zsh'), /^autoload -U \+X bashcompinit && bashcompinit\n_calicoctl\(\) \{\n/);
  const fish = await scriptOf('fish');
  t.match(fish, /\ncomplete -c calicoctl -f -a '\(__calicoctl_words\)'\n$/);
  t.match(fish, "case ' datastore migrate'\n      printf '%s\\n' export import lock unlock\n");
  const blocks = (word: RegExp): number => fish.match(word)?.length ?? 0;
  t.equal(blocks(/^ *(?:function|for|switch|if) /gm), blocks(/^ *end$/gm), 'every block is closed');
  for (const args of [['tcsh'], [], ['bash', 'zsh']])
    t.match(await rig.run(['completion', ...args]), {exit: 1, stderr: /^Usage:\n {2}calicoctl completion/});
});
