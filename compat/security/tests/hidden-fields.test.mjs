// Protected fields: neither shown nor asked about, whichever way round (A05, A06, A15, A27, A30).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { ask, DOORS, everywhere, make, makeClass, OPEN, pointer, refusedEverywhere } from '../lib.mjs';

const server = await lib.serve();
const HIDDEN = ['secret', 'map', 'list', 'when', 'place', 'ref', 'rel', 'amount'];
const ids = {};
let ann;

before(async () => {
  ann = await lib.signUp(server, 'ann', { email: 'ann@example.com' });
  await makeClass(server, 'Target', { name: { type: 'String' } }, OPEN);
  await makeClass(
    server,
    'Vault',
    {
      secret: { type: 'String' },
      map: { type: 'Object' },
      list: { type: 'Array' },
      when: { type: 'Date' },
      place: { type: 'GeoPoint' },
      ref: { type: 'Pointer', targetClass: 'Target' },
      rel: { type: 'Relation', targetClass: 'Target' },
      amount: { type: 'Number' },
      open: { type: 'Number' },
    },
    { ...OPEN, protectedFields: { '*': HIDDEN } },
  );
  ids.target = await make(server, 'Target', { name: 'target' });
  for (const [n, secret] of ['alpha', 'beta'].entries()) {
    ids[secret] = await make(server, 'Vault', {
      secret,
      map: { deep: { er: secret }, list: [secret] },
      list: [secret],
      when: { __type: 'Date', iso: `2020-01-0${n + 1}T00:00:00.000Z` },
      place: { __type: 'GeoPoint', latitude: n, longitude: n },
      ref: pointer('Target', ids.target),
      rel: { __op: 'AddRelation', objects: [pointer('Target', ids.target)] },
      amount: 41 + n,
      open: n,
    });
    await make(server, 'Link', { vault: pointer('Vault', ids[secret]), copy: secret, n });
  }
});

/** A condition, hidden at every place where one can stand. */
const PLACES = {
  plain: c => c,
  beside: c => ({ open: { $gte: 0 }, ...c }),
  or: c => ({ $or: [{ open: 77 }, c] }),
  and: c => ({ $and: [{ open: { $exists: true } }, c] }),
  nor: c => ({ $nor: [c] }),
  'nor in and in or': c => ({ $or: [{ $and: [{ $nor: [c] }] }, { open: 77 }] }),
  'deep or': c => Array.from({ length: 20 }).reduce(inner => ({ $or: [inner] }), c),
};

/** Tests on hidden fields; each would tell something about the value. */
const TESTS = [
  ['secret', 'alpha'],
  ['secret', null],
  ...['$eq', '$ne', '$lt', '$lte', '$gt', '$gte'].map(op => ['secret', { [op]: 'alpha' }]),
  ['secret', { $in: ['alpha'] }],
  ['secret', { $nin: ['alpha'] }],
  ['secret', { $exists: true }],
  ['secret', { $exists: false }],
  ['secret', { $regex: '^al' }],
  ['secret', { $regex: '^AL', $options: 'i' }],
  ['secret', { $not: { $regex: '^al' } }],
  ['secret', { $select: { key: 'copy', query: { className: 'Link' } } }],
  ['secret', { $dontSelect: { key: 'copy', query: { className: 'Link' } } }],
  ['map', { $exists: true }],
  ['map.deep.er', 'alpha'],
  ['map.deep.er', { $regex: '^a' }],
  ['map.deep', { $exists: true }],
  ['map.list.0', 'alpha'],
  ['list', 'alpha'],
  ['list', { $all: ['alpha'] }],
  ['list', { $containedBy: ['alpha', 'x'] }],
  ['list.0', 'alpha'],
  ['when', { $gt: { __type: 'Date', iso: '2020-01-01T12:00:00.000Z' } }],
  ['place', { $nearSphere: { __type: 'GeoPoint', latitude: 0, longitude: 0 } }],
  ['ref', { $inQuery: { className: 'Target', where: { name: 'target' } } }],
  ['ref', { $notInQuery: { className: 'Target', where: { name: 'target' } } }],
  ['ref.name', 'target'],
  ['ref.objectId', 'x'],
  ['rel.name', 'target'],
  ['amount', { $gt: 41 }],
];

test('A05 a where on a protected field is refused at any depth and with any operator', async () => {
  for (const [field, condition] of TESTS) {
    for (const [place, wrap] of Object.entries(PLACES)) {
      if (condition?.$nearSphere && place !== 'plain') continue;
      const params = { where: wrap({ [field]: condition }) };
      await refusedEverywhere(server, 'GET', '/classes/Vault', { params }, [119, 102]);
    }
  }
  await refusedEverywhere(
    server,
    'GET',
    '/classes/Vault',
    { params: { where: { secret: 'alpha' }, count: 1, limit: 0 } },
    119,
  );
});

test('A05 nor in a sub-query, on either side of it, for users as for anyone', async () => {
  const query = where => ({ className: 'Vault', where });
  const cases = [
    ['vault', { $inQuery: query({ secret: 'alpha' }) }],
    ['vault', { $notInQuery: query({ secret: 'alpha' }) }],
    ['vault', { $inQuery: query({ $or: [{ $and: [{ 'map.deep.er': 'alpha' }] }] }) }],
    ['vault', { $inQuery: { ...query({}), order: 'secret', limit: 1 } }],
    ['vault', { $inQuery: { ...query({}), order: '-map.deep.er', limit: 1 } }],
    ['vault', { $inQuery: { ...query({}), redirectClassNameForKey: 'ref' } }],
    ['copy', { $select: { key: 'secret', query: query({}) } }],
    ['copy', { $dontSelect: { key: 'secret', query: query({}) } }],
    ['copy', { $select: { key: 'map.deep.er', query: query({}) } }],
    ['copy', { $select: { key: 'open', query: query({ secret: 'alpha' }) } }],
  ];
  for (const who of [lib.ANYONE, ann.who]) {
    for (const [field, condition] of cases) {
      for (const wrap of [PLACES.plain, PLACES.nor, PLACES.or]) {
        const params = { where: wrap({ [field]: condition }) };
        await refusedEverywhere(server, 'GET', '/classes/Link', { params, ...who }, [119, 102]);
      }
    }
  }
});

test('A06 order on a protected field or below it is refused by the root of the path', async () => {
  const orders = [
    ...HIDDEN,
    ...HIDDEN.map(field => `-${field}`),
    ...['map.deep', 'map.deep.er', '-map.list', 'list.0', 'place.latitude', 'ref.name'],
    ...['open,secret', 'open,-map.deep.er', ' secret', 'open, secret'],
  ];
  for (const order of orders) {
    await refusedEverywhere(server, 'GET', '/classes/Vault', { params: { order } }, [119, 105, 102]);
  }
});

test('A30 keys, excludeKeys and includes never bring a protected field back', async () => {
  const asked = [
    {},
    { keys: 'secret' },
    { keys: HIDDEN.join(',') },
    { keys: 'map.deep.er,place.latitude' },
    { excludeKeys: 'open' },
    { excludeKeys: '-secret' },
    { include: '*' },
    { includeAll: true },
    { include: 'ref', keys: 'ref.name' },
    { include: 'ref,rel,secret' },
  ];
  for (const params of asked) {
    for (const door of DOORS) {
      const list = await ask(server, door, 'GET', '/classes/Vault', { params });
      if (list.status >= 400) lib.refused(list, undefined, JSON.stringify(params));
      for (const object of list.json.results ?? []) check(object, params);
      const { includeAll: _, ...rest } = params;
      const one = await ask(server, door, 'GET', `/classes/Vault/${ids.alpha}`, { params: rest });
      check(one.json, params);
    }
  }
  for (const params of [{ include: 'vault' }, { include: 'vault.ref' }, { keys: 'vault.secret' }]) {
    for (const answer of Object.values(await everywhere(server, 'GET', '/classes/Link', { params }))) {
      for (const object of answer.json.results ?? []) check(object.vault, params);
    }
  }
  function check(object, params) {
    const shown = HIDDEN.filter(field => field in object);
    assert.deepEqual(shown, [], `${JSON.stringify(params)} → ${JSON.stringify(object)}`);
  }
});

test('A30 an operation on a protected field does not answer with its value', async () => {
  for (const door of DOORS) {
    const body = {
      amount: { __op: 'Increment', amount: 0 },
      list: { __op: 'AddUnique', objects: [] },
      'map.deep.n': { __op: 'Increment', amount: 1 },
    };
    for (const [key, op] of Object.entries(body)) {
      const path = `/classes/Vault/${ids.beta}`;
      const answer = await ask(server, door, 'PUT', path, { body: { [key]: op } });
      lib.calm(answer, `${door} ${key}`);
      const shown = HIDDEN.filter(field => field in answer.json);
      assert.deepEqual(shown, [], `${door} ${key}: ${answer.text}`);
    }
  }
});

test('A30 aggregates and distinct are not for clients', async () => {
  for (const who of [lib.ANYONE, ann.who]) {
    for (const params of [{ distinct: 'secret' }, { pipeline: [{ $group: { _id: '$secret' } }] }]) {
      await refusedEverywhere(server, 'GET', '/aggregate/Vault', { params, ...who });
    }
  }
});

test('A15 $relatedTo asks for the key and for the owner', async () => {
  await makeClass(
    server,
    'Club',
    { members: { type: 'Relation', targetClass: 'Target' } },
    OPEN,
  );
  const related = { __op: 'AddRelation', objects: [pointer('Target', ids.target)] };
  const open = await make(server, 'Club', { members: related });
  const closed = await make(server, 'Club', { members: related, ACL: {} });
  const ask3 = (object, key) =>
    everywhere(server, 'GET', '/classes/Target', { params: { where: { $relatedTo: { object, key } } } });
  for (const answer of Object.values(await ask3(pointer('Club', open), 'members'))) {
    assert.equal(answer.json.results.length, 1, answer.text);
  }
  const none = await ask3(pointer('Club', 'absent0000'), 'members');
  for (const [door, answer] of Object.entries(await ask3(pointer('Club', closed), 'members'))) {
    assert.deepEqual(answer.json, none[door].json, 'an unreadable owner is like an absent one');
    assert.equal(answer.json.results?.length ?? 0, 0);
  }
  const hidden = await ask3(pointer('Vault', ids.alpha), 'rel');
  const hiddenAbsent = await ask3(pointer('Vault', 'absent0000'), 'rel');
  for (const door of DOORS) {
    assert.equal(hidden[door].json.results?.length ?? 0, 0, hidden[door].text);
    assert.deepEqual(hidden[door].json, hiddenAbsent[door].json);
  }
  for (const wrap of Object.values(PLACES)) {
    const where = wrap({ $relatedTo: { object: pointer('Vault', ids.alpha), key: 'rel' } });
    await refusedEverywhere(server, 'GET', '/classes/Target', { params: { where } }, [119, 102]);
  }
});

test('A27 the e-mail of users can not be asked about across a pointer', async () => {
  await make(server, 'Note', { owner: pointer('_User', ann.id), text: 'x' });
  const bob = await lib.signUp(server, 'bob');
  const wheres = [
    { owner: { $inQuery: { className: '_User', where: { email: { $regex: '^ann@' } } } } },
    { owner: { $notInQuery: { className: '_User', where: { email: 'ann@example.com' } } } },
    { text: { $select: { key: 'email', query: { className: '_User' } } } },
  ];
  for (const where of wheres) {
    await refusedEverywhere(server, 'GET', '/classes/Note', { params: { where }, ...bob.who }, 119);
  }
  for (const field of ['owner.email', 'owner.username', 'owner._hashed_password', 'owner.objectId']) {
    const guess = value => ({ params: { where: { [field]: value } }, ...bob.who });
    const right = await everywhere(server, 'GET', '/classes/Note', guess({ $regex: '^ann' }));
    const wrong = await everywhere(server, 'GET', '/classes/Note', guess({ $regex: '^zzz' }));
    for (const door of DOORS) assert.deepEqual(right[door].json, wrong[door].json, field);
    const sorted = await ask(server, 'rest', 'GET', '/classes/Note', {
      params: { order: field },
      ...bob.who,
    });
    lib.calm(sorted, field);
  }
  const direct = { params: { where: { email: 'ann@example.com' } }, ...bob.who };
  await refusedEverywhere(server, 'GET', '/users', direct, 119);
  await refusedEverywhere(server, 'GET', '/classes/_User', direct, 119);
});
