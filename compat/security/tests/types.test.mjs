// The wrong type at every place that takes one value (D10, D11).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { everywhere, refusedEverywhere, rest } from '../lib.mjs';

const server = await lib.serve();
let ann, note;

before(async () => {
  ann = await lib.signUp(server, 'ann', { email: 'ann@example.com' });
  note = await lib.make(server, 'Note', { text: 'x', n: 1 });
});

const HUGE = 'x'.repeat(200_000);
const OBJECTS = [{}, { $gt: '' }, { $ne: null }, { $regex: '.*' }, { __type: 'Pointer' }, { length: 1, 0: 'a' }];
const NOT_TEXT = [...OBJECTS, [], ['a'], [['a']], 5, 0.5, true, false];

test('D11 log-in takes text for name and password', async () => {
  const good = { username: 'ann', password: ann.password };
  await lib.unchanged(server, async () => {
    for (const wrong of [...NOT_TEXT, null, HUGE]) {
      for (const body of [
        { ...good, username: wrong },
        { ...good, password: wrong },
        { username: wrong, password: wrong },
        { email: wrong, password: ann.password },
        { email: 'ann@example.com', password: wrong },
      ]) {
        for (const path of ['/login', '/verifyPassword']) {
          if (wrong === null && body.username === 'ann' && body.password) continue;
          const answer = await rest(server, 'POST', path, { body });
          lib.refused(answer, [101, 107, 200, 201], JSON.stringify(body).slice(0, 200));
        }
      }
    }
    for (const wrong of [{ $gt: '' }, { $ne: 'x' }]) {
      const body = { username: wrong, password: { $ne: 'x' } };
      await refusedEverywhere(server, 'POST', '/login', { body });
    }
  });
});

test('D11 ids are text', async () => {
  await lib.unchanged(server, async () => {
    for (const wrong of [...OBJECTS, [], ['a'], 5, true]) {
      await refusedEverywhere(server, 'POST', '/loginAs', { body: { userId: wrong }, ...lib.MASTER });
      await refusedEverywhere(server, 'POST', '/classes/Note', { body: { objectId: wrong } });
      await refusedEverywhere(server, 'POST', '/users', {
        body: { username: 'x', password: 'y', objectId: wrong },
      });
      for (const bad of [
        { __type: 'Pointer', className: 'Note', objectId: wrong },
        { __type: 'Pointer', className: wrong, objectId: 'x' },
        { __type: 'Relation', className: wrong },
        { __op: 'AddRelation', objects: [{ __type: 'Pointer', className: 'Note', objectId: wrong }] },
        { __op: 'AddRelation', objects: [wrong] },
      ]) {
        await refusedEverywhere(server, 'POST', '/classes/Note', { body: { link: bad } });
      }
      const related = { object: { __type: 'Pointer', className: 'Note', objectId: wrong }, key: 'rel' };
      const params = { where: { $relatedTo: related } };
      await refusedEverywhere(server, 'GET', '/classes/Note', { params });
    }
  });
});

test('D11 a where for an id can not be an operator that reaches others', async () => {
  for (const where of [{ objectId: { $regex: '.*' } }, { objectId: { $ne: null } }, { objectId: { $gt: '' } }]) {
    const answers = await everywhere(server, 'GET', '/users', { params: { where } });
    for (const answer of Object.values(answers)) {
      lib.calm(answer);
      assert.equal(answer.json.results?.length ?? 0, 0, 'private users stay private');
    }
  }
});

test('D10 options of a query have types', async () => {
  const wrong = {
    limit: ['x', {}, [], 1.5, -1, '1;', '1 OR 1', 1e30, true],
    skip: ['x', {}, [], 1.5, -1, '1;', 1e30, true],
    order: [{}, true, 5.5, [{}], [[]], { length: 1 }],
    keys: [{}, true, 5.5, [{}], [5], { length: 1 }],
    excludeKeys: [{}, true, 5.5, [{}], [5]],
    include: [{}, true, 5.5, [{}], [5]],
    redirectClassNameForKey: [{}, [], 5, true, 'a b', '_x', 'constructor.x'],
    where: ['x', '[]', '5', 5, true, [], [{}], '"x"', '{', '{"a":}', '{"a":1}}'],
    explain: ['x', {}, [], 5, 'constructor'],
    count: [],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const params = { [name]: value };
      for (const [door, answer] of Object.entries(await everywhere(server, 'GET', '/classes/Note', { params }))) {
        lib.calm(answer, `${door} ${JSON.stringify(params)}`);
      }
    }
  }
  for (const params of [{ limit: 'x' }, { limit: {} }, { keys: {} }, { where: [] }, { where: 5 }, { skip: 1e30 }]) {
    await refusedEverywhere(server, 'GET', '/classes/Note', { params });
  }
  for (const unknown of ['Limit', 'WHERE', '$where', 'constructor', '__proto__', 'path', 'path.x', '_x', 'wheres']) {
    const params = JSON.parse(`{"${unknown}": 1}`);
    if (unknown === '__proto__' || unknown === '_x') continue;
    await refusedEverywhere(server, 'GET', '/classes/Note', { params }, 102);
    await refusedEverywhere(server, 'GET', `/classes/Note/${note}`, { params }, 102);
  }
});

test('D10 the body keys of the SDKs have types', async () => {
  const post = body =>
    fetch(`${server.origin}/parse/classes/Note`, { method: 'POST', body: JSON.stringify(body) });
  const keys = {
    _method: [{}, [], 5, true, 'TRACE', 'constructor', 'get ', 'GET\n', HUGE, ['GET']],
    _ApplicationId: [{}, [], 5, true, [lib.APP_ID], { $ne: '' }, '', '__proto__', HUGE],
    _JavaScriptKey: [{}, [], 5, true, ['compat-javascript-key'], HUGE],
    _MasterKey: [{ $ne: '' }, [lib.MASTER_KEY], 5, true, HUGE],
    _SessionToken: [{ $regex: 'r' }, ['r:x'], 5, true],
    _InstallationId: [{}, [], 5, true, HUGE],
    _ClientVersion: [{}, [], 5, true, HUGE],
    _RevocableSession: [{}, [], HUGE],
    _ContentType: [{}, [], 5],
    _context: [5, 'x', '{', [], true, null],
    _noBody: [{}, [], 'x'],
  };
  for (const [key, values] of Object.entries(keys)) {
    for (const value of values) {
      const response = await post({
        _ApplicationId: lib.APP_ID,
        _JavaScriptKey: 'compat-javascript-key',
        text: 'x',
        [key]: value,
      });
      const text = await response.text();
      const what = `${key}: ${JSON.stringify(value)?.slice(0, 100)}`;
      lib.calm({ status: response.status, text, json: JSON.parse(text) }, what);
      const mustFail = ['_method', '_ApplicationId', '_MasterKey', '_SessionToken'];
      // A wrong master key beside a right client key is a client's request.
      const isClient = key === '_MasterKey' && typeof value === 'string';
      if (mustFail.includes(key) && !isClient) assert.ok(response.status >= 400, what);
    }
  }
});

test('D10 the requests of a batch have types', async () => {
  const good = { method: 'POST', path: '/parse/classes/Note', body: { text: 'y' } };
  const bodies = [
    {},
    ...[null, 5, 'x', {}, true, { length: 1, 0: good }].map(requests => ({ requests })),
    ...[null, 5, 'x', [], true].map(request => ({ requests: [request] })),
    ...[null, 5, {}, [], true, '', HUGE].map(path => ({ requests: [{ ...good, path }] })),
    ...[null, 5, {}, [], true, '', 'TRACE', 'CONNECT', 'constructor'].map(method => ({
      requests: [{ ...good, method }],
    })),
    ...[5, 'x', true, [1]].map(body => ({ requests: [{ ...good, body }] })),
    ...[5, 'x', {}, []].map(transaction => ({ requests: [{ ...good, path: 5 }], transaction })),
    ...['[]', '5', 'null', '"x"', 'true', '', ' ', '{}}', '{"requests":'],
  ];
  await lib.unchanged(server, async () => {
    for (const body of bodies) {
      const answer = await rest(server, 'POST', '/batch', { body });
      const shown = JSON.stringify(body)?.slice(0, 200);
      lib.calm(answer, shown);
      const failed = Array.isArray(answer.json) ? answer.json.every(item => item.error) : answer.status >= 400;
      assert.ok(failed, `${shown} ${answer.text}`);
    }
  });
});

test('D10 users: every field that the server knows has a type', async () => {
  await lib.unchanged(server, async () => {
    for (const wrong of [...NOT_TEXT, HUGE]) {
      for (const key of ['username', 'password', 'email']) {
        if (wrong === HUGE && key !== 'email') continue;
        const body = { username: 'typed', password: 'p', [key]: wrong };
        await refusedEverywhere(server, 'POST', '/users', { body });
        const path = `/users/${ann.id}`;
        await refusedEverywhere(server, 'PUT', path, { body: { [key]: wrong }, ...ann.who });
      }
    }
    for (const email of ['x', '@', 'a@', '@b', 'a@b.c\r\nBcc: x@y.z', 'a\n@b.c', 'a@b.c\u0001']) {
      const body = { username: 'typed', password: 'p', email };
      await refusedEverywhere(server, 'POST', '/users', { body }, 125);
    }
    for (const authData of [5, 'x', [], true, { p: 5 }, { p: [] }, { p: { id: { $ne: null } } }, { p: { id: 5 } }]) {
      await refusedEverywhere(server, 'POST', '/users', { body: { authData } });
    }
  });
});

test('D10 roles and installations: the same', async () => {
  await lib.unchanged(server, async () => {
    for (const name of [...OBJECTS, [], 5, true, '', null]) {
      const body = { name, ACL: {} };
      await refusedEverywhere(server, 'POST', '/roles', { body, ...lib.MASTER });
    }
    for (const ACL of [5, 'x', [], true, { x: 5 }, { x: 'read' }, { x: [] }, { '*': { read: 1 } }, { '*unresolved': {} }]) {
      await refusedEverywhere(server, 'POST', '/classes/Note', { body: { ACL } }, [123, 111, 107]);
      await refusedEverywhere(server, 'PUT', `/classes/Note/${note}`, { body: { ACL } }, [123, 111, 107]);
    }
    for (const key of ['installationId', 'deviceToken', 'deviceType', 'channels', 'badge']) {
      for (const wrong of [{ $gt: '' }, key === 'channels' ? 'x' : ['x'], true]) {
        const body = { installationId: 'i', deviceType: 'ios', [key]: wrong };
        await refusedEverywhere(server, 'POST', '/installations', { body });
      }
    }
  });
});

test('D10 schemas: definitions have types', async () => {
  const bad = [
    { className: {} },
    { className: ['X'] },
    { className: 5 },
    { className: null },
    { className: 'X'.repeat(1000) },
    ...[5, 'x', [], true].map(fields => ({ className: 'Typed', fields })),
    ...[5, 'x', [], true, {}, { type: 5 }, { type: {} }, { type: 'Nope' }, { type: 'constructor' }].map(
      definition => ({ className: 'Typed', fields: { a: definition } }),
    ),
    ...[5, {}, [], 'a b', '', null].map(targetClass => ({
      className: 'Typed',
      fields: { a: { type: 'Pointer', targetClass } },
    })),
    ...[5, 'x', [], true].map(classLevelPermissions => ({ className: 'Typed', classLevelPermissions })),
    ...[5, 'x', [], { '*': 1 }, { '*': false }, { '* ': true }, { 'a b': true }, { 'role:': 5 }].map(find => ({
      className: 'Typed',
      classLevelPermissions: { find },
    })),
    ...[5, 'x', {}, [5], ['nope']].map(fields => ({
      className: 'Typed',
      classLevelPermissions: { protectedFields: { '*': fields } },
    })),
    ...[5, 'x', {}, [5], ['nope']].map(readUserFields => ({
      className: 'Typed',
      classLevelPermissions: { readUserFields },
    })),
    { className: 'Typed', classLevelPermissions: { nope: {} } },
    { className: 'Typed', fields: { a: { type: 'String', defaultValue: 5 } } },
    ...[5, 'x', [], { one: 5 }, { one: [] }, { one: { nope: 1 } }].map(indexes => ({ className: 'Typed', indexes })),
  ];
  await lib.unchanged(server, async () => {
    for (const body of bad) {
      await refusedEverywhere(server, 'POST', '/schemas', { body, ...lib.MASTER });
    }
  });
});
