/** The drivers' contract on the real kernel. The same suite runs on the fake one. */
import t from 'tap';
import {addon} from '../../../src/native/addon.ts';
import {testDriverContract} from '../../helpers/driver-contract.ts';
import {makeNamespace} from './support/namespace.ts';

await testDriverContract(t, (t) => ({addon: addon(), netnsFd: makeNamespace(t, 'drv').fd}));
