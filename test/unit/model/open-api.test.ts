/** The reference page and the OpenAPI document are those of the declarations; the schemas are structural. */
import {readFileSync} from 'node:fs';
import t from 'tap';
import {renderOpenApi, renderResourcesPage} from '../../../docs/generate-resources.ts';
import {isJsonObject, type JsonValue} from '../../../src/lib/exact-json.ts';
import {GlobalNetworkPolicy} from '../../../src/model/kinds/global-network-policy.ts';
import {IPPool} from '../../../src/model/kinds/ip-pool.ts';
import {KINDS} from '../../../src/model/kinds.ts';
import {customResourceDefinition, openApiSchema} from '../../../src/model/open-api.ts';

void t.test('docs are what the declarations say', async (t) => {
  const read = (file: string) => readFileSync(new URL(`../../../docs/${file}`, import.meta.url), 'utf8');
  t.equal(read('resources.md'), renderResourcesPage(), 'run node docs/generate-resources.ts');
  t.equal(read('openapi/resources.yaml'), renderOpenApi(), 'run node docs/generate-resources.ts');
});

const ALLOWED: ReadonlySet<string> = new Set([
  'type',
  'properties',
  'required',
  'items',
  'additionalProperties',
  'enum',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'maxLength',
  'default',
  'description',
  'format',
  'anyOf',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
]);

/** What Kubernetes calls structural: a type everywhere, and no word it does not know. */
function problems(schema: JsonValue | undefined, path: string): string[] {
  if (!isJsonObject(schema)) return [`${path} is no schema`];
  const found = Object.keys(schema)
    .filter((word) => !ALLOWED.has(word))
    .map((word) => `${path} has ${word}`);
  const isMarked =
    schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  if (typeof schema.type !== 'string' && !isMarked) found.push(`${path} has no type`);
  if (schema.anyOf !== undefined && schema['x-kubernetes-int-or-string'] !== true) found.push(`${path} has anyOf`);
  if (isJsonObject(schema.properties))
    for (const [name, property] of Object.entries(schema.properties))
      found.push(...problems(property, `${path}.${name}`));
  if (schema.type === 'array') found.push(...problems(schema.items, `${path}[]`));
  if (schema.additionalProperties !== undefined) found.push(...problems(schema.additionalProperties, `${path}{}`));
  return found;
}

void t.test('every schema is structural', async (t) => {
  for (const kind of KINDS) t.same(problems(openApiSchema(kind), kind.kind), []);
  t.same(problems({type: 'object', properties: {a: {oneOf: []}}}, 'x'), ['x.a has oneOf', 'x.a has no type']);
});

void t.test('types, defaults and limits', async (t) => {
  const pool = openApiSchema(IPPool);
  t.match(pool, {
    required: undefined,
    properties: {
      metadata: {type: 'object'},
      spec: {
        required: ['cidr'],
        properties: {
          cidr: {type: 'string'},
          ipipMode: {type: 'string', enum: ['Never', 'Always', 'CrossSubnet'], default: 'Never'},
          natOutgoing: {type: 'boolean'},
          nodeSelector: {default: 'all()'},
          allowedUses: {
            type: 'array',
            items: {enum: ['Workload', 'Tunnel', 'LoadBalancer']},
            default: ['Workload', 'Tunnel'],
          },
        },
      },
    },
  });
  const properties = (openApiSchema(GlobalNetworkPolicy).properties as {spec: {properties: Record<string, JsonValue>}})
    .spec;
  t.match(properties.properties, {
    order: {type: 'number'},
    ingress: {
      items: {
        required: ['action'],
        properties: {
          protocol: {anyOf: [{type: 'integer'}, {type: 'string'}], 'x-kubernetes-int-or-string': true},
          icmp: {properties: {type: {type: 'integer', minimum: 0, maximum: 254}}},
          http: {properties: {methods: {maxItems: 20}}},
        },
      },
    },
  });
});

void t.test('definitions of custom resources, in both groups', async (t) => {
  const definition = customResourceDefinition(GlobalNetworkPolicy, {group: 'crd.projectcalico.org', version: 'v1'});
  t.match(definition, {
    metadata: {name: 'globalnetworkpolicies.crd.projectcalico.org'},
    spec: {
      scope: 'Cluster',
      names: {listKind: 'GlobalNetworkPolicyList'},
      versions: [{name: 'v1', subresources: undefined}],
    },
  });
  t.match(customResourceDefinition(IPPool, {group: 'projectcalico.org', version: 'v3'}), {
    metadata: {name: 'ippools.projectcalico.org'},
    spec: {versions: [{name: 'v3', subresources: {status: {}}}]},
  });
});
