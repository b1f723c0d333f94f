/**
 * Writes docs/resources.md and docs/openapi/resources.yaml from the declarations in src/model/kinds:
 * `node docs/generate-resources.ts`. A unit test fails while one of them is older than the declarations.
 */
import {writeFileSync} from 'node:fs';
import {stringify} from 'yaml';
import type {ResourceKind} from '../src/model/kind.ts';
import {KINDS} from '../src/model/kinds.ts';
import {openApiDocument, shapeSchema} from '../src/model/open-api.ts';
import {type Field, isEmptyValue, type ObjectShape, objectShape, type Shape} from '../src/model/schema.ts';

const INTRODUCTION = `# Resources

Every kind of resource, its fields, and what they accept, in the order in which they are stored. Written by
\`node docs/generate-resources.ts\` from [src/model/kinds](../src/model/kinds); change it there. The same as an OpenAPI
document: [openapi/resources.yaml](openapi/resources.yaml).

A resource is \`{kind, apiVersion: projectcalico.org/v3, metadata, spec}\`, some kinds have a \`status\` too. Rules that
concern several fields are in the files of the kinds, and every refusal names path, value and rule.

## Selectors

| Form | True when the label |
|---|---|
| \`a == "x"\`, \`a != "x"\` | is x; is anything else or absent |
| \`a in {"x", "y"}\`, \`a not in {"x", "y"}\` | is one of them; is none of them or absent |
| \`has(a)\` | is there |
| \`a contains "x"\`, \`a starts with "x"\`, \`a ends with "x"\` | is there and has, begins with, ends with x |
| \`all()\`, or nothing at all | always |
| \`global()\` | in the namespaceSelector of a rule only: the other end is in no namespace |

\`!\` binds strongest, then \`&&\`, then \`||\`; parentheses group. Strings are in single or double quotes and have no escapes.
`;

/** The whole page. */
export function renderResourcesPage(): string {
  const titles = new Map<string, ObjectShape>();
  const kinds = KINDS.map((kind) => renderKind(kind, titles));
  const shared = [...titles].sort(([a], [b]) => (a < b ? -1 : 1)).map(([title, shape]) => renderShared(title, shape));
  return [INTRODUCTION, ...kinds, '\n## Shared objects\n', ...shared].join('');
}

/** The OpenAPI document. */
export const renderOpenApi = (): string =>
  stringify(JSON.parse(JSON.stringify(openApiDocument(KINDS))), {aliasDuplicateObjects: false, lineWidth: 120});

function renderKind(kind: ResourceKind, titles: Map<string, ObjectShape>): string {
  const {kind: name, plural, namespaced, aliases} = kind;
  const shape = objectShape(kind.schema);
  const others = aliases.filter((alias) => alias !== plural).map((alias) => `\`${alias}\``);
  const rows = ['spec', 'status'].flatMap((part) => {
    const field = shape.fields.get(part);
    return field?.shape.type === 'object' ? renderFields(field.shape, `${part}.`, titles) : [];
  });
  return `\n## ${name}\n\n${namespaced ? 'In a namespace' : 'Of the whole cluster'}. Key: \`${kind.prefix(namespaced ? '<namespace>' : undefined)}<name>\`. Also called ${[`\`${plural}\``, ...others].join(', ')}.\n\n${renderTable(rows)}`;
}

const renderShared = (title: string, shape: ObjectShape): string =>
  `\n### ${title}\n\n${renderTable(renderFields(shape, '', new Map()))}`;

const renderTable = (rows: readonly string[]): string =>
  rows.length === 0 ? 'No fields.\n' : `| Field | Type | Default | Rule |\n|---|---|---|---|\n${rows.join('')}`;

function renderFields(shape: ObjectShape, path: string, titles: Map<string, ObjectShape>): readonly string[] {
  return [...shape.fields.values()].flatMap((field) => {
    const [element, suffix] = elementOf(field.shape);
    const where = `${path}${field.name}${suffix}`;
    if (element.type === 'object' && element.title === undefined) return renderFields(element, `${where}.`, titles);
    if (element.type === 'object' && element.title !== undefined) collect(element, titles);
    return [`| \`${where}\` | ${typeOf(element)} | ${defaultOf(field)} | ${ruleOf(field, element)} |\n`];
  });
}

/** A titled object, and those inside of it, are described once. */
function collect(shape: ObjectShape, titles: Map<string, ObjectShape>): void {
  if (shape.title === undefined || titles.has(shape.title)) return;
  titles.set(shape.title, shape);
  renderFields(shape, '', titles);
}

/** What is in lists and maps, and how the path says so. */
function elementOf(shape: Shape): readonly [Shape, string] {
  if (shape.type !== 'list' && shape.type !== 'map') return [shape, ''];
  const [element, suffix] = elementOf(shape.element);
  return [element, `${shape.type === 'list' ? '[]' : '{}'}${suffix}`];
}

function typeOf(shape: Shape): string {
  if (shape.type === 'object') return `[${shape.title}](#${shape.title?.toLowerCase()})`;
  if (shape.type !== 'leaf') return 'any';
  const {accepts} = shape;
  if (accepts.includes('string') && accepts.includes('integer')) return 'integer or string';
  if (accepts.includes('bigint')) return accepts.includes('number') ? 'number' : 'integer';
  return accepts[0] ?? '';
}

function defaultOf(field: Field): string {
  if (field.presence === 'required') return 'required';
  if (field.presence === 'optional' || field.fallback === null || isEmptyValue(field, field.fallback)) return '';
  return field.shape.type === 'object' ? '' : `\`${JSON.stringify(field.fallback)}\``;
}

interface Described {
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly description?: string;
}

/** What the schema of the field says. */
function ruleOf(field: Field, element: Shape): string {
  const schema = openApiOf(field.shape);
  const inner = element === field.shape ? schema : openApiOf(element);
  const rules: string[] = [];
  if (inner.enum !== undefined) rules.push(`one of ${inner.enum.map((value) => `\`${String(value)}\``).join(', ')}`);
  if (inner.minimum !== undefined || inner.maximum !== undefined)
    rules.push(
      inner.maximum === undefined ? `at least ${inner.minimum}` : `${inner.minimum ?? ''} to ${inner.maximum}`,
    );
  if (inner.description !== undefined) rules.push(inner.description.replace(/^must (?:be )?/, ''));
  if (inner.maxLength !== undefined) rules.push(`at most ${inner.maxLength} characters`);
  if (schema.minItems !== undefined && schema.minItems === schema.maxItems)
    rules.push(`exactly ${schema.minItems} of them`);
  else {
    if (schema.minItems !== undefined) rules.push(`at least ${schema.minItems} of them`);
    if (schema.maxItems !== undefined) rules.push(`at most ${schema.maxItems} of them`);
  }
  return rules.join('; ').replaceAll('|', '\\|');
}

const openApiOf = (shape: Shape): Described => shapeSchema(shape) as Described;

if (import.meta.main) {
  writeFileSync(new URL('resources.md', import.meta.url), renderResourcesPage());
  writeFileSync(new URL('openapi/resources.yaml', import.meta.url), renderOpenApi());
}
