/** Where datastores of benches are: on a disk, as /var/lib/calico is; /tmp may be memory. */
export const DISK_FOLDER = '/var/tmp';
