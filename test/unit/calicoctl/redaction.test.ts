/** Bundles of diagnostics hold no secrets, and everything else. */
import t from 'tap';
import {withoutSecrets} from '../../../src/calicoctl/diags/redaction.ts';

const SECRET = 'hunter2-S3cret/+x';

void t.test('secrets are left out wherever they stand', async (t) => {
  const texts = [
    `ETCD_PASSWORD=${SECRET} next`,
    `docker run -e ETCD_USERNAME=root -e ETCD_PASSWORD=${SECRET} calico/node`,
    `etcdPassword: "${SECRET}"`,
    `{"password":"${SECRET}","user":"x"}`,
    `  password "${SECRET}";`,
    `protocol bgp { neighbor 10.0.0.1 as 64512; password '${SECRET}'; }`,
    `calicoctl --password ${SECRET}`,
    `Authorization: Bearer ${SECRET}`,
    `    token: ${SECRET}`,
    `K8S_API_TOKEN=${SECRET}`,
    `https://root:${SECRET.replace('/', '')}@10.0.0.1:2379`,
    `client-key-data: ${SECRET.replaceAll(/[^A-Za-z0-9]/g, '')}==`,
    `private key: ${SECRET}`,
    `-----BEGIN EC PRIVATE KEY-----\n${SECRET}\n${SECRET}\n-----END EC PRIVATE KEY-----`,
    `-----BEGIN PRIVATE KEY-----\n${SECRET}\n(the file ends here)`,
  ];
  for (const text of texts) {
    const clean = withoutSecrets(text);
    t.notMatch(clean, /hunter2|S3cret/, text);
    t.match(clean, '***', 'and one sees that there was one');
  }
  t.equal(withoutSecrets(`it said ${SECRET} aloud`, [SECRET]), 'it said *** aloud', 'one that is known');
});

void t.test('what is none stays', async (t) => {
  const text = `default via 10.0.0.1 dev eth0 proto kernel
-----BEGIN CERTIFICATE-----
MIIB
-----END CERTIFICATE-----
http://10.0.0.1:2379/health
10.65.0.0/26 dev vxlan.calico onlink`;
  t.equal(withoutSecrets(text), text);
});
