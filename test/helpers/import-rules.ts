/**
 * Who may import what, as a check over a folder of sources. A room is a folder; its rule lists everything that its files
 * may import, with the reason. What is not listed is a violation, and so is a file in no room.
 *
 * Beyond the rules: nobody imports a `main.ts` (which in turn may import everything), rooms form no cycle, and no file
 * re-exports another (import from the file that defines the thing, and cycles become visible).
 */
import {globSync, readFileSync} from 'node:fs';
import {isBuiltin} from 'node:module';
import {dirname, join} from 'node:path/posix';

export interface RoomRule {
  /** Folder below the sources; `*` stands for one folder name, and each is a room of its own. */
  readonly room: string;
  /** Rooms and single files of ours; `type ` in front allows the types only. A room may always import itself. */
  readonly ours: readonly string[];
  /** npm packages and `node:` modules; `node:*` is all of the latter; names in braces limit what is imported. */
  readonly packages: readonly string[];
  /** Also refuses ambient time, chance and process: output depends on input alone. */
  readonly isPure?: boolean;
  readonly because: string;
}

/** Importing this needs a rule that names it: `node:*` does not cover it. */
const NAMED_ONLY = ['node:child_process'];

const AMBIENT =
  /\b(?:process\.|setTimeout\(|setInterval\(|setImmediate\(|Date\.now|Math\.random|performance\.|new Date\(\))/g;

interface Import {
  readonly target: string;
  readonly isType: boolean;
  /** Undefined when it is not a list of names. */
  readonly names: readonly string[] | undefined;
  readonly isReExport: boolean;
}

interface SourceFile {
  readonly path: string;
  readonly room: string | undefined;
  readonly rule: RoomRule | undefined;
  readonly code: string;
}

/** One line per violation, empty when there is none. */
export function findViolations(folder: string, rules: readonly RoomRule[]): string[] {
  const violations: string[] = [];
  const edges = new Map<string, Map<string, string>>();
  for (const path of globSync('**/*.ts', {cwd: folder}).sort()) {
    const file = readSource(folder, path, rules);
    const isMain = path.endsWith('/main.ts') || path === 'main.ts';
    if (/(^|\/)index\.ts$/.test(path)) violations.push(`${path}: a barrel file`);
    if (file.rule === undefined && !isMain) violations.push(`${path}: lies in no room`);
    if (file.rule?.isPure) {
      for (const [use] of file.code.matchAll(AMBIENT)) violations.push(`${path}: uses ${use} (${file.rule.because})`);
    }
    for (const found of importsOf(file.code)) {
      const target = resolveTarget(path, found.target);
      const arrow = `${path} -> ${target ?? found.target}`;
      if (target === undefined) violations.push(`${arrow}: cannot be checked`);
      else if (/(^|\/)main\.ts$/.test(target)) violations.push(`${arrow}: nobody imports a main.ts`);
      else if (found.isReExport && isOurs(found.target)) violations.push(`${arrow}: re-exports another file`);
      else if (!isMain && file.rule !== undefined) {
        const targetRoom = isOurs(found.target) ? roomOf(target, rules)?.room : undefined;
        if (!isAllowed(file, target, targetRoom, found))
          violations.push(`${arrow}: not allowed (${file.rule.because})`);
        if (file.room !== undefined && targetRoom !== undefined && targetRoom !== file.room) {
          const targets = edges.get(file.room) ?? new Map<string, string>();
          edges.set(file.room, targets.set(targetRoom, targets.get(targetRoom) ?? arrow));
        }
      }
    }
  }
  return [...violations, ...findCycles(edges)];
}

function readSource(folder: string, path: string, rules: readonly RoomRule[]): SourceFile {
  const code = withoutComments(readFileSync(join(folder, path), 'utf8'));
  return {path, code, room: undefined, rule: undefined, ...roomOf(path, rules)};
}

/** The room a file lies in: of the rules that match its folder, the one with the longest path. */
function roomOf(path: string, rules: readonly RoomRule[]): {room: string; rule: RoomRule} | undefined {
  const folders = dirname(path).split('/');
  let best: {room: string; rule: RoomRule} | undefined;
  for (const rule of rules) {
    const pattern = rule.room.split('/');
    if (!pattern.every((name, i) => name === folders[i] || (name === '*' && folders[i] !== undefined))) continue;
    const isBetter = best === undefined || pattern.length > best.rule.room.split('/').length;
    const isAsGoodAndExact = pattern.length === best?.rule.room.split('/').length && !rule.room.includes('*');
    if (isBetter || isAsGoodAndExact) best = {room: folders.slice(0, pattern.length).join('/'), rule};
  }
  return best;
}

function isAllowed(file: SourceFile, target: string, targetRoom: string | undefined, found: Import): boolean {
  const {rule, room} = file;
  if (rule === undefined) return false;
  if (!isOurs(found.target)) return rule.packages.some((entry) => coversPackage(entry, target, found));
  if (targetRoom === room) return true;
  return rule.ours.some((entry) => {
    const place = entry.replace(/^type /, '');
    if (entry !== place && !found.isType) return false;
    return (
      place === target || place === targetRoom || (place.endsWith('/*') && dirname(targetRoom ?? '') === dirname(place))
    );
  });
}

function coversPackage(entry: string, target: string, found: Import): boolean {
  if (entry === 'node:*') return target.startsWith('node:') && !NAMED_ONLY.includes(target);
  const [name, list] = entry.split(/[{}]/);
  if (name !== target && !target.startsWith(`${name}/`)) return false;
  const names = list?.split(',').map((text) => text.trim());
  return names === undefined || found.isType || (found.names?.every((imported) => names.includes(imported)) ?? false);
}

const isOurs = (target: string): boolean => target.startsWith('.');

/** Path below the sources, or the name of a package; undefined for what is not a constant. */
function resolveTarget(path: string, target: string): string | undefined {
  if (target === '') return undefined;
  if (isOurs(target)) return join(dirname(path), target);
  return isBuiltin(target) && !target.startsWith('node:') ? `node:${target}` : target;
}

const STATIC = /(?:^|[\n;}])\s*(import|export)\s+(type\s+)?([^'"`;()=]*?)\s*\bfrom\s*(['"])([^'"\n]+)\4/g;
const SIDE_EFFECT = /(?:^|[\n;}])\s*import\s*(['"])([^'"\n]+)\1/g;
const DYNAMIC = /\bimport\s*\(\s*(?:(['"])([^'"\n]+)\1)?/g;
/** A worker's or another file's place relative to this one. */
const RELATIVE_URL = /\bnew URL\(\s*(['"])(\.[^'"\n]*\.[jt]s)\1\s*,\s*import\.meta\.url/g;

function importsOf(code: string): Import[] {
  const imports: Import[] = [];
  for (const [, verb, type, clause = '', , target = ''] of code.matchAll(STATIC)) {
    const names = /\{([^}]*)\}/
      .exec(clause)?.[1]
      ?.split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    const isOnlyNames = /^\{[^}]*\}$/.test(clause.trim());
    const isType = type !== undefined || (isOnlyNames && names?.every((name) => name.startsWith('type ')) === true);
    const values = names?.filter((name) => !name.startsWith('type ')).map((name) => name.split(/\s+as\s+/)[0] ?? name);
    imports.push({target, isType, names: isOnlyNames ? values : undefined, isReExport: verb === 'export'});
  }
  for (const pattern of [SIDE_EFFECT, DYNAMIC, RELATIVE_URL]) {
    for (const [, , target = ''] of code.matchAll(pattern)) {
      imports.push({target, isType: false, names: undefined, isReExport: false});
    }
  }
  return imports;
}

const withoutComments = (code: string): string =>
  code.replace(/('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '$1');

/** Each cycle once, with one import per step. */
function findCycles(edges: ReadonlyMap<string, ReadonlyMap<string, string>>): string[] {
  const cycles = new Map<string, string>();
  const visit = (room: string, trail: readonly string[]): void => {
    const start = trail.indexOf(room);
    if (start >= 0) {
      const cycle = trail.slice(start);
      const steps = cycle.map((from, i) => edges.get(from)?.get(cycle[i + 1] ?? room) ?? '');
      cycles.set(cycle.toSorted().join(), `cycle of rooms: ${steps.join(', ')}`);
      return;
    }
    for (const next of edges.get(room)?.keys() ?? []) visit(next, [...trail, room]);
  };
  for (const room of edges.keys()) visit(room, []);
  return [...cycles.values()];
}
