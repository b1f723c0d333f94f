/** Which build is under test: the ordinary one, or the sanitized one when the sanitizer test runs these files again. */
import {createRequire} from 'node:module';
import {fileURLToPath} from 'node:url';
import type {Addon} from '../../../../src/native/addon.ts';

export const repository: string = fileURLToPath(new URL('../../../../', import.meta.url));
export const buildFolder: string = process.env.CT_NATIVE_BUILD ?? `${repository}native/build/`;
export const sanitized: boolean = process.env.CT_NATIVE_BUILD !== undefined;

export const addon: Addon = createRequire(import.meta.url)(`${buildFolder}addon.node`) as Addon;

/** The environment of other programs: without what the sanitizer test sets for node. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const {LD_PRELOAD: _, ASAN_OPTIONS: __, LSAN_OPTIONS: ___, ...rest} = process.env;
  return rest;
}
