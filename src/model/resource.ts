/**
 * What every resource has: kind, version and metadata. A resource is frozen plain data; a change makes a new one:
 * `{...pool, spec: {...pool.spec, disabled: true}}`.
 */
import {z} from 'zod';
import type {JsonValue} from '../lib/exact-json.ts';
import {narrow} from './schema.ts';

export const API_VERSION = 'projectcalico.org/v3';

/** `T` with everything in it readonly. */
export type Immutable<T> = T extends readonly (infer E)[]
  ? readonly Immutable<E>[]
  : T extends object
    ? {readonly [K in keyof T]: Immutable<T[K]>}
    : T;

/** JSON of any form, kept as it is. */
export const anyJson = (): z.ZodType<JsonValue> => z.custom<JsonValue>();

/** Strings by name; the object has no prototype. */
export const stringMap = (): z.ZodRecord<z.ZodString, z.ZodString> => z.record(z.string(), z.string());

/** Kubernetes ObjectMeta, in Go's order. */
export const metadataSchema = z.object({
  name: z.string().default(''),
  generateName: z.string().optional(),
  namespace: z.string().optional(),
  selfLink: z.string().optional(),
  uid: z.string().optional(),
  /** The store's revision; never stored. */
  resourceVersion: z.string().optional(),
  generation: z.int().default(0),
  creationTimestamp: narrow('Time', z.string()).optional(),
  deletionTimestamp: narrow('Time', z.string()).optional(),
  deletionGracePeriodSeconds: z.int().optional(),
  labels: stringMap().default({}),
  annotations: stringMap().default({}),
  ownerReferences: z.array(anyJson()).optional(),
  finalizers: z.array(z.string()).optional(),
  managedFields: z.array(anyJson()).optional(),
});

export type Metadata = Immutable<z.infer<typeof metadataSchema>>;

export interface Resource<Spec = unknown, Status = unknown> {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: Metadata;
  readonly spec: Spec;
  readonly status?: Status;
}

/** Labels, or any other strings by name, as what selectors are matched against. */
export const labelMap = (labels: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(labels));
