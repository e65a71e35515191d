import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServer, Parse, rest } from '../server.mjs';

const server = await parseServer();
const master = (method, path, body) => rest(server, method, path, { master: true, body });

test('the life of a schema through the SDK', async () => {
  const schema = new Parse.Schema('Book');
  schema.addString('title', { required: true, defaultValue: 'untitled' });
  schema.addPointer('author', '_User').addRelation('readers', '_User').addNumber('pages');
  const made = await schema.save();
  assert.deepEqual(made.fields.title, {
    type: 'String',
    required: true,
    defaultValue: 'untitled',
  });
  assert.equal(made.indexes, undefined);
  assert.deepEqual(made.classLevelPermissions.ACL, { '*': { read: true, write: true } });

  schema.addIndex('by_author', { _p_author: 1, createdAt: -1 });
  const changed = await schema.update();
  const indexes = { _id_: { _id: 1 }, by_author: { _p_author: 1, createdAt: -1 } };
  assert.deepEqual(changed.indexes, indexes);
  assert.deepEqual((await schema.get()).indexes, indexes);
  const dropped = await schema.deleteIndex('by_author').update();
  assert.deepEqual(dropped.indexes, { _id_: { _id: 1 } });

  const book = await new Parse.Object('Book').save();
  assert.equal(book.get('title'), 'untitled');
  await assert.rejects(schema.delete(), { code: 255 });
  await schema.purge();
  await schema.delete();
  await assert.rejects(schema.get(), { code: 103, message: 'Class Book does not exist.' });
});

test('permissions close a class, and null opens it again', async () => {
  const schema = new Parse.Schema('Diary');
  await schema.save();
  await schema.setCLP({ find: { requiresAuthentication: true } }).update();
  await assert.rejects(new Parse.Query('Diary').find(), { code: 101 });
  await assert.rejects(new Parse.Object('Diary').save(), { code: 119 });
  const open = await master('PUT', '/schemas/Diary', { classLevelPermissions: null });
  assert.deepEqual(open.json.classLevelPermissions.find, { '*': true });
  await new Parse.Object('Diary').save();
  assert.equal((await new Parse.Query('Diary').find()).length, 1);
});

test('an anonymous user becomes a named one and keeps its data', async () => {
  const user = await Parse.AnonymousUtils.logIn();
  await user.save({ mood: 'good' });
  assert.ok(user.get('authData').anonymous.id);
  user.setUsername('named');
  user.setPassword('secret-password');
  await user.signUp();
  assert.deepEqual(user.get('authData'), {});
  await Parse.User.logOut();
  const again = await Parse.User.logIn('named', 'secret-password');
  assert.deepEqual([again.id, again.get('mood')], [user.id, 'good']);
  await Parse.User.logOut();
});

test('an installation is one object, whatever token its device gets', async () => {
  const installationId = '12345678-ABCD-ABCD-ABCD-123456789ABC';
  const device = { deviceType: 'android', deviceToken: 'token-1' };
  const made = await rest(server, 'POST', '/installations', { body: { installationId, ...device } });
  assert.equal(made.status, 201, made.text);
  const renewed = await rest(server, 'POST', '/installations', {
    body: { installationId, deviceType: 'android', deviceToken: 'token-2' },
  });
  assert.deepEqual([renewed.status, renewed.json.objectId], [200, made.json.objectId]);
  const path = `/installations/${made.json.objectId}`;
  const stolen = await master('PUT', path, { installationId: 'another' });
  assert.deepEqual([stolen.status, stolen.json.code], [400, 136]);
  const moved = await rest(server, 'POST', '/installations', {
    body: { installationId: 'new', deviceType: 'android', deviceToken: 'token-2' },
  });
  assert.equal(moved.status, 201, moved.text);
  assert.equal((await master('GET', path)).status, 404);
});
