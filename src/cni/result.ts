/**
 * CNI results: what an ADD came to, as each version of the specification writes it.
 *
 * One internal form, near 1.0. Facts about the printed forms (captured from Calico): four spaces, no final newline;
 * up to 0.2.0 one address per family and no interfaces; up to 0.4.0 `version` with each address and an empty `dns`;
 * from 1.0.0 the keys of an interface are sorted and `mtu` is one of them.
 */
import {isJsonObject, type JsonObject, type JsonValue} from '../lib/exact-json.ts';
import type {CniVersion} from './cni-version.ts';

export interface ResultInterface {
  readonly name: string;
  readonly mac?: string | undefined;
  readonly mtu?: number | undefined;
  /** CNI_NETNS; absent for the host's side. */
  readonly sandbox?: string | undefined;
}

export interface ResultIp {
  /** With a prefix length. */
  readonly address: string;
  /** Place in `interfaces`. */
  readonly interface?: number | undefined;
}

export interface ResultRoute {
  readonly dst: string;
  readonly gw?: string | undefined;
}

export interface CniResult {
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
}

export function printResult(version: CniVersion, result: CniResult): string {
  switch (version) {
    case '0.1.0':
    case '0.2.0':
      return printCniJson({cniVersion: version, ...familyForm(result), dns: {}});
    case '0.3.0':
    case '0.3.1':
    case '0.4.0':
      return printCniJson({cniVersion: version, ...listForm(result, oldInterface, oldIp), dns: {}});
    case '1.0.0':
    case '1.1.0':
      return printCniJson({cniVersion: version, ...listForm(result, newInterface, newIp)});
  }
}

/** JSON as Go indents and escapes it. */
export function printCniJson(value: JsonObject): string {
  return JSON.stringify(value, undefined, 4).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export const isIpv6 = (address: string): boolean => address.includes(':');

function familyForm({ips, routes}: CniResult): JsonObject {
  const form: Record<string, JsonValue> = {};
  for (const [name, wantsIpv6] of [
    ['ip4', false],
    ['ip6', true],
  ] as const) {
    const ip = ips.find(({address}) => isIpv6(address) === wantsIpv6);
    const own = routes.filter(({dst}) => isIpv6(dst) === wantsIpv6);
    if (ip !== undefined) form[name] = {ip: ip.address, ...(own.length === 0 ? {} : {routes: own.map(routeForm)})};
  }
  return form;
}

function listForm(
  {interfaces, ips, routes}: CniResult,
  interfaceForm: (each: ResultInterface) => JsonObject,
  ipForm: (each: ResultIp) => JsonObject,
): JsonObject {
  return {
    ...(interfaces.length === 0 ? {} : {interfaces: interfaces.map(interfaceForm)}),
    ...(ips.length === 0 ? {} : {ips: ips.map(ipForm)}),
    ...(routes.length === 0 ? {} : {routes: routes.map(routeForm)}),
  };
}

const oldInterface = ({name, mac, sandbox}: ResultInterface): JsonObject => ({
  name,
  ...(mac === undefined ? {} : {mac}),
  ...(sandbox === undefined ? {} : {sandbox}),
});

const newInterface = ({name, mac, mtu, sandbox}: ResultInterface): JsonObject => ({
  ...(mac === undefined ? {} : {mac}),
  ...(mtu === undefined ? {} : {mtu}),
  name,
  ...(sandbox === undefined ? {} : {sandbox}),
});

const oldIp = ({address, interface: at}: ResultIp): JsonObject => ({
  version: isIpv6(address) ? '6' : '4',
  ...(at === undefined ? {} : {interface: at}),
  address,
});

const newIp = ({address, interface: at}: ResultIp): JsonObject => ({
  address,
  ...(at === undefined ? {} : {interface: at}),
});

const routeForm = ({dst, gw}: ResultRoute): JsonObject => ({dst, ...(gw === undefined ? {} : {gw})});

/** Addresses and routes of a result in any version's form, as an IPAM plugin prints it. What is no such thing is left out. */
export function readIpamResult(json: JsonObject): Pick<CniResult, 'ips' | 'routes'> {
  const ips: ResultIp[] = [];
  const routes: ResultRoute[] = [...readRoutes(json.routes)];
  for (const form of [json.ip4, json.ip6]) {
    if (!isJsonObject(form) || typeof form.ip !== 'string') continue;
    ips.push({address: form.ip});
    routes.push(...readRoutes(form.routes));
  }
  if (Array.isArray(json.ips))
    for (const ip of json.ips as readonly JsonValue[])
      if (isJsonObject(ip) && typeof ip.address === 'string') ips.push({address: ip.address});
  return {ips, routes};
}

function readRoutes(value: JsonValue | undefined): readonly ResultRoute[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly JsonValue[]).flatMap((route) =>
    isJsonObject(route) && typeof route.dst === 'string'
      ? [{dst: route.dst, ...(typeof route.gw === 'string' ? {gw: route.gw} : {})}]
      : [],
  );
}
