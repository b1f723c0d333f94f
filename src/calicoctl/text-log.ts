/** What the shared code logs, as lines for the person at the terminal: warnings and errors, everything else is silent. */
import {messageChain} from '../lib/errors.ts';
import type {LogFields, Logger} from '../lib/log.ts';
import {escapeForTerminal} from './output/escape.ts';

export function createTextLog(write: (line: string) => void): Logger {
  const say = (fields: LogFields, message: string): void => {
    const facts = Object.entries(fields).map(([name, value]) => `${name}=${textOf(value)}`);
    write(`${escapeForTerminal([message, ...facts].join(' '))}\n`);
  };
  const log: Logger = {debug() {}, info() {}, warn: say, error: say, child: () => log};
  return log;
}

function textOf(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(messageChain(value));
  return typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? 'undefined');
}
