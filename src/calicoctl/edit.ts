/** Editing one resource in place: read, change its document, write it back at the revision that was read. */
import {isJsonObject, type JsonObject, type JsonValue} from '../lib/exact-json.ts';
import type {ResourceId, ResourceKind} from '../model/kind.ts';
import type {Resource} from '../model/resource.ts';
import {formatViolation} from '../model/violation.ts';
import {nameOf} from './error-text.ts';
import {Failure} from './failure.ts';
import {GoDecoder} from './input/go-decoding.ts';
import {objectTarget} from './input/target-reader.ts';
import {idOf, type Target} from './input/targets.ts';
import {ResourceWriter} from './resource-writer.ts';
import type {Session} from './session.ts';

/**
 * The resource as a document; fields that this release does not know are left out. Throws a Failure when a value that is
 * stored does not fit its type: writing the rest would drop it.
 */
export function documentOf(kind: ResourceKind, resource: Resource): JsonObject {
  const {value, mismatches} = new GoDecoder().decode(kind, kind.toJson(resource));
  if (mismatches.length === 0) return value;
  const what = nameOf(kind, resource.metadata);
  throw new Failure(`${what} cannot be edited, what is stored is wrong: ${mismatches.map(formatViolation).join('; ')}`);
}

/** What the edited document is. Throws a Failure when it is no document of the kind; `failing` begins its message. */
export function editedTarget(kind: ResourceKind, document: JsonValue, failing: string): Target {
  const target = isJsonObject(document) ? objectTarget(document, failing) : undefined;
  if (target === undefined || target.kind.kind !== kind.kind)
    throw new Failure(`what is left is not a ${kind.kind}: apiVersion and kind must stay`);
  return target;
}

/** Writes the edited resource where it was read. Throws what is wrong with it. */
export function writeEdited(session: Session, target: Target, {namespace}: ResourceId): Promise<void> {
  return new ResourceWriter(session).replace(target, idOf(target, namespace));
}
