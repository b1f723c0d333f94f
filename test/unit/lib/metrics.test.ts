import {register} from 'prom-client';
import t from 'tap';
import {createRegistry, StageMetrics} from '../../../src/lib/metrics.ts';

void t.test('every stage has the same four metrics, asked for when somebody looks', async (t) => {
  const registry = createRegistry();
  const metrics = new StageMetrics({}, {registry});
  let depth = 3;
  const routes = metrics.stage('route', {queueDepth: () => depth, oldestPendingMs: () => depth * 500});
  metrics.stage('link', {queueDepth: () => 0, oldestPendingMs: () => 0});
  routes.ran(20);
  routes.ran(400);
  routes.failed('E_NETLINK');
  routes.failed('E_NETLINK');
  routes.failed(undefined);
  const value = async (name: string) =>
    (await registry.metrics())
      .split('\n')
      .filter((line) => line.startsWith(name))
      .map((line) => line.slice(name.length));
  t.same(await value('calico_stage_queue_depth'), ['{stage="route"} 3', '{stage="link"} 0']);
  t.same(await value('calico_stage_oldest_pending_seconds'), ['{stage="route"} 1.5', '{stage="link"} 0']);
  t.same(await value('calico_stage_duration_seconds_sum'), ['{stage="route"} 0.42000000000000004']);
  t.same(await value('calico_stage_duration_seconds_count'), ['{stage="route"} 2']);
  t.same(await value('calico_stage_failures_total'), [
    '{stage="route",code="E_NETLINK"} 2',
    '{stage="route",code="unknown"} 1',
  ]);
  depth = 0;
  t.same(await value('calico_stage_queue_depth'), ['{stage="route"} 0', '{stage="link"} 0']);
});

void t.test('a stage name belongs to one stage; registries know nothing of each other', async (t) => {
  const queue = {queueDepth: () => 0, oldestPendingMs: () => 0};
  const metrics = new StageMetrics({}, {registry: createRegistry()});
  metrics.stage('route', queue);
  t.throws(() => metrics.stage('route', queue), /already measured/);
  t.doesNotThrow(() => new StageMetrics({}, {registry: createRegistry()}).stage('route', queue));
  t.same(register.getMetricsAsArray(), [], 'the global registry stays empty');
});
