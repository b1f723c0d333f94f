/**
 * Structured logging. The message is a fixed text, the facts are fields; a value is never part of the message, so a
 * pod name can neither forge a line nor hide in one. `child({module})` names the room a line comes from.
 */
import {pino} from 'pino';

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Logger;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** JSON lines to a file descriptor (1 is standard output), written synchronously so that none is lost at exit. */
export function createLogger(options: {level: LogLevel; fd?: number; fields?: LogFields}): Logger {
  const destination = pino.destination({fd: options.fd ?? 1, sync: true});
  return pino(
    {
      level: options.level,
      base: options.fields ?? null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: {level: (label) => ({level: label})},
      serializers: {err: serializeError},
    },
    destination,
  );
}

/** Drops every line. For tests of pure code and for tools that print their own messages. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const {name, message, stack, cause} = error;
  const extra = 'code' in error ? {code: error.code, ...('context' in error ? {context: error.context} : {})} : {stack};
  return {name, message, ...extra, ...(cause === undefined ? {} : {cause: serializeError(cause)})};
}
