/** A data plane that starts on the namespace given, applies the large content once and says what it changed. */
import {openSync} from 'node:fs';
import {FelixRig} from '../../../helpers/felix-rig.ts';
import {largeContent} from './large-content.ts';

const [, , path = ''] = process.argv;
const rig = new FelixRig({netnsFd: openSync(path, 'r')});
rig.dataPlane.start();
rig.accept(...largeContent());
const outcome = await rig.run();
process.stdout.write(JSON.stringify({outcome, kinds: [...(rig.lastRun?.changes.keys() ?? [])]}));
rig.close();
