/** The forms of `-o`. A form that there is not is refused before anything is read. */
import {readFile} from 'node:fs/promises';
import {resolve} from 'node:path';
import {isJsonObject, parseJson} from '../../lib/exact-json.ts';
import {resourceKey} from '../../model/keys.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import type {Result} from '../resource-reader.ts';
import {scalarText} from '../scalar-text.ts';
import type {Session} from '../session.ts';
import {type CellContext, columnsOf, type KindColumns, valueAt} from './columns.ts';
import {printIndentedJson} from './json-text.ts';
import {formatTable} from './tab-writer.ts';
import {printYaml} from './yaml-text.ts';

export interface PrintContext {
  readonly session: Session;
  /** A column for the namespace comes first. */
  readonly withNamespace: boolean;
}

export interface OutputForm {
  print(results: readonly Result[], context: PrintContext): Promise<string>;
}

/** Used where BGPConfiguration does not say otherwise. */
const DEFAULT_AS_NUMBER = '64512';

/** The form that `text` names. Throws a Failure for what is none. */
export function parseOutputForm(io: Pick<Io, 'folder'>, text: string): OutputForm {
  const equals = text.indexOf('=');
  const name = equals < 0 ? text : text.slice(0, equals);
  const argument = equals < 0 ? '' : text.slice(equals + 1);
  switch (name) {
    case 'custom-columns':
      if (argument === '') throw new Failure('need to specify at least one column');
      return tableForm(() => argument.split(','), false);
    case 'go-template':
      if (argument === '') throw new Failure('need to specify a template');
      return templateForm(async () => argument);
    case 'go-template-file':
      if (argument === '') throw new Failure('need to specify a template file');
      return templateForm(() => readTemplate(io, argument));
    default:
      return simpleForm(text);
  }
}

function simpleForm(text: string): OutputForm {
  switch (text) {
    case 'ps':
    case 'wide':
      return tableForm((columns) => columns[text], true);
    case 'yaml':
    case 'yml':
      return {print: async (results) => printYaml(wholeOf(results))};
    case 'json':
      return {print: async (results) => printIndentedJson(wholeOf(results))};
    default:
      throw new Failure(`unrecognized output format '${text}'`);
  }
}

/** One result is shown as it is, several are a list, none is Go's nil. */
function wholeOf(results: readonly Result[]): Result['whole'] | readonly Result['whole'][] | null {
  const [first, ...others] = results;
  if (first === undefined) return null;
  return others.length === 0 ? first.whole : results.map(({whole}) => whole);
}

/** Columns that a person chose are shown as they are; others get one for the namespace where that was asked for. */
function tableForm(headingsOf: (columns: KindColumns) => readonly string[], mayAddNamespace: boolean): OutputForm {
  return {
    async print(results, context) {
      let text = '';
      for (const result of results) {
        const isAdded = mayAddNamespace && context.withNamespace && result.kind.namespaced;
        const headings = headingsOf(columnsOf(result.kind));
        text += await printTable(result, isAdded ? ['NAMESPACE', ...headings] : headings, context);
      }
      return text;
    },
  };
}

async function printTable(
  {kind, resources}: Result,
  headings: readonly string[],
  {session}: PrintContext,
): Promise<string> {
  const {cells} = columnsOf(kind);
  const columns = headings.map((heading) => {
    const cell = Object.hasOwn(cells, heading) ? cells[heading] : undefined;
    if (cell === undefined)
      throw new Failure(`unknown heading ${heading}, valid values are: ${Object.keys(cells).join(', ')}`);
    return cell;
  });
  const context: CellContext = {
    globalAsNumber: headings.includes('ASN') ? await readGlobalAsNumber(session) : undefined,
  };
  return formatTable([headings, ...resources.map((resource) => columns.map((cell) => cell(resource, context)))]);
}

/** Of BGPConfiguration `default`, read as plain JSON: whatever else it holds must not empty the column. Undefined when it cannot be read. */
async function readGlobalAsNumber({store, call}: Session): Promise<string | undefined> {
  try {
    const entry = await store.get(resourceKey('bgpconfigurations', 'default'), call);
    const value = entry && parseJson(entry.value);
    const number = isJsonObject(value) ? scalarText(valueAt(value, 'spec.asNumber')) : '';
    return number === '' ? DEFAULT_AS_NUMBER : number;
  } catch {
    return undefined;
  }
}

/** Understood when it is needed: what cannot be read comes first, as in Calico. */
function templateForm(read: () => Promise<string>): OutputForm {
  return {
    async print(results) {
      const {parseTemplate} = await import('./go-template.ts');
      return parseTemplate(await read())(results);
    },
  };
}

async function readTemplate({folder}: Pick<Io, 'folder'>, name: string): Promise<string> {
  try {
    return await readFile(resolve(folder, name), 'utf8');
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new Failure(`open ${name}: ${isMissing ? 'no such file or directory' : String(cause)}`, {cause});
  }
}
