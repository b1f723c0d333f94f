/** Reading what a person asked to see: one resource per name, or a list where no name is given. */
import {emptyObject, isJsonObject, type JsonObject, type JsonValue} from '../lib/exact-json.ts';
import type {ResourceId, ResourceKind} from '../model/kind.ts';
import {DEFAULT_ALLOW_PROFILE, Profile} from '../model/kinds/profile.ts';
import {Tier} from '../model/kinds/tier.ts';
import {API_VERSION, type Resource} from '../model/resource.ts';
import {errorText, isBug, isStoreFailure, notThere} from './error-text.ts';
import {Failure} from './failure.ts';
import {idOf, type Target} from './input/targets.ts';
import {valueAt} from './output/columns.ts';
import {defaultAllowProfile} from './rules/read-only.ts';
import type {Session} from './session.ts';

export interface Scope {
  readonly namespace: string | undefined;
  readonly allNamespaces: boolean;
  /** Without what only this cluster knows. */
  readonly forExport: boolean;
}

/** What one target gave. */
export interface Result {
  readonly kind: ResourceKind;
  /** As JSON in Calico's order, with defaults. */
  readonly resources: readonly JsonObject[];
  /** What `-o yaml` shows: the resource, or the list. */
  readonly whole: JsonObject;
  /** The same, typed; a list is given as its elements. */
  readonly views: Resource | readonly Resource[];
}

export async function fetchAll(
  session: Session,
  targets: readonly Target[],
  scope: Scope,
): Promise<{readonly results: readonly Result[]; readonly errors: readonly string[]}> {
  const results: Result[] = [];
  const errors: string[] = [];
  for (const target of targets) {
    try {
      results.push(await fetch(session, target, scope, errors));
    } catch (error) {
      if (isBug(error)) throw error;
      const {kind, name, namespace} = target;
      errors.push(errorText(error, kind, {name, namespace}));
      if (isStoreFailure(error)) break;
    }
  }
  return {results, errors};
}

async function fetch(session: Session, target: Target, scope: Scope, errors: string[]): Promise<Result> {
  const {kind} = target;
  if (scope.allNamespaces && !kind.namespaced) throw new Failure(`${kind.kind} is not namespaced`);
  if (scope.allNamespaces && scope.namespace !== undefined)
    throw new Failure('cannot use both --namespace and --all-namespaces flags at the same time');
  if (scope.allNamespaces && target.name !== '')
    throw new Failure('cannot use --all-namespace flag for getting a single resource');
  const id = idOf(target, scope.namespace);
  if (target.name === '') return list(session, kind, scope.allNamespaces ? undefined : id.namespace, errors);
  const resource = await findResource(session, kind, id);
  if (resource === undefined) throw new Failure(notThere(kind, id));
  return single(kind, resource, scope);
}

/** One resource, also one that is always there and never stored. */
export async function findResource(
  {resources, call}: Session,
  kind: ResourceKind,
  id: ResourceId,
): Promise<Resource | undefined> {
  if (kind.kind === Profile.kind && id.name === DEFAULT_ALLOW_PROFILE) return defaultAllowProfile();
  // Such a name has no key; nothing can be stored under it.
  return id.name === '' || id.name.includes('/') ? undefined : resources.get(kind, id, call);
}

async function list(
  {resources, call}: Session,
  kind: ResourceKind,
  namespace: string | undefined,
  errors: string[],
): Promise<Result> {
  const listing = await resources.list(kind, {namespace}, call);
  for (const {error} of listing.unreadable) errors.push(error.message);
  const found: readonly Resource[] =
    kind.kind === Profile.kind ? [...listing.resources, defaultAllowProfile()] : inOrder(kind, listing.resources);
  const items = found.map((resource) => shown(kind, resource));
  const metadata = {resourceVersion: listing.cursor.replace(/^.*:/, '')};
  return {
    kind,
    resources: items,
    whole: {kind: `${kind.kind}List`, apiVersion: API_VERSION, metadata, items},
    views: found,
  };
}

/** By name, as the store has them; tiers in the order in which they are asked. */
function inOrder(kind: ResourceKind, resources: readonly Resource[]): readonly Resource[] {
  if (kind.kind !== Tier.kind) return resources;
  const orderOf = (tier: Resource): number =>
    Number(valueAt(kind.toJson(tier), 'spec.order') ?? Number.POSITIVE_INFINITY);
  return resources.toSorted((a, b) => orderOf(a) - orderOf(b));
}

function single(kind: ResourceKind, resource: Resource, {forExport}: Scope): Result {
  const json = shown(kind, resource);
  const whole = forExport ? exported(json) : json;
  return {kind, resources: [whole], whole, views: resource};
}

/** What belongs to this cluster and not to the resource. */
const CLUSTER_FIELDS = [
  'namespace',
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
];

function exported(resource: JsonObject): JsonObject {
  const metadata = emptyObject();
  for (const [name, value] of Object.entries(isJsonObject(resource.metadata) ? resource.metadata : {}))
    if (value !== undefined && !CLUSTER_FIELDS.includes(name)) metadata[name] = value;
  return {...resource, metadata};
}

/** The resource for people: rules without the empty sides that Go stores with them. */
function shown(kind: ResourceKind, resource: Resource): JsonObject {
  const json = kind.toJson(resource);
  const {spec} = json;
  if (!isJsonObject(spec) || (spec.ingress === undefined && spec.egress === undefined)) return json;
  const rules: Record<string, JsonValue> = {};
  for (const direction of ['ingress', 'egress']) {
    const list = spec[direction];
    if (Array.isArray(list)) rules[direction] = list.map(withoutEmptySides);
  }
  return {...json, spec: {...spec, ...rules}};
}

function withoutEmptySides(rule: JsonValue): JsonValue {
  if (!isJsonObject(rule)) return rule;
  const isEmpty = (side: JsonValue | undefined): boolean => isJsonObject(side) && Object.keys(side).length === 0;
  const {source, destination} = rule;
  return {
    ...rule,
    source: isEmpty(source) ? undefined : source,
    destination: isEmpty(destination) ? undefined : destination,
  };
}
