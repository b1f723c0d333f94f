/** Reading and writing settings below /proc/sys as entries. */
import {constants} from 'node:os';
import {getSystemErrorName} from 'node:util';
import {AgentError} from '../../../lib/errors.ts';
import type {Sysctls} from '../../../netlink/sysctls.ts';
import type {Sysctl} from '../../dataplane/entries.ts';

const {ENOENT} = constants.errno;

/** The setting needs no write. */
export const isWanted = (desired: Sysctl, actual: Sysctl): boolean =>
  actual.isAbsent ? desired.isOptional : desired.value === actual.value;

/** As they are; one that cannot be read for another reason than being absent has the value ''. */
export function readSettings(sysctls: Sysctls, paths: readonly string[]): Sysctl[] {
  return sysctls.read(paths).map((value, i) => {
    const path = paths[i] ?? '';
    if (typeof value === 'string') return {path, value, isOptional: false};
    return value === ENOENT
      ? {path, value: '', isOptional: false, isAbsent: true}
      : {path, value: '', isOptional: false};
  });
}

export interface SettingFailure {
  readonly path: string;
  readonly error: Error;
}

/** Writes all, in order; returns those that failed. An optional one that does not exist has not. */
export function writeSettings(sysctls: Sysctls, settings: readonly Sysctl[]): SettingFailure[] {
  const failures: SettingFailure[] = [];
  sysctls.write(settings).forEach((errno, i) => {
    const setting = settings[i];
    if (errno === 0 || setting === undefined || (errno === ENOENT && setting.isOptional)) return;
    failures.push({path: setting.path, error: failure(setting, errno)});
  });
  return failures;
}

/**
 * As `writeSettings`, but what is right already is not written. They are read for that now, and not remembered: a link of
 * the same name may be a new one, with settings of its own.
 */
export function correctSettings(sysctls: Sysctls, settings: readonly Sysctl[]): SettingFailure[] {
  const paths = settings.map(({path}) => path);
  const seen = readSettings(sysctls, paths);
  return writeSettings(
    sysctls,
    settings.filter((setting, i) => {
      const actual = seen[i];
      return actual === undefined || !isWanted(setting, actual);
    }),
  );
}

function failure({path, value}: Sysctl, errno: number): AgentError {
  const name = getSystemErrorName(-errno);
  return new AgentError('E_SYSCTL', `cannot write ${value} to /proc/sys/${path}: ${name}`, {path, value, errno: name});
}
