/**
 * Where our calicoctl says something else than Calico's on purpose. Changes to the datastore are never among the
 * differences, and exit codes only where theirs panics or validates less.
 */

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number;
  readonly changes: readonly {readonly key: string; readonly value: string | null}[] | undefined;
}

export interface Difference {
  readonly name: string;
  readonly reason: string;
  applies(argv: readonly string[], theirs: Outcome): boolean;
  /** What ours must be, given theirs; parts that are free are taken from ours. */
  expected(theirs: Outcome, ours: Outcome): Outcome;
}

/** Up to and with the words that tell a script what kind of failure it is. */
const FRAME =
  /^(?:failed to (?:create|apply|validate) '\w+' resource: \[|failed to (?:create|apply|validate) any '\w+' resources: \[|error using unsafe create to make split pool with cidr [\d./]+: |hit error(?:\(s\)|: updating existing resource)?: \[?)error with (?:field|the following fields)|^failed to execute command: /;

/** Files that Calico's `validate` takes and its `apply` refuses. */
const REFUSED_BY_APPLY =
  /files\/(?:wepname|inv-(?:pool-(?:bs19|bs33|nssel)|bgpc-(?:mesh|as)|bgpf-reject|fc-(?:decimal2?|neg|sel|ratel|ctto|float)|kcc-tmpl2?))\.yaml/;

/** `ours` as far as it begins as theirs does. */
function sameFrame(theirs: string, ours: string): string {
  const frame = FRAME.exec(theirs)?.[0].replace(/ (?:field|the following fields)$/, '') ?? theirs;
  return ours.startsWith(frame) && ours.endsWith('\n') ? ours : `${frame}...`;
}

export const DIFFERENCES: readonly Difference[] = [
  {
    name: 'panic',
    reason: 'their table of such resources ends in a panic; ours is printed',
    applies: (_, {stderr}) => stderr.startsWith('panic:'),
    expected: (_, {stdout, stderr, changes}) => {
      const isMissing = stderr === 'resource does not exist: BGPFilter(no-such) with error: <nil>\n';
      const row =
        /^(?:NAMESPACE +)?NAME .*(?:192\.0\.2\.99->10\.100\.0\.9 |full-filter +2 +2 +1 +1 |Operator:\w+,Values:\[)/s;
      return {
        stdout: row.test(stdout) ? stdout : 'a table with what they could not print',
        stderr: isMissing ? stderr : '',
        exit: isMissing ? 1 : 0,
        changes,
      };
    },
  },
  {
    name: 'document named',
    reason: 'of several documents the one that is wrong is named',
    applies: (argv, {stderr}) => argv.includes('files/secondbadkind.yaml') && stderr !== '',
    expected: (theirs) => ({
      ...theirs,
      stderr: theirs.stderr.replace('\n', ' (document 2 of files/secondbadkind.yaml)\n'),
    }),
  },
  {
    name: 'policy of Kubernetes',
    reason: 'their message prints a Go structure; ours names the policy',
    applies: (_, {stderr}) => stderr.includes('&{{NetworkPolicy projectcalico.org/v3}'),
    expected: (theirs) => ({
      ...theirs,
      stderr: theirs.stderr.replace(/&\{\{.*\}\}/, 'NetworkPolicy(default/knp.default.x)'),
    }),
  },
  {
    name: 'template that they cannot run',
    reason: 'their check for injected text fails on lists of this type; ours prints them',
    applies: (argv, {stderr}) => argv.includes('go-template-file=files/tmpl.txt') && stderr.startsWith('template:'),
    expected: (_, {stdout, changes}) => ({
      stdout: stdout.includes('pool-full-v6,116,Tunnel+Workload\n') ? stdout : 'a line for each pool',
      stderr: '',
      exit: 0,
      changes,
    }),
  },
  {
    name: 'template refused',
    reason: 'the message names what is not supported instead of a Go type',
    applies: (argv, {stderr}) => argv.some((arg) => arg.startsWith('go-template=')) && stderr.startsWith('template:'),
    expected: (theirs, {stderr}) => ({
      ...theirs,
      stderr: stderr.startsWith('template: get:1') ? stderr : theirs.stderr,
    }),
  },
  {
    name: 'text of a broken rule',
    reason:
      'names the path as it is written in the document and says what is accepted; theirs names fields of Go structs',
    applies: (_, {stderr}) => /(?:\[|: )error with (?:field|the following)/.test(stderr) && !isOfTheClient(stderr),
    expected: (theirs, {stderr}) => ({...theirs, stderr: sameFrame(theirs.stderr, stderr)}),
  },
  {
    name: 'text of a wrong type',
    reason: 'names resource, path, value and what is accepted; theirs names types of Go',
    applies: (_, {stderr}) =>
      /while decoding JSON: (?:json: cannot unmarshal .* Go struct field|minimum port|invalid name for named port|time: )/.test(
        stderr,
      ),
    expected: (theirs, {stderr}) => ({...theirs, stderr: sameFrame(theirs.stderr, stderr)}),
  },
  {
    name: 'validate as apply judges',
    reason: 'theirs leaves out rules that apply goes by; ours refuses what apply refuses',
    applies: (argv, {exit}) => argv[0] === 'validate' && exit === 0 && REFUSED_BY_APPLY.test(argv.join(' ')),
    expected: (theirs, {stderr}) => ({
      ...theirs,
      stdout: '',
      stderr: /^failed to validate '\w+' resource: \[error with field .*\]\n$/.test(stderr) ? stderr : 'a broken rule',
      exit: 1,
    }),
  },
  {
    name: 'check without Kubernetes',
    reason: 'theirs reads pods from Kubernetes; ours needs the datastore only',
    applies: (argv) => argv[0] === 'ipam' && argv[1] === 'check',
    expected: (theirs, {stdout, stderr, exit, changes}) => ({
      stdout: /^(?:|Checking IPAM for inconsistencies[\s\S]*\nCheck complete; found \d+ problems\.\n)$/.test(stdout)
        ? stdout
        : theirs.stdout,
      stderr: stdout === '' ? '--kubeconfig is not supported: who uses an address is read from the datastore\n' : '',
      exit: stderr === '' ? 0 : exit,
      changes,
    }),
  },
  {
    name: 'split into nothing',
    reason: 'theirs deletes the pool; ours refuses',
    applies: (argv, {exit}) => argv[1] === 'split' && argv[2] === '0' && exit === 0,
    expected: () => ({stdout: '', stderr: 'a pool cannot be split into 0: delete it instead\n', exit: 1, changes: []}),
  },
  {
    name: 'report that is none',
    reason: 'theirs does not name the file',
    applies: (argv, {stderr}) => argv[1] === 'release' && stderr.startsWith('invalid character'),
    expected: (theirs, {stderr}) => ({
      ...theirs,
      stderr: stderr.startsWith('files/ok.yaml is not a report of ') ? stderr : theirs.stderr,
    }),
  },
  {
    name: 'why a label was not changed',
    reason: 'theirs gives no reason',
    applies: (_, {stderr}) => stderr.endsWith(', label not changed\n'),
    expected: (theirs, {stderr}) => ({
      ...theirs,
      stderr: stderr.startsWith(`${theirs.stderr.trimEnd()}: `) ? stderr : theirs.stderr,
    }),
  },
  {
    name: 'text of YAML that cannot be read',
    reason: 'the words of another parser; the line is that of the place',
    applies: (_, {stderr}) => /did not find expected|unsupported value: \+Inf/.test(stderr),
    expected: (theirs, {stderr}) => ({
      ...theirs,
      stderr: /^failed to execute command: error converting YAML to JSON: yaml: line [124]: .+\n$/.test(stderr)
        ? stderr
        : theirs.stderr,
    }),
  },
  {
    name: 'no commit in version',
    reason: 'theirs names the commit it was built from; ours runs from sources',
    applies: (_, {stdout}) => stdout.includes('Git commit:'),
    expected: (theirs) => ({...theirs, stdout: theirs.stdout.replace(/Git commit:.*\n/, '')}),
  },
  {
    name: 'persistence as a word',
    reason: 'theirs prints the address of a variable',
    applies: (_, {stdout}) => stdout.includes('(*ipam.VMAddressPersistence)(0x'),
    expected: (theirs, {stdout}) => {
      const narrow = (text: string): string => text.replace(/ +\|/g, ' |').replace(/ {2,}/g, ' ').replace(/-+/g, '-');
      const ours = narrow(stdout);
      const wanted = narrow(theirs.stdout.replace(/\(\*ipam\.VMAddressPersistence\)\(0x[0-9a-f]+\)/, 'Enabled'));
      return {...theirs, stdout: ours === wanted ? stdout : theirs.stdout};
    },
  },
  {
    name: 'order of released addresses',
    reason: 'theirs releases in an order that varies; ours in the order of the endpoints. The addresses are the same',
    applies: (argv, {changes}) => argv[1] === 'node' && (changes?.some(({key}) => key.includes('/block/')) ?? false),
    expected: (theirs, ours) => ({...theirs, changes: withQueuesOf(theirs.changes, ours.changes)}),
  },
];

/** Rules of the client itself, which say the same in both. */
const isOfTheClient = (stderr: string): boolean =>
  !stderr.includes('error with the following fields') &&
  /CIDR overlaps with IPPool|cannot be modified|cannot be changed|must not be set for a Create request/.test(stderr);

/** Their changes with the free addresses in our order, where these are the same addresses. */
function withQueuesOf(theirs: Outcome['changes'], ours: Outcome['changes']): Outcome['changes'] {
  return theirs?.map(({key, value}) => {
    const our = ours?.find((change) => change.key === key)?.value;
    const [queue, ourQueue] = [queueOf(value), queueOf(our)];
    const isSame = queue !== undefined && ourQueue !== undefined && sorted(queue) === sorted(ourQueue);
    return {key, value: isSame ? (value?.replace(queue, ourQueue) ?? null) : value};
  });
}

const queueOf = (value: string | null | undefined): string | undefined =>
  /"unallocated":\[([\d,]*)\]/.exec(value ?? '')?.[1];
const sorted = (queue: string): string => queue.split(',').sort().join();

/** The difference that a case is about, if any. */
export function differenceOf(argv: readonly string[], theirs: Outcome): Difference | undefined {
  return DIFFERENCES.find((difference) => difference.applies(argv, theirs));
}
