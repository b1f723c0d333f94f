/** Executables under test, as a user starts them. */
import {join} from 'node:path';

const root = new URL('../..', import.meta.url).pathname;

export const programs = {
  calicoNode: join(root, 'bin/calico-node'),
  calicoctl: join(root, 'bin/calicoctl'),
  cni: join(root, 'native/build/calico'),
  cniIpam: join(root, 'native/build/calico-ipam'),
} as const;
