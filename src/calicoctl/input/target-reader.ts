/**
 * Resources of files, folders and standard input. Everything is read and understood before anything is done: one document
 * that cannot be, and nothing is written. The message says which document of which file.
 */
import {AgentError, messageOf} from '../../lib/errors.ts';
import {emptyObject, isJsonObject, type JsonObject, type JsonValue, printJson} from '../../lib/exact-json.ts';
import {kindNamed} from '../../model/kinds.ts';
import {API_VERSION} from '../../model/resource.ts';
import {formatViolation} from '../../model/violation.ts';
import {Failure} from '../failure.ts';
import {isManagedKind} from '../output/columns.ts';
import {scalarText} from '../scalar-text.ts';
import {GoDecoder} from './go-decoding.ts';
import type {Target} from './targets.ts';
import type {TextDocument} from './text-documents.ts';
import {readYaml} from './yaml-reader.ts';

const MOST_RESOURCES = 10_000;

/** Those of documents. Throws a Failure that names the document. */
export function documentTargets(documents: readonly TextDocument[], most = MOST_RESOURCES): readonly Target[] {
  const reader = new TargetReader(most);
  return documents.flatMap((document) => reader.read(document));
}

/** The one that an object is; what is wrong with it is said as of a document, after `failing`. */
export const objectTarget = (object: JsonObject, failing: string): Target =>
  new TargetReader(1, failing).target(object, '');

/** Reads the documents of a command one after the other. */
export class TargetReader {
  readonly #decoder = new GoDecoder();
  readonly #most: number;
  /** Begins the message about what cannot be read. */
  readonly #failing: string;
  #count = 0;

  constructor(most = MOST_RESOURCES, failing = 'failed to execute command: ') {
    this.#most = most;
    this.#failing = failing;
  }

  /** Throws a Failure that names the document. */
  read({text, origin}: TextDocument): readonly Target[] {
    return this.#resources(this.#parse(text, origin), origin).map((resource) => this.target(resource, origin));
  }

  #parse(text: string, origin: string): JsonValue {
    try {
      return readYaml(text) ?? null;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      throw this.#unreadable(`error converting YAML to JSON: yaml: ${messageOf(error)}`, origin, error);
    }
  }

  /** A document is a resource, a list of them, or a `...List` resource. */
  #resources(value: JsonValue, origin: string): readonly JsonObject[] {
    if (value === null) return [emptyObject()];
    if (Array.isArray(value))
      return value.flatMap((element: JsonValue) => this.#unlisted(this.#elementOf(element, origin), origin));
    if (isJsonObject(value) && scalarText(value.kind) !== '') return this.#unlisted(value, origin);
    throw this.#mismatch(value, '[]unstructured.Unstructured', origin);
  }

  #unlisted(object: JsonObject, origin: string): readonly JsonObject[] {
    const {kind: listKind, apiVersion, metadata, items = null, ...unknown} = object;
    const match = apiVersion === API_VERSION ? /^(.+)List$/.exec(scalarText(listKind)) : null;
    const kind = kindNamed(match?.[1] ?? '');
    if (kind === undefined || !isManagedKind(kind)) return [object];
    const inMetadata = Object.keys(isJsonObject(metadata) ? metadata : {}).filter((name) => !LIST_METADATA.has(name));
    this.#refuseUnknown([...Object.keys(unknown), ...inMetadata], origin);
    if (items !== null && !Array.isArray(items))
      throw this.#unreadable(`${kind.kind}List: items must be a list`, origin);
    return (items ?? []).map((item: JsonValue) => {
      const resource: JsonObject = {kind: kind.kind, apiVersion, ...this.#objectOf(item, origin)};
      if (resource.kind === kind.kind) return resource;
      throw this.#unreadable(`${kind.kind}List: ${scalarText(resource.kind)} is not a ${kind.kind}`, origin);
    });
  }

  target(document: JsonObject, origin: string): Target {
    if (++this.#count > this.#most) throw this.#unreadable(`there are more than ${this.#most} resources`, origin);
    const kindText = scalarText(document.kind);
    const version = typeof document.apiVersion === 'string' ? document.apiVersion : '';
    const kind = version === API_VERSION ? kindNamed(kindText) : undefined;
    if (kind === undefined || !isManagedKind(kind))
      throw this.#unreadable(`unknown resource type (${kindText}) and/or version (${version})`, origin);
    const {value, unknownFields, mismatches, isUnknownFirst} = this.#decoder.decode(kind, document);
    const metadata = isJsonObject(value.metadata) ? value.metadata : emptyObject();
    const name = scalarText(metadata.name);
    if (isUnknownFirst) this.#refuseUnknown(unknownFields, origin);
    if (mismatches.length > 0)
      throw this.#unreadable(
        `${kind.kind} ${JSON.stringify(name)}: ${mismatches.map(formatViolation).join('; ')}`,
        origin,
      );
    this.#refuseUnknown(unknownFields, origin);
    return {kind, name, namespace: scalarText(metadata.namespace) || undefined, document: value};
  }

  /** As in Calico the first is named. */
  #refuseUnknown([field]: readonly string[], origin: string): void {
    if (field === undefined) return;
    throw new Failure(`field in document is not recognized or is in the wrong location: ${field}${placed(origin)}`);
  }

  #objectOf(value: JsonValue, origin: string): JsonObject {
    if (isJsonObject(value)) return value;
    throw this.#mismatch(value, 'map[string]interface {}', origin);
  }

  #elementOf(value: JsonValue, origin: string): JsonObject {
    if (value === null || (isJsonObject(value) && scalarText(value.kind) === ''))
      throw this.#unreadable(`${DECODING}Object 'Kind' is missing in '${printJson(value)}'`, origin);
    return this.#objectOf(value, origin);
  }

  #mismatch(value: JsonValue, target: string, origin: string): Failure {
    return this.#unreadable(
      `${DECODING}json: cannot unmarshal ${goName(value)} into Go value of type ${target}`,
      origin,
    );
  }

  #unreadable(problem: string, origin: string, cause?: unknown): Failure {
    return new Failure(`${this.#failing}${problem}${placed(origin)}`, {cause});
  }
}

/** Of the metadata of a list. */
const LIST_METADATA = new Set(['selfLink', 'resourceVersion', 'continue', 'remainingItemCount']);

const DECODING = 'error unmarshaling JSON: while decoding JSON: ';

/** What Go calls a type of JSON. */
function goName(value: JsonValue): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value === 'bigint' ? 'number' : typeof value;
}

/** Where a document is, when that is not obvious. */
const placed = (origin: string): string => (origin === '' ? '' : ` (${origin})`);
