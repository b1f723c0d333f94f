/**
 * IPAM under fire, on etcd: eight nodes allocate from the same small pools, each in a process of its own, and are killed
 * again and again, between any two calls of the store or wherever they happen to be. After every round and at the end the
 * raw keys are looked at: no address has two owners, no record breaks a rule of the format, after the reclaim exactly the
 * living have addresses, and when all have left nothing is left.
 */
import type {Test} from 'tap';
import {EtcdServer} from '../../helpers/etcd-server.ts';
import {halfKeyByKey, inTransactions, testFire} from './support/burn.ts';

const start = async (t: Test) => ({type: 'etcdv3', endpoint: (await EtcdServer.start(t)).endpoint}) as const;

testFire('etcd, in transactions', inTransactions, start);
testFire('etcd, half of them key by key', halfKeyByKey, start);
