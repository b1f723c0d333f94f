/**
 * The fields of a kind as an OpenAPI schema in the structural form that Kubernetes demands of custom resources: every
 * value has one type, nothing is referred to, numbers that may be text are marked so. It is JSON Schema as well.
 *
 * Rules that need code (a CIDR is masked, two fields exclude each other) are descriptions here; the kind itself keeps
 * them.
 */
import {z} from 'zod';
import {emptyObject, type JsonObject, type JsonValue} from '../lib/exact-json.ts';
import type {ResourceKind} from './kind.ts';
import {API_VERSION} from './resource.ts';
import {
  type Field,
  isEmptyValue,
  type LeafShape,
  type ListShape,
  type ObjectShape,
  objectShape,
  type Shape,
} from './schema.ts';

/** Of the whole resource; metadata is Kubernetes' own business. */
export function openApiSchema(kind: ResourceKind): JsonObject {
  const {type, properties, required} = objectSchema(objectShape(kind.schema));
  return {
    type,
    properties: {...(properties as JsonObject), apiVersion: TEXT, kind: TEXT, metadata: {type: 'object'}},
    ...(required === undefined ? {} : {required}),
  };
}

export interface CustomResourceGroup {
  readonly group: 'projectcalico.org' | 'crd.projectcalico.org';
  readonly version: 'v3' | 'v1';
}

/** What Kubernetes must be told before it stores resources of the kind. */
export function customResourceDefinition(kind: ResourceKind, {group, version}: CustomResourceGroup): JsonObject {
  const schema = openApiSchema(kind);
  const hasStatus = objectShape(kind.schema).fields.has('status');
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {name: `${kind.plural}.${group}`},
    spec: {
      group,
      names: {kind: kind.kind, listKind: `${kind.kind}List`, plural: kind.plural, singular: kind.kind.toLowerCase()},
      preserveUnknownFields: false,
      scope: kind.namespaced ? 'Namespaced' : 'Cluster',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: {openAPIV3Schema: schema},
          ...(hasStatus ? {subresources: {status: {}}} : {}),
        },
      ],
    },
  };
}

/** All kinds as one OpenAPI document without paths. */
export function openApiDocument(kinds: readonly ResourceKind[]): JsonObject {
  return {
    openapi: '3.0.3',
    info: {title: 'Calico resources', version: API_VERSION.slice(API_VERSION.indexOf('/') + 1)},
    paths: {},
    components: {schemas: Object.fromEntries(kinds.map((kind) => [kind.kind, openApiSchema(kind)]))},
  };
}

const TEXT: JsonObject = {type: 'string'};
const ANYTHING: JsonObject = {'x-kubernetes-preserve-unknown-fields': true};

/** Of a part of a resource. */
export function shapeSchema(shape: Shape): JsonObject {
  switch (shape.type) {
    case 'object':
      return objectSchema(shape);
    case 'list':
      return listSchema(shape);
    case 'map':
      return {type: 'object', additionalProperties: shapeSchema(shape.element)};
    case 'leaf':
      return leafSchema(shape);
    case 'any':
      return ANYTHING;
  }
}

function objectSchema({fields}: ObjectShape): JsonObject {
  const properties = emptyObject();
  const required: string[] = [];
  for (const field of fields.values()) {
    properties[field.name] = {...shapeSchema(field.shape), ...defaultOf(field)};
    if (field.presence === 'required') required.push(field.name);
  }
  return {type: 'object', properties, ...(required.length === 0 ? {} : {required})};
}

/** Empty values are what an absent field means anyway. */
function defaultOf(field: Field): JsonObject {
  if (field.presence !== 'default' || field.fallback === null || isEmptyValue(field, field.fallback)) return {};
  return {default: field.fallback as JsonValue};
}

function listSchema({element, rules}: ListShape): JsonObject {
  const {minItems, maxItems} = rules === undefined ? {} : z.toJSONSchema(rules);
  return {
    type: 'array',
    items: shapeSchema(element),
    ...(minItems === undefined ? {} : {minItems}),
    ...(maxItems === undefined ? {} : {maxItems}),
  };
}

function leafSchema({accepts, schema}: LeafShape): JsonObject {
  const described = z.toJSONSchema(schema, {unrepresentable: 'any', io: 'input'});
  const {enum: values, minimum, maximum, maxLength, description} = described;
  return {
    ...leafType(accepts),
    ...(values === undefined ? {} : {enum: values.filter((value) => value !== '') as JsonValue[]}),
    ...(isRealBound(minimum) ? {minimum} : {}),
    ...(isRealBound(maximum) ? {maximum} : {}),
    ...(maxLength === undefined ? {} : {maxLength}),
    ...(description === undefined ? {} : {description}),
  };
}

/** A union has the type that is written: only numbers that may be text have two. */
function leafType(accepts: LeafShape['accepts']): JsonObject {
  if (accepts.includes('string') && accepts.includes('integer'))
    return {anyOf: [{type: 'integer'}, {type: 'string'}], 'x-kubernetes-int-or-string': true};
  if (accepts.includes('string')) return TEXT;
  if (accepts.includes('number')) return {type: 'number'};
  if (accepts.includes('integer'))
    return accepts.includes('bigint') ? {type: 'integer', format: 'int64'} : {type: 'integer'};
  return {type: 'boolean'};
}

/** zod bounds every integer by what a number can hold exactly; nobody asked for that. */
const isRealBound = (bound: number | undefined): bound is number =>
  bound !== undefined && Math.abs(bound) !== Number.MAX_SAFE_INTEGER;
