// What an app does every day, with the last release of each older major version: they differ in what
// they put into headers, bodies and methods.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { APP_ID, JAVASCRIPT_KEY, MASTER_KEY, parseServer } from '../../parse-js/server.mjs';

const require = createRequire(import.meta.url);
const server = await parseServer();

for (const major of [1, 2, 3, 4, 5, 6, 7]) {
  describe(`parse ${require(`parse-${major}/package.json`).version}`, () => everyday(major));
}

function everyday(major) {
  const Parse = require(`parse-${major}/node`);
  Parse.initialize(APP_ID, JAVASCRIPT_KEY, MASTER_KEY);
  Parse.serverURL = `${server.origin}/parse`;
  Parse.User.enableUnsafeCurrentUser?.();
  const Post = `Post${major}`;
  const signedUp = async name => {
    const user = new Parse.User();
    user.set({ username: `${name}-${major}`, password: 'secret', email: `${name}-${major}@example.com` });
    return user.signUp();
  };

  test('objects are saved, changed by operations, fetched and destroyed', async () => {
    const post = new Parse.Object(Post);
    const when = new Date('2001-02-03T04:05:06.789Z');
    await post.save({ likes: 1, title: 'x', when, place: new Parse.GeoPoint(1, 2), tags: ['a'], map: { a: { b: 1 } } });
    post.increment('likes');
    post.addUnique('tags', 'b');
    post.unset('title');
    await post.save();
    const found = await new Parse.Query(Post).get(post.id);
    assert.equal(found.get('likes'), 2);
    assert.deepEqual(found.get('tags'), ['a', 'b']);
    assert.deepEqual(found.get('map'), { a: { b: 1 } });
    assert.equal(found.get('title'), undefined);
    assert.equal(found.get('when').getTime(), when.getTime());
    assert.equal(found.get('place').longitude, 2);
    await found.destroy();
    await assert.rejects(async () => post.fetch(), error => error.code === Parse.Error.OBJECT_NOT_FOUND);
  });

  test('many objects go out and come back', async () => {
    const name = `Many${major}`;
    const objects = [1, 2, 3, 4].map(n => new Parse.Object(name, { n }));
    await Parse.Object.saveAll(objects);
    const either = Parse.Query.or(
      new Parse.Query(name).lessThan('n', 2),
      new Parse.Query(name).containedIn('n', [3]),
    );
    assert.deepEqual((await either.ascending('n').find()).map(o => o.get('n')), [1, 3]);
    assert.equal(await new Parse.Query(name).count(), 4);
    const seen = [];
    await new Parse.Query(name).each(object => void seen.push(object.get('n')));
    assert.deepEqual(seen.sort(), [1, 2, 3, 4]);
    await Parse.Object.destroyAll(objects);
    assert.equal(await new Parse.Query(name).first(), undefined);
  });

  test('users, sessions and what they may see', async () => {
    const ada = await signedUp('ada');
    const token = ada.getSessionToken();
    const note = new Parse.Object(`Note${major}`, { owner: ada });
    note.setACL(new Parse.ACL(ada));
    await note.save();
    const mine = await new Parse.Query(note.className).include('owner').first();
    assert.equal(mine.get('owner').get('username'), `ada-${major}`);
    assert.equal((await Parse.Session.current()).getSessionToken(), token);
    await Parse.User.logOut();
    assert.equal(await new Parse.Query(note.className).count(), 0);
    await assert.rejects(
      async () => Parse.User.logIn(`ada-${major}`, 'wrong'),
      error => error.code === Parse.Error.OBJECT_NOT_FOUND,
    );
    await assert.rejects(
      async () => Parse.User.become(token),
      error => error.code === Parse.Error.INVALID_SESSION_TOKEN,
    );
    const again = await Parse.User.logIn(`ada-${major}`, 'secret');
    assert.equal((await Parse.User.become(again.getSessionToken())).id, ada.id);
    assert.equal(await new Parse.Query(note.className).count(), 1);
    await Parse.User.logOut();
  });

  test('relations and roles', async () => {
    const bob = await signedUp('bob');
    const group = new Parse.Object(`Group${major}`);
    group.relation('members').add(bob);
    await group.save();
    const members = await group.relation('members').query().find();
    assert.deepEqual(members.map(member => member.id), [bob.id]);
    const acl = new Parse.ACL();
    acl.setPublicReadAccess(true);
    const role = new Parse.Role(`editors-${major}`, acl);
    role.getUsers().add(bob);
    await role.save();
    const page = new Parse.Object(`Page${major}`);
    const editors = new Parse.ACL();
    editors.setRoleReadAccess(`editors-${major}`, true);
    page.setACL(editors);
    await page.save();
    assert.equal(await new Parse.Query(page.className).count(), 1);
    await Parse.User.logOut();
    assert.equal(await new Parse.Query(page.className).count(), 0);
  });

  test('what there is no code for is a typed error', async () => {
    await assert.rejects(
      async () => Parse.Cloud.run('missing', {}),
      error => error.code === Parse.Error.SCRIPT_FAILED,
    );
    assert.equal((await Parse.Config.get()).get('missing'), undefined);
  });
}
