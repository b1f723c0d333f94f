/**
 * Selectors as people write them in policies become selectors over the labels that endpoints carry: a namespace's and a
 * service account's labels are inherited under the prefixes pcns. and pcsa., and `all()` and `global()` of a namespace
 * selector become questions about the namespace label.
 *
 * The texts are Calico's to the letter, because hashes of them name IP sets: parts a person wrote stay as written, parts
 * that were prefixed are canonical, and `all()` is replaced as text. What is not a selector throws E_BAD_SELECTOR: a
 * policy with one part missing would select more than was meant.
 */
import {
  NAMESPACE_LABEL,
  NAMESPACE_LABEL_PREFIX,
  SERVICE_ACCOUNT_LABEL,
  SERVICE_ACCOUNT_LABEL_PREFIX,
} from '../labels.ts';
import type {Expression} from './ast.ts';
import {formatExpression} from './canonical.ts';
import {parseSelector} from './parser.ts';

export interface PolicySelectors {
  readonly selector?: string | undefined;
  readonly serviceAccountSelector?: string | undefined;
  readonly namespaceSelector?: string | undefined;
}

/** Whom a policy of `namespace` is for. */
export function networkPolicySelector(
  {selector = '', serviceAccountSelector = ''}: PolicySelectors,
  namespace: string,
): string {
  const ofNamespace = `${NAMESPACE_LABEL} == '${namespace}'`;
  const selected = selector === '' ? ofNamespace : `(${selector}) && ${ofNamespace}`;
  return appended(selected, prefixed(serviceAccountSelector, SERVICE_ACCOUNT_LABEL_PREFIX));
}

/** Whom a policy of the whole cluster is for. */
export function globalPolicySelector(selectors: PolicySelectors): string {
  const {selector = '', serviceAccountSelector = '', namespaceSelector = ''} = selectors;
  let selected = selector;
  if (namespaceSelector !== '') {
    selected = appended(selected, prefixed(namespaceSelector, NAMESPACE_LABEL_PREFIX));
    selected = selected.replaceAll('all()', `has(${NAMESPACE_LABEL})`);
  }
  if (serviceAccountSelector !== '') {
    selected = appended(selected, prefixed(serviceAccountSelector, SERVICE_ACCOUNT_LABEL_PREFIX));
    selected = selected.replaceAll('all()', `has(${SERVICE_ACCOUNT_LABEL})`);
  }
  return selected;
}

/** Source or destination of a rule, as far as it selects by labels. */
export interface EntitySelectors {
  readonly selector?: string | undefined;
  readonly notSelector?: string | undefined;
  readonly namespaceSelector?: string | undefined;
  readonly serviceAccounts?: {readonly names: readonly string[]; readonly selector?: string | undefined} | undefined;
}

/**
 * What the other end must match; empty when labels do not matter. In a policy of `namespace` a rule that selects at all
 * selects there, unless it names namespaces. `notSelector` goes on its own.
 */
export function entitySelector(entity: EntitySelectors, namespace?: string): string {
  const {notSelector = '', namespaceSelector = ''} = entity;
  const place = namespaceTerm(namespaceSelector, namespace);
  const selected = labelTerm(entity);
  if (place === '' || (selected === '' && notSelector === '' && namespaceSelector === '')) return selected;
  return selected === '' ? place : `(${place}) && (${selected})`;
}

function namespaceTerm(namespaceSelector: string, namespace: string | undefined): string {
  if (namespaceSelector !== '')
    return prefixed(namespaceSelector, NAMESPACE_LABEL_PREFIX)
      .replaceAll('all()', `has(${NAMESPACE_LABEL})`)
      .replaceAll('global()', `!has(${NAMESPACE_LABEL})`);
  return namespace === undefined ? '' : `${NAMESPACE_LABEL} == '${namespace}'`;
}

function labelTerm({selector = '', serviceAccounts}: EntitySelectors): string {
  const accounts = serviceAccountTerm(serviceAccounts);
  if (accounts === '' || selector === '') return accounts + selector;
  return `(${accounts}) && (${selector})`;
}

function serviceAccountTerm(accounts: EntitySelectors['serviceAccounts']): string {
  if (accounts === undefined) return '';
  const {names, selector = ''} = accounts;
  const bySelector = prefixed(selector, SERVICE_ACCOUNT_LABEL_PREFIX);
  if (names.length === 0) return bySelector;
  const list = names.map((name) => `'${name}'`).join(', ');
  const byName = parseSelector(`${SERVICE_ACCOUNT_LABEL} in {${list}}`).canonical;
  return bySelector === '' ? byName : `(${bySelector}) && (${byName})`;
}

const appended = (selected: string, more: string): string => {
  if (more === '') return selected;
  return selected === '' ? more : `(${selected}) && ${more}`;
};

/** Canonical, each label under `prefix`; an empty text says nothing and stays empty. */
function prefixed(text: string, prefix: string): string {
  return text === '' ? '' : formatExpression(withPrefix(parseSelector(text).expression, prefix));
}

function withPrefix(expression: Expression, prefix: string): Expression {
  switch (expression.kind) {
    case 'all':
    case 'global':
      return expression;
    case 'has':
    case 'compare':
    case 'member':
      return {...expression, label: `${prefix}${expression.label}`};
    case 'not':
      return {kind: 'not', operand: withPrefix(expression.operand, prefix)};
    case 'and':
    case 'or':
      return {kind: expression.kind, operands: expression.operands.map((operand) => withPrefix(operand, prefix))};
  }
}
