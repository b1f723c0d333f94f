/**
 * A kind of resource, declared once: its fields and their rules, its names, what Calico's client adds before it stores.
 * Keys, reading, printing, defaults, validation and look-up all derive from that declaration.
 *
 * Reading what is stored is lenient: wrong JSON types are refused, values are not judged (a newer Calico may know more
 * of them), so a reader that depends on a value parses it, or asks `check`. Writing is strict: every rule holds, and a
 * misspelt field is an error.
 */
import {z} from 'zod';
import {AgentError, messageOf} from '../lib/errors.ts';
import {emptyObject, type JsonObject, type JsonValue, parseJson, printJson} from '../lib/exact-json.ts';
import {carryOver} from './carry-over.ts';
import {parseKey, resourceKey, resourcePrefix} from './keys.ts';
import {labelViolations} from './label-checks.ts';
import {annotationsTooLarge, namespaceName, qualifiedName, subdomainName, type TextRule} from './name-rules.ts';
import {isPlainObject} from './plain-object.ts';
import {printObject} from './printer.ts';
import {type ReadMode, readObject} from './reader.ts';
import {API_VERSION, type Immutable, type Metadata, metadataSchema, type Resource} from './resource.ts';
import {kept, type ObjectShape, objectShape} from './schema.ts';
import {keepStored, storedForm} from './stored-form.ts';
import {invalidResource, type Violation, violation} from './violation.ts';

export interface ResourceId {
  readonly name: string;
  /** For namespaced kinds only. */
  readonly namespace?: string | undefined;
}

export interface ResourceKind<R extends Resource = Resource> {
  readonly kind: string;
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Every name a person may use for the kind, lower case; kind and plural are among them. */
  readonly aliases: readonly string[];
  /** Fields and rules, as zod has them. */
  readonly schema: z.ZodObject;
  key(id: ResourceId): string;
  /** Of all, or of those in one namespace. */
  prefix(namespace?: string): string;
  /** Keys under which earlier releases of Calico stored what has this name now; empty for most kinds. */
  earlierKeys(id: ResourceId): readonly string[];
  /** What is stored under `key`. Throws E_BAD_JSON, or E_INVALID_RESOURCE naming path, value and rule. */
  decode(text: string, key: string): R;
  /**
   * The bytes Calico would store. metadata.resourceVersion is not among them. `key` is where they go, when that is one
   * of the earlier keys.
   */
  encode(resource: R, key?: string): string;
  /** What is there now, defaults and resourceVersion included, in Calico's order, without unknown fields: for people. */
  toJson(resource: R): JsonObject;
  /** From what a person wrote: strict, with the defaults of a write. Throws E_INVALID_RESOURCE with all violations. */
  create(input: unknown): R;
  /** As `create`, for a resource that was read or made by code: fields unknown to us are kept. */
  complete(resource: R): R;
  /** `changed`, which takes the place of `stored`, with what `stored` has and this release does not know. */
  carryOver(stored: R, changed: R): R;
  /** What is wrong with a resource that was read; empty when nothing is. */
  check(resource: R): readonly Violation[];
}

/** Fields and their rules, built when first needed: most programs touch few of the kinds they know. */
export type SchemaOf<Schema extends z.ZodObject = z.ZodObject> = () => Schema;

/** What a schema's fields hold. */
export type FieldsOf<Schema extends SchemaOf> = Immutable<z.infer<ReturnType<Schema>>>;

/** For kinds that are stored under another name, or with other annotations and labels, than people see. */
export interface StoredMetadata<Spec> {
  /** As people see it, of what was stored. Throws E_INVALID_RESOURCE about `what`. */
  read(metadata: Metadata, spec: Spec, what: string): Metadata;
  /** What to store under a key whose last element is `name`. */
  write(metadata: Metadata, name: string): Metadata;
  /** Names under which earlier releases stored it. */
  earlierNames(name: string): readonly string[];
}

export interface KindDeclaration<Spec extends SchemaOf, Status extends SchemaOf | undefined> {
  readonly kind: string;
  readonly plural: string;
  readonly namespaced?: boolean;
  /** Beyond kind and plural; lower case. */
  readonly aliases?: readonly string[];
  readonly name?: TextRule;
  readonly spec: Spec;
  readonly status?: Status;
  /** Calico stores an empty status too. */
  readonly statusAlways?: boolean;
  /** Defaults that depend on other fields; applied when reading as when writing. */
  readonly fillIn?: (spec: FieldsOf<Spec>) => FieldsOf<Spec>;
  readonly storedMetadata?: StoredMetadata<FieldsOf<Spec>>;
  /** What Calico's client puts in before it stores, beyond the defaults of fields. */
  readonly beforeWrite?: (resource: ResourceOf<Spec, Status>) => ResourceOf<Spec, Status>;
  /** Rules about several fields. */
  readonly rules?: (resource: ResourceOf<Spec, Status>) => readonly Violation[];
}

export type ResourceOf<Spec extends SchemaOf, Status extends SchemaOf | undefined = undefined> = Resource<
  FieldsOf<Spec>,
  Status extends SchemaOf ? FieldsOf<Status> : JsonValue
>;

export function defineKind<Spec extends SchemaOf, Status extends SchemaOf | undefined = undefined>(
  declaration: KindDeclaration<Spec, Status>,
): ResourceKind<ResourceOf<Spec, Status>> {
  return new DeclaredKind(declaration);
}

const STORED: ReadMode = {form: 'stored', keepUnknown: true};
const INPUT: ReadMode = {form: 'written', keepUnknown: false};
const WRITTEN: ReadMode = {form: 'written', keepUnknown: true};

class DeclaredKind<Spec extends SchemaOf, Status extends SchemaOf | undefined>
  implements ResourceKind<ResourceOf<Spec, Status>>
{
  readonly apiVersion = API_VERSION;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly aliases: readonly string[];
  readonly #declaration: KindDeclaration<Spec, Status>;
  #schema: z.ZodObject | undefined;
  #shape: ObjectShape | undefined;

  constructor(declaration: KindDeclaration<Spec, Status>) {
    this.#declaration = declaration;
    this.kind = declaration.kind;
    this.plural = declaration.plural;
    this.namespaced = declaration.namespaced ?? false;
    this.aliases = [...new Set([declaration.kind.toLowerCase(), declaration.plural, ...(declaration.aliases ?? [])])];
  }

  get schema(): z.ZodObject {
    this.#schema ??= envelopeOf(this.#declaration);
    return this.#schema;
  }

  key({name, namespace = ''}: ResourceId): string {
    return resourceKey(this.plural, name, this.namespaced ? namespace : undefined);
  }

  prefix(namespace?: string): string {
    return resourcePrefix(this.plural, this.namespaced ? namespace : undefined);
  }

  earlierKeys({name, namespace}: ResourceId): readonly string[] {
    const names = this.#declaration.storedMetadata?.earlierNames(name) ?? [];
    return names.map((earlier) => this.key({name: earlier, namespace}));
  }

  decode(text: string, key: string): ResourceOf<Spec, Status> {
    const raw = this.#parse(text, key);
    const {view, violations} = readObject(this.#objectShape(), raw, STORED);
    const resource = this.#asResource(view);
    const wrong = [...violations, ...this.#envelopeViolations(resource)];
    if (wrong.length > 0) throw invalidResource(`${this.kind} at ${key}`, wrong);
    return this.#fillInStored(resource, raw, key);
  }

  encode(resource: ResourceOf<Spec, Status>, key?: string): string {
    const json = printObject(this.#objectShape(), this.#asStored(resource, key), 'stored');
    const {metadata} = json;
    return printJson(isPlainObject(metadata) ? {...json, metadata: withoutRevision(metadata)} : json);
  }

  toJson(resource: ResourceOf<Spec, Status>): JsonObject {
    return printObject(this.#objectShape(), resource, 'view');
  }

  create(input: unknown): ResourceOf<Spec, Status> {
    return this.#write(input, INPUT);
  }

  complete(resource: ResourceOf<Spec, Status>): ResourceOf<Spec, Status> {
    return this.#write(resource, WRITTEN);
  }

  carryOver(stored: ResourceOf<Spec, Status>, changed: ResourceOf<Spec, Status>): ResourceOf<Spec, Status> {
    return carryOver(this.#objectShape(), stored, changed) as ResourceOf<Spec, Status>;
  }

  check(resource: ResourceOf<Spec, Status>): readonly Violation[] {
    const {view, violations} = readObject(this.#objectShape(), resource, WRITTEN);
    return violations.length > 0 ? violations : this.#ruleViolations(this.#asResource(view));
  }

  #write(input: unknown, mode: ReadMode): ResourceOf<Spec, Status> {
    const {view, violations} = readObject(this.#objectShape(), input, mode);
    if (violations.length > 0) throw invalidResource(this.#describe(input), violations);
    const {fillIn, beforeWrite} = this.#declaration;
    let resource = this.#asResource(view);
    if (fillIn !== undefined) resource = {...resource, spec: fillIn(resource.spec)};
    if (beforeWrite !== undefined) resource = beforeWrite(resource);
    const broken = this.#ruleViolations(resource);
    if (broken.length > 0) throw invalidResource(this.#describe(input), broken);
    Object.freeze(resource.metadata);
    Object.freeze(resource.spec);
    return Object.freeze(resource);
  }

  #parse(text: string, key: string): JsonValue {
    try {
      return parseJson(text);
    } catch (error) {
      throw new AgentError('E_BAD_JSON', `${this.kind} at ${key}: ${messageOf(error)}`, {key}, error);
    }
  }

  /** The view after what only the whole object or its key can tell; the stored form stays what is written back. */
  #fillInStored(resource: ResourceOf<Spec, Status>, raw: JsonValue, key: string): ResourceOf<Spec, Status> {
    const spec = this.#declaration.fillIn?.(resource.spec) ?? resource.spec;
    const named = this.#metadataFromKey(resource.metadata, key);
    const metadata = this.#declaration.storedMetadata?.read(named, spec, `${this.kind} at ${key}`) ?? named;
    if (spec === resource.spec && metadata === resource.metadata) return resource;
    const {spec: rawSpec, metadata: rawMetadata} = raw as JsonObject;
    return keepStored(
      {
        ...resource,
        metadata: metadata === resource.metadata ? metadata : keepStored(metadata, rawMetadata ?? {}),
        spec: spec === resource.spec ? spec : keepStored(spec, rawSpec ?? {}),
      },
      raw,
    );
  }

  /** A view of metadata is stored in its stored form; metadata that nobody changed carries that already. */
  #asStored(resource: ResourceOf<Spec, Status>, key: string | undefined): ResourceOf<Spec, Status> {
    const {storedMetadata} = this.#declaration;
    const {metadata} = resource;
    if (storedMetadata === undefined || storedForm(metadata) !== undefined) return resource;
    const name = (key === undefined ? undefined : nameOfKey(key)) ?? metadata.name;
    return {...resource, metadata: storedMetadata.write(metadata, name)};
  }

  /** The name is part of the key; a value that lacks it is named by its key. */
  #metadataFromKey(metadata: Metadata, key: string): Metadata {
    if (metadata.name !== '') return metadata;
    const parsed = parseKey(key);
    if (parsed?.kind !== 'resource') return metadata;
    const {name, namespace} = parsed;
    return namespace === undefined ? {...metadata, name} : {...metadata, name, namespace};
  }

  #ruleViolations(resource: ResourceOf<Spec, Status>): readonly Violation[] {
    return [
      ...this.#envelopeViolations(resource),
      ...metadataViolations(resource.metadata, this.namespaced, this.#declaration.name ?? subdomainName),
      ...(this.#declaration.rules?.(resource) ?? []),
    ];
  }

  #envelopeViolations({kind, apiVersion}: Resource): readonly Violation[] {
    const violations: Violation[] = [];
    if (kind !== this.kind) violations.push(violation('kind', kind, `must be ${this.kind}`));
    if (apiVersion !== API_VERSION) violations.push(violation('apiVersion', apiVersion, `must be ${API_VERSION}`));
    return violations;
  }

  #describe(input: unknown): string {
    const metadata = isPlainObject(input) ? input.metadata : undefined;
    const name = isPlainObject(metadata) ? metadata.name : undefined;
    return typeof name === 'string' && name !== '' ? `${this.kind} ${JSON.stringify(name.slice(0, 64))}` : this.kind;
  }

  /** Compiled when first needed: a program that only lists pools does not pay for the other kinds. */
  #objectShape(): ObjectShape {
    this.#shape ??= objectShape(this.schema);
    return this.#shape;
  }

  /** The reader walks the very schema that the type is inferred from. */
  #asResource(view: object): ResourceOf<Spec, Status> {
    return view as ResourceOf<Spec, Status>;
  }
}

function nameOfKey(key: string): string | undefined {
  const parsed = parseKey(key);
  return parsed?.kind === 'resource' ? parsed.name : undefined;
}

interface Schemas {
  readonly kind: string;
  readonly spec: SchemaOf;
  readonly status?: SchemaOf | undefined;
  readonly statusAlways?: boolean;
}

function envelopeOf({kind, spec, status, statusAlways = false}: Schemas): z.ZodObject {
  const statusSchema = status?.();
  const statusField = statusAlways ? statusSchema && kept(statusSchema.prefault({})) : statusSchema?.optional();
  return z.object({
    kind: kept(z.string().default(kind)),
    apiVersion: kept(z.string().default(API_VERSION)),
    metadata: kept(metadataSchema.prefault({})),
    spec: kept(spec().prefault({})),
    ...(statusField === undefined ? {} : {status: statusField}),
  });
}

function withoutRevision(metadata: Readonly<Record<string, unknown>>): JsonObject {
  const stored = emptyObject();
  for (const [name, value] of Object.entries(metadata))
    if (name !== 'resourceVersion' && name !== 'selfLink') stored[name] = value as JsonValue;
  return stored;
}

function metadataViolations(metadata: Metadata, namespaced: boolean, nameRule: TextRule): readonly Violation[] {
  const violations: Violation[] = [];
  const test = (path: string, text: string, rule: string | undefined): void => {
    if (rule !== undefined) violations.push(violation(path, text === '' ? undefined : text, rule));
  };
  const {name, namespace, labels, annotations} = metadata;
  test('metadata.name', name, nameRule(name));
  if (namespaced) test('metadata.namespace', namespace ?? '', namespaceName(namespace ?? ''));
  else if (namespace !== undefined) test('metadata.namespace', namespace, 'must be absent: the kind is not namespaced');
  violations.push(...labelViolations(labels, 'metadata.labels'));
  for (const key of Object.keys(annotations)) test('metadata.annotations', key, qualifiedName(key.toLowerCase()));
  test('metadata.annotations', '', annotationsTooLarge(annotations));
  return violations;
}
