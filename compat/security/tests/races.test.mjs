// Things that may happen once, done by many at the same time (K32, K33, E12, B33).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { pointer, rest } from '../lib.mjs';

const server = await lib.serve();
const together = (n, work) => Promise.all(Array.from({ length: n }, (_, i) => work(i)));
const count = async (path, where = {}) =>
  (await rest(server, 'GET', `${path}${lib.queryString({ where, count: 1, limit: 0 })}`, lib.MASTER)).json.count;
let ann;

before(async () => {
  ann = await lib.signUp(server, 'ann', { email: 'ann@example.com' });
});

test('K33 one of 100 sign-ups with the same name wins', async () => {
  const forms = ['racer', 'Racer', 'RACER', 'racer'];
  const answers = await together(100, n =>
    rest(server, 'POST', '/users', { body: { username: forms[n % 4], password: 'p' } }),
  );
  assert.equal(answers.filter(a => a.status === 201).length, 1);
  for (const answer of answers) {
    if (answer.status !== 201) lib.refused(answer, [202, 155]);
  }
  assert.equal(await count('/users', { username: { $regex: '^racer$', $options: 'i' } }), 1);
});

test('K33 the same for e-mail addresses, by sign-up and by change', async () => {
  const users = await together(12, n => lib.signUp(server, `mail${n}`));
  const email = n => (n % 2 ? 'One@example.com' : 'one@EXAMPLE.com');
  const answers = await together(24, n =>
    n % 2
      ? rest(server, 'PUT', `/users/${users[(n - 1) / 2].id}`, { ...users[(n - 1) / 2].who, body: { email: email(n) } })
      : rest(server, 'POST', '/users', { body: { username: `new${n}`, password: 'p', email: email(n) } }),
  );
  assert.equal(answers.filter(a => a.status < 300).length, 1);
  for (const answer of answers) if (answer.status >= 300) lib.refused(answer, 203);
  assert.equal(await count('/users', { email: { $regex: '^one@example.com$', $options: 'i' } }), 1);
});

test('K33 and for a user name by change, a role, a class and a field', async () => {
  const users = await together(8, n => lib.signUp(server, `old${n}`));
  const renamed = await Promise.all(
    users.map(user => rest(server, 'PUT', `/users/${user.id}`, { ...user.who, body: { username: 'wanted' } })),
  );
  assert.equal(renamed.filter(a => a.status === 200).length, 1);
  const roles = await together(40, () =>
    rest(server, 'POST', '/roles', { ...lib.MASTER, body: { name: 'only', ACL: {} } }),
  );
  assert.equal(roles.filter(a => a.status === 201).length, 1);
  for (const role of roles) if (role.status !== 201) lib.refused(role, 137);
  const classes = await together(40, () =>
    rest(server, 'POST', '/schemas', { ...lib.MASTER, body: { className: 'Only', fields: { a: { type: 'String' } } } }),
  );
  assert.equal(classes.filter(a => a.status === 200).length, 1);
  const fields = await together(40, n =>
    rest(server, 'PUT', '/schemas/Only', {
      ...lib.MASTER,
      body: { fields: { typed: { type: n % 2 ? 'Number' : 'String' } } },
    }),
  );
  for (const answer of fields) if (answer.status !== 200) lib.refused(answer, [255, 111]);
  const { type } = (await rest(server, 'GET', '/schemas/Only', lib.MASTER)).json.fields.typed;
  const winners = fields.filter(a => a.status === 200).map(a => a.json.fields.typed.type);
  assert.ok(winners.length > 0 && winners.every(won => won === type), 'all who won see one type');
});

test('K33 a class and a field that come into being by use get one type', async () => {
  const answers = await together(100, n =>
    rest(server, 'POST', '/classes/Born', { body: { n, kind: n % 2 ? n : `text ${n}` } }),
  );
  const made = answers.filter(a => a.status === 201);
  for (const answer of answers) if (answer.status !== 201) lib.refused(answer, 111);
  const stored = (await rest(server, 'GET', '/classes/Born?limit=1000')).json.results;
  assert.equal(stored.length, made.length);
  assert.equal(new Set(stored.map(o => typeof o.kind)).size, 1);
});

test('K32 200 clients count exactly, at the top and below', async () => {
  const id = await lib.make(server, 'Counter', { n: 0, meta: { deep: { n: 0 } } });
  const answers = await together(200, async client => {
    const seen = [];
    for (let round = 0; round < 5; round += 1) {
      const body = {
        n: { __op: 'Increment', amount: 1 },
        'meta.deep.n': { __op: 'Increment', amount: client % 2 ? 2 : -1 },
      };
      const answer = await rest(server, 'PUT', `/classes/Counter/${id}`, { body });
      assert.equal(answer.status, 200, answer.text);
      seen.push(answer.json.n);
    }
    return seen;
  });
  const { n, meta } = (await rest(server, 'GET', `/classes/Counter/${id}`)).json;
  assert.equal(n, 1000);
  assert.equal(meta.deep.n, 500);
  assert.equal(new Set(answers.flat()).size, 1000, 'every answer shows its own step');
});

test('K32 in batches and in transactions too', async () => {
  const id = await lib.make(server, 'Counter', { n: 0, twin: 0 });
  const step = key => ({ method: 'PUT', path: `/parse/classes/Counter/${id}`, body: { [key]: { __op: 'Increment', amount: 1 } } });
  const answers = await together(40, n =>
    rest(server, 'POST', '/batch', {
      body: { requests: [step('n'), step('twin'), step('n')], ...(n % 2 && { transaction: true }) },
    }),
  );
  for (const answer of answers) assert.ok(answer.json.every?.(item => item.success), answer.text);
  const { n, twin } = (await rest(server, 'GET', `/classes/Counter/${id}`)).json;
  assert.deepEqual([n, twin], [80, 40]);
});

test('K32 lists and relations: what is unique stays unique', async () => {
  const id = await lib.make(server, 'Bag', { set: [], log: [] });
  const path = `/classes/Bag/${id}`;
  await together(100, n =>
    rest(server, 'PUT', path, {
      body: {
        set: { __op: 'AddUnique', objects: [`item ${n % 10}`] },
        log: { __op: 'Add', objects: [n] },
        rel: { __op: 'AddRelation', objects: [pointer('_User', ann.id)] },
      },
    }),
  );
  const { set, log } = (await rest(server, 'GET', path)).json;
  assert.equal(set.length, 10);
  assert.deepEqual(log.sort((a, b) => a - b), Array.from({ length: 100 }, (_, n) => n));
  assert.equal(await count('/users', { $relatedTo: { object: pointer('Bag', id), key: 'rel' } }), 1);
});

test('E12 a session that is ended by many at once ends once', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { sessionToken } = (
      await rest(server, 'POST', '/login', { body: { username: 'ann', password: ann.password } })
    ).json;
    const who = { session: sessionToken };
    const { objectId } = (await rest(server, 'GET', '/sessions/me', who)).json;
    const answers = await together(20, n =>
      n % 2 ? rest(server, 'POST', '/logout', { body: {}, ...who }) : rest(server, 'DELETE', `/sessions/${objectId}`, who),
    );
    for (const answer of answers) lib.calm(answer);
    assert.ok(answers.some(a => a.status === 200));
    lib.refused(await rest(server, 'GET', '/users/me', who), 209);
  }
});

test('E12 an object that is deleted and changed by many at once', async () => {
  const id = await lib.make(server, 'Gone', { n: 0 });
  const path = `/classes/Gone/${id}`;
  const answers = await together(60, n => {
    if (n % 3 === 0) return rest(server, 'DELETE', path);
    const body = n % 3 === 1 ? { n: { __op: 'Increment', amount: 1 } } : { text: 'x' };
    return rest(server, 'PUT', path, { body });
  });
  for (const answer of answers) if (answer.status !== 200) lib.refused(answer, 101);
  const deleted = answers.filter((a, n) => n % 3 === 0 && a.status === 200);
  assert.equal(deleted.length, 1);
  lib.refused(await rest(server, 'GET', path), 101);
});

test('E12 a user who is deleted while he writes leaves no session behind', async () => {
  const user = await lib.signUp(server, 'leaving');
  await together(4, () => rest(server, 'POST', '/login', { body: { username: 'leaving', password: user.password } }));
  const answers = await together(20, n =>
    n === 7
      ? rest(server, 'DELETE', `/users/${user.id}`, user.who)
      : rest(server, n % 2 ? 'PUT' : 'GET', `/users/${user.id}`, { ...user.who, ...(n % 2 && { body: { n } }) }),
  );
  for (const answer of answers) lib.calm(answer);
  lib.refused(await rest(server, 'GET', '/users/me', user.who), 209);
  assert.equal(await count('/sessions', { user: pointer('_User', user.id) }), 0);
});

test('K33 one transaction of many that make the same role wins, whole', async () => {
  const answers = await together(20, n =>
    rest(server, 'POST', '/batch', {
      ...lib.MASTER,
      body: {
        transaction: true,
        requests: [
          { method: 'POST', path: '/parse/classes/Trail', body: { n } },
          { method: 'POST', path: '/parse/roles', body: { name: 'once', ACL: {} } },
        ],
      },
    }),
  );
  const won = answers.filter(a => a.status < 300 && a.json.every(item => item.success));
  assert.equal(won.length, 1);
  for (const answer of answers) assert.ok(answer.status < 500, answer.text);
  assert.equal(await count('/classes/Trail'), 1, 'the losers left nothing');
});
