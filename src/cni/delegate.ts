/**
 * IPAM plugins other than ours (host-local, dhcp, ...): the CNI plugin runs them where the runtime would, and hands back
 * what they print. The agent never starts one.
 */
import {getSystemErrorName} from 'node:util';
import {AgentError} from '../lib/errors.ts';
import {isJsonObject, type JsonObject, parseJson} from '../lib/exact-json.ts';
import type {DelegateReport} from '../native/shim-protocol.ts';
import type {Verb} from './cni-version.ts';
import {type CniResult, readIpamResult} from './result.ts';
import type {Call} from './services.ts';

export interface DelegateRequest {
  /** `ipam.type` */
  readonly plugin: string;
  readonly verb: Verb;
  readonly args: string;
  readonly stdin: Uint8Array;
}

const TIME_LIMIT_MS = 30_000;

/** Has the plugin run; resolves to what an ADD printed. Throws E_CNI_FAILED with what the plugin said. */
export async function runDelegate(request: DelegateRequest, call: Call): Promise<Pick<CniResult, 'ips' | 'routes'>> {
  const {plugin, verb, args, stdin} = request;
  requireProgramName(plugin);
  const report = await call.delegate({
    kind: 'delegate',
    program: plugin,
    environment: new Map([
      ['CNI_COMMAND', verb],
      // Keys meant for us are none of its business.
      ['CNI_ARGS', args === '' ? 'IgnoreUnknown=1' : `IgnoreUnknown=1;${args}`],
    ]),
    stdin,
    timeLimitMs: TIME_LIMIT_MS,
  });
  const output = new TextDecoder().decode(report.stdout);
  if (report.outcome.kind !== 'exited' || report.outcome.exitCode !== 0) throw failure(plugin, report, output);
  return verb === 'ADD' ? readIpamResult(parseOutput(plugin, output)) : {ips: [], routes: []};
}

/** It is looked up in the folders of CNI_PATH: a path in its place would reach elsewhere. */
function requireProgramName(plugin: string): void {
  if (plugin === '') throw new AgentError('E_CNI_BAD_FIELD', 'no plugin name provided: ipam.type is missing');
  if (plugin.length > 255 || plugin === '.' || plugin === '..' || !/^[A-Za-z0-9_.-]+$/.test(plugin))
    throw new AgentError('E_CNI_BAD_FIELD', `ipam.type ${JSON.stringify(plugin.slice(0, 64))} is no file name`);
}

function parseOutput(plugin: string, output: string): JsonObject {
  const value = parseJson(output, {maxDepth: 32});
  if (isJsonObject(value)) return value;
  throw new AgentError('E_CNI_FAILED', `the IPAM plugin ${plugin} printed no result`);
}

function failure(plugin: string, {outcome, stderr}: DelegateReport, output: string): AgentError {
  const context = {plugin, stderr: new TextDecoder().decode(stderr).slice(-512)};
  switch (outcome.kind) {
    case 'exited':
      return new AgentError(
        'E_CNI_FAILED',
        spokenError(output) ?? `${plugin} failed with exit code ${outcome.exitCode}`,
        context,
      );
    case 'signalled':
      return new AgentError('E_CNI_FAILED', `${plugin} was ended by signal ${outcome.signal}`, context);
    case 'timed-out':
      return new AgentError('E_CNI_FAILED', `${plugin} did not end within ${TIME_LIMIT_MS / 1000} s`, context);
    case 'not-started':
      return outcome.errno === 2
        ? new AgentError('E_CNI_FAILED', `failed to find plugin ${JSON.stringify(plugin)} in CNI_PATH`, context)
        : new AgentError('E_CNI_FAILED', `cannot start ${plugin}: ${getSystemErrorName(-outcome.errno)}`, context);
    case 'output-too-long':
      return new AgentError('E_CNI_FAILED', `${plugin} printed more than is allowed`, context);
  }
}

/** `msg; details` of a CNI error object. */
function spokenError(output: string): string | undefined {
  try {
    const error = parseJson(output, {maxDepth: 8});
    if (!isJsonObject(error) || typeof error.msg !== 'string') return undefined;
    return typeof error.details === 'string' && error.details !== '' ? `${error.msg}; ${error.details}` : error.msg;
  } catch {
    return undefined;
  }
}
