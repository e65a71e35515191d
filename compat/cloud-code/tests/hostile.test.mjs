// Functions that mean ill: each is answered in time with a typed error, the server and a neighbour
// go on, and nothing is left over.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { CLOUD, Parse, children, parseServer, until } from '../server.mjs';

const server = await parseServer({
  cloud: join(CLOUD, 'hostile.js'),
  env: {
    BASALT_LIMITS_CLOUD_TIME_MAX: '2s', BASALT_LIMITS_CLOUD_SLICE_MAX: '400ms',
    BASALT_LIMITS_CLOUD_MEMORY_BYTES_MAX: '64MiB',
  },
});
const run = (name, params) => Parse.Cloud.run(name, params);
const fails = (name, ...codes) =>
  assert.rejects(run(name), error => {
    assert.ok(codes.includes(error.code), `${name}: ${error.code} ${error.message}`);
    return true;
  });
const fine = () => until('the code answers again', () => run('fine').then(answer => answer === 'fine', () => false));
const resident = () => +/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1] * 1024;

test('the worker is locked in', () => {
  const [worker] = children(server.pid);
  const status = readFileSync(`/proc/${worker}/status`, 'utf8');
  assert.match(status, /NoNewPrivs:\s+1/);
  assert.match(status, /Seccomp:\s+2/);
  assert.match(status, /CapEff:\s+0000000000000000/);
  assert.match(server.log(), /"isolation":"(filter|contained|full)"/);
});

test('endless code is stopped', async () => {
  for (const name of ['loop', 'loopInFinally', 'loopInGenerator', 'microtasks', 'regex']) {
    await fails(name, 124, 141);
    await fine();
  }
  for (const name of ['never', 'timers']) {
    await fails(name, 124);
    await fine();
  }
  assert.equal(await run('loopAfterwards'), 'answered');
  await fine();
});

test('greedy code is refused', async () => {
  for (const name of ['bytes', 'texts', 'map', 'keep', 'recursion', 'recursionInJson', 'giant', 'cycle']) {
    await fails(name, 141, 124);
    await fine();
  }
});

test('strange ends are told', async () => {
  await fails('throwNull', 141);
  await fails('throwStrange', 124, 141);
  await fine();
  assert.equal(await run('rejectLater'), 'answered');
  await fails('exit', 141);
  await fine();
});

test('logs are bounded', async () => {
  assert.equal(await run('lines'), 'logged');
  assert.equal(await run('longLine'), 'logged');
  await fine();
});

test('nothing of the machine can be reached', async () => {
  const { found, env, argv } = await run('reach');
  assert.deepEqual([found, env, argv], [[], [], 1]);
  assert.doesNotMatch(await run('importFile'), /root:/);
  assert.deepEqual(await run('constructorEscape'), []);
});

test('permissions are the engine\'s', async () => {
  await Parse.User.signUp('somebody', 'secret');
  await Parse.User.logOut();
  assert.equal(await run('forge', { master: true, principal: { rank: 'master' } }), 0);
});

test('a storm of calls is answered or refused', async () => {
  await run('storm').catch(error => assert.ok([124, 141].includes(error.code), error.message));
  await fine();
});

test('a trigger that causes itself ends', async () => {
  await assert.rejects(new Parse.Object('Again').save({ n: 0 }), /levels deep/);
  await fine();
});

test('neighbours of hostile code are answered', async () => {
  const before = resident();
  let answered = 0;
  let stop = false;
  const neighbour = (async () => {
    while (!stop) {
      const response = await fetch(`${server.origin}/parse/health`);
      assert.equal(response.status, 200);
      answered += 1;
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  })();
  await Promise.all(['loop', 'bytes', 'keep', 'regex', 'giant', 'fine'].map(name => run(name).catch(() => {})));
  stop = true;
  await neighbour;
  assert.ok(answered > 0);
  await fine();
  await until('the memory is given back', () => resident() < before + (96 << 20));
});

test('poison harms nobody but itself', async () => {
  await run('poison').catch(() => {});
  const [worker] = children(server.pid);
  process.kill(worker, 'SIGKILL');
  await fine();
});

test('a killed worker costs what it ran, and is there again', async () => {
  const workers = new Set();
  for (let n = 0; n < 3; n++) {
    await fine();
    const [worker] = await until('a worker runs', () => children(server.pid));
    workers.add(worker);
    const running = run('never');
    const failing = assert.rejects(running, { code: 141, message: 'The Cloud Code of this app ended before it answered.' });
    // It is in the worker once that has been asked after it.
    await run('fine');
    process.kill(worker, 'SIGKILL');
    await failing;
  }
  await fine();
  assert.equal(workers.size, 3);
  await until('one worker is left, and no dead one', () => children(server.pid).length === 1);
});
