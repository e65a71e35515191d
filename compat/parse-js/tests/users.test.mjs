import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServer, Parse, rest } from '../server.mjs';

const server = await parseServer();

async function signUp(username, password = 'secret-password') {
  const answer = await rest(server, 'POST', '/users', { body: { username, password } });
  assert.equal(answer.status, 201, answer.text);
  return { id: answer.json.objectId, token: answer.json.sessionToken };
}

test('sign up, log in, become and log out through the SDK', async () => {
  const user = new Parse.User();
  await user.signUp({ username: 'ann', password: 'secret-password', email: 'ann@example.com' });
  assert.match(user.getSessionToken(), /^r:[0-9a-f]{32}$/);
  await Parse.User.logOut();
  const again = await Parse.User.logIn('ann', 'secret-password');
  assert.equal(again.id, user.id);
  assert.equal(again.get('email'), 'ann@example.com');
  const token = again.getSessionToken();
  const me = await Parse.User.become(token);
  assert.equal(me.id, user.id);
  const session = await Parse.Session.current();
  assert.equal(session.get('createdWith').action, 'login');
  await Parse.User.logOut();
  const gone = await rest(server, 'GET', '/users/me', { session: token });
  assert.deepEqual([gone.status, gone.json.code], [400, 209]);
});

test('wrong names and passwords get one answer', async () => {
  await signUp('bob');
  for (const [username, password] of [['bob', 'wrong'], ['nobody', 'wrong'], ['BOB', 'wrong']]) {
    await assert.rejects(Parse.User.logIn(username, password), {
      code: 101,
      message: 'Invalid username/password.',
    });
  }
});

test('user names are unique whatever their case and form, also in a race', async () => {
  await signUp('Émile');
  for (const username of ['émile', 'E\u0301MILE']) {
    const answer = await rest(server, 'POST', '/users', { body: { username, password: 'x' } });
    assert.deepEqual([answer.status, answer.json.code], [400, 202]);
  }
  const body = { username: 'racer', password: 'x' };
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => rest(server, 'POST', '/users', { body })),
  );
  assert.equal(answers.filter(a => a.status === 201).length, 1);
  assert.ok(answers.every(a => a.status === 201 || a.json.code === 202));
});

test('a changed password ends other sessions', async () => {
  const { id, token } = await signUp('carl');
  const other = await rest(server, 'POST', '/login', {
    body: { username: 'carl', password: 'secret-password' },
  });
  const changed = await rest(server, 'PUT', `/users/${id}`, {
    session: token,
    body: { password: 'another-password' },
  });
  assert.equal(changed.status, 200, changed.text);
  assert.ok(changed.json.sessionToken);
  for (const old of [token, other.json.sessionToken]) {
    assert.equal((await rest(server, 'GET', '/users/me', { session: old })).status, 400);
  }
  const me = await rest(server, 'GET', '/users/me', { session: changed.json.sessionToken });
  assert.equal(me.json.objectId, id);
  const wrong = { username: 'carl', password: 'secret-password' };
  assert.equal((await rest(server, 'POST', '/login', { body: wrong })).json.code, 101);
});

test('ACLs let in whom they name, and roles inherit', async () => {
  const [dora, eve] = [await signUp('dora'), await signUp('eve')];
  const pointer = { __type: 'Pointer', className: '_User', objectId: dora.id };
  const role = async (name, extra) =>
    rest(server, 'POST', '/roles', {
      master: true,
      body: { name, ACL: { '*': { read: true } }, ...extra },
    });
  const members = await role('members', {
    users: { __op: 'AddRelation', objects: [pointer] },
  });
  assert.equal(members.status, 201, members.text);
  const child = { __type: 'Pointer', className: '_Role', objectId: members.json.objectId };
  await role('readers', { roles: { __op: 'AddRelation', objects: [child] } });
  const note = await rest(server, 'POST', '/classes/Note', {
    master: true,
    body: { text: 'for readers', ACL: { 'role:readers': { read: true } } },
  });
  const path = `/classes/Note/${note.json.objectId}`;
  assert.equal((await rest(server, 'GET', path, { session: dora.token })).status, 200);
  assert.equal((await rest(server, 'GET', path, { session: eve.token })).status, 404);
  assert.equal((await rest(server, 'GET', path)).status, 404);
  const write = await rest(server, 'PUT', path, { session: dora.token, body: { text: 'x' } });
  assert.deepEqual([write.status, write.json.code], [404, 101]);
});

test('secrets never come out', async () => {
  const { id, token } = await signUp('fay');
  const own = [
    await rest(server, 'GET', `/users/${id}`, { session: token }),
    await rest(server, 'GET', '/sessions', { session: token }),
  ];
  const views = [
    ...own,
    await rest(server, 'GET', `/users/${id}`, { master: true }),
    await rest(server, 'GET', '/users', { master: true }),
    await rest(server, 'GET', '/sessions', { master: true }),
    await rest(server, 'GET', '/aggregate/_User?group=%7B%22_id%22%3A%22%24_hashed_password%22%7D', {
      master: true,
    }),
  ];
  for (const view of views) {
    // A token is shown to nobody but the caller who presented it.
    const secrets = ['argon2', '_hashed_password', '_username_key'];
    for (const secret of own.includes(view) ? secrets : [...secrets, token]) {
      assert.ok(!view.text.includes(secret), `${secret} in ${view.text}`);
    }
  }
});

test('users are private by default and change only themselves', async () => {
  const [gus, hal] = [await signUp('gus'), await signUp('hal')];
  const other = `/users/${hal.id}`;
  assert.equal((await rest(server, 'GET', other, { session: gus.token })).status, 404);
  // Parse answers a write to somebody else's user with 206, not with 101 as for other classes.
  const change = await rest(server, 'PUT', other, { session: gus.token, body: { x: 1 } });
  assert.deepEqual([change.status, change.json.code], [400, 206]);
  const anonymous = await rest(server, 'PUT', other, { body: { x: 1 } });
  assert.deepEqual([anonymous.status, anonymous.json.code], [400, 206]);
  const own = await rest(server, 'DELETE', other, { session: hal.token });
  assert.equal(own.status, 200);
  assert.equal((await rest(server, 'GET', '/users/me', { session: hal.token })).json.code, 209);
});

test('the master key finds a session by its token though only a digest is stored', async () => {
  const { token } = await signUp('ivy');
  const path = `/sessions?where=${encodeURIComponent(JSON.stringify({ sessionToken: token }))}`;
  const found = await rest(server, 'GET', path, { master: true });
  assert.equal(found.json.results.length, 1, found.text);
});
