/**
 * Writing one resource with the rules of Calico's client beyond those of its kind: what is read-only, what it has to do
 * with other objects, and which parts of the metadata a person's document may change.
 *
 * Throws what is wrong with this one resource; the caller goes on with the next.
 */
import {AgentError, hasCode} from '../lib/errors.ts';
import {emptyObject, isJsonObject, type JsonObject} from '../lib/exact-json.ts';
import type {ResourceId, ResourceKind} from '../model/kind.ts';
import {IPPool} from '../model/kinds/ip-pool.ts';
import {Node} from '../model/kinds/node.ts';
import {DEFAULT_ALLOW_PROFILE, Profile} from '../model/kinds/profile.ts';
import type {Metadata, Resource} from '../model/resource.ts';
import {nameOf, notThere} from './error-text.ts';
import {Failure} from './failure.ts';
import type {Target} from './input/targets.ts';
import {findResource} from './resource-reader.ts';
import {refusalOf, type WriteVerb} from './rules/read-only.ts';
import {scalarText} from './scalar-text.ts';
import type {Session} from './session.ts';

export class ResourceWriter {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async create(target: Target, id: ResourceId): Promise<void> {
    const {kind} = target;
    refuse(kind, id, 'create');
    if (kind.kind === Profile.kind && id.name === DEFAULT_ALLOW_PROFILE)
      throw new AgentError('E_EXISTS', `${nameOf(kind, id)} is always there`);
    const version = versionOf(target);
    if (version !== '')
      throw new Failure(
        `error with field Metadata.ResourceVersion = '${version}' (field must not be set for a Create request)`,
      );
    const {checkTierIsThere} = await import('./rules/references.ts');
    await checkTierIsThere(this.#session, target);
    const resource = resourceOf(withOwnMetadata(target), id);
    if (isPool(resource)) {
      const {checkNewPool} = await import('./rules/pool-rules.ts');
      await checkNewPool(this.#session, resource);
    }
    await this.#checkReferences(kind, resource);
    await this.#session.resources.create(kind, resource, this.#session.call);
  }

  /** Creates what is not there and replaces what is. */
  async apply(target: Target, id: ResourceId): Promise<void> {
    // An operation that does not exist for creating may exist for replacing; what else is refused stays so.
    if (refusalOf(target.kind, id, 'create')?.startsWith('operation ')) return this.replace(target, id);
    try {
      await this.create(withOwnMetadata(target), id);
    } catch (error) {
      if (!hasCode(error, 'E_EXISTS')) throw error;
      await this.replace(target, id);
    }
  }

  /**
   * Replaces what is there: at the document's resourceVersion when it has one, else whatever it is now. What is not
   * there is said before anything is said about the document.
   */
  async replace(target: Target, id: ResourceId): Promise<void> {
    const {kind} = target;
    await this.#requireExisting(kind, id);
    refuse(kind, id, 'update');
    const resource = resourceOf(withOwnMetadata(target), id);
    await this.#checkReferences(kind, resource);
    const version = versionOf(target);
    const {checkPoolChange} = await import('./rules/pool-rules.ts');
    const change = (current: Resource | undefined): Resource | undefined => {
      if (current === undefined) return undefined;
      if (version !== '' && version !== current.metadata.resourceVersion)
        throw new Failure(`update conflict: ${nameOf(kind, id)}`);
      if (isPool(current) && isPool(resource)) checkPoolChange(current, resource);
      return {...resource, metadata: changedMetadata(current.metadata, resource.metadata)};
    };
    const {name, namespace} = resource.metadata;
    const {resources, call} = this.#session;
    const replaced = await resources.modify(kind, {name, namespace}, change, call);
    if (replaced === undefined) throw new Failure(notThere(kind, {name, namespace}));
  }

  async delete(target: Target, id: ResourceId): Promise<void> {
    const {kind} = target;
    refuse(kind, id, 'delete');
    if (kind.kind === Node.kind && id.name === '')
      throw new Failure('error with field node (field should be assigned)');
    // Such a name has no key; nothing can be stored under it.
    if (id.name === '' || id.name.includes('/')) throw new AgentError('E_NOT_FOUND', notThere(kind, id));
    await this.#requireVersion(target, id);
    switch (kind.kind) {
      case 'IPPool': {
        const {deletePool} = await import('./rules/pool-rules.ts');
        return deletePool(this.#session, id);
      }
      case 'Node': {
        const {deleteNode} = await import('./rules/node-deletion.ts');
        return deleteNode(this.#session, id);
      }
      case 'Tier': {
        const {checkTierIsFree} = await import('./rules/references.ts');
        await checkTierIsFree(this.#session, id.name);
        return this.#session.resources.delete(kind, id, {}, this.#session.call);
      }
      default:
        return this.#session.resources.delete(kind, id, {}, this.#session.call);
    }
  }

  /** One that the document names must be that of what goes. */
  async #requireVersion(target: Target, id: ResourceId): Promise<void> {
    const {kind} = target;
    const version = versionOf(target);
    if (version === '') return;
    if (!/^[0-9]+$/.test(version)) throw new Failure(`error with field ResourceVersion = '${version}'`);
    const current = await findResource(this.#session, kind, id);
    if (current === undefined) throw new AgentError('E_NOT_FOUND', notThere(kind, id));
    if (current.metadata.resourceVersion !== version) throw new Failure(`update conflict: ${nameOf(kind, id)}`);
  }

  async #requireExisting(kind: ResourceKind, id: ResourceId): Promise<void> {
    if ((await findResource(this.#session, kind, id)) === undefined) throw new Failure(notThere(kind, id));
  }

  async #checkReferences(kind: ResourceKind, resource: Resource): Promise<void> {
    const {checkReferences} = await import('./rules/references.ts');
    await checkReferences(this.#session, kind, resource);
  }
}

const isPool = (resource: Resource): resource is IPPool => resource.kind === IPPool.kind;

function refuse(kind: ResourceKind, id: ResourceId, verb: WriteVerb): void {
  const refusal = refusalOf(kind, id, verb);
  if (refusal !== undefined) throw new Failure(refusal);
}

function metadataOf({document}: Target): JsonObject {
  const metadata = document?.metadata;
  return isJsonObject(metadata) ? metadata : emptyObject();
}

const versionOf = (target: Target): string => scalarText(metadataOf(target).resourceVersion);

/** The document with the metadata that is a person's. */
function withOwnMetadata(target: Target): Target {
  const {name, namespace, labels, annotations} = metadataOf(target);
  return {...target, document: {...target.document, metadata: {name, namespace, labels, annotations}}};
}

/** What the document says, complete, where it lives. Throws E_INVALID_RESOURCE. */
export function resourceOf(target: Target, {namespace}: ResourceId): Resource {
  return target.kind.create({...target.document, metadata: {...metadataOf(target), namespace}});
}

/** Of the metadata only labels and annotations are a person's. */
const changedMetadata = (current: Metadata, {labels, annotations}: Metadata): Metadata => ({
  ...current,
  labels,
  annotations,
});
