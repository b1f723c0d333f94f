/**
 * Where we answer otherwise than Calico v3.32.1 on purpose. The replay checks that each row is still true; the page for
 * people is docs/operations/differences-cni.md.
 */
export interface Difference {
  readonly cases: RegExp;
  readonly reason: string;
  /** What we answer: success, or the CNI error code. */
  readonly ours: 'ok' | number | 'not called';
  /** What is left behind differs too. */
  readonly leavesOther?: boolean;
}

const SPEAKS_1_1 = 'we speak CNI 1.1.0: CHECK, STATUS and GC are answered';
const OWN_DATASTORE =
  "the datastore is the agent's: settings of the network configuration are compared and named in the log";
const OWN_NODE = 'the agent knows its node: files and names for finding it out are ignored';
const OTHER_NODE = "another node's name is refused for every verb, not only where its Node is looked for";
const NO_KUBERNETES = "a pod's names need no Kubernetes API while policy.type does not ask for one";
const CHECKS = 'CHECK looks; Calico answers OK to everything';

export const DIFFERENCES: readonly Difference[] = [
  {cases: /^version-1\.1\.0-(ipam-)?(add|status|gc)$/, reason: SPEAKS_1_1, ours: 'ok'},
  {cases: /^version-1\.1\.0-check/, reason: `${SPEAKS_1_1}; GC and ADD before it were for this container`, ours: 'ok'},
  {cases: /^version-1\.1\.0-ipam-check$/, reason: SPEAKS_1_1, ours: 'ok'},
  {cases: /^version-1\.1\.0-(ipam-)?del(-again)?$/, reason: SPEAKS_1_1, ours: 'ok'},
  {cases: /^flag-v-/, reason: 'our own version', ours: 'ok'},
  {
    cases: /^env-ifname-9(-del)?$/,
    reason: 'the kernel would take % in an interface name for a pattern: refused like other characters',
    ours: 4,
  },
  {cases: /^conf-datastore-kubernetes-no-config-/, reason: OWN_DATASTORE, ours: 'ok'},
  {cases: /^conf-etcd-(endpoints-(bad|empty|missing)|cert-)/, reason: OWN_DATASTORE, ours: 'ok'},
  {cases: /^etcd-(refused|no-host)-(add|del|t|ipam-add)$/, reason: OWN_DATASTORE, ours: 'not called'},
  {cases: /^conf-nodename-(missing-file-missing|and-file-missing)-/, reason: OWN_NODE, ours: 'ok'},
  {cases: /^conf-hostname-field-other-add$/, reason: OWN_NODE, ours: 'ok'},
  {cases: /^conf-nodename-(unknown-node|uppercase)-del$/, reason: OTHER_NODE, ours: 999},
  {cases: /^(netns-missing|datastore-not-ready|etcd-refused)-check$/, reason: CHECKS, ours: 999},
  {
    cases: /^del-empty-netns$/,
    reason: 'the link goes with the endpoint: without it the pod would keep sending from an address that is free again',
    ours: 'ok',
    leavesOther: true,
  },
  {
    cases: /^del-n8-net1$/,
    reason: 'addresses stay while another endpoint of the container has them',
    ours: 'ok',
    leavesOther: true,
  },
  {
    cases: /^add-long-id-2-same-11-chars$/,
    reason: 'a container whose id begins like that of another must not cut the other off',
    ours: 999,
    leavesOther: true,
  },
  {cases: /^del-long-id-1$/, reason: 'follows from the row above', ours: 'ok', leavesOther: true},
  {
    cases: /^k8s-args-add-(policy-empty|same-again|new-container)$/,
    reason: NO_KUBERNETES,
    ours: 'ok',
    leavesOther: true,
  },
  {cases: /^k8s-args-del-old-container$/, reason: NO_KUBERNETES, ours: 'ok', leavesOther: true},
  {cases: /^host-local-k8s-routes-(default-)?add$/, reason: NO_KUBERNETES, ours: 'ok', leavesOther: true},
  {cases: /^calico-ipam-bad-path(-del)?$/, reason: 'our IPAM is no program of its own', ours: 'ok'},
  {
    cases: /^netns-host-add$/,
    reason: "the code of the specification; Calico's answer is damaged by a second message (code 0)",
    ours: 8,
  },
];
