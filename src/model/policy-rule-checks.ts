/**
 * Which combinations of a rule's fields Calico accepts. Each single field has been judged before by its type.
 */
import {type Family, parseCidr} from '../lib/cidr.ts';
import {annotationsTooLarge, qualifiedName} from './name-rules.ts';
import type {EntityRule, PolicyRule} from './policy-rule.ts';
import {hasPorts, isNamedPort, type RulePort} from './protocol.ts';
import {isGlobal, NO_GLOBAL_RULE, usesGlobal} from './selector/global.ts';
import {type Violation, violation} from './violation.ts';

/** Where a rule stands; a profile's rules are judged alone. */
export interface RulePlace {
  readonly path: string;
  readonly direction?: 'ingress' | 'egress';
  /** A service must say in which namespace it is. */
  readonly global?: boolean;
}

export function ruleViolations(rule: PolicyRule, place: RulePlace): readonly Violation[] {
  return [
    ...protocolViolations(rule, place),
    ...networkViolations(rule, place),
    ...entityViolations(rule.source, `${place.path}.source`),
    ...entityViolations(rule.destination, `${place.path}.destination`),
    ...portViolations(rule, `${place.path}.source.`, rule.source),
    ...portViolations(rule, `${place.path}.destination.`, rule.destination),
    ...serviceViolations(rule, place),
    ...httpViolations(rule, place),
    ...annotationViolations(rule, place),
  ];
}

function protocolViolations(rule: PolicyRule, {path}: RulePlace): Violation[] {
  const violations: Violation[] = [];
  const {protocol, notProtocol, ipVersion, icmp} = rule;
  // By number would mean the same, but Calico wants the name.
  if (icmp !== undefined && protocol !== 'ICMP' && protocol !== 'ICMPv6')
    violations.push(violation(`${path}.icmp`, icmp, 'must go with protocol ICMP or ICMPv6, by name'));
  for (const field of ['icmp', 'notICMP'] as const) {
    const fields = rule[field];
    if (fields?.code !== undefined && fields.type === undefined)
      violations.push(violation(`${path}.${field}.code`, fields.code, 'must go with a type'));
  }
  for (const named of [protocol, notProtocol]) {
    if (named === 'ICMP' && ipVersion === 6)
      violations.push(violation(`${path}.ipVersion`, ipVersion, 'must be 4 with protocol ICMP'));
    if (named === 'ICMPv6' && ipVersion === 4)
      violations.push(violation(`${path}.ipVersion`, ipVersion, 'must be 6 with protocol ICMPv6'));
  }
  return violations;
}

/** All networks of a rule are of one family, that of its ipVersion. */
function networkViolations(rule: PolicyRule, {path}: RulePlace): Violation[] {
  const violations: Violation[] = [];
  let family: number | undefined = rule.ipVersion;
  const judge = (field: string, text: string): void => {
    const found = familyOf(text);
    if (found === undefined) return;
    family ??= found;
    if (found !== family) violations.push(violation(field, text, `must be of IPv${family}, as the rest of the rule`));
  };
  for (const side of ['source', 'destination'] as const) {
    const {nets, notNets} = rule[side];
    for (const [i, text] of nets.entries()) judge(`${path}.${side}.nets[${i}]`, text);
    for (const [i, text] of notNets.entries()) {
      judge(`${path}.${side}.notNets[${i}]`, text);
      if (parseCidr(text)?.length === 0)
        violations.push(
          violation(`${path}.${side}.notNets[${i}]`, text, 'must not be everything: nothing would match'),
        );
    }
  }
  return violations;
}

const familyOf = (text: string): Family | undefined => parseCidr(text)?.ip.family;

function entityViolations(entity: EntityRule, path: string): Violation[] {
  const violations: Violation[] = [];
  const {selector, namespaceSelector, services} = entity;
  if (selector !== undefined && usesGlobal(selector))
    violations.push(violation(`${path}.selector`, selector, NO_GLOBAL_RULE));
  if (namespaceSelector !== undefined && usesGlobal(namespaceSelector) && !isGlobal(namespaceSelector))
    violations.push(
      violation(`${path}.namespaceSelector`, namespaceSelector, 'must not combine global() with anything else'),
    );
  if (services !== undefined)
    for (const field of ['nets', 'notNets', 'selector', 'notSelector', 'namespaceSelector', 'serviceAccounts'] as const)
      if (isSet(entity[field]))
        violations.push(violation(`${path}.${field}`, entity[field], 'must not be set together with services'));
  return violations;
}

const isSet = (value: unknown): boolean => value !== undefined && !(Array.isArray(value) && value.length === 0);

function portViolations({protocol}: PolicyRule, path: string, {ports, notPorts}: EntityRule): Violation[] {
  const violations: Violation[] = [];
  for (const [field, list] of Object.entries({ports, notPorts}) as [string, readonly RulePort[]][]) {
    if (list.length === 0) continue;
    if (protocol !== undefined && !hasPorts(protocol))
      violations.push(violation(`${path}${field}`, list, 'must go with protocol TCP, UDP or SCTP'));
    if (protocol === undefined && !list.every(isNamedPort))
      violations.push(violation(`${path}${field}`, list, 'must go with protocol TCP, UDP or SCTP, or all have names'));
  }
  return violations;
}

function serviceViolations(rule: PolicyRule, {path, direction, global}: RulePlace): Violation[] {
  const violations: Violation[] = [];
  const {destination} = rule;
  if (destination.services !== undefined)
    for (const field of ['ports', 'notPorts'] as const)
      if (destination[field].length > 0)
        violations.push(
          violation(`${path}.destination.${field}`, destination[field], 'must not be set together with services'),
        );
  if (direction === undefined) return violations;
  const [allowed, refused] =
    direction === 'ingress' ? (['source', 'destination'] as const) : (['destination', 'source'] as const);
  if (rule[refused].services !== undefined)
    violations.push(
      violation(
        `${path}.${refused}.services`,
        rule[refused].services,
        `must be in the ${allowed} of ${direction} rules`,
      ),
    );
  const services = rule[allowed].services;
  if (global === true && services !== undefined && services.namespace === undefined)
    violations.push(
      violation(`${path}.${allowed}.services.namespace`, undefined, 'must be specified in a global policy'),
    );
  return violations;
}

function httpViolations({http, action, protocol}: PolicyRule, {path, direction}: RulePlace): Violation[] {
  if (http === undefined) return [];
  const violations: Violation[] = [];
  if (direction === 'egress') violations.push(violation(`${path}.http`, http, 'must be in ingress rules only'));
  if (action !== 'Allow') violations.push(violation(`${path}.http`, http, 'must go with action Allow'));
  if (protocol !== undefined && protocol !== 'TCP')
    violations.push(violation(`${path}.protocol`, protocol, 'must be TCP or absent when http is set'));
  if (new Set(http.methods).size !== http.methods.length)
    violations.push(violation(`${path}.http.methods`, http.methods, 'must have each method once'));
  for (const [i, {exact, prefix}] of http.paths.entries()) {
    const where = `${path}.http.paths[${i}]`;
    const text = exact ?? prefix;
    if (text === undefined || (exact !== undefined && prefix !== undefined))
      violations.push(violation(where, undefined, 'must have exactly one of exact and prefix'));
    else if (!text.startsWith('/') || /[?# ]/.test(text))
      violations.push(
        violation(
          `${where}.${exact === undefined ? 'prefix' : 'exact'}`,
          text,
          'must begin with / and have no ?, # or space',
        ),
      );
  }
  return violations;
}

function annotationViolations({metadata}: PolicyRule, {path}: RulePlace): Violation[] {
  const annotations = metadata?.annotations ?? {};
  const violations: Violation[] = [];
  for (const key of Object.keys(annotations)) {
    const broken = qualifiedName(key.toLowerCase());
    if (broken !== undefined) violations.push(violation(`${path}.metadata.annotations`, key, broken));
  }
  const tooLarge = annotationsTooLarge(annotations);
  if (tooLarge !== undefined) violations.push(violation(`${path}.metadata.annotations`, undefined, tooLarge));
  return violations;
}
