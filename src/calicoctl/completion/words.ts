/** What may be typed where, worked out from the usage texts, so that completion knows what they know. */
import {KINDS} from '../../model/kinds.ts';
import {isManagedKind} from '../output/columns.ts';
import {type CommandName, USAGE} from '../usage.ts';

/** Where one is on the command line, ` ipam show`, -> the words that may come next. */
export type WordsByPlace = ReadonlyMap<string, ReadonlySet<string>>;

/** Options that the usage texts, which are Calico's, do not have. */
const OWN_OPTIONS: Partial<Record<CommandName, readonly string[]>> = {
  'ipam configure': ['--ip-cooldown-seconds'],
  'datastore migrate export': ['--target'],
};

export function wordsByPlace(): WordsByPlace {
  const words = new Map<string, Set<string>>();
  const add = (place: string, more: readonly string[]): void => {
    words.set(place, new Set([...(words.get(place) ?? []), ...more]));
  };
  for (const [command, usage] of Object.entries(USAGE)) {
    let place = '';
    for (const part of command.split(' ')) {
      add(place, [part]);
      place += ` ${part}`;
    }
    add(place, usage.match(/--[a-z][a-z0-9-]*/g) ?? []);
    if (usage.includes('<KIND>')) add(place, kindNames());
  }
  for (const [command, options] of Object.entries(OWN_OPTIONS)) add(` ${command}`, options);
  add('', ['--help', '--log-level', '--context', '--allow-version-mismatch']);
  add(' completion', ['bash', 'zsh', 'fish']);
  return words;
}

const kindNames = (): readonly string[] =>
  KINDS.filter(isManagedKind)
    .flatMap(({aliases}) => aliases)
    .sort();

/** Options that take one of a few values. One that ends in `=` is to be continued. */
export const VALUES: readonly {readonly options: readonly string[]; readonly values: readonly string[]}[] = [
  {
    options: ['-o', '--output'],
    values: ['ps', 'wide', 'yaml', 'json', 'custom-columns=', 'go-template=', 'go-template-file='],
  },
  {options: ['-t', '--type'], values: ['strategic', 'merge', 'json']},
  {options: ['-l', '--log-level'], values: ['panic', 'fatal', 'error', 'warn', 'info', 'debug']},
  {options: ['--target'], values: ['kubernetes', 'etcdv3', 'embedded']},
  {options: ['--backend'], values: ['bird', 'none']},
  {options: ['--strictaffinity'], values: ['true', 'false']},
  {options: ['--kubevirt-ip-persistence'], values: ['Enabled', 'Disabled']},
  {options: ['--ip', '--ip6'], values: ['autodetect']},
  {
    options: ['--ip-autodetection-method', '--ip6-autodetection-method'],
    values: ['first-found', 'can-reach=', 'interface=', 'skip-interface='],
  },
];

/** Options that take the name of a file or folder. */
export const FILE_OPTIONS = [
  '-f',
  '--filename',
  '-c',
  '--config',
  '--from-report',
  '--felix-config',
  '--kernel-config',
  '--kubeconfig',
  '--log-dir',
] as const;
/** Where `-o` is a file. */
export const FILE_OUTPUT_PLACE = ' ipam check';
