// Identifiers and values that try to become SQL, and names with a meaning elsewhere (D01–D04, D07–D09).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { ask, DOORS, everywhere, refusedEverywhere, rest } from '../lib.mjs';

const server = await lib.serve();
let note;

before(async () => {
  note = await lib.make(server, 'Note', { text: "it's", n: 1, meta: { a: 1, "q'q": 2 }, list: ['a'] });
  await lib.make(server, 'Note', { text: 'other', n: 2, meta: { a: 2 }, list: ['b'] });
});

const NAMES = [
  "a'b",
  'a"b',
  'a`b',
  'a]b',
  "a') OR 1=1 --",
  'a"; DROP TABLE t1; --',
  "meta.b');--",
  "meta.a' OR '1'='1",
  'meta."a"',
  'meta.a"]',
  'meta.$.a',
  'meta..a',
  'meta.',
  '.meta',
  '.',
  '',
  ' ',
  'meta.a b',
  'meta.a[0]',
  'meta->a',
  "meta->>'a'",
  'meta.a\u0000',
  'n--',
  'n/*',
  'n;',
  'n,(SELECT 1)',
  'n COLLATE NOCASE',
  '1n',
  'ä',
  '$where',
  '$expr',
  '$n',
  'n\n',
  'a'.repeat(10000),
];

test('D02 field names that are no names are refused in where, order and sub-queries', async () => {
  await lib.unchanged(server, async () => {
    for (const name of NAMES) {
      const wheres = [
        { [name]: 1 },
        { [name]: { $exists: true } },
        { $or: [{ n: 1 }, { [name]: 1 }] },
        { link: { $inQuery: { className: 'Note', where: { [name]: 1 } } } },
        { text: { $select: { key: name, query: { className: 'Note' } } } },
        { $relatedTo: { object: lib.pointer('Note', note), key: name } },
      ];
      for (const where of wheres) {
        await refusedEverywhere(server, 'GET', '/classes/Note', { params: { where } });
      }
      if (name.trim() === '' || /[,\n]/.test(name)) continue;
      for (const order of [name, `-${name}`, `n,${name}`]) {
        await refusedEverywhere(server, 'GET', '/classes/Note', { params: { order } });
      }
    }
  });
});

test('D02 in keys and includes they find nothing and break nothing', async () => {
  for (const name of NAMES) {
    for (const params of [{ keys: name }, { excludeKeys: name }, { include: name }]) {
      for (const answer of Object.values(await everywhere(server, 'GET', '/classes/Note', { params }))) {
        lib.calm(answer, JSON.stringify(params).slice(0, 200));
        for (const object of answer.json.results ?? []) assert.ok(!(name in object && name !== ''));
      }
    }
  }
});

test('D02 field and class names that are no names are not written', async () => {
  await lib.unchanged(server, async () => {
    for (const name of NAMES.filter(name => !name.startsWith('meta.a b') && name !== 'meta.a[0]')) {
      const dotted = name.startsWith('meta') && !name.endsWith('.') && !name.includes('..');
      // Below a field, a key is data; the next test is about those.
      if (!dotted) {
        await refusedEverywhere(server, 'POST', '/classes/Note', { body: { [name]: 1 } });
        for (const value of [1, { __op: 'Increment', amount: 1 }, { __op: 'Delete' }]) {
          await refusedEverywhere(server, 'PUT', `/classes/Note/${note}`, { body: { [name]: value } });
        }
      }
      const encoded = encodeURIComponent(name);
      if (name.trim() === '' || name === '.' || dotted) continue;
      for (const path of [`/classes/${encoded}`, `/schemas/${encoded}`]) {
        const body = path.startsWith('/schemas') ? { className: name } : { a: 1 };
        await refusedEverywhere(server, 'POST', path, { body, ...lib.MASTER });
      }
      const fields = { [name]: { type: 'String' } };
      await refusedEverywhere(server, 'PUT', '/schemas/Note', { body: { fields }, ...lib.MASTER });
      const index = { indexes: { ok: { [name]: 1 } } };
      await refusedEverywhere(server, 'PUT', '/schemas/Note', { body: index, ...lib.MASTER });
    }
  });
});

test('D02 below a field any key is kept as it is, or refused', async () => {
  for (const name of NAMES.filter(name => !/[.$]/.test(name))) {
    const meta = { [name]: { [name]: 1 }, plain: 2 };
    for (const door of DOORS) {
      const made = await ask(server, door, 'POST', '/classes/Kept', { body: { meta } });
      lib.calm(made, name);
      if (made.status >= 400) continue;
      const path = `/classes/Kept/${made.json.objectId}`;
      assert.deepEqual((await rest(server, 'GET', path)).json.meta, meta);
      const dotted = { [`meta.${name}`]: 3 };
      const changed = await ask(server, door, 'PUT', path, { body: dotted });
      lib.calm(changed, name);
      const expected = changed.status < 400 ? { ...meta, [name]: 3 } : meta;
      assert.deepEqual((await rest(server, 'GET', path)).json.meta, expected, name);
    }
  }
});

const VALUES = [
  "'",
  '"',
  "' OR '1'='1",
  "'; DROP TABLE t1; --",
  '%',
  '_',
  '*',
  '\\',
  '\\\\',
  '?1',
  ':a',
  '@a',
  '$1',
  "x' UNION SELECT name FROM sqlite_master --",
  "char(0)'",
  '\n\r\t',
  '[0]',
  '$.a',
  '__proto__',
];

test('D01 values are values: matched literally, kept as they are', async () => {
  for (const value of VALUES) {
    const made = await rest(server, 'POST', '/classes/Kept', {
      body: { text: value, list: [value], meta: { in: value } },
    });
    assert.equal(made.status, 201, made.text);
    const { objectId } = made.json;
    const seen = await rest(server, 'GET', `/classes/Kept/${objectId}`);
    assert.deepEqual([seen.json.text, seen.json.list, seen.json.meta], [value, [value], { in: value }]);
    const quoted = value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    for (const where of [
      { text: value },
      { text: { $in: [value] } },
      { text: { $gte: value, $lte: value } },
      { list: value },
      { list: { $all: [value] } },
      { 'meta.in': value },
      { text: { $regex: `^${quoted}$` } },
      { text: { $regex: `^\\Q${value.replaceAll('\\E', '')}\\E$` } },
    ]) {
      for (const [door, answer] of Object.entries(
        await everywhere(server, 'GET', '/classes/Kept', { params: { where } }),
      )) {
        const ids = answer.json.results?.map(o => o.objectId);
        assert.deepEqual(ids, [objectId], `${door} ${JSON.stringify(where)} ${answer.text}`);
      }
    }
    const none = { where: { objectId: value } };
    for (const answer of Object.values(await everywhere(server, 'GET', '/classes/Kept', { params: none }))) {
      assert.deepEqual(answer.json.results, [], answer.text);
    }
    const id = encodeURIComponent(value);
    for (const method of ['GET', 'DELETE']) {
      lib.refused(await rest(server, method, `/classes/Kept/${id}`), undefined, value);
    }
  }
});

test('D03 an operation takes the type it is for, at the top and below', async () => {
  const amounts = ['1', "1; DROP TABLE t1", '1)', null, {}, [], true, [1], { $gt: 1 }, '1e3', { __op: 'Increment', amount: 1 }];
  await lib.unchanged(server, async () => {
    for (const amount of amounts) {
      for (const key of ['n', 'meta.a', 'fresh', 'meta.x.y']) {
        const body = { [key]: { __op: 'Increment', amount } };
        await refusedEverywhere(server, 'PUT', `/classes/Note/${note}`, { body });
      }
      const created = { n: { __op: 'Increment', amount } };
      await refusedEverywhere(server, 'POST', '/classes/Note', { body: created });
    }
    for (const op of ['Add', 'AddUnique', 'Remove', 'AddRelation', 'RemoveRelation']) {
      for (const objects of ['a', 1, null, {}, true, { length: 1, 0: 'a' }]) {
        const body = { list: { __op: op, objects } };
        await refusedEverywhere(server, 'PUT', `/classes/Note/${note}`, { body });
      }
    }
    for (const __op of ['increment', 'Nope', '', 'constructor', '__proto__', 5, {}, [], null, true, 'x'.repeat(9999)]) {
      await refusedEverywhere(server, 'PUT', `/classes/Note/${note}`, { body: { n: { __op } } });
    }
  });
});

test('D04 aggregates: names and stages from outside are no SQL and no code', async () => {
  const group = id => ({ pipeline: [{ $group: { _id: id } }] });
  const asked = [
    ...NAMES.filter(name => name && name.length < 100).flatMap(name => [
      { distinct: name },
      group(`$${name}`),
      { pipeline: [{ $match: { [name]: 1 } }] },
      { pipeline: [{ $sort: { [name]: 1 } }] },
      { pipeline: [{ $project: { [name]: 1 } }] },
      { pipeline: [{ $group: { _id: null, [name]: { $sum: '$n' } } }] },
    ]),
    { pipeline: [{ $where: 'sleep(1000)' }] },
    { pipeline: [{ $match: { $where: 'while(1);' } }] },
    { pipeline: [{ $match: { $expr: { $function: { body: 'x', args: [], lang: 'js' } } } }] },
    { pipeline: [{ $out: 'Stolen' }] },
    { pipeline: [{ $merge: 'Stolen' }] },
    { pipeline: [{ $lookup: { from: '_User', as: 'u', pipeline: [] } }] },
    ...[5, 'x', null, {}, [5], [null], ['x'], [[]], [{}]].map(pipeline => ({ pipeline })),
  ];
  await lib.unchanged(server, async () => {
    for (const params of asked) {
      const answers = await everywhere(server, 'GET', '/aggregate/Note', { params, ...lib.MASTER });
      for (const answer of Object.values(answers)) lib.calm(answer, JSON.stringify(params));
    }
  });
});

test('D04 an aggregate over users and sessions gives no secret away', async () => {
  await lib.signUp(server, 'ann');
  for (const name of ['_hashed_password', '_username_key', 'sessionToken', 'password', '_session_token']) {
    for (const className of ['_User', '_Session']) {
      for (const params of [
        { distinct: name },
        { pipeline: [{ $group: { _id: `$${name}` } }] },
        { pipeline: [{ $project: { x: `$${name}` } }] },
        { pipeline: [{ $group: { _id: null, x: { $max: `$${name}` } } }] },
        { pipeline: [{ $group: { _id: null, x: { $push: '$$ROOT' } } }] },
        { pipeline: [{ $match: { [name]: { $regex: '^' } } }] },
      ]) {
        for (const who of [lib.MASTER, lib.READ_ONLY]) {
          const answer = await ask(server, 'rest', 'GET', `/aggregate/${className}`, { params, ...who });
          lib.calm(answer, JSON.stringify(params));
          assert.doesNotMatch(answer.text, /argon2|[0-9a-f]{64}|r:[0-9a-f]{32}/, JSON.stringify(params));
        }
      }
    }
  }
});

const SPECIAL = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__'];

test('D07 D08 names with a meaning in JavaScript are refused or kept as plain data', async () => {
  const wraps = [
    v => v,
    v => ({ a: v }),
    v => [v],
    v => [[{ a: [v] }]],
    v => ({ a: { b: [{ c: v }] } }),
    v => ({ first: { plain: 1 }, second: v }),
  ];
  for (const name of SPECIAL) {
    for (const wrap of wraps) {
      const inner = JSON.parse(`{"${name}": {"polluted": true}}`);
      const body = { value: wrap(inner) };
      for (const door of DOORS) {
        const made = await ask(server, door, 'POST', '/classes/Special', { body });
        lib.calm(made, `${door} ${name}`);
        if (made.status >= 400) continue;
        const seen = await rest(server, 'GET', `/classes/Special/${made.json.objectId}`);
        assert.equal(JSON.stringify(seen.json.value), JSON.stringify(body.value));
        assert.equal({}.polluted, undefined);
      }
    }
  }
  for (const body of [
    { value: { _bsontype: 'Code', code: 'x' } },
    { value: { a: [{ b: { _bsontype: 'Code', code: 'x' } }] } },
    { value: { $where: '1' } },
    { value: { 'a.b': 1 } },
    { value: [{ deep: { $ne: 1 } }] },
  ]) {
    await refusedEverywhere(server, 'POST', '/classes/Special', { body });
  }
});

test('D07 special names as ids, classes, fields, roles and routes', async () => {
  for (const name of [...SPECIAL, '__typename', 'null', 'undefined', 'NaN', '[object Object]']) {
    const encoded = encodeURIComponent(name);
    for (const path of [
      `/classes/${encoded}`,
      `/classes/Note/${encoded}`,
      `/users/${encoded}`,
      `/roles/${encoded}`,
      `/sessions/${encoded}`,
      `/schemas/${encoded}`,
      `/functions/${encoded}`,
      `/functions/a.b.${encoded}`,
      `/jobs/${encoded}`,
      `/hooks/functions/${encoded}`,
      `/config/${encoded}`,
      `/${encoded}`,
      `/${encoded}/${encoded}`,
    ]) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        const options = method === 'GET' ? {} : { body: {} };
        for (const who of [lib.ANYONE, lib.MASTER]) {
          const answers = await everywhere(server, method, path, { ...options, ...who });
          for (const [door, answer] of Object.entries(answers)) {
            lib.calm(answer, `${door} ${method} ${path}`);
          }
        }
      }
    }
  }
});

test('D09 functions with inherited names do not exist', async () => {
  for (const name of [...SPECIAL, 'a.b.constructor', '%2e%2e%2fx', 'a%20b']) {
    await refusedEverywhere(server, 'POST', `/functions/${name}`, { body: {} });
  }
});
