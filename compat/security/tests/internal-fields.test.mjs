// Internal fields, tokens and user objects: not queryable, not shown (A18, A19, A20, A24, A26, B11).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { ask, DOORS, everywhere, pointer, refusedEverywhere, rest } from '../lib.mjs';

const server = await lib.serve();
let ann, bob;

before(async () => {
  ann = await lib.signUp(server, 'ann', { email: 'ann@example.com' });
  bob = await lib.signUp(server, 'bob');
  await rest(server, 'PUT', `/users/${ann.id}`, {
    ...lib.MASTER,
    body: { ACL: { '*': { read: true }, [ann.id]: { read: true, write: true } } },
  });
  await lib.make(server, 'Note', { owner: pointer('_User', ann.id), text: 'x' });
});

const INTERNAL = [
  '_hashed_password',
  '_perishable_token',
  '_perishable_token_expires_at',
  '_email_verify_token',
  '_email_verify_token_expires_at',
  '_username_key',
  '_email_key',
  '_failed_login_count',
  '_account_lockout_expires_at',
  '_password_history',
  '_password_changed_at',
  '_session_token',
  '_auth_data_facebook',
  '_rperm',
  '_wperm',
  '_acl',
  '_id',
  '_rev',
  '_x',
  '_tombstone',
  '_p_owner',
  '_anything',
];

test('A18 internal fields can not be asked about at any door', async () => {
  const conditions = [{ $regex: '^\\$argon2' }, { $exists: true }, 'x', { $gt: '' }, { $ne: null }];
  for (const field of INTERNAL) {
    for (const condition of conditions) {
      for (const path of ['/users', '/classes/_User']) {
        const params = { where: { [field]: condition } };
        await refusedEverywhere(server, 'GET', path, { params, ...bob.who }, 105);
      }
    }
    for (const where of [
      { $or: [{ [field]: 'x' }, { username: 'ann' }] },
      { $nor: [{ $and: [{ [field]: { $regex: '^a' } }] }] },
      { [`${field}.x`]: 1 },
      { objectId: { $inQuery: { className: '_User', where: { [field]: 'x' } } } },
    ]) {
      await refusedEverywhere(server, 'GET', '/users', { params: { where }, ...bob.who }, [105, 102]);
    }
  }
});

test('A18 nor sorted by, selected by or counted', async () => {
  for (const field of INTERNAL) {
    for (const order of [field, `-${field}`, `username,${field}`, `${field}.x`]) {
      await refusedEverywhere(server, 'GET', '/users', { params: { order }, ...bob.who }, 105);
    }
    const select = { key: field, query: { className: '_User' } };
    const params = { where: { text: { $select: select } } };
    await refusedEverywhere(server, 'GET', '/classes/Note', { params, ...bob.who }, [102, 105]);
    const redirect = { redirectClassNameForKey: field };
    for (const answer of Object.values(
      await everywhere(server, 'GET', '/classes/Note', { params: redirect, ...bob.who }),
    )) {
      lib.refused(answer, [102, 105], field);
    }
  }
  const created = { params: { where: { _created_at: { $exists: true } } }, ...bob.who };
  await refusedEverywhere(server, 'GET', '/users', created, 105);
});

test('A18 keys and includes of internal fields show nothing, to the master key neither', async () => {
  for (const who of [bob.who, ann.who, lib.MASTER, lib.READ_ONLY]) {
    for (const params of [
      { keys: INTERNAL.join(',') },
      { keys: 'username,_hashed_password' },
      { include: '_hashed_password' },
      { excludeKeys: 'username' },
    ]) {
      for (const answer of Object.values(await everywhere(server, 'GET', '/users', { params, ...who }))) {
        lib.calm(answer, JSON.stringify(params));
        assert.doesNotMatch(answer.text, /argon2|_hashed|_username_key|_email_key|"_/);
      }
    }
    const below = { params: { include: 'owner', keys: 'owner._hashed_password' }, ...who };
    for (const answer of Object.values(await everywhere(server, 'GET', '/classes/Note', below))) {
      assert.doesNotMatch(answer.text, /argon2|_hashed/);
    }
  }
});

test('A19 a session token is text and nothing else, wherever it stands', async () => {
  const wrong = [{ $regex: 'r:' }, { $ne: '' }, ['r:'], [ann.session], 5, true, { 0: 'r', length: 1 }];
  for (const value of wrong) {
    const bodies = [
      ['/users/me', { _method: 'GET', _SessionToken: value }],
      ['/classes/Note', { _method: 'GET', _SessionToken: value }],
      ['/sessions/me', { _method: 'GET', _SessionToken: value }],
    ];
    for (const [path, body] of bodies) {
      lib.refused(await rest(server, 'POST', path, { body }), undefined, JSON.stringify(body));
    }
    // Logging out without a valid token may be no error, but ends nothing.
    lib.calm(await rest(server, 'POST', '/logout', { body: { _SessionToken: value } }));
  }
  for (const who of [ann.who, bob.who]) {
    assert.equal((await rest(server, 'GET', '/users/me', who)).status, 200);
  }
  for (const value of ['r:', 'r:%', 'r:*', '{"$regex":"r:"}', 'r:' + '0'.repeat(32), 'x'.repeat(5000)]) {
    for (const path of ['/users/me', '/classes/Note']) {
      await refusedEverywhere(server, 'GET', path, { session: value }, 209);
    }
    for (const answer of Object.values(await everywhere(server, 'GET', '/sessions/me', { session: value }))) {
      lib.refused(answer, 209);
    }
  }
});

test('A19 nor can it be guessed by a query on sessions', async () => {
  const conditions = [
    { $regex: '^r:' },
    { $gt: '' },
    { $lt: 'z' },
    { $gte: 'r:', $lte: 's' },
    { $all: ['r:'] },
    { $containedBy: ['r:'] },
    { $ne: { $regex: 'r' } },
    { $select: { key: 'text', query: { className: 'Note' } } },
  ];
  for (const condition of conditions) {
    for (const wrap of [c => c, c => ({ $or: [c] }), c => ({ $nor: [c] })]) {
      for (const who of [lib.ANYONE, ann.who]) {
        const params = { where: wrap({ sessionToken: condition }) };
        await refusedEverywhere(server, 'GET', '/sessions', { params, ...who });
        await refusedEverywhere(server, 'GET', '/classes/_Session', { params, ...who });
      }
    }
  }
  const inner = { className: '_Session', where: { sessionToken: { $regex: '^r:' } } };
  for (const where of [
    { owner: { $inQuery: inner } },
    { objectId: { $select: { key: 'objectId', query: inner } } },
    { text: { $select: { key: 'sessionToken', query: { className: '_Session' } } } },
    { text: { $dontSelect: { key: 'sessionToken', query: { className: '_Session' } } } },
  ]) {
    for (const who of [lib.ANYONE, ann.who]) {
      for (const a of Object.values(
        await everywhere(server, 'GET', '/classes/Note', { params: { where }, ...who }),
      )) {
        assert.ok(a.status >= 400 || a.json.results.length === 0 || where.text?.$dontSelect, a.text);
        lib.calm(a, JSON.stringify(where));
      }
    }
  }
});

/** Every way to get a user or a session out, with whom it is for. */
function views() {
  const login = { username: 'ann', password: ann.password };
  return [
    ['GET', '/users/me', { ...ann.who }],
    ['GET', `/users/${ann.id}`, { ...ann.who }],
    ['GET', `/users/${ann.id}`, { ...bob.who }],
    ['GET', `/users/${ann.id}`, lib.MASTER],
    ['GET', `/classes/_User/${ann.id}`, lib.MASTER],
    ['GET', '/users', lib.MASTER],
    ['GET', '/users', lib.READ_ONLY],
    ['GET', '/classes/_User', { ...ann.who, params: { include: '*', includeAll: true } }],
    ['GET', '/sessions', { ...ann.who, params: { include: 'user' } }],
    ['GET', '/sessions', { ...lib.MASTER, params: { include: 'user' } }],
    ['GET', '/sessions/me', { ...ann.who }],
    ['GET', '/classes/_Session', lib.READ_ONLY],
    ['GET', '/classes/Note', { ...bob.who, params: { include: 'owner' } }],
    ['GET', '/classes/Note', { ...lib.MASTER, params: { include: 'owner' } }],
    ['GET', '/classes/Note', { params: { include: 'owner', keys: 'owner.password,owner.authData' } }],
    ['GET', '/verifyPassword', { params: login }],
    ['POST', '/verifyPassword', { body: login }],
  ];
}

test('A20 one user serialiser: no hash, no key, no token, no password at any door', async () => {
  for (const [method, path, options] of views()) {
    for (const [door, answer] of Object.entries(await everywhere(server, method, path, options))) {
      const what = `${door} ${method} ${path} ${answer.text}`;
      assert.ok(answer.status === 200 || answer.status === 201, what);
      for (const secret of ['argon2', '_hashed', ann.password, '"password":', 'authData']) {
        assert.ok(!answer.text.includes(secret), `${secret} in ${what}`);
      }
      assert.doesNotMatch(answer.text, /"_[a-z]\w*":/, what);
      // Who presents a token may be shown it; no other token is ever shown.
      for (const [token] of answer.text.matchAll(/r:[0-9a-f]{32}/g)) {
        assert.equal(token, options.session, what);
      }
    }
  }
  for (const [path, body, who] of [
    ['/login', { username: 'ann', password: ann.password }, {}],
    ['/loginAs', { userId: ann.id }, lib.MASTER],
  ]) {
    for (const door of DOORS) {
      const answer = await ask(server, door, 'POST', path, { body, ...who });
      assert.match(answer.json.sessionToken, /^r:[0-9a-f]{32}$/, answer.text);
      assert.doesNotMatch(answer.text, /argon2|_hashed|"_[a-z]\w*":|"password":|authData/);
    }
  }
});

test('A20 the e-mail of a readable user is for himself and the master key', async () => {
  for (const [who, shown] of [[ann.who, true], [lib.MASTER, true], [bob.who, false], [{}, false]]) {
    for (const [path, get] of [
      [`/users/${ann.id}`, j => j],
      ['/users', j => j.results.find(u => u.objectId === ann.id)],
      ['/classes/_User', j => j.results.find(u => u.objectId === ann.id)],
    ]) {
      for (const answer of Object.values(await everywhere(server, 'GET', path, who))) {
        const user = get(answer.json);
        assert.equal('email' in user, shown, `${path} ${answer.text}`);
      }
    }
  }
});

test('A24 malformed patterns get a plain refusal', async () => {
  const broken = ['(', '[', '*', 'a{2,1}', '(?P<', '\\', '(?<=', '[z-a]', '(?<n>a)(?<n>b)', 'a**', '\\p{Nope}'];
  const wrong = [5, true, null, [], {}, ['a'], { $regex: 'a' }];
  for (const pattern of [...broken, ...wrong]) {
    for (const field of ['text', 'meta.deep', 'objectId', 'missing']) {
      const params = { where: { [field]: { $regex: pattern } } };
      for (const answer of Object.values(await everywhere(server, 'GET', '/classes/Note', { params }))) {
        if (wrong.includes(pattern)) lib.refused(answer, undefined, JSON.stringify(params));
        else lib.calm(answer, JSON.stringify(params));
      }
    }
  }
  for (const $options of ['q', 'ii ', 5, {}, [], 'i'.repeat(1000), '\u0000', true]) {
    const params = { where: { text: { $regex: 'a', $options } } };
    for (const answer of Object.values(await everywhere(server, 'GET', '/classes/Note', { params }))) {
      lib.calm(answer, JSON.stringify(params));
    }
  }
});

test('A26 refusals do not say which permission is missing', async () => {
  await lib.makeClass(server, 'Hideout', { treasure: { type: 'String' } }, {
    ...lib.OPEN,
    find: {},
    get: { 'role:insiders': true },
    protectedFields: { '*': ['treasure'] },
  });
  const asked = [
    ['GET', '/classes/Hideout', {}],
    ['GET', '/classes/Hideout/abc', {}],
    ['GET', '/classes/Hideout', { params: { where: { treasure: 'x' } } }],
    ['GET', '/schemas', {}],
    ['GET', '/schemas/Hideout', {}],
    ['DELETE', '/purge/Hideout', {}],
    ['GET', '/aggregate/Hideout', {}],
    ['GET', '/classes/_Hooks', {}],
    ['POST', '/loginAs', { body: { userId: ann.id } }],
    ['PUT', `/users/${ann.id}`, { body: { x: 1 }, ...bob.who }],
  ];
  for (const [method, path, options] of asked) {
    const answer = await refusedEverywhere(server, method, path, options);
    assert.doesNotMatch(answer.json.error, /hideout|treasure|insiders|find|_hooks/i, path);
  }
});

test('B11 the state of an e-mail address is not for clients to set', async () => {
  const names = ['emailVerified', '_email_verify_token', '_perishable_token', '_email_verify_token_expires_at'];
  for (const name of names) {
    for (const value of [true, 'x', { __op: 'Delete' }]) {
      const body = { [name]: value };
      await refusedEverywhere(server, 'PUT', `/users/${ann.id}`, { body, ...ann.who });
      await refusedEverywhere(server, 'PUT', `/classes/_User/${ann.id}`, { body, ...ann.who });
      const user = { username: 'new', password: 'p', ...body };
      if (value !== true && name === 'emailVerified') continue;
      await refusedEverywhere(server, 'POST', '/users', { body: user });
      await refusedEverywhere(server, 'POST', '/classes/_User', { body: user });
    }
  }
});
