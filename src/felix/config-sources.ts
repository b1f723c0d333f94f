/**
 * The local sources of parameters as raw values: the environment, and the text of the configuration file.
 *
 * The file is INI as Felix reads it: sections are only headings and all of them count, `name = value` or `name: value`,
 * comments from `#` or `;` at the start of a line or behind white space, quotes around a value are not part of it.
 */
import {AgentError} from '../lib/errors.ts';

const ENVIRONMENT_PREFIX = /^felix_/i;

/** Values of the variables FELIX_<parameter>, in any case, by parameter. */
export function environmentLayer(
  environment: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && ENVIRONMENT_PREFIX.test(name)) values.set(name.replace(ENVIRONMENT_PREFIX, ''), value);
  }
  return values;
}

/** Values of a configuration file, by parameter. Throws E_BAD_CONFIG naming the line that is not understood. */
export function parseConfigFile(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || /^[#;]/.test(line) || /^\[[^\]]*\]\s*(?:[#;].*)?$/.test(line)) return;
    const at = line.search(/[=:]/);
    const name = line.slice(0, at).trim();
    if (at < 1 || !/^\w+$/.test(name))
      throw new AgentError('E_BAD_CONFIG', `line ${index + 1} of the configuration file is not "name = value"`, {
        line: index + 1,
      });
    values.set(name, unquoted(line.slice(at + 1).trim()));
  });
  return values;
}

function unquoted(text: string): string {
  const quoted = /^(["'`])(.*?)\1\s*(?:[#;].*)?$/.exec(text);
  return quoted?.[2] ?? text.replace(/(?:^|\s+)[#;].*$/, '');
}
