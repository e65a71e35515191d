// Rights that are taken away are gone with the next request, whatever is cached (A03, B19, C26, S09).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { everywhere, make, MASTER, pointer, rest } from '../lib.mjs';

const server = await lib.serve();
let ann;
let names = 0;

before(async () => {
  ann = await lib.signUp(server, 'ann');
});

const fresh = () => lib.signUp(server, `user${(names += 1)}`);
const add = (...objects) => ({ __op: 'AddRelation', objects });
const remove = (...objects) => ({ __op: 'RemoveRelation', objects });

async function role(name, extra = {}) {
  const body = { name: `${name}${(names += 1)}`, ACL: {}, ...extra };
  return { id: await make(server, '_Role', body), name: body.name };
}

/** Whether the object can be read, at every door alike. */
async function reads(path, who) {
  const answers = Object.values(await everywhere(server, 'GET', path, who));
  const [first] = answers.map(answer => answer.status === 200);
  for (const answer of answers) {
    assert.equal(answer.status === 200, first, answer.text);
    if (!first) lib.refused(answer, [101, 119, 209]);
  }
  return first;
}

const REVOKE = {
  'the user leaves the role': ({ inner }) => ['PUT', `/roles/${inner.id}`, { users: remove(pointer('_User', ann.id)) }],
  'the role leaves the outer one': ({ inner, outer }) => ['PUT', `/roles/${outer.id}`, { roles: remove(pointer('_Role', inner.id)) }],
  'the inner role is deleted': ({ inner }) => ['DELETE', `/roles/${inner.id}`],
  'the outer role is deleted': ({ outer }) => ['DELETE', `/roles/${outer.id}`],
  'the ACL changes': ({ note }) => ['PUT', `/classes/Note/${note}`, { ACL: {} }],
  'all roles are purged': () => ['DELETE', '/purge/_Role'],
};

test('P9 rights by a role end with the role, its members and its inheritance', async () => {
  for (const [what, revoke] of Object.entries(REVOKE)) {
    const inner = await role('inner', { users: add(pointer('_User', ann.id)) });
    const outer = await role('outer', { roles: add(pointer('_Role', inner.id)) });
    const note = await make(server, 'Note', { ACL: { [`role:${outer.name}`]: { read: true } } });
    const path = `/classes/Note/${note}`;
    assert.ok(await reads(path, ann.who), what);
    const [method, where, body] = revoke({ inner, outer, note });
    const done = await rest(server, method, where, { ...MASTER, body });
    assert.equal(done.status, 200, done.text);
    assert.ok(!(await reads(path, ann.who)), what);
  }
});

test('P9 a role made anew under an old name gives the old members nothing', async () => {
  const first = await role('again', { users: add(pointer('_User', ann.id)) });
  const note = await make(server, 'Note', { ACL: { [`role:${first.name}`]: { read: true } } });
  assert.ok(await reads(`/classes/Note/${note}`, ann.who));
  await rest(server, 'DELETE', `/roles/${first.id}`, MASTER);
  await make(server, '_Role', { name: first.name, ACL: {} });
  assert.ok(!(await reads(`/classes/Note/${note}`, ann.who)));
});

test('P9 roles in a circle end, and give what they give', async () => {
  const a = await role('a', { users: add(pointer('_User', ann.id)) });
  const b = await role('b', { roles: add(pointer('_Role', a.id)) });
  const c = await role('c', { roles: add(pointer('_Role', b.id)) });
  await rest(server, 'PUT', `/roles/${a.id}`, { ...MASTER, body: { roles: add(pointer('_Role', c.id), pointer('_Role', a.id)) } });
  const other = await fresh();
  for (const { name } of [a, b, c]) {
    const note = await make(server, 'Note', { ACL: { [`role:${name}`]: { read: true } } });
    assert.ok(await reads(`/classes/Note/${note}`, ann.who));
    assert.ok(!(await reads(`/classes/Note/${note}`, other.who)));
  }
});

const END = {
  'he logs out': user => ['POST', '/logout', { ...user.who, body: {} }],
  'he deletes it': async user => {
    const { objectId } = (await rest(server, 'GET', '/sessions/me', user.who)).json;
    return ['DELETE', `/sessions/${objectId}`, user.who];
  },
  'another session of his deletes it': async user => {
    const { objectId } = (await rest(server, 'GET', '/sessions/me', user.who)).json;
    const body = { username: user.username, password: user.password };
    const { sessionToken } = (await rest(server, 'POST', '/login', { body })).json;
    return ['DELETE', `/sessions/${objectId}`, { session: sessionToken }];
  },
  'the master key deletes it in a transaction': async user => {
    const { objectId } = (await rest(server, 'GET', '/sessions/me', user.who)).json;
    const requests = [{ method: 'DELETE', path: `/parse/classes/_Session/${objectId}` }];
    return ['POST', '/batch', { ...MASTER, body: { transaction: true, requests } }];
  },
  'it is made to expire': async user => {
    const { objectId } = (await rest(server, 'GET', '/sessions/me', user.who)).json;
    const body = { expiresAt: { __type: 'Date', iso: '2020-01-01T00:00:00.000Z' } };
    return ['PUT', `/sessions/${objectId}`, { ...MASTER, body }];
  },
  'the master key changes the password': user => ['PUT', `/users/${user.id}`, { ...MASTER, body: { password: 'changed' } }],
  'he changes the password': user => ['PUT', `/users/${user.id}`, { ...user.who, body: { password: 'changed' } }],
  'he deletes himself': user => ['DELETE', `/users/${user.id}`, user.who],
  'the master key deletes the user': user => ['DELETE', `/users/${user.id}`, MASTER],
  'all sessions are purged': () => ['DELETE', '/purge/_Session', MASTER],
  'all users are purged': () => ['DELETE', '/purge/_User', MASTER],
};

test('S09 a session that has ended is nobody’s, at any door', async () => {
  for (const [what, end] of Object.entries(END)) {
    const user = await fresh();
    const note = await make(server, 'Note', { ACL: { [user.id]: { read: true } } });
    for (const path of ['/users/me', `/classes/Note/${note}`]) assert.ok(await reads(path, user.who), what);
    const [method, where, options] = await end(user);
    const done = await rest(server, method, where, options);
    assert.equal(done.status, 200, `${what}: ${done.text}`);
    for (const path of ['/users/me', `/classes/Note/${note}`]) {
      assert.ok(!(await reads(path, user.who)), `${what}: ${path}`);
    }
    // A session that lets nobody in any more may still be there for who has its token to look at:
    // one that has expired, or whose user a purge took away.
    const stays = what.includes('expire') || what.includes('users are purged');
    const own = await rest(server, 'GET', '/sessions/me', user.who);
    if (!stays) lib.refused(own, 209, what);
    const write = await rest(server, 'POST', '/classes/Note', { ...user.who, body: {} });
    lib.refused(write, 209, what);
  }
});

test('S09 a deleted user logs in no more', async () => {
  const user = await fresh();
  const body = { username: user.username, password: user.password };
  const id = (await rest(server, 'POST', '/login', { body })).json.objectId;
  await rest(server, 'DELETE', `/users/${id}`, MASTER);
  for (const path of ['/login', '/verifyPassword']) {
    for (const answer of Object.values(await everywhere(server, 'POST', path, { body }))) {
      lib.refused(answer, 101);
    }
  }
});

test('P9 class permissions and protected fields hold from the next request on', async () => {
  const reader = await fresh();
  await lib.makeClass(server, 'Plan', { text: { type: 'String' } }, lib.OPEN);
  const id = await make(server, 'Plan', { text: 'x' });
  const set = classLevelPermissions =>
    rest(server, 'PUT', '/schemas/Plan', { ...MASTER, body: { classLevelPermissions } });
  for (let round = 0; round < 3; round += 1) {
    assert.ok(await reads(`/classes/Plan/${id}`, reader.who));
    await set({ ...lib.OPEN, get: {} });
    assert.ok(!(await reads(`/classes/Plan/${id}`, reader.who)));
    await set({ ...lib.OPEN, protectedFields: { '*': ['text'] } });
    for (const answer of Object.values(await everywhere(server, 'GET', `/classes/Plan/${id}`, reader.who))) {
      assert.ok(answer.status === 200 && !('text' in answer.json), answer.text);
    }
    await set(lib.OPEN);
  }
});
