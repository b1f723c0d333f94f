import {readFileSync} from 'node:fs';
import t from 'tap';
import {renderErrorsPage} from '../../../docs/generate-errors.ts';
import {REMEDIES} from '../../../src/lib/errors.ts';

void t.test('docs/errors.md is current', async (t) => {
  const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  t.equal(page, renderErrorsPage(), 'if not: node docs/generate-errors.ts');
});

void t.test('every code has a row, and a remedy that is a sentence', async (t) => {
  const rows = renderErrorsPage()
    .split('\n')
    .filter((line) => line.startsWith('| `E_'));
  t.equal(rows.length, Object.keys(REMEDIES).length);
  for (const [code, remedy] of Object.entries(REMEDIES)) {
    t.match(code, /^E_[A-Z_]+$/);
    t.match(remedy, /^[A-Z"/].{15,}\.$/, code);
  }
});
