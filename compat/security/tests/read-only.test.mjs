// The read-only master key reads everything and changes nothing, whichever door (B07).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { ask, DOORS, everywhere, pointer, READ_ONLY, rest } from '../lib.mjs';

const server = await lib.serve();
let ann, note, session, role, installation;

before(async () => {
  ann = await lib.signUp(server, 'ann');
  note = await lib.make(server, 'Note', { text: 'x', n: 1, ACL: {} });
  session = (await rest(server, 'GET', '/sessions', lib.MASTER)).json.results[0].objectId;
  const made = { ...lib.MASTER, body: { name: 'team', ACL: {} } };
  role = (await rest(server, 'POST', '/roles', made)).json.objectId;
  installation = await lib.make(server, '_Installation', { installationId: 'i', deviceType: 'ios' });
});

function writes() {
  const user = { username: 'new', password: 'p' };
  return [
    ['POST', '/classes/Note', { text: 'y' }],
    ['POST', '/classes/Fresh', { text: 'y' }],
    ['POST', '/classes/Note', {}],
    ['PUT', `/classes/Note/${note}`, { text: 'y' }],
    ['PUT', `/classes/Note/${note}`, {}],
    ['PUT', `/classes/Note/${note}`, { n: { __op: 'Increment', amount: 1 } }],
    ['PUT', `/classes/Note/${note}`, { ACL: { '*': { read: true } } }],
    ['PUT', `/classes/Note/${note}`, { rel: { __op: 'AddRelation', objects: [pointer('Note', note)] } }],
    ['DELETE', `/classes/Note/${note}`],
    ['POST', '/users', user],
    ['POST', '/classes/_User', user],
    ['PUT', `/users/${ann.id}`, { nick: 'y' }],
    ['PUT', `/users/${ann.id}`, { password: 'taken over' }],
    ['DELETE', `/users/${ann.id}`],
    ['POST', '/loginAs', { userId: ann.id }],
    ['POST', '/sessions', { user: pointer('_User', ann.id), sessionToken: 'r:x' }],
    ['POST', '/classes/_Session', { user: pointer('_User', ann.id) }],
    ['PUT', `/sessions/${session}`, { note: 'y' }],
    ['DELETE', `/sessions/${session}`],
    ['DELETE', `/classes/_Session/${session}`],
    ['POST', '/roles', { name: 'mine', ACL: {} }],
    ['PUT', `/roles/${role}`, { users: { __op: 'AddRelation', objects: [pointer('_User', ann.id)] } }],
    ['DELETE', `/roles/${role}`],
    ['POST', '/installations', { installationId: 'j', deviceType: 'ios' }],
    ['PUT', `/installations/${installation}`, { badge: 1 }],
    ['DELETE', `/installations/${installation}`],
    ['POST', '/schemas', { className: 'Made' }],
    ['POST', '/schemas/Made', { className: 'Made', fields: { a: { type: 'String' } } }],
    ['PUT', '/schemas/Note', { fields: { added: { type: 'String' } } }],
    ['PUT', '/schemas/Note', { classLevelPermissions: { find: {} } }],
    ['PUT', '/schemas/Note', { indexes: { one: { text: 1 } } }],
    ['DELETE', '/schemas/Note'],
    ['DELETE', '/schemas/Absent'],
    ['DELETE', '/purge/Note'],
    ['DELETE', '/purge/Absent'],
    ['PUT', '/config', { params: { a: 1 } }],
    ['POST', '/config', { params: { a: 1 } }],
    ['POST', '/classes/_GlobalConfig', { params: { a: 1 } }],
    ['POST', '/classes/_Hooks', { functionName: 'f', url: 'http://127.0.0.1' }],
    ['POST', '/classes/_Join:users:_Role', { owningId: role, relatedId: ann.id }],
    ['POST', '/hooks/functions', { functionName: 'f', url: 'http://127.0.0.1' }],
    ['POST', '/hooks/triggers', { className: 'Note', triggerName: 'beforeSave', url: 'http://127.0.0.1' }],
    ['PUT', '/graphql-config', { params: {} }],
    ['POST', '/push', { where: {}, data: {} }],
    ['POST', '/jobs/x', {}],
    ['POST', '/files/a.txt', { base64: 'AAAA' }],
    ['DELETE', '/files/a.txt'],
    ['POST', '/upgradeToRevocableSession', {}],
    ['POST', '/requestPasswordReset', { email: 'ann@example.com' }],
  ];
}

test('B07 no write of any kind at any door', async () => {
  await lib.unchanged(server, async () => {
    for (const [method, path, body] of writes()) {
      const answers = await everywhere(server, method, path, { body, ...READ_ONLY });
      for (const [door, answer] of Object.entries(answers)) {
        const what = `${door} ${method} ${path} ${JSON.stringify(body)}`;
        lib.refused(answer, undefined, what);
        assert.ok(!answer.text.includes('r:'), `a token in ${what}: ${answer.text}`);
      }
    }
  });
});

test('B07 nor together with a session, nor as a master key in the body or as Basic', async () => {
  const basic = Buffer.from(`${lib.APP_ID}:${lib.READ_ONLY_KEY}`).toString('base64');
  const callers = [
    { ...READ_ONLY, session: ann.session },
    { headers: { Authorization: `Basic ${basic}` } },
  ];
  await lib.unchanged(server, async () => {
    for (const [method, path, body] of writes()) {
      for (const who of callers) {
        const answer = await rest(server, method, path, { body: body ?? undefined, ...who });
        lib.refused(answer, undefined, `${method} ${path}`);
      }
      const inside = { ...body, _method: method, _ApplicationId: lib.APP_ID, _MasterKey: lib.READ_ONLY_KEY };
      const response = await fetch(`${server.origin}/parse${path}`, {
        method: 'POST',
        body: JSON.stringify(inside),
      });
      assert.ok(response.status >= 400 && response.status < 500, `${method} ${path} ${response.status}`);
    }
  });
});

test('B07 nor does signing in or out with it make or end a session', async () => {
  const bob = await lib.signUp(server, 'bob');
  const anonymous = { authData: { anonymous: { id: 'known' } } };
  await rest(server, 'POST', '/users', { body: anonymous });
  await lib.unchanged(server, async () => {
    for (const door of DOORS) {
      const credentials = { username: 'bob', password: bob.password };
      for (const [path, body] of [
        ['/login', credentials],
        ['/users', anonymous],
        ['/logout', {}],
        ['/sessions', {}],
        ['/upgradeToRevocableSession', {}],
      ]) {
        const who = path === '/login' || path === '/users' ? READ_ONLY : { ...READ_ONLY, ...bob.who };
        lib.refused(await ask(server, door, 'POST', path, { body, ...who }), undefined, `${door} ${path}`);
      }
    }
  });
});

test('B07 nor in a transaction or among other requests of a batch', async () => {
  await lib.unchanged(server, async () => {
    for (const transaction of [true, false]) {
      const requests = [
        { method: 'GET', path: `/parse/classes/Note/${note}` },
        { method: 'POST', path: '/parse/classes/Note', body: { text: 'y' } },
        { method: 'DELETE', path: `/parse/classes/Note/${note}` },
      ];
      const body = transaction ? { requests, transaction } : { requests };
      const answer = await rest(server, 'POST', '/batch', { ...READ_ONLY, body });
      if (Array.isArray(answer.json)) {
        assert.ok(answer.json.slice(1).every(item => item.error), answer.text);
      } else lib.refused(answer);
    }
  });
});

test('B07 it does read everything', async () => {
  for (const door of DOORS) {
    const reads = [
      ['/classes/Note', j => j.results.length === 1],
      [`/classes/Note/${note}`, j => j.text === 'x'],
      ['/users', j => j.results.some(u => u.objectId === ann.id)],
      ['/sessions', j => j.results.length >= 1],
      ['/roles', j => j.results.length === 1],
      ['/schemas', j => j.results.length > 0],
    ];
    for (const [path, good] of reads) {
      const answer = await ask(server, door, 'GET', path, READ_ONLY);
      assert.ok(answer.status === 200 && good(answer.json), `${door} ${path} ${answer.text}`);
    }
  }
});
