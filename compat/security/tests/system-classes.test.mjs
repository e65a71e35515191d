// Classes of the server itself, and roads into them (A16, A22, B05, A15 for roles, E10).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { everywhere, pointer, refusedEverywhere, rest } from '../lib.mjs';

const server = await lib.serve();
let ann, bob, role;

before(async () => {
  [ann, bob] = [await lib.signUp(server, 'ann'), await lib.signUp(server, 'bob')];
  const made = await rest(server, 'POST', '/roles', {
    ...lib.MASTER,
    body: {
      name: 'admins',
      ACL: {},
      users: { __op: 'AddRelation', objects: [pointer('_User', ann.id)] },
    },
  });
  role = made.json.objectId;
  await lib.make(server, 'Note', { text: 'x', rel: { __op: 'AddRelation', objects: [pointer('Note', 'a')] } });
  await lib.make(server, '_Audience', { name: 'CANARY', query: '{}' });
  await lib.make(server, '_GlobalConfig', { params: { canary: 'CANARY' } });
  await lib.make(server, '_JobStatus', { jobName: 'CANARY' });
});

const CLASSES = [
  ...['_GraphQLConfig', '_Audience', '_Hooks', '_GlobalConfig', '_JobStatus', '_JobSchedule'],
  ...['_PushStatus', '_Idempotency', '_SCHEMA', '_Product', '_Join:users:_Role', '_Join:roles:_Role'],
  ...['_Join:rel:Note', '_Join:x:_User', '_Anything', '__proto__', '_', '_Tasks', '_Changes', '_app'],
];

test('A22 B05 E10 classes of the server are not for clients, whatever the verb and door', async () => {
  await lib.unchanged(server, async () => {
    for (const name of CLASSES) {
      for (const who of [lib.ANYONE, ann.who]) {
        const path = `/classes/${name}`;
        const answers = [
          await everywhere(server, 'GET', path, who),
          await everywhere(server, 'GET', path, { params: { count: 1, limit: 0 }, ...who }),
          await everywhere(server, 'GET', path, { params: { where: { name: { $gt: '' } } }, ...who }),
        ];
        for (const answer of answers.flatMap(Object.values)) {
          // A name that can be no class at all may look like an empty one.
          if (answer.status === 200) {
            assert.deepEqual(answer.json.results, [], `${name} ${answer.text}`);
            assert.ok(!(answer.json.count > 0), answer.text);
          } else lib.refused(answer, undefined, name);
          assert.ok(!answer.text.includes('CANARY'));
        }
        await refusedEverywhere(server, 'GET', `${path}/aaaaaaaaaa`, who);
        await refusedEverywhere(server, 'POST', path, { body: { name: 'x' }, ...who });
        await refusedEverywhere(server, 'POST', path, { body: {}, ...who });
        await refusedEverywhere(server, 'PUT', `${path}/aaaaaaaaaa`, { body: { name: 'x' }, ...who });
        await refusedEverywhere(server, 'DELETE', `${path}/aaaaaaaaaa`, who);
      }
    }
  });
});

test('B05 writing into a role’s members is refused, also as rows of a join class', async () => {
  await lib.unchanged(server, async () => {
    for (const field of ['users', 'roles']) {
      const rows = [
        { owningId: role, relatedId: bob.id },
        { objectId: 'x', owningId: role, relatedId: bob.id },
      ];
      for (const body of rows) {
        await refusedEverywhere(server, 'POST', `/classes/_Join:${field}:_Role`, { body, ...bob.who });
        await refusedEverywhere(server, 'POST', `/classes/_Join%3A${field}%3A_Role`, { body, ...bob.who });
      }
      const target = pointer(field === 'users' ? '_User' : '_Role', field === 'users' ? bob.id : role);
      for (const op of [
        { __op: 'AddRelation', objects: [target] },
        { __op: 'Batch', ops: [{ __op: 'AddRelation', objects: [target] }] },
      ]) {
        for (const path of [`/roles/${role}`, `/classes/_Role/${role}`]) {
          await refusedEverywhere(server, 'PUT', path, { body: { [field]: op }, ...bob.who }, [101, 119]);
        }
      }
    }
  });
});

test('B05 a relation to or named like a system class is no way in', async () => {
  const bodies = [
    { rel: { __type: 'Relation', className: '_Join:users:_Role' } },
    { rel: { __op: 'AddRelation', objects: [pointer('_Join:users:_Role', 'x')] } },
    { p: pointer('_Join:users:_Role', 'x') },
    { '_Join:users:_Role': 1 },
    { 'users:_Role': { __op: 'AddRelation', objects: [pointer('_User', bob.id)] } },
  ];
  await lib.unchanged(server, async () => {
    for (const body of bodies) {
      await refusedEverywhere(server, 'POST', '/classes/Note', { body, ...bob.who });
    }
  });
});

test('A15 members of a role that the caller can not read stay unknown', async () => {
  const where = key => ({ $relatedTo: { object: pointer('_Role', role), key } });
  for (const who of [lib.ANYONE, bob.who]) {
    for (const params of [{ where: where('users') }, { where: where('users'), count: 1 }]) {
      for (const path of ['/users', '/classes/_User', '/roles']) {
        for (const answer of Object.values(await everywhere(server, 'GET', path, { params, ...who }))) {
          lib.calm(answer);
          assert.equal(answer.json.results?.length ?? 0, 0, answer.text);
          assert.ok(!(answer.json.count > 0), answer.text);
        }
      }
    }
    const params = { where: { name: { $regex: '^admin' } }, count: 1 };
    for (const answer of Object.values(await everywhere(server, 'GET', '/roles', { params, ...who }))) {
      assert.ok(!(answer.json.count > 0), answer.text);
    }
  }
});

test('A16 a pointer to a class of the server is not followed', async () => {
  const { objectId: session } = (await rest(server, 'GET', '/sessions/me', ann.who)).json;
  const audience = (await rest(server, 'GET', '/classes/_Audience', lib.MASTER)).json.results[0];
  const targets = {
    toSession: pointer('_Session', session),
    toAudience: pointer('_Audience', audience.objectId),
    toRole: pointer('_Role', role),
  };
  for (const [key, target] of Object.entries(targets)) {
    for (const who of [lib.ANYONE, bob.who]) {
      const made = await rest(server, 'POST', '/classes/Trap', { body: { [key]: target }, ...who });
      if (made.status >= 400) {
        lib.refused(made);
        await lib.make(server, 'Trap', { [key]: target });
      }
      const inner = { className: target.className, where: {} };
      for (const params of [
        { include: key },
        { include: '*' },
        { includeAll: true },
        { include: `${key}.user` },
        { keys: `${key}.sessionToken,${key}.user.username` },
        { redirectClassNameForKey: key },
      ]) {
        for (const answer of Object.values(
          await everywhere(server, 'GET', '/classes/Trap', { params, ...who }),
        )) {
          lib.calm(answer, JSON.stringify(params));
          assert.doesNotMatch(answer.text, /CANARY|admins/);
          // Redirected to sessions, a user finds his own.
          for (const object of answer.json.results ?? []) {
            assert.notEqual(object.objectId, session, answer.text);
            if (!params.redirectClassNameForKey) assert.ok(!('createdWith' in (object[key] ?? {})));
          }
        }
      }
      const params = { where: { [key]: { $inQuery: inner } } };
      for (const answer of Object.values(await everywhere(server, 'GET', '/classes/Trap', { params, ...who }))) {
        lib.calm(answer);
        assert.equal(answer.json.results?.length ?? 0, 0, answer.text);
      }
    }
  }
});

test('A22 sub-queries into classes of the server are refused or empty', async () => {
  for (const name of CLASSES) {
    for (const where of [
      { text: { $select: { key: 'name', query: { className: name, where: {} } } } },
      { objectId: { $select: { key: 'owningId', query: { className: name, where: {} } } } },
      { self: { $inQuery: { className: name, where: {} } } },
      { $relatedTo: { object: pointer(name, 'aaaaaaaaaa'), key: 'users' } },
    ]) {
      for (const answer of Object.values(
        await everywhere(server, 'GET', '/classes/Note', { params: { where }, ...bob.who }),
      )) {
        lib.calm(answer, JSON.stringify(where));
        assert.equal(answer.json.results?.length ?? 0, 0, answer.text);
      }
    }
  }
});

test('A22 master routes stay closed without the master key', async () => {
  const routes = [
    ['GET', '/schemas'],
    ['GET', '/schemas/Note'],
    ['POST', '/schemas', { className: 'Made' }],
    ['POST', '/schemas/Made', { className: 'Made' }],
    ['PUT', '/schemas/Note', { fields: { n: { type: 'Number' } } }],
    ['DELETE', '/schemas/Note'],
    ['DELETE', '/purge/Note'],
    ['GET', '/aggregate/Note'],
    ['POST', '/loginAs', { userId: ann.id }],
    ['PUT', '/config', { params: { a: 1 } }],
    ['GET', '/serverInfo'],
    ['GET', '/scriptlog'],
    ['GET', '/hooks/functions'],
    ['POST', '/hooks/functions', { functionName: 'f', url: 'http://127.0.0.1/' }],
    ['GET', '/cloud_code/jobs'],
    ['POST', '/push', { where: {}, data: {} }],
    ['GET', '/push_audiences'],
    ['GET', '/security'],
    ['PUT', '/graphql-config', { params: {} }],
  ];
  await lib.unchanged(server, async () => {
    for (const [method, path, body] of routes) {
      for (const who of [lib.ANYONE, ann.who]) {
        const options = method === 'GET' ? who : { body: body ?? {}, ...who };
        const answers = await everywhere(server, method, path, options);
        for (const [door, answer] of Object.entries(answers)) {
          lib.refused(answer, undefined, `${door} ${method} ${path}`);
        }
      }
    }
  });
});
