// One main.js through the SDK.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import test from 'node:test';
import { APP_ID, MASTER_KEY, Parse, PEER, parseServer, until } from '../server.mjs';

const server = await parseServer();
const run = (name, params, options) => Parse.Cloud.run(name, params, options);
const refused = (work, code, message) =>
  assert.rejects(work, error => {
    assert.deepEqual([error.code, error.message], [code, message]);
    return true;
  });

test('functions answer', async () => {
  assert.equal(await run('hello', { name: 'Ada' }), 'Hello Ada');
  assert.equal(await run('shout', { text: 'hey' }), 'HEY!');
  assert.equal(await run('nothing'), undefined);
  assert.equal(await run('null'), null);
  assert.equal(await run('later'), 'later');
  assert.deepEqual(await run('echo', { a: [1, { b: 'x' }], c: null }), { a: [1, { b: 'x' }], c: null });
  await refused(run('unknown'), 141, 'Invalid function: "unknown"');
});

test('the request tells who asks', async () => {
  const request = await run('request', {}, { context: { from: 'client' } });
  assert.equal(request.name, 'request');
  assert.equal(request.master, false);
  assert.equal(request.user, null);
  assert.equal(request.installationId, 'string');
  assert.equal(request.context.from, 'client');
  for (const key of ['params', 'user', 'master', 'ip', 'headers', 'log', 'context', 'functionName', 'installationId']) {
    assert.ok(request.keys.includes(key), key);
  }
  assert.equal((await run('request', {}, { useMasterKey: true })).master, true);
  const user = await Parse.User.signUp('asker', 'secret');
  const asked = await run('request', {}, { sessionToken: user.getSessionToken() });
  assert.deepEqual([asked.user, asked.isUser, asked.token], [user.id, true, 'string']);
  await Parse.User.logOut();
});

test('values keep their types, both ways', async () => {
  const pointer = Parse.Object.fromJSON({ __type: 'Pointer', className: 'Thing', objectId: 'x1' });
  const date = new Date(86_400_000);
  assert.deepEqual(await run('types', { date, pointer: pointer.toPointer(), nested: { list: [date] } }), {
    date: date.toISOString(), pointer: 'Thingx1', nested: true,
  });
  const types = await run('returnTypes');
  assert.equal(types.date.getTime(), 0);
  assert.ok(types.point instanceof Parse.GeoPoint);
  assert.ok(types.object instanceof Parse.Object);
  assert.equal(types.object.id, 'abc');
  assert.equal(types.list[1].deep.latitude, 3);
});

test('errors come as they were thrown', async () => {
  await refused(run('parseError'), 4242, 'own code');
  await refused(run('notFound'), 101, 'gone');
  await refused(run('textError'), 141, 'just text');
  await refused(run('error'), 141, 'an error');
  await refused(run('nullError'), 141, 'Script failed.');
  await refused(run('emptyError'), 141, 'Script failed.');
  await refused(run('rejected'), 142, 'rejected');
  await refused(run('engineError'), 101, 'Object not found.');
  await assert.rejects(run('objectError'), { code: 141 });
});

test('objects', async () => {
  assert.deepEqual(await run('objects'), {
    isNew: true, dirty: true, saved: true,
    local: [5, [1, 2, 3], false, ['list', 'map', 'n']],
    stored: [5, [2, 3], false],
    inPlace: true,
    fetched: ['two', [2, 3, 9], true, true],
    included: 'two', pointer: true, cascade: true, related: ['child', 'two'], gone: 0,
  });
});

test('queries', async () => {
  assert.deepEqual(await run('queries'), {
    less: [0, 1, 2], and: [10, 8, 6, 4], in: [1, 5], starts: [1, 10, 11], exists: [], or: 2, page: [2, 3, 4], near: [0, 1],
    count: 6, first: 11, none: true, distinct: ['t0', 't1', 't2'], aggregate: 66, select: false, withCount: [1, 12],
    each: 66, fetchAll: 3, left: 0,
  });
});

test('users, roles and permissions', async () => {
  const users = await run('users', { name: 'ada' });
  const { token, ...rest } = users;
  assert.deepEqual(rest, { same: true, shoe: 42, current: null, nobody: 0, owner: 1, master: 1, role: 'role-ada' });
  assert.equal(await run('asCaller', {}), 0);
  assert.equal(await run('asCaller', {}, { sessionToken: token }), 1);
});

test('functions call functions, to a depth', async () => {
  assert.equal(await run('outer', { name: 'x' }), 'Hello outer x');
  // Others go on until they have no memory left.
  if (PEER) return;
  await refused(run('forever'), 141, 'Hooks trigger each other more than 16 levels deep.');
});

test('validators', async () => {
  await refused(run('onlyUsers'), 142, 'Validation failed. Please login to continue.');
  await refused(run('onlyMaster'), 142, 'Validation failed. Master key is required to complete this request.');
  assert.equal(await run('onlyMaster', {}, { useMasterKey: true }), 'master');
  assert.deepEqual(await run('fields', { name: 'n', kind: 'a', odd: 3 }), { name: 'n', kind: 'a', odd: 3, size: 3 });
  await refused(run('fields', {}), 142, 'Validation failed. Please specify data for name.');
  await refused(run('fields', { name: 'n', kind: 'z' }), 142, 'kind must be a or b');
  await refused(run('fields', { name: 'n', odd: 4 }), 142, 'Validation failed. Invalid value for odd.');
  await refused(run('checked'), 142, 'wrong key');
  assert.equal(await run('checked', { key: 'open sesame' }), 'fine');
});

test('before and after a save', async () => {
  const object = new Parse.Object('Hooked');
  await object.save({ n: 1, remove: 'me' }, { context: { fromClient: 'yes' } });
  assert.deepEqual(object.get('seenDirty'), ['n', 'remove']);
  assert.deepEqual([object.get('wasNew'), object.get('before'), object.get('saves')], [true, null, 1]);
  await object.save({ n: 2 });
  const stored = await new Parse.Query('Hooked').get(object.id);
  assert.deepEqual(stored.get('seenDirty'), ['n']);
  assert.deepEqual([stored.get('wasNew'), stored.get('before'), stored.get('saves')], [false, 1, 2]);
  assert.equal(stored.has('remove'), false);
  const told = await new Parse.Query('Told').equalTo('of', object.id).ascending('createdAt').find({ useMasterKey: true });
  assert.deepEqual(told.map(one => [one.get('existed'), one.get('n'), one.get('before') ?? null]), [[false, 1, null], [true, 2, 1]]);
  assert.deepEqual([told[0].get('context'), told[0].get('fromClient'), told[0].get('master')], ['handed on', 'yes', false]);
  await refused(new Parse.Object('Hooked').save({ refuse: true }), 4000, 'refused by hook');
  await refused(new Parse.Object('Hooked').save({ refuseText: true }), 141, 'refused by text');
  assert.equal(await new Parse.Query('Hooked').count(), 1);
});

test('a client\'s increment stays one', async () => {
  const object = await new Parse.Object('Hooked').save({ n: 0 });
  await Promise.all(Array.from({ length: 8 }, () => {
    const same = Parse.Object.fromJSON({ __type: 'Pointer', className: 'Hooked', objectId: object.id });
    same.increment('n');
    return same.save();
  }));
  const stored = await new Parse.Query('Hooked').get(object.id);
  assert.deepEqual([stored.get('n'), stored.get('saves')], [8, 9]);
});

test('triggers have validators, too', async () => {
  await refused(new Parse.Object('Ordered').save({ n: -1 }), 142, 'n is negative');
  await refused(new Parse.Object('Ordered').save({ m: 1 }), 142, 'Validation failed. Please specify data for n.');
  assert.ok((await new Parse.Object('Ordered').save({ n: 1 })).id);
});

test('deletes and finds', async () => {
  const kept = await new Parse.Object('Kept').save();
  await refused(kept.destroy(), 141, `${kept.id} stays`);
  const dropped = await new Parse.Object('Dropped').save();
  await dropped.destroy();
  assert.equal(await new Parse.Query('Told').equalTo('of', dropped.id).count({ useMasterKey: true }), 1);
  await Parse.Object.saveAll([true, false].map(shown => new Parse.Object('Found', { shown, name: String(shown) })));
  const found = await new Parse.Query('Found').find();
  assert.deepEqual(found.map(one => [one.get('name'), one.get('extra')]), [['true', 'for true']]);
  await Parse.Object.saveAll([1, 2, 3, 4].map(n => new Parse.Object('Halved', { n })));
  assert.equal((await new Parse.Query('Halved').find()).length, 2);
});

test('users\' triggers', async () => {
  await refused(Parse.User.signUp('forbidden', 'secret'), 141, 'no such name');
  const user = await Parse.User.signUp('banned', 'secret', { banned: true });
  await Parse.User.logOut();
  await refused(Parse.User.logIn('banned', 'secret'), 141, 'you are banned');
  assert.ok(user.id);
});

test('jobs', async () => {
  const id = await Parse.Cloud.startJob('work', { n: 7 });
  const status = await until('the job ends', async () => {
    const status = await Parse.Cloud.getJobStatus(id);
    return status.get('status') !== 'running' && status;
  });
  assert.deepEqual([status.get('status'), status.get('message')], ['succeeded', 'all done']);
  assert.equal(await new Parse.Query('Told').equalTo('job', 7).count({ useMasterKey: true }), 1);
  const failing = await Parse.Cloud.startJob('fails', {});
  const failed = await until('the job fails', async () => {
    const status = await Parse.Cloud.getJobStatus(failing);
    return status.get('status') !== 'running' && status;
  });
  assert.deepEqual([failed.get('status'), failed.get('message')], ['failed', 'job failed']);
  assert.equal(typeof (await run('startWork', { n: 8 })), 'string');
  const { jobs } = await Parse.Cloud.getJobsData();
  assert.deepEqual(jobs.sort(), ['fails', 'work']);
});

test('the environment', async () => {
  assert.deepEqual(await run('environment'), {
    text: 'äöü', base64: 'aGVsbG8=', url: 'https://example.org/a/b?x=1#y', query: '2', clone: 0, aborted: true, uuid: 36,
    util: 'a-1', path: '/b', events: true, sameFile: true, config: [],
  });
  // There it is Node's.
  if (PEER) return;
  await assert.rejects(run('missingModule'), /Cannot find module 'fs'.*process tier/);
  await assert.rejects(run('outside'), /Cannot find module/);
  await assert.rejects(run('notCovered'), /Parse\.Object\.pinAll is not available/);
});

test('requests to the outside go by the rules', async t => {
  if (PEER) return;
  const receiver = createServer((request, response) => {
    let body = '';
    request.on('data', chunk => (body += chunk));
    request.on('end', () => response.end(`${request.method} ${body}`));
  });
  await new Promise(resolve => receiver.listen(0, '127.0.0.1', resolve));
  t.after(() => receiver.close());
  const { port } = receiver.address();
  assert.deepEqual(await run('fetch', { url: `http://127.0.0.1:${port}/` }), [200, 'POST ping']);
  await assert.rejects(run('fetch', { url: 'http://169.254.169.254/latest' }), /could not be reached/);
  await assert.rejects(run('fetch', { url: 'file:///etc/passwd' }), /can't be called/);
});

test('what was used is counted', async () => {
  if (PEER) return;
  const headers = { 'X-Parse-Application-Id': APP_ID, 'X-Parse-Master-Key': MASTER_KEY };
  const usage = async () => (await fetch(`${server.origin}/admin/usage?app=${APP_ID}`, { headers })).json();
  const before = (await usage()).functions.echo.invocations;
  await run('echo', { n: 1 });
  const { echo, parseError } = (await usage()).functions;
  assert.equal(echo.invocations, before + 1);
  assert.equal(echo.errors, 0);
  assert.ok(echo.billed_ms >= echo.invocations);
  assert.deepEqual([parseError.invocations, parseError.errors], [1, 1]);
  const metrics = await (await fetch(`${server.origin}/metrics`)).text();
  assert.match(metrics, new RegExp(`basalt_function_invocations_total\\{app="${APP_ID}",function="echo"\\} ${echo.invocations}\n`));
  assert.equal((await fetch(`${server.origin}/admin/usage?app=${APP_ID}`)).status, 403);
});
