import t from 'tap';
import {AgentError, codeOf, hasCode, messageChain, messageOf, REMEDIES} from '../../../src/lib/errors.ts';

void t.test('an error says what failed, with which values, why, and what to do', async (t) => {
  const cause = new AgentError('E_NETLINK', 'kernel refused', {errno: 1}, new Error('EPERM'));
  const error = new AgentError('E_CNI_FAILED', 'cannot add the route', {dst: '10.65.0.1/32'}, cause);
  t.equal(error.remedy, REMEDIES.E_CNI_FAILED);
  t.same(error.context, {dst: '10.65.0.1/32'});
  t.equal(messageChain(error), 'cannot add the route: kernel refused: EPERM');
});

void t.test('codes are read from whatever carries them, and nothing else is taken for one', async (t) => {
  t.ok(hasCode(new AgentError('E_CONFLICT', 'x'), 'E_CONFLICT'));
  t.ok(hasCode({code: 'E_CONFLICT'}, 'E_CONFLICT'), 'a copy that crossed a worker');
  t.notOk(hasCode(new AgentError('E_CONFLICT', 'x'), 'E_EXISTS'));
  for (const value of [
    undefined,
    null,
    'E_CONFLICT',
    new Error('x'),
    {code: 'ENOENT'},
    {code: 'toString'},
    {code: 7},
  ]) {
    t.equal(codeOf(value), undefined);
  }
  t.equal(messageOf('text'), 'text');
  t.equal(messageOf(new Error('text')), 'text');
});

void t.test('a chain of causes that bites its tail ends', async (t) => {
  const error = new Error('a');
  error.cause = error;
  t.equal(messageChain(error).split(': ').length, 8);
});
