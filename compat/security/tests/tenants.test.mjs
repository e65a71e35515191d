// Two apps in one server share nothing (S16): the same names and ids, and canaries that must not cross.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { pointer } from '../lib.mjs';

const folder = mkdtempSync(join(tmpdir(), 'basalt-apps-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const config = join(folder, 'basalt.toml');
const APPS = {
  first: { id: lib.APP_ID, master: lib.MASTER_KEY, rest: lib.REST_KEY, canary: 'CANARY-FIRST' },
  other: { id: 'other', master: 'other-master-key', rest: 'other-rest-key', canary: 'CANARY-OTHER' },
};
writeFileSync(
  config,
  Object.values(APPS)
    .map(
      app => `[apps.${app.id}]
master_key = "${app.master}"
rest_key = "${app.rest}"
new_classes = "open"
parse = { allowCustomObjectId = true }
`,
    )
    .join('\n'),
);
const server = await lib.serve({ args: ['--config', config] });
const IDS = Array.from({ length: 12 }, (_, n) => `shared${n}`);
const CLASSES = ['Note', 'Task', 'Link'];
const NAMES = ['ann', 'bob', 'cid'];
const sessions = { first: {}, other: {} };

/** One request to an app; the answer must not hold the other's canary. */
async function to(name, method, path, { body, master, session, key, as = name } = {}) {
  const app = APPS[name];
  const keys = APPS[key ?? as];
  const response = await fetch(`${server.origin}/parse${path}`, {
    method,
    headers: {
      'X-Parse-Application-Id': app.id,
      ...(master ? { 'X-Parse-Master-Key': keys.master } : { 'X-Parse-REST-API-Key': keys.rest }),
      ...(session && { 'X-Parse-Session-Token': session }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  const foreign = name === 'first' ? APPS.other.canary : APPS.first.canary;
  assert.ok(!text.includes(foreign), `${foreign} in an answer of ${name}: ${method} ${path} ${text}`);
  assert.ok(response.status < 500, `${method} ${path} ${text}`);
  return { status: response.status, text, json: JSON.parse(text) };
}

before(async () => {
  for (const [name, app] of Object.entries(APPS)) {
    for (const user of NAMES) {
      const body = { objectId: `user-${user}`, username: user, password: `${app.canary} of ${user}`, note: app.canary };
      const made = await to(name, 'POST', '/users', { body });
      assert.equal(made.status, 201, made.text);
      sessions[name][user] = made.json.sessionToken;
    }
    const users = { __op: 'AddRelation', objects: [pointer('_User', name === 'first' ? 'user-ann' : 'user-bob')] };
    const role = { objectId: 'role-team', name: 'team', ACL: { '*': { read: true } }, users };
    assert.equal((await to(name, 'POST', '/roles', { master: true, body: role })).status, 201);
  }
});

test('S16 keys and sessions of one app are nothing in the other', async () => {
  for (const [name, stranger] of [['first', 'other'], ['other', 'first']]) {
    const wrongKey = await to(name, 'GET', '/classes/Note', { key: stranger });
    assert.deepEqual([wrongKey.status, wrongKey.json], [403, { error: 'unauthorized' }]);
    const wrongMaster = await to(name, 'GET', '/schemas', { key: stranger, master: true });
    assert.equal(wrongMaster.status, 403, wrongMaster.text);
    for (const user of NAMES) {
      const session = sessions[stranger][user];
      for (const path of ['/users/me', '/sessions/me', '/classes/Note', `/users/user-${user}`]) {
        lib.refused(await to(name, 'GET', path, { session }), 209, path);
      }
      lib.refused(await to(name, 'POST', '/classes/Note', { session, body: { text: 'x' } }), 209);
      const body = { username: user, password: `${APPS[stranger].canary} of ${user}` };
      lib.refused(await to(name, 'POST', '/login', { body }), 101);
      await to(name, 'POST', '/logout', { session, body: {} });
      const still = await to(stranger, 'GET', '/users/me', { session });
      assert.equal(still.status, 200, 'the other app can not end it');
    }
  }
});

test('S16 roles of the same name have their own members', async () => {
  for (const name of ['first', 'other']) {
    const ACL = { 'role:team': { read: true, write: true } };
    const body = { objectId: 'team-note', text: APPS[name].canary, ACL };
    await to(name, 'POST', '/classes/Team', { master: true, body });
    for (const [user, member] of [['ann', name === 'first'], ['bob', name === 'other']]) {
      const seen = await to(name, 'GET', '/classes/Team/team-note', { session: sessions[name][user] });
      assert.equal(seen.status, member ? 200 : 404, `${name} ${user} ${seen.text}`);
    }
  }
});

/** The operations of the random run, by name. */
function operation(name, { pick, below }) {
  const { canary } = APPS[name];
  const [className, id, user] = [pick(CLASSES), pick(IDS), pick(NAMES)];
  const session = pick([undefined, sessions[name][user]]);
  const path = `/classes/${className}`;
  const text = `${canary} ${below(5)}`;
  const query = params => path + lib.queryString(params);
  return pick([
    () => ['POST', path, { body: { objectId: id, text, n: below(9), link: pointer(pick(CLASSES), pick(IDS)) } }],
    () => ['POST', path, { body: { text, [`own${name}${below(3)}`]: canary } }],
    () => ['PUT', `${path}/${id}`, { body: { text, n: { __op: 'Increment', amount: 1 } } }],
    () => ['PUT', `${path}/${id}`, { body: { list: { __op: 'AddUnique', objects: [text] } } }],
    () => ['PUT', `${path}/${id}`, { body: { rel: { __op: 'AddRelation', objects: [pointer('Note', pick(IDS))] } } }],
    () => ['DELETE', `${path}/${id}`, {}],
    () => ['GET', `${path}/${id}`, {}],
    () => ['GET', query({ where: { text: { $regex: 'CANARY' } }, include: 'link', limit: 50 }), {}],
    () => ['GET', query({ where: { link: { $inQuery: { className: 'Note', where: {} } } }, include: '*' }), {}],
    () => ['GET', query({ where: { $relatedTo: { object: pointer('Task', id), key: 'rel' } } }), {}],
    () => ['GET', query({ where: { text: { $select: { key: 'text', query: { className: 'Task' } } } } }), {}],
    () => ['GET', query({ count: 1, limit: 0 }), {}],
    () => ['GET', '/users/me', { session: sessions[name][user] }],
    () => ['GET', `/users/user-${user}`, { session: sessions[name][user] }],
    () => ['PUT', `/users/user-${user}`, { session: sessions[name][user], body: { note: text } }],
    () => ['GET', '/users', { master: true }],
    () => ['GET', '/sessions', { master: true }],
    () => ['GET', '/schemas', { master: true }],
    () => ['GET', `/aggregate/${className}${lib.queryString({ distinct: 'text' })}`, { master: true }],
    () => ['POST', '/batch', { body: { requests: IDS.slice(0, 4).map(o => ({ method: 'PUT', path: `/parse${path}/${o}`, body: { text } })) } }],
  ])().map((part, at) => (at === 2 ? { session, ...part } : part));
}

test('S16 no canary crosses in thousands of random operations side by side', async t => {
  const dice = lib.random();
  t.diagnostic(`SEED=${dice.seed}`);
  let done = 0;
  const worker = async name => {
    for (let n = 0; n < 250; n += 1) {
      const [method, path, options] = operation(name, dice);
      await to(name, method, path, options);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, n) => worker(n % 2 ? 'first' : 'other')));
  assert.equal(done, 4000);
});

/** What each app's folder holds, by file. */
function folders() {
  const root = join(server.dataDir, 'apps');
  const read = app => readdirSync(join(root, app)).map(file => readFileSync(join(root, app, file)));
  return readdirSync(root).map(read);
}

test('S16 nor on the disk: each app’s folder holds its own canary only', async () => {
  const held = (server.databaseUrl ? lib.schemas(server, 'basalt_app_%').map(schema => [schema.bytes]) : folders()).map(bytes => {
    return Object.values(APPS).filter(({ canary }) => bytes.some(b => b.includes(canary))).map(a => a.id);
  });
  assert.deepEqual(held.filter(ids => ids.length).sort(), [[lib.APP_ID], ['other']]);
});

test('S16 emptying or breaking one app leaves the other alone', async () => {
  const count = async name => (await to(name, 'GET', '/classes/Note?count=1&limit=0', { master: true })).json.count;
  await to('other', 'POST', '/classes/Note', { master: true, body: { text: 'stays' } });
  const kept = await count('other');
  await to('first', 'DELETE', '/purge/Note', { master: true });
  assert.deepEqual([await count('first'), await count('other')], [0, kept]);
  const closed = { className: 'Note', classLevelPermissions: { find: {} } };
  await to('first', 'PUT', '/schemas/Note', { master: true, body: closed });
  lib.refused(await to('first', 'GET', '/classes/Note'), 119);
  assert.equal((await to('other', 'GET', '/classes/Note')).status, 200);
});

test('S16 an app is not cleared by the keys of another', async () => {
  await to('other', 'POST', '/classes/Note', { master: true, body: { text: 'stays' } });
  for (const [name, key] of [
    ['first', APPS.first.master],
    ['other', APPS.first.master],
    ['first', APPS.other.master],
    ['other', APPS.other.rest],
    ['other', ''],
  ]) {
    for (const path of ['/admin/apps/other/clear', '/admin/apps//other/clear', '/admin/apps/first/../other/clear']) {
      const headers = { 'X-Parse-Application-Id': APPS[name].id, 'X-Parse-Master-Key': key };
      const answer = await fetch(server.origin + path, { method: 'POST', headers });
      assert.ok([403, 404].includes(answer.status), `${name} ${path} ${answer.status}`);
      await answer.arrayBuffer();
    }
  }
  assert.ok((await to('other', 'GET', '/classes/Note', { master: true })).json.results.length > 0);
});

test('S16 an app that does not exist is like a wrong key, whatever its name', async () => {
  const wrong = await to('first', 'GET', '/classes/Note', { key: 'other' });
  for (const id of ['nope', '', ' ', '../first', `${lib.APP_ID}/`, lib.APP_ID.toUpperCase(), '1', '2', 'apps', '__proto__', '%00', 'a'.repeat(8000)]) {
    const response = await fetch(`${server.origin}/parse/classes/Note`, {
      headers: { 'X-Parse-Application-Id': id, 'X-Parse-REST-API-Key': lib.REST_KEY },
    });
    assert.equal(response.status, wrong.status, id);
    assert.deepEqual(await response.json(), wrong.json, id);
  }
  for (const [name, stranger] of [['first', 'other'], ['other', 'first']]) {
    const body = { _ApplicationId: APPS[stranger].id, text: 'mixed' };
    const mixed = await to(name, 'POST', '/classes/Mixed', { body });
    lib.calm(mixed, 'two app ids');
  }
});
