/** The release of Calico whose data and behaviour this agent follows; stored in ClusterInformation. */
export const CALICO_VERSION = 'v3.32.1';
