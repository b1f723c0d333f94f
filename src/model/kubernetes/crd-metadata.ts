/**
 * Metadata of Calico's resources as objects of the group crd.projectcalico.org/v1: what people see is embedded in an
 * annotation, and the object itself keeps little more than its name, so that two programs can each own one of them.
 */

import {compareBytes} from '../../lib/byte-order.ts';
import {
  emptyObject,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJson,
  printJson,
} from '../../lib/exact-json.ts';
import {GIVEN_NAME_ANNOTATION} from '../policy-names.ts';
import {API_VERSION, type Metadata} from '../resource.ts';
import {invalidResource, violation} from '../violation.ts';
import {copyOf} from './metadata.ts';
import type {StringRecord} from './objects.ts';
import {convertUid} from './uid.ts';

const CRD_API_VERSION = 'crd.projectcalico.org/v1';
/** Parts of keys of labels and annotations that the object itself has too. */
const SHARED_KEYS = ['projectcalico.org/', 'operator.tigera.io/'];
/** Policies keep their name in the embedded copy: their object may be called differently. */
const NAMED_KINDS: ReadonlySet<string> = new Set([
  'NetworkPolicy',
  'GlobalNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
]);

/** The object's metadata, as JSON; `kind` is that of the resource. */
export function crdMetadata(metadata: Metadata, kind: string): JsonObject {
  const {name, namespace, resourceVersion, uid} = metadata;
  const annotations = shared(metadata.annotations);
  annotations[GIVEN_NAME_ANNOTATION] = printJson(embedded(metadata, NAMED_KINDS.has(kind)));
  return withoutEmpty({
    name,
    namespace,
    uid: uid === undefined ? undefined : (convertUid(uid) ?? uid),
    resourceVersion,
    labels: sortedMap(shared(metadata.labels)),
    annotations: sortedMap(annotations),
  });
}

function embedded(metadata: Metadata, keepsName: boolean): JsonObject {
  const {name, generateName, creationTimestamp = null, deletionTimestamp, labels, annotations, finalizers} = metadata;
  return withoutEmpty({
    name: keepsName ? name : undefined,
    generateName,
    creationTimestamp,
    deletionTimestamp,
    labels: sortedMap(labels),
    annotations: sortedMap(annotations),
    ownerReferences: metadata.ownerReferences?.map((owner) => converted(owner, API_VERSION, CRD_API_VERSION)),
    finalizers,
  });
}

/** What people see of an object; one that kubectl made has nothing embedded and is seen as it is. */
export function metadataOfCrd(object: Metadata): Metadata {
  const text = object.annotations[GIVEN_NAME_ANNOTATION];
  const uid = object.uid === undefined ? undefined : (convertUid(object.uid) ?? object.uid);
  if (text === undefined) return {...object, uid};
  const inner = parseJson(text);
  if (!isJsonObject(inner))
    throw invalidResource('object', [
      violation(`metadata.annotations[${GIVEN_NAME_ANNOTATION}]`, text, 'must be a JSON object'),
    ]);
  const annotations = new Map(Object.entries(object.annotations));
  annotations.delete(GIVEN_NAME_ANNOTATION);
  const {name, creationTimestamp, generateName, finalizers, ownerReferences} = inner;
  return {
    ...object,
    uid,
    name: typeof name === 'string' && name !== '' ? name : object.name,
    labels: copyOf({...object.labels, ...stringsOf(inner.labels)}),
    annotations: copyOf({...Object.fromEntries(annotations), ...stringsOf(inner.annotations)}),
    creationTimestamp: typeof creationTimestamp === 'string' ? creationTimestamp : object.creationTimestamp,
    generateName: typeof generateName === 'string' ? generateName : object.generateName,
    finalizers: Array.isArray(finalizers) ? finalizers.map(String) : object.finalizers,
    ownerReferences: Array.isArray(ownerReferences)
      ? ownerReferences.map((owner: JsonValue) => converted(owner, CRD_API_VERSION, API_VERSION))
      : object.ownerReferences,
  };
}

/** References between resources of Calico follow the group, and so do their UIDs. */
function converted(owner: JsonValue, from: string, to: string): JsonValue {
  if (!isJsonObject(owner) || owner.apiVersion !== from) return owner;
  const uid = typeof owner.uid === 'string' ? (convertUid(owner.uid) ?? owner.uid) : owner.uid;
  return {...owner, apiVersion: to, uid};
}

function shared(map: StringRecord): Record<string, string> {
  const copy = emptyObject<string>();
  for (const [key, value] of Object.entries(map)) if (SHARED_KEYS.some((part) => key.includes(part))) copy[key] = value;
  return copy;
}

function stringsOf(value: JsonValue | undefined): StringRecord {
  const strings = emptyObject<string>();
  if (isJsonObject(value))
    for (const [key, text] of Object.entries(value)) if (typeof text === 'string') strings[key] = text;
  return strings;
}

function sortedMap(map: StringRecord): JsonObject | undefined {
  const keys = Object.keys(map).sort(compareBytes);
  if (keys.length === 0) return undefined;
  const sorted = emptyObject();
  for (const key of keys) sorted[key] = map[key] ?? '';
  return sorted;
}

function withoutEmpty(object: JsonObject): JsonObject {
  const copy = emptyObject<JsonValue | undefined>();
  for (const [name, value] of Object.entries(object)) if (value !== undefined) copy[name] = value;
  return copy;
}
