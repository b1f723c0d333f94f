/** Selectors of policies as selectors over endpoint labels: the vectors of the reference, and the rules one by one. */
import t from 'tap';
import {parseSelector} from '../../../src/model/selector/parser.ts';
import {entitySelector, globalPolicySelector, networkPolicySelector} from '../../../src/model/selector/rewrite.ts';

void t.test('policies of a namespace', async (t) => {
  t.equal(
    networkPolicySelector({selector: "app == 'web'"}, 'prod'),
    "(app == 'web') && projectcalico.org/namespace == 'prod'",
  );
  t.equal(networkPolicySelector({}, 'prod'), "projectcalico.org/namespace == 'prod'");
  t.equal(
    networkPolicySelector({selector: 'a == "b"', serviceAccountSelector: 'all() || x in {"b","a"}'}, 'prod'),
    `((a == "b") && projectcalico.org/namespace == 'prod') && (all() || pcsa.x in {"a", "b"})`,
  );
});

void t.test(
  'policies of the cluster: all() means what has a namespace only where namespaces are asked for',
  async (t) => {
    t.equal(globalPolicySelector({selector: 'all()'}), 'all()');
    t.equal(globalPolicySelector({}), '');
    t.equal(
      globalPolicySelector({selector: 'all()', namespaceSelector: "team == 'x' || all()"}),
      '(has(projectcalico.org/namespace)) && (pcns.team == "x" || has(projectcalico.org/namespace))',
    );
    t.equal(globalPolicySelector({namespaceSelector: 'all()'}), 'has(projectcalico.org/namespace)');
    t.equal(
      globalPolicySelector({selector: 'all()', serviceAccountSelector: 'all()'}),
      '(has(projectcalico.org/serviceaccount)) && has(projectcalico.org/serviceaccount)',
    );
    t.equal(
      globalPolicySelector({selector: 'a == "b"', namespaceSelector: 'has(c)', serviceAccountSelector: 'd != "e"'}),
      '((a == "b") && has(pcns.c)) && pcsa.d != "e"',
    );
  },
);

void t.test('rules', async (t) => {
  t.equal(
    entitySelector({selector: "role == 'db'"}, 'prod'),
    "(projectcalico.org/namespace == 'prod') && (role == 'db')",
  );
  t.equal(entitySelector({namespaceSelector: 'all()'}), 'has(projectcalico.org/namespace)');
  t.equal(entitySelector({namespaceSelector: 'global()'}, 'prod'), '!has(projectcalico.org/namespace)');
  t.equal(entitySelector({namespaceSelector: "team == 'a'", selector: "x == '1'"}), `(pcns.team == "a") && (x == '1')`);
  t.equal(entitySelector({}, 'prod'), '', 'networks and ports alone are not confined to the namespace');
  t.equal(entitySelector({notSelector: 'has(a)'}, 'prod'), "projectcalico.org/namespace == 'prod'");
  t.equal(entitySelector({selector: 'has(a)'}), 'has(a)');
  t.equal(
    entitySelector({serviceAccounts: {names: ['b', 'a', 'b'], selector: "role == 'x'"}, selector: 'has(c)'}, 'ns'),
    `(projectcalico.org/namespace == 'ns') && (((pcsa.role == "x") && (projectcalico.org/serviceaccount in {"a", "b"})) && (has(c)))`,
  );
  t.equal(entitySelector({serviceAccounts: {names: ['a']}}), 'projectcalico.org/serviceaccount in {"a"}');
  t.equal(entitySelector({serviceAccounts: {names: [], selector: 'has(a)'}}), 'has(pcsa.a)');
});

void t.test('what is no selector is refused, not forgotten: forgetting would select more', async (t) => {
  for (const rewrite of [
    () => networkPolicySelector({serviceAccountSelector: 'a = b'}, 'n'),
    () => globalPolicySelector({namespaceSelector: '('}),
    () => entitySelector({namespaceSelector: 'a ==', selector: 'has(x)'}),
    () => entitySelector({serviceAccounts: {names: [`'"`]}}),
  ])
    t.throws(rewrite, {code: 'E_BAD_SELECTOR'});
});

void t.test('every result is a selector, and asks for the labels that endpoints have', async (t) => {
  const pod = new Map([
    ['app', 'web'],
    ['projectcalico.org/namespace', 'prod'],
    ['projectcalico.org/serviceaccount', 'sa'],
    ['pcns.team', 'a'],
    ['pcns.projectcalico.org/name', 'prod'],
    ['pcsa.role', 'api'],
  ]);
  const host = new Map([['app', 'web']]);
  const cases: readonly (readonly [string, boolean, boolean])[] = [
    [networkPolicySelector({selector: 'app == "web"', serviceAccountSelector: 'role == "api"'}, 'prod'), true, false],
    [networkPolicySelector({selector: 'app == "web"'}, 'other'), false, false],
    [globalPolicySelector({selector: 'app == "web"'}), true, true],
    [globalPolicySelector({selector: 'app == "web"', namespaceSelector: 'all()'}), true, false],
    [entitySelector({namespaceSelector: "projectcalico.org/name == 'prod'"}, 'x'), true, false],
    [entitySelector({namespaceSelector: 'global()', selector: 'app == "web"'}, 'prod'), false, true],
    [entitySelector({serviceAccounts: {names: ['sa']}}, 'prod'), true, false],
  ];
  for (const [text, matchesPod, matchesHost] of cases) {
    t.equal(parseSelector(text).matches(pod), matchesPod, `${text}, pod`);
    t.equal(parseSelector(text).matches(host), matchesHost, `${text}, host`);
  }
});
