/**
 * The part of the demo that only a datastore with a life of its own can give: etcd is killed in the middle of traffic and
 * comes back. Pods go on as if nothing had happened, whoever needs the datastore meanwhile is told what is wrong, and
 * afterwards everything works again.
 */
import {heading, step} from './demo-output.ts';
import type {Lab} from './lab.ts';
import type {LabNode} from './lab-node.ts';
import {LabPod} from './lab-pod.ts';
import {losses, underTraffic} from './traffic.ts';

/** A call that takes longer has hung. */
const BOUND_MS = 30_000;
/** A connection that ended is noticed much sooner. */
const NOTICE_MS = 5000;

/**
 * Kills etcd under traffic between `pods`, and starts it again. Resolves to what was not as it should be, and to the pods
 * there are afterwards: the first of them is gone, every node has a new one.
 */
export async function demonstrateOutage(
  lab: Lab,
  pods: readonly LabPod[],
): Promise<{readonly failures: string[]; readonly pods: LabPod[]}> {
  const failures: string[] = [];
  const [doomed, ...others] = pods;
  const [node] = lab.nodes;
  if (doomed === undefined || node === undefined) throw new Error('the demo has no pods');
  const late = new LabPod(node, {name: 'pod1new'});
  await node.must(['ip', 'netns', 'add', late.name]);

  heading('etcd is killed while pods send to each other');
  // A ring: on one node, on one subnet and across the router. More streams to one pod overflow its socket on a busy machine.
  const flows = pods.map((from, i) => ({from, to: pods[(i + 1) % pods.length] ?? doomed, family: 4 as const}));
  const outcomes = await underTraffic(flows, async () => {
    await step('SIGKILL to etcd', () => lab.etcd.kill());
    const refused = async (verb: 'ADD' | 'DEL', pod: LabPod) => {
      const problem = await refusal(verb, pod, lab.etcd.endpoint);
      if (problem !== undefined) failures.push(problem);
    };
    await refused('ADD', late);
    await refused('DEL', doomed);
    for (const each of lab.nodes) failures.push(...(await checkProbes(each, lab.etcd.endpoint)));
    await step('etcd is started again', () => lab.etcd.start());
    await step('every agent is ready', () => Promise.all(lab.nodes.map((each) => each.waitUntilReady())));
  });
  const sent = outcomes.reduce((sum, outcome) => sum + outcome.sent, 0);
  const lost = losses(outcomes);
  const verdict = lost.length === 0 ? 'none was lost' : `${lost.length} flows lost some`;
  console.log(`  ${sent} datagrams went there and back in ${flows.length} flows meanwhile: ${verdict}`);
  failures.push(...lost);

  await step(`DEL of ${doomed.name} works now`, () => doomed.remove());
  const added = await step('ADD works now, on every node', async () => {
    await late.add();
    node.pods.push(late);
    const more = await Promise.all(lab.nodes.slice(1).map((each, i) => each.addPod({name: `pod${i + 2}new`})));
    return [late, ...more];
  });
  return {failures, pods: [...others, ...added]};
}

/** A CNI call that must fail, and say why; the problem when it does otherwise. */
async function refusal(verb: 'ADD' | 'DEL', pod: LabPod, endpoint: string): Promise<string | undefined> {
  const startMs = performance.now();
  const answer = await step(`CNI ${verb} of ${pod.name} meanwhile`, () => pod.cni(verb));
  const took = performance.now() - startMs;
  if (answer.code === 0) return `CNI ${verb} of ${pod.name} succeeded although etcd was away`;
  const {msg} = JSON.parse(answer.stdout) as {msg: string};
  console.log(`  ${msg}`);
  if (!msg.includes(endpoint)) return `CNI ${verb} of ${pod.name} does not say that ${endpoint} is away: ${msg}`;
  return took < BOUND_MS ? undefined : `CNI ${verb} of ${pod.name} took ${(took / 1000).toFixed(1)} s to fail`;
}

/** The agent is live, is not ready as soon as it has noticed, and says what it waits for. */
async function checkProbes(node: LabNode, endpoint: string): Promise<string[]> {
  const deadlineMs = performance.now() + NOTICE_MS;
  let ready = await node.httpGet(9099, '/readiness');
  while (ready.status === 200 && performance.now() < deadlineMs) ready = await node.httpGet(9099, '/readiness');
  const live = await node.httpGet(9099, '/liveness');
  const reason = /reporting non-ready \| (.*?) *\|/.exec(ready.body)?.[1] ?? '';
  console.log(`  ${node.name} /liveness: ${live.status}, /readiness: ${ready.status}: ${reason}`);
  const isAsItShouldBe = live.status === 200 && ready.status === 503 && reason.includes(endpoint);
  return isAsItShouldBe ? [] : [`${node.name} while etcd is away: ${live.status}, ${ready.status} ${ready.body}`];
}
