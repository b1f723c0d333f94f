/** `calicoctl patch`: changes fields of one resource; labels and annotations are merged. */
import {hasCode} from '../../lib/errors.ts';
import {emptyObject, isJsonObject, type JsonValue, parseJson} from '../../lib/exact-json.ts';
import type {ResourceId, ResourceKind} from '../../model/kind.ts';
import {
  CONFIG_FLAG,
  CONTEXT_FLAG,
  type CommandDeclaration,
  NAMESPACE_FLAG,
  namespaceOf,
  parseArguments,
  usageFailure,
  VERSION_FLAG,
} from '../command-line.ts';
import {documentOf, editedTarget, writeEdited} from '../edit.ts';
import {errorText, isBug, notThere} from '../error-text.ts';
import {Failure} from '../failure.ts';
import {idOf, namedTargets} from '../input/targets.ts';
import type {Io} from '../io.ts';
import {valueAt} from '../output/columns.ts';
import {findResource} from '../resource-reader.ts';
import {jsonPatch} from '../rules/json-patch.ts';
import {strategicMergePatch} from '../rules/merge-patch.ts';
import {checkClusterVersion, type Session, withSession} from '../session.ts';

const DECLARATION: CommandDeclaration = {
  name: 'patch',
  help: 'Changes fields of a resource that is there.',
  flags: [
    {short: 'p', long: 'patch', value: 'PATCH', help: 'the change, as JSON'},
    {
      short: 't',
      long: 'type',
      value: 'TYPE',
      help: 'strategic (default), merge, or json for a list of operations (RFC 6902)',
    },
    CONFIG_FLAG,
    NAMESPACE_FLAG,
    CONTEXT_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: true,
};

export async function runPatch(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  const [kindText, name, ...more] = args.operands;
  const text = args.value('patch');
  if (kindText === undefined || name === undefined || more.length > 0 || text === undefined)
    throw usageFailure('patch');
  const patch = patcherOf(args.value('type') ?? 'strategic', text);
  return withSession(io, args.value('config'), async (session) => {
    await checkClusterVersion(session, args.has(VERSION_FLAG.long));
    const [target] = namedTargets(kindText, [name]);
    if (target === undefined) throw usageFailure('patch');
    const namespace = namespaceOf(args);
    await patchResource(session, target.kind, {name, namespace}, patch);
    io.out(`Successfully patched 1 '${target.kind.kind}' resource\n`);
    return 0;
  });
}

type Patcher = (document: JsonValue) => JsonValue;

/**
 * As in Calico everything is a strategic patch, whatever type is given: it takes what a merge patch is. Only a list of
 * operations is none, and taken as such where the type says `json`.
 */
function patcherOf(type: string, text: string): Patcher {
  return (document) => {
    const patch = parsed(text);
    if (type === 'json' && Array.isArray(patch))
      return saying('performing JSON patch', () => jsonPatch(document, patch));
    return saying('performing strategic merge patch', () => {
      if (patch === undefined || !(patch === null || isJsonObject(patch))) throw new Failure('invalid JSON document');
      return strategicMergePatch(document, patch ?? emptyObject());
    });
  };
}

/** Undefined when it is no JSON. */
function parsed(text: string): JsonValue | undefined {
  try {
    return parseJson(text);
  } catch (cause) {
    if (!hasCode(cause, 'E_BAD_JSON')) throw cause;
    return undefined;
  }
}

async function patchResource(
  session: Session,
  kind: ResourceKind,
  {name, namespace}: ResourceId,
  patch: Patcher,
): Promise<void> {
  const id = await hitting('', kind, {name, namespace}, async () =>
    idOf({kind, name, namespace: undefined, document: undefined}, namespace),
  );
  const current = await hitting('', kind, id, () => findResource(session, kind, id));
  if (current === undefined) throw new Failure(`hit error: ${notThere(kind, id)}`);
  const patched = patch(documentOf(kind, current));
  const target = editedTarget(kind, patched, 'hit error: creating resource from patched data: ');
  const edited = {name: target.name, namespace: id.namespace};
  await hitting('updating existing resource: ', kind, edited, async () => {
    if (!isJsonObject(patched) || valueAt(patched, 'metadata.resourceVersion') === undefined)
      throw new Failure("error with field Metadata.ResourceVersion = '' (field must be set for an Update request)");
    await writeEdited(session, target, id);
  });
}

function saying<T>(what: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new Failure(`hit error: ${what}: ${cause.message}`, {cause});
  }
}

/** What a step meets is said in words of this verb. */
async function hitting<T>(prefix: string, kind: ResourceKind, id: ResourceId, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    if (isBug(cause)) throw cause;
    throw new Failure(`hit error: ${prefix}${errorText(cause, kind, id)}`, {cause});
  }
}
