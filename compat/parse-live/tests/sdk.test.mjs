import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseServer, startServer, Parse, rest, MASTER_KEY, APP_ID, JAVASCRIPT_KEY } from '../server.mjs';
import { recorder, until } from '../lib.mjs';

const server = await parseServer();
Parse.Object.disableSingleInstance();
const Item = Parse.Object.extend('Item');
const master = { useMasterKey: true };

// The default client presents the master key where the SDK has one; ours is to be anybody's.
Parse.CoreManager.set('MASTER_KEY', null);
await Parse.CoreManager.getLiveQueryController().getDefaultLiveQueryClient();
Parse.CoreManager.set('MASTER_KEY', MASTER_KEY);

after(async () => {
  const client = await Parse.CoreManager.getLiveQueryController().getDefaultLiveQueryClient();
  await client.close();
});

test('an object comes, changes, leaves, comes back and goes', async () => {
  const query = new Parse.Query('Item').equalTo('kind', 'a').greaterThan('n', 1);
  const subscription = await query.subscribe();
  const events = recorder(subscription);
  const item = await new Item({ kind: 'a', n: 1 }).save();
  await item.save({ n: 2 });
  await item.save({ text: 'x' });
  await item.save({ n: 0 });
  const other = await new Item({ kind: 'a', n: 9 }).save();
  await other.destroy();
  await until(() => events.length === 5);
  assert.deepEqual(
    events.map(e => [e.op, e.object.id, e.object.get('n'), e.original?.get('n')]),
    [
      ['enter', item.id, 2, 1],
      ['update', item.id, 2, 2],
      ['leave', item.id, 0, 2],
      ['create', other.id, 9, undefined],
      ['delete', other.id, 9, undefined],
    ],
  );
  assert.equal(events[1].object.get('text'), 'x');
  assert.equal(events[1].original.get('text'), undefined);
  assert.ok(events[0].object.createdAt instanceof Date);
  assert.equal(events[0].object.className, 'Item');
  await subscription.unsubscribe();
  await new Item({ kind: 'a', n: 5 }).save();
  const second = await query.subscribe();
  const more = recorder(second);
  const last = await new Item({ kind: 'a', n: 6 }).save();
  await until(() => more.length === 1);
  assert.equal(more[0].object.id, last.id);
  assert.equal(events.length, 5);
  await second.unsubscribe();
});

test('select shows some fields, watch tells some changes', async () => {
  const selected = await new Parse.Query('Shown').select('a').subscribe();
  const watched = await new Parse.Query('Shown').watch('a').subscribe();
  const [shown, told] = [recorder(selected), recorder(watched)];
  const object = await new Parse.Object('Shown', { b: 1 }).save();
  await object.save({ a: 1 });
  await object.save({ b: 2 });
  await object.save({ a: 2 });
  await until(() => shown.length === 4 && told.length === 2);
  assert.deepEqual(shown.map(e => [e.op, e.object.get('a'), e.object.get('b')]), [
    ['create', undefined, undefined],
    ['update', 1, undefined],
    ['update', 1, undefined],
    ['update', 2, undefined],
  ]);
  assert.deepEqual(told.map(e => [e.op, e.object.get('a')]), [['update', 1], ['update', 2]]);
  await selected.unsubscribe();
  await watched.unsubscribe();
});

test('every type of value and relations arrive', async () => {
  const subscription = await new Parse.Query('Typed').subscribe();
  const events = recorder(subscription);
  const target = await new Item({ n: 1 }).save();
  const object = new Parse.Object('Typed', {
    when: new Date(5),
    place: new Parse.GeoPoint(1, 2),
    pointer: target,
    list: [1, { a: 'ü' }],
    map: { deep: { yes: true } },
  });
  object.relation('friends').add(target);
  await object.save();
  await until(() => events.length === 1);
  const seen = events[0].object;
  assert.equal(seen.get('when').getTime(), 5);
  assert.equal(seen.get('place').longitude, 2);
  assert.equal(seen.get('pointer').id, target.id);
  assert.deepEqual(seen.get('list'), [1, { a: 'ü' }]);
  assert.ok(seen.get('friends') instanceof Parse.Relation);
  await subscription.unsubscribe();
});

test('an ACL decides who is told, also when it changes', async () => {
  const body = { username: 'ann', password: 'secret' };
  const ann = (await rest(server, 'POST', '/users', { body })).json;
  const query = new Parse.Query('Private');
  const anns = recorder(await query.subscribe(ann.sessionToken));
  const anyones = recorder(await query.subscribe());
  const acl = new Parse.ACL();
  acl.setReadAccess(ann.objectId, true);
  const object = new Parse.Object('Private', { n: 1 });
  object.setACL(acl);
  await object.save(null, master);
  await object.save({ n: 2 }, master);
  acl.setPublicReadAccess(true);
  await object.save({ n: 3, ACL: acl }, master);
  const nobody = new Parse.ACL();
  await object.save({ n: 4, ACL: nobody }, master);
  await until(() => anns.length === 4 && anyones.length === 2);
  assert.deepEqual(anns.map(e => [e.op, e.object.get('n')]), [
    ['create', 1],
    ['update', 2],
    ['update', 3],
    ['leave', 3],
  ]);
  // Came into view without what it was before, left without what it is now.
  assert.deepEqual(anyones.map(e => [e.op, e.object.get('n'), e.original?.get('n')]), [
    ['enter', 3, undefined],
    ['leave', 3, 3],
  ]);
});

test('roles count from when they change, and an ended session does not', async () => {
  const bob = await Parse.User.signUp('bob', 'secret');
  const token = bob.getSessionToken();
  const role = new Parse.Role('staff', new Parse.ACL());
  await role.save(null, master);
  const acl = new Parse.ACL();
  acl.setRoleReadAccess('staff', true);
  const subscription = await new Parse.Query('Desk').subscribe(token);
  const events = recorder(subscription);
  const object = new Parse.Object('Desk', { n: 0 });
  object.setACL(acl);
  await object.save(null, master);
  role.getUsers().add(bob);
  await role.save(null, master);
  await object.save({ n: 1 }, master);
  role.getUsers().remove(bob);
  await role.save(null, master);
  await object.save({ n: 2 }, master);
  const open = await new Parse.Object('Desk', { n: 3 }).save(null, master);
  await until(() => events.length === 2);
  assert.deepEqual(events.map(e => [e.op, e.object.get('n')]), [['update', 1], ['create', 3]]);
  const errors = [];
  subscription.on('error', error => errors.push(error));
  await Parse.User.logOut();
  await open.save({ n: 4 }, master);
  await until(() => errors.length === 1);
  assert.equal(errors[0], 'Invalid session token');
  assert.equal(events.length, 2);
});

test('refusals are errors with their codes', async () => {
  const refused = async (query, code) =>
    assert.rejects(query.subscribe(), error => {
      assert.equal(error.code, code, error.message);
      return true;
    });
  const inner = new Parse.Query('Item');
  await refused(new Parse.Query('A').matchesQuery('p', inner), 102);
  await refused(new Parse.Query('A').doesNotMatchQuery('p', inner), 102);
  await refused(new Parse.Query('A').matchesKeyInQuery('p', 'q', inner), 102);
  await refused(new Parse.Query('A').fullText('p', 'q'), 102);
  await refused(new Parse.Query('_Session'), 209);
  await refused(new Parse.Query('_Hooks'), 119);
  await refused(new Parse.Query('bad name'), 103);
  await assert.rejects(new Parse.Query('A').subscribe('r:nonsense'), { code: 209 });
});

test('a wrong key and an unknown app get nothing', async () => {
  const url = `${server.origin.replace('http', 'ws')}/parse`;
  for (const keys of [
    { applicationId: APP_ID, javascriptKey: 'wrong' },
    { applicationId: 'other', javascriptKey: JAVASCRIPT_KEY },
    { applicationId: APP_ID, masterKey: 'wrong' },
  ]) {
    const client = new Parse.LiveQueryClient({ serverURL: url, ...keys });
    client.open();
    const subscription = client.subscribe(new Parse.Query('Item'));
    await assert.rejects(subscription.subscribePromise, { code: 4 });
    client.state = 'closed';
    await client.close();
  }
});

test('the master key sees what nobody may where the options say so, on any path', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-compat-'));
  const options = join(folder, 'options.json');
  const keyPairs = { masterKey: MASTER_KEY };
  writeFileSync(options, JSON.stringify({ liveQueryServerOptions: { keyPairs } }));
  const own = await startServer({ env: { BASALT_PARSE_OPTIONS: options } });
  t.after(async () => {
    await own.stop();
    rmSync(folder, { recursive: true });
  });
  const client = new Parse.LiveQueryClient({
    serverURL: own.origin.replace('http', 'ws'),
    applicationId: APP_ID,
    masterKey: MASTER_KEY,
  });
  client.open();
  const subscription = client.subscribe(new Parse.Query('Vault'));
  await subscription.subscribePromise;
  const events = recorder(subscription);
  const body = { n: 1, ACL: {} };
  assert.equal((await rest(own, 'POST', '/classes/Vault', { master: true, body })).status, 201);
  await until(() => events.length === 1);
  assert.equal(events[0].object.get('n'), 1);
  await client.close();
});

test('protected fields are in neither object', async () => {
  const answer = await rest(server, 'POST', '/schemas/Guarded', {
    master: true,
    body: {
      fields: { open: { type: 'Number' }, hidden: { type: 'Number' } },
      classLevelPermissions: {
        find: { '*': true }, get: { '*': true }, create: { '*': true }, update: { '*': true },
        protectedFields: { '*': ['hidden'] },
      },
    },
  });
  assert.equal(answer.status, 200);
  const events = recorder(await new Parse.Query('Guarded').subscribe());
  const object = await new Parse.Object('Guarded', { open: 1, hidden: 1 }).save();
  await object.save({ open: 2, hidden: 2 });
  await until(() => events.length === 2);
  for (const { object, original } of events) {
    assert.equal(object.get('hidden'), undefined);
    assert.equal(original?.get('hidden'), undefined);
  }
  assert.equal(events[1].original.get('open'), 1);
  for (const query of [
    new Parse.Query('Guarded').equalTo('hidden', 1),
    new Parse.Query('Guarded').watch('hidden'),
    Parse.Query.or(new Parse.Query('Guarded').equalTo('hidden', 1)),
  ]) {
    await assert.rejects(query.subscribe(), { code: 119 });
  }
});

test('a client comes back by itself', async () => {
  const client = new Parse.LiveQueryClient({
    serverURL: `${server.origin.replace('http', 'ws')}/parse`,
    applicationId: APP_ID,
    javascriptKey: JAVASCRIPT_KEY,
  });
  client.open();
  const subscription = client.subscribe(new Parse.Query('Back'));
  await subscription.subscribePromise;
  const events = recorder(subscription);
  let opened = 0;
  client.on('open', () => (opened += 1));
  subscription.subscribed = false;
  client.socket.close();
  await until(() => opened === 1 && subscription.subscribed);
  await new Parse.Object('Back', { n: 1 }).save();
  await until(() => events.length === 1);
  await client.close();
});
