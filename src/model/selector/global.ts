/**
 * `global()` has a meaning of its own in one place only, the namespace selector of a rule; elsewhere it would silently
 * select everything.
 */
import {AgentError} from '../../lib/errors.ts';
import {parseSelector} from './parser.ts';

export const NO_GLOBAL_RULE = 'must not use global(): only the namespaceSelector of a rule may';

/** Whether the selector has `global()` anywhere, as Calico sees it: also inside of a string. False when it is not one. */
export const usesGlobal = (text: string): boolean => (canonicalOf(text) ?? '').includes('global()');

/** Whether the selector is `global()` and nothing else. */
export const isGlobal = (text: string): boolean => canonicalOf(text) === 'global()';

function canonicalOf(text: string): string | undefined {
  if (!text.includes('global(')) return undefined;
  try {
    return parseSelector(text).canonical;
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return undefined;
  }
}
