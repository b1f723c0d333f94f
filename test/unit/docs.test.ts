/** Links between the documents and into the sources lead somewhere. */
import {existsSync, globSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import t from 'tap';

const root = new URL('../..', import.meta.url).pathname;
const pages = [...globSync('*.md', {cwd: root}), ...globSync('docs/**/*.md', {cwd: root})].sort();

/** Targets of `[text](target)` that are files. */
function fileLinks(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
    .flatMap(([, target]) => target ?? [])
    .filter((target) => !/^[a-z]+:/.test(target));
}

t.strictSame(fileLinks('[a](b.md) [c](https://x) [d](e/f.ts#g) text'), ['b.md', 'e/f.ts'], 'finds links to files');
t.ok(pages.includes('README.md') && pages.includes('docs/architecture.md'), 'finds the pages');
for (const page of pages) {
  const broken = fileLinks(readFileSync(join(root, page), 'utf8')).filter(
    (target) => !existsSync(join(root, dirname(page), target)),
  );
  t.strictSame(broken, [], page);
}
