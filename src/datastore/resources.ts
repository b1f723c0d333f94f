/**
 * Resources of any kind in any store, with the rules of Calico's client: what create, update, apply and delete demand
 * and fill in. Revisions travel as `metadata.resourceVersion`. Every write is a compare-and-swap.
 *
 * Expected refusals are the store's: E_EXISTS, E_NOT_FOUND, E_CONFLICT. What breaks a rule of the kind is
 * E_INVALID_RESOURCE, and nothing is written.
 */
import {randomUUID} from 'node:crypto';
import type {Clock} from '../lib/clock.ts';
import {AgentError} from '../lib/errors.ts';
import {retry} from '../lib/retry.ts';
import {createBreather} from '../lib/yielding.ts';
import type {ResourceId, ResourceKind} from '../model/kind.ts';
import type {Resource} from '../model/resource.ts';
import {invalidResource, violation} from '../model/violation.ts';
import {commitFailureOf} from './precondition.ts';
import {withRevision} from './revision.ts';
import type {CallOptions, Cursor, Entry, Operation, Revision, Store} from './store.ts';

/** What is stored under a key but is not, or no longer, a resource of the kind. */
export interface Unreadable {
  readonly key: string;
  /** E_BAD_JSON or E_INVALID_RESOURCE. */
  readonly error: AgentError;
}

export interface ResourceList<R extends Resource> {
  /** In the order of the bytes of their keys: by namespace, then by name. */
  readonly resources: readonly R[];
  /** Named instead of failing the whole list. */
  readonly unreadable: readonly Unreadable[];
  /** A watch from here sees every change made after the listing. */
  readonly cursor: Cursor;
}

export interface ResourcesDependencies {
  readonly store: Pick<Store, 'get' | 'list' | 'commit'>;
  readonly clock: Clock;
  /** Random version 4 UUID; default that of node:crypto. */
  readonly uuid?: (() => string) | undefined;
}

/** Others who change the same object win a few times in a row at most; after that the conflict is reported. */
const CONFLICT_PAUSES = {firstDelayMs: 5, maxDelayMs: 200, maxAttempts: 20};

export class Resources {
  readonly #store: Pick<Store, 'get' | 'list' | 'commit'>;
  readonly #clock: Clock;
  readonly #uuid: () => string;

  constructor(dependencies: ResourcesDependencies) {
    this.#store = dependencies.store;
    this.#clock = dependencies.clock;
    this.#uuid = dependencies.uuid ?? randomUUID;
  }

  /** The resource, or undefined when there is none. Throws when what is stored cannot be read. */
  async get<R extends Resource>(kind: ResourceKind<R>, id: ResourceId, options?: CallOptions): Promise<R | undefined> {
    const entry = await this.#find(kind, id, options);
    return entry === undefined ? undefined : decodeEntry(kind, entry);
  }

  /** All resources of the kind, or those of one namespace. */
  async list<R extends Resource>(
    kind: ResourceKind<R>,
    scope: {readonly namespace?: string | undefined} = {},
    options?: CallOptions,
  ): Promise<ResourceList<R>> {
    const {entries, cursor} = await this.#store.list(kind.prefix(scope.namespace), options);
    const breather = createBreather({}, {clock: this.#clock});
    const resources: R[] = [];
    const unreadable: Unreadable[] = [];
    for (const entry of entries) {
      try {
        resources.push(decodeEntry(kind, entry));
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        unreadable.push({key: entry.key, error});
      }
      if (breather.isDue()) await breather.breathe(options?.signal);
    }
    return {resources, unreadable, cursor};
  }

  /** Stores a new resource, with a uid and a time of creation when it brings none. It must not have a resourceVersion. */
  async create<R extends Resource>(kind: ResourceKind<R>, resource: R, options?: CallOptions): Promise<R> {
    if (resource.metadata.resourceVersion !== undefined) {
      const {resourceVersion} = resource.metadata;
      throw invalid(kind, resource, 'resourceVersion', resourceVersion, 'must be absent when a resource is created');
    }
    return this.#write(kind, this.#newborn(resource), {}, options);
  }

  /**
   * Stores a changed resource if it is still at its resourceVersion. It keeps its uid and time of creation, also when
   * the caller brings none.
   */
  async update<R extends Resource>(kind: ResourceKind<R>, resource: R, options?: CallOptions): Promise<R> {
    const {uid, creationTimestamp, resourceVersion} = resource.metadata;
    if (resourceVersion === undefined) {
      throw invalid(kind, resource, 'resourceVersion', undefined, 'must be that of the resource that was read');
    }
    const at = {revision: resourceVersion};
    if (uid !== undefined && creationTimestamp !== undefined) return this.#write(kind, resource, at, options);
    const stored = await this.get(kind, idOf(resource), options);
    return this.#write(kind, stored === undefined ? resource : sameBirth(resource, stored), at, options);
  }

  /** Creates the resource, or updates it whatever its revision is now. A resourceVersion it brings is ignored. */
  async apply<R extends Resource>(kind: ResourceKind<R>, resource: R, options?: CallOptions): Promise<R> {
    return this.modify(kind, idOf(resource), () => resource, options);
  }

  /**
   * Read, change, write, again while others interfere: `change` is called with the newest state each time, undefined
   * when there is none, and must not wait. What it returns is written, and keeps what this release does not know of what
   * is stored; when it returns what it was given, nothing is.
   */
  async modify<R extends Resource>(
    kind: ResourceKind<R>,
    id: ResourceId,
    change: (current: R | undefined) => R,
    options?: CallOptions,
  ): Promise<R>;
  async modify<R extends Resource>(
    kind: ResourceKind<R>,
    id: ResourceId,
    change: (current: R | undefined) => R | undefined,
    options?: CallOptions,
  ): Promise<R | undefined>;
  async modify<R extends Resource>(
    kind: ResourceKind<R>,
    id: ResourceId,
    change: (current: R | undefined) => R | undefined,
    options?: CallOptions,
  ): Promise<R | undefined> {
    return this.#swap(kind, id, change, options);
  }

  /** Removes the resource; with a revision only if it is still at that one. */
  async delete<R extends Resource>(
    kind: ResourceKind<R>,
    id: ResourceId,
    precondition: {readonly resourceVersion?: Revision | undefined} = {},
    options?: CallOptions,
  ): Promise<void> {
    const key = await this.#keyOf(kind, id, options);
    await this.#store.commit([{kind: 'delete', key, revision: precondition.resourceVersion}], options);
  }

  /** What is stored under the name, also where an earlier release of Calico put it. */
  async #find(kind: ResourceKind, id: ResourceId, options?: CallOptions): Promise<Entry | undefined> {
    const entry = await this.#store.get(kind.key(id), options);
    if (entry !== undefined) return entry;
    for (const key of kind.earlierKeys(id)) {
      const earlier = await this.#store.get(key, options);
      // The same key may hold what has another name now.
      if (earlier !== undefined && nameIn(kind, earlier) === id.name) return earlier;
    }
    return undefined;
  }

  /** Where the resource is, or will be. Only kinds that have been stored elsewhere are looked for. */
  async #keyOf(kind: ResourceKind, id: ResourceId, options?: CallOptions): Promise<string> {
    const key = kind.key(id);
    return kind.earlierKeys(id).length === 0 ? key : ((await this.#find(kind, id, options))?.key ?? key);
  }

  /** Reads, changes and writes until nobody interferes. A refused write says what is there now: no second read. */
  async #swap<R extends Resource>(
    kind: ResourceKind<R>,
    id: ResourceId,
    change: (current: R | undefined) => R | undefined,
    options: CallOptions = {},
  ): Promise<R | undefined> {
    let entry = await this.#find(kind, id, options);
    const attempt = async (): Promise<R | undefined> => {
      const current = entry === undefined ? undefined : decodeEntry(kind, entry);
      const changed = change(current);
      if (changed === undefined || changed === current) return current;
      const resource =
        current === undefined ? this.#newborn(changed) : kind.carryOver(current, sameBirth(changed, current));
      try {
        return await this.#write(kind, resource, entry ?? {}, options);
      } catch (error) {
        entry = commitFailureOf(error)?.current;
        throw error;
      }
    };
    const isRetryable = (error: unknown) => commitFailureOf(error) !== undefined;
    return retry(attempt, {...CONFLICT_PAUSES, isRetryable}, {clock: this.#clock, signal: options.signal});
  }

  /** Writes what keeps the rules of its kind, under a key it was found at; without a revision it must be new. */
  async #write<R extends Resource>(
    kind: ResourceKind<R>,
    resource: R,
    found: {readonly key?: string; readonly revision?: Revision},
    options: CallOptions | undefined,
  ): Promise<R> {
    const complete = kind.complete(resource);
    const {key = await this.#keyOf(kind, idOf(complete), options), revision} = found;
    const target = {key, value: kind.encode(complete, key)};
    const operation: Operation =
      revision === undefined ? {kind: 'create', ...target} : {kind: 'update', ...target, revision};
    const {revisions} = await this.#store.commit([operation], options);
    const [written] = revisions;
    if (written === undefined) throw new Error(`the store gave no revision for ${target.key}`);
    return withRevision(complete, written);
  }

  #newborn<R extends Resource>(resource: R): R {
    const {uid = this.#uuid(), creationTimestamp = timestamp(this.#clock.wallMs())} = resource.metadata;
    return {...resource, metadata: {...resource.metadata, uid, creationTimestamp}};
  }
}

const idOf = ({metadata: {name, namespace}}: Resource): ResourceId => ({name, namespace});

function decodeEntry<R extends Resource>(kind: ResourceKind<R>, {key, value, revision}: Entry): R {
  return withRevision(kind.decode(value, key), revision);
}

/** The name of what is stored; undefined when it cannot be read. */
function nameIn(kind: ResourceKind, {key, value}: Entry): string | undefined {
  try {
    return kind.decode(value, key).metadata.name;
  } catch (error) {
    if (error instanceof AgentError) return undefined;
    throw error;
  }
}

/** The changed resource with uid and time of creation of the stored one. */
function sameBirth<R extends Resource>(changed: R, stored: R): R {
  const {uid, creationTimestamp} = stored.metadata;
  if (changed.metadata.uid === uid && changed.metadata.creationTimestamp === creationTimestamp) return changed;
  return {...changed, metadata: {...changed.metadata, uid, creationTimestamp}};
}

/** As Go prints a time: whole seconds. */
const timestamp = (wallMs: number): string => new Date(wallMs).toISOString().replace(/\.\d+Z$/, 'Z');

function invalid(
  kind: ResourceKind,
  {metadata}: Resource,
  field: string,
  value: string | undefined,
  rule: string,
): AgentError {
  return invalidResource(`${kind.kind} ${JSON.stringify(metadata.name)}`, [
    violation(`metadata.${field}`, value, rule),
  ]);
}
