/** The drivers' contract on the fake kernel. The same suite runs on a real one. */
import t from 'tap';
import {testDriverContract} from '../../../helpers/driver-contract.ts';
import {FakeKernel} from '../../../helpers/fake-kernel/fake-kernel.ts';

await testDriverContract(t, () => ({addon: new FakeKernel()}));
