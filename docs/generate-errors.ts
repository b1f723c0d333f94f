/**
 * Writes docs/errors.md from the table of error codes: `node docs/generate-errors.ts`. A unit test fails while the page
 * is older than the table.
 */
import {writeFileSync} from 'node:fs';
import {REMEDIES} from '../src/lib/errors.ts';

const INTRODUCTION = `# Error codes

Every failure that reaches a person or another program carries one of these codes, the values it is about, and the
cause. Codes are stable: match on them, not on the text. Written by \`node docs/generate-errors.ts\` from
\`src/lib/errors.ts\`; change it there.

| Code | What to do |
|---|---|
`;

/** The whole page. */
export function renderErrorsPage(): string {
  const rows = Object.entries(REMEDIES).map(([code, remedy]) => `| \`${code}\` | ${remedy.replaceAll('|', '\\|')} |\n`);
  return INTRODUCTION + rows.join('');
}

if (import.meta.main) writeFileSync(new URL('errors.md', import.meta.url), renderErrorsPage());
