import {closeSync, openSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import t from 'tap';
import {AgentError} from '../../../src/lib/errors.ts';
import {createLogger, type Logger, type LogLevel, silentLogger} from '../../../src/lib/log.ts';

/** The lines that `write` logs, as objects. */
function logged(folder: string, level: LogLevel, write: (log: Logger) => void): Record<string, unknown>[] {
  const path = join(folder, `${level}.log`);
  const fd = openSync(path, 'w');
  write(createLogger({level, fd, fields: {node: 'node1'}}));
  closeSync(fd);
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

void t.test('a line is an object: fixed message, facts as fields, time as text', async (t) => {
  const [line, ...rest] = logged(t.testdir(), 'info', (log) => {
    log.child({module: 'routes'}).info({added: 3, name: 'evil"\n{"level":"error"}'}, 'routes applied');
  });
  t.same(rest, [], 'a value with a line break does not make a line');
  t.match(line, {level: 'info', node: 'node1', module: 'routes', added: 3, msg: 'routes applied'});
  t.equal(line?.name, 'evil"\n{"level":"error"}');
  t.match(line?.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

void t.test('levels below the chosen one are silent', async (t) => {
  const all = (log: Logger) => {
    log.debug({}, 'd');
    log.info({}, 'i');
    log.warn({}, 'w');
    log.error({}, 'e');
  };
  const messages = (level: LogLevel) => logged(t.testdir(), level, all).map((line) => line.msg);
  t.same(messages('debug'), ['d', 'i', 'w', 'e']);
  t.same(messages('warn'), ['w', 'e']);
  t.same(messages('silent'), []);
  t.doesNotThrow(() => all(silentLogger.child({})));
});

void t.test('an error is logged with its code, facts and causes', async (t) => {
  const cause = new AgentError('E_NETLINK', 'refused', {errno: 1});
  const [line] = logged(t.testdir(), 'warn', (log) => {
    log.warn({err: new AgentError('E_CNI_FAILED', 'cannot add', {dst: '10.65.0.1'}, cause)}, 'ADD failed');
  });
  t.match(line?.err, {
    name: 'AgentError',
    message: 'cannot add',
    code: 'E_CNI_FAILED',
    context: {dst: '10.65.0.1'},
    cause: {message: 'refused', code: 'E_NETLINK', context: {errno: 1}},
  });
  const [defect] = logged(t.testdir(), 'error', (log) => log.error({err: new Error('a defect')}, 'x'));
  t.match(defect?.err, {message: 'a defect', stack: /log\.test\.ts/}, 'a defect brings its stack');
});
