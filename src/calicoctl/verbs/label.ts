/** `calicoctl label`: sets or removes one label of one resource. */
import {isJsonObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';
import type {ResourceId, ResourceKind} from '../../model/kind.ts';
import type {Resource} from '../../model/resource.ts';
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
import {errorText, isBug} from '../error-text.ts';
import {Failure} from '../failure.ts';
import {idOf, namedTargets} from '../input/targets.ts';
import type {Io} from '../io.ts';
import {findResource} from '../resource-reader.ts';
import {checkClusterVersion, type Session, withSession} from '../session.ts';

const DECLARATION: CommandDeclaration = {
  name: 'label',
  help: 'Sets a label of a resource, or removes one.',
  flags: [
    {long: 'overwrite', help: 'also when the label has another value'},
    {long: 'remove', help: 'remove the label'},
    CONFIG_FLAG,
    NAMESPACE_FLAG,
    CONTEXT_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: true,
};

/** What is asked for. */
interface Request {
  readonly kindText: string;
  readonly name: string;
  /** `key=value`, or the key to remove. */
  readonly label: string;
  readonly namespace: string | undefined;
  readonly removes: boolean;
  readonly overwrites: boolean;
}

export async function runLabel(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  const [kindText, name, label, ...more] = args.operands;
  const [removes, overwrites] = [args.has('remove'), args.has('overwrite')];
  if (kindText === undefined || name === undefined || label === undefined || more.length > 0 || (removes && overwrites))
    throw usageFailure('label');
  if (!removes && label.split('=').length !== 2) throw new Failure(`invalid label ${label}`);
  const request = {kindText, name, label, namespace: namespaceOf(args), removes, overwrites};
  return withSession(io, args.value('config'), async (session) => {
    await failingToGet(request, () => checkClusterVersion(session, args.has(VERSION_FLAG.long)));
    io.out(await changeLabel(session, request));
    return 0;
  });
}

async function changeLabel(session: Session, request: Request): Promise<string> {
  const {kindText, name} = request;
  const {kind, id, current} = await find(session, request);
  const change = changeOf(request, current.metadata.labels);
  const document = documentOf(kind, current);
  try {
    await writeEdited(session, editedTarget(kind, withLabel(document, change), ''), id);
  } catch (cause) {
    if (isBug(cause)) throw cause;
    const reason = errorText(cause, kind, id);
    throw new Failure(`failed to update ${kindText} ${name}, label not changed: ${reason}`, {cause});
  }
  return `Successfully ${change.past} ${kindText} ${name}\n`;
}

async function find(
  session: Session,
  request: Request,
): Promise<{readonly kind: ResourceKind; readonly id: ResourceId; readonly current: Resource}> {
  const {kindText, name, namespace} = request;
  const [target] = await failingToGet(request, async () => namedTargets(kindText, [name]));
  if (target === undefined) throw usageFailure('label');
  try {
    const id = idOf(target, namespace);
    const current = await findResource(session, target.kind, id);
    if (current !== undefined) return {kind: target.kind, id, current};
  } catch (cause) {
    // Whatever is wrong with the name, nothing is there.
    if (!(cause instanceof Failure)) throw cause;
  }
  throw new Failure(`${kindText} ${name} not found`);
}

async function failingToGet<T>({kindText, name}: Request, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new Failure(`failed to get ${kindText} ${name}, error ${cause.message}`, {cause});
  }
}

interface Change {
  readonly key: string;
  /** Undefined removes it. */
  readonly value: string | undefined;
  /** What was done, up to the name of the resource. */
  readonly past: string;
}

function changeOf(
  {kindText, name, label, removes, overwrites}: Request,
  labels: Readonly<Record<string, string>> = {},
): Change {
  if (removes) {
    if (Object.hasOwn(labels, label)) return {key: label, value: undefined, past: `removed label ${label} from`};
    throw new Failure(`cannot remove label of ${kindText} ${name}, key ${label} does not exist`);
  }
  const [key = '', value = ''] = label.split('=');
  if (!Object.hasOwn(labels, key)) return {key, value, past: `set label ${key} on`};
  if (labels[key] !== value && !overwrites)
    throw new Failure(
      `failed to update label of ${kindText} ${name}, key ${key} is already present. please use '--overwrite' to set a new value`,
    );
  return {key, value, past: `updated label ${key} on`};
}

function withLabel(document: JsonObject, {key, value}: Change): JsonValue {
  const metadata = isJsonObject(document.metadata) ? document.metadata : {};
  const labels = isJsonObject(metadata.labels) ? metadata.labels : {};
  return {...document, metadata: {...metadata, labels: {...labels, [key]: value}}};
}
