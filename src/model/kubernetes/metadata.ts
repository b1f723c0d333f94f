/**
 * Metadata of a resource that is derived from a Kubernetes object.
 */
import {emptyObject} from '../../lib/exact-json.ts';
import type {Metadata} from '../resource.ts';
import type {ObjectMeta, StringRecord} from './objects.ts';
import {convertUid} from './uid.ts';

/** Name as given, time of creation of the original, its UID converted. */
export function derivedMetadata(original: ObjectMeta, name: string): Metadata {
  const uid = original.uid === undefined ? undefined : convertUid(original.uid);
  return {
    name,
    ...(uid === undefined ? {} : {uid}),
    ...(original.creationTimestamp === undefined ? {} : {creationTimestamp: original.creationTimestamp}),
    generation: 0,
    labels: copyOf({}),
    annotations: copyOf({}),
  };
}

/** Frozen, without a prototype; keys get `prefix`. */
export function copyOf(map: StringRecord | undefined, prefix = ''): StringRecord {
  const copy = emptyObject<string>();
  for (const [key, value] of Object.entries(map ?? {})) copy[`${prefix}${key}`] = value;
  return Object.freeze(copy);
}
