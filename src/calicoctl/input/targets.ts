/**
 * What a command works on: resources named on the command line, or those of files, folders and standard input.
 *
 * Everything is read and understood before anything is done: one document that cannot be, and nothing is written. The
 * message says which document of which file.
 */
import {AgentError, messageOf} from '../../lib/errors.ts';
import {emptyObject, isJsonObject, type JsonObject, type JsonValue, printJson} from '../../lib/exact-json.ts';
import type {ResourceId, ResourceKind} from '../../model/kind.ts';
import {kindNamed, kindOfAlias} from '../../model/kinds.ts';
import {API_VERSION} from '../../model/resource.ts';
import {formatViolation} from '../../model/violation.ts';
import {Failure} from '../failure.ts';
import {isManagedKind} from '../output/columns.ts';
import {scalarText} from '../scalar-text.ts';
import {GoDecoder} from './go-decoding.ts';
import type {TextDocument} from './text-documents.ts';
import {readYaml} from './yaml-reader.ts';

export interface Target {
  readonly kind: ResourceKind;
  readonly name: string;
  /** As given with the resource. */
  readonly namespace: string | undefined;
  /** Fields under their own names; undefined when only named. */
  readonly document: JsonObject | undefined;
}

const MOST_RESOURCES = 10_000;

/** Those named as `KIND [NAME...]`; without a name, one that stands for all of the kind. */
export function namedTargets(kindText: string, names: readonly string[]): readonly Target[] {
  const kind = kindOfAlias(kindText);
  if (kind === undefined || !isManagedKind(kind)) throw new Failure(`resource type '${kindText}' is not supported`);
  if (names.includes('')) throw new Failure('resource name may not be empty');
  return (names.length === 0 ? [''] : names).map((name) => ({kind, name, namespace: undefined, document: undefined}));
}

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

/** Where the resource lives. Throws what Calico says when command line and document contradict each other. */
export function idOf({kind, name, namespace}: Target, clientNamespace: string | undefined): ResourceId {
  if (!kind.namespaced) {
    if (clientNamespace !== undefined) throw new Failure(`${kind.kind} is not namespaced`);
    if (namespace !== undefined)
      throw new Failure(
        `namespace should not be specified for a non-namespaced resource. ${kind.kind} is not a namespaced resource`,
      );
    return {name};
  }
  if (namespace !== undefined && clientNamespace !== undefined && namespace !== clientNamespace)
    throw new Failure(`resource namespace does not match client namespace. ${namespace} != ${clientNamespace}`);
  return {name, namespace: namespace ?? clientNamespace ?? 'default'};
}
