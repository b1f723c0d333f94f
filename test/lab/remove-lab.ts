/** Removes labs that were left running: `node test/lab/remove-lab.ts NAME...` */
import {removeLab} from './lab.ts';

const names = process.argv.slice(2);
if (names.length === 0 || !names.every((name) => /^clab[0-9]+$/.test(name))) {
  console.error('usage: node test/lab/remove-lab.ts clabNNN...');
  process.exit(1);
}
for (const name of names) await removeLab(name);
