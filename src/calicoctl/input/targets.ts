/** What a command works on: resources named on the command line, or those of documents. */
import type {JsonObject} from '../../lib/exact-json.ts';
import type {ResourceId, ResourceKind} from '../../model/kind.ts';
import {kindOfAlias} from '../../model/kinds.ts';
import {Failure} from '../failure.ts';
import {isManagedKind} from '../output/columns.ts';

export interface Target {
  readonly kind: ResourceKind;
  readonly name: string;
  /** As given with the resource. */
  readonly namespace: string | undefined;
  /** Fields under their own names; undefined when only named. */
  readonly document: JsonObject | undefined;
}

/** Those named as `KIND [NAME...]`; without a name, one that stands for all of the kind. */
export function namedTargets(kindText: string, names: readonly string[]): readonly Target[] {
  const kind = kindOfAlias(kindText);
  if (kind === undefined || !isManagedKind(kind)) throw new Failure(`resource type '${kindText}' is not supported`);
  if (names.includes('')) throw new Failure('resource name may not be empty');
  return (names.length === 0 ? [''] : names).map((name) => ({kind, name, namespace: undefined, document: undefined}));
}

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
