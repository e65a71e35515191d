// Who may do what with which object through which door, compared with the model in oracle.mjs (S15).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { ask, DOORS, pointer, rest } from '../lib.mjs';
import { aclOf, classes, decide, hidden, mayWith, OBJECTS, permissions } from '../oracle.mjs';

const server = await lib.serve();
const dice = lib.random();
const CLASSES = classes(dice, 12);
const users = {};
let principals;

const FIELDS = {
  kind: { type: 'String' },
  tag: { type: 'String' },
  secret: { type: 'String' },
  extra: { type: 'String' },
  n: { type: 'Number' },
  owner: { type: 'Pointer', targetClass: '_User' },
  rel: { type: 'Relation', targetClass: 'Leaf' },
};

function bodyOf(object, kind) {
  const ACL = aclOf(object, users);
  return {
    kind,
    tag: object.tag,
    secret: 'secret',
    extra: 'extra',
    n: 0,
    ...(object.owner && { owner: pointer('_User', users[object.owner].id) }),
    ...(ACL && { ACL }),
  };
}

async function makeAll(className, bodies) {
  const requests = bodies.map(body => ({ method: 'POST', path: `/parse/classes/${className}`, body }));
  const answer = await rest(server, 'POST', '/batch', { ...lib.MASTER, body: { requests } });
  assert.ok(answer.json.every?.(item => item.success), answer.text);
  return answer.json.map(item => item.success.objectId);
}

before(async () => {
  for (const name of ['owner', 'other', 'member']) users[name] = await lib.signUp(server, name);
  const team = { __op: 'AddRelation', objects: [pointer('_User', users.member.id)] };
  await lib.make(server, '_Role', { name: 'team', ACL: {}, users: team });
  const leaf = await lib.make(server, 'Leaf', { name: 'leaf' });
  const rel = { __op: 'AddRelation', objects: [pointer('Leaf', leaf)] };
  for (const cls of CLASSES) {
    await lib.makeClass(server, cls.name, FIELDS, permissions(cls, users.owner.id));
    cls.ids = await makeAll(cls.name, OBJECTS.map(object => ({ ...bodyOf(object, 'fixture'), rel })));
    const holders = cls.ids.map((id, n) => ({ ref: pointer(cls.name, id), copy: OBJECTS[n].tag }));
    await makeAll(`Holder${cls.name}`, holders);
  }
  const client = name => ({ name, rank: 'client', isUser: true, who: users[name].who });
  principals = [
    { name: 'anonymous', rank: 'client', isUser: false, who: lib.ANYONE },
    ...['owner', 'other', 'member'].map(client),
    { name: 'read-only master', rank: 'readOnly', isUser: false, who: lib.READ_ONLY },
    { name: 'master', rank: 'master', isUser: false, who: lib.MASTER },
  ];
});

/** Runs the check for every class, caller and door; the message of a failure names the cell. */
function everyCell(check) {
  return async t => {
    t.diagnostic(`SEED=${dice.seed}`);
    for (const cls of CLASSES) {
      for (const p of principals) {
        await Promise.all(
          DOORS.map(async door => {
            const send = (method, path, options) => ask(server, door, method, path, { ...options, ...p.who });
            const cell = `${p.name} at ${cls.name} by ${door}`;
            const say = answer => `${cell} → ${answer.status} ${answer.text.slice(0, 300)}\n${JSON.stringify(cls)}`;
            await check({ cls, p, door, send, say, path: `/classes/${cls.name}` });
          }),
        );
      }
    }
  };
}

const fixture = { kind: 'fixture' };
const visible = (cls, verb, p) => OBJECTS.filter(object => mayWith(cls, verb, object, p));
const tags = list => list.map(object => object.tag ?? object.copy).sort();

/** The objects come back with exactly the fields that the caller may see. */
function checkFields(cls, p, shown, message) {
  const object = OBJECTS.find(o => o.tag === shown.tag);
  const missing = ['secret', 'extra'].filter(field => !(field in shown));
  assert.deepEqual(missing, hidden(cls, p, object), `fields of ${shown.tag}: ${message}`);
}

test('S15 find', everyCell(async ({ cls, p, send, say, path }) => {
  const answer = await send('GET', path, { params: { where: fixture } });
  const word = decide(cls, 'find', p);
  if (Number.isInteger(word)) return lib.refused(answer, word, say(answer));
  assert.deepEqual(tags(answer.json.results), tags(visible(cls, 'find', p)), say(answer));
  for (const object of answer.json.results) checkFields(cls, p, object, say(answer));
}));

test('S15 count', everyCell(async ({ cls, p, send, say, path }) => {
  const answer = await send('GET', path, { params: { where: fixture, count: 1, limit: 0 } });
  // Some servers ask for `count`, some for `find` as well; what counts is that nothing is told
  // which neither allows, and that both together are enough.
  const words = ['count', 'find'].map(verb => decide(cls, verb, p));
  const count = visible(cls, 'count', p).length;
  if (words.every(word => !Number.isInteger(word))) {
    assert.equal(answer.status, 200, say(answer));
    assert.ok([count, Math.min(count, visible(cls, 'find', p).length)].includes(answer.json.count), say(answer));
  } else if (Number.isInteger(words[0])) lib.refused(answer, words, say(answer));
  else lib.calm(answer, say(answer));
}));

test('S15 get', everyCell(async ({ cls, p, send, say, path }) => {
  const word = decide(cls, 'get', p);
  for (const [n, object] of OBJECTS.entries()) {
    const answer = await send('GET', `${path}/${cls.ids[n]}`);
    if (Number.isInteger(word)) lib.refused(answer, word, say(answer));
    else if (!mayWith(cls, 'get', object, p)) lib.refused(answer, 101, `${object.tag}: ${say(answer)}`);
    else {
      assert.equal(answer.json.tag, object.tag, say(answer));
      checkFields(cls, p, answer.json, say(answer));
    }
  }
}));

test('S15 include, keys and redirection', everyCell(async ({ cls, p, send, say }) => {
  for (const params of [{ include: 'ref' }, { include: '*' }, { keys: 'copy,ref.tag,ref.secret,ref.extra', include: 'ref' }]) {
    const answer = await send('GET', `/classes/Holder${cls.name}`, { params });
    const words = ['get', 'find'].map(verb => decide(cls, verb, p));
    if (answer.status >= 400) {
      assert.ok(words.some(Number.isInteger), say(answer));
      continue;
    }
    for (const { ref, copy } of answer.json.results) {
      const object = OBJECTS.find(o => o.tag === copy);
      const may = ['get', 'find'].map(verb => mayWith(cls, verb, object, p));
      const came = ref?.__type === 'Object';
      if (!may.includes(true)) assert.ok(!came && !('tag' in (ref ?? {})), `${copy} came: ${say(answer)}`);
      if (!may.includes(false)) assert.ok(came, `${copy} did not come: ${say(answer)}`);
      if (came) checkFields(cls, p, ref, say(answer));
    }
  }
}));

test('S15 sub-queries', everyCell(async ({ cls, p, send, say }) => {
  const query = { className: cls.name, where: fixture };
  const word = decide(cls, 'find', p);
  for (const where of [
    { ref: { $inQuery: query } },
    { copy: { $select: { key: 'tag', query } } },
    { $or: [{ ref: { $inQuery: query } }, { copy: 'never' }] },
    { $nor: [{ ref: { $notInQuery: query } }] },
  ]) {
    const answer = await send('GET', `/classes/Holder${cls.name}`, { params: { where } });
    if (Number.isInteger(word)) {
      if (answer.status < 400) assert.deepEqual(answer.json.results, [], say(answer));
      else lib.refused(answer, word, say(answer));
    } else {
      assert.deepEqual(tags(answer.json.results), tags(visible(cls, 'find', p)), `${JSON.stringify(where)} ${say(answer)}`);
    }
  }
}));

test('S15 relations of an object', everyCell(async ({ cls, p, send, say }) => {
  for (const [n, object] of OBJECTS.entries()) {
    const where = { $relatedTo: { object: pointer(cls.name, cls.ids[n]), key: 'rel' } };
    const answer = await send('GET', '/classes/Leaf', { params: { where } });
    const may = ['get', 'find'].map(verb => mayWith(cls, verb, object, p));
    lib.calm(answer, say(answer));
    const found = answer.json.results?.length ?? 0;
    if (!may.includes(true)) assert.equal(found, 0, `${object.tag}: ${say(answer)}`);
    if (!may.includes(false)) assert.equal(found, 1, `${object.tag}: ${say(answer)}`);
  }
}));

test('S15 asking about and sorting by fields', everyCell(async ({ cls, p, send, say, path }) => {
  if (Number.isInteger(decide(cls, 'find', p))) return;
  const unseen = hidden(cls, p);
  for (const field of ['secret', 'extra']) {
    for (const params of [{ where: { ...fixture, [field]: field } }, { where: fixture, order: `-${field}` }]) {
      const answer = await send('GET', path, { params });
      const message = `${JSON.stringify(params)} ${say(answer)}`;
      if (unseen.includes(field)) {
        // The owner of an object may see more; a server may then answer for those objects alone.
        if (answer.status < 400) {
          for (const object of answer.json.results) assert.ok(field in object, message);
          assert.ok('pointer' in cls.protectedFields, message);
        } else lib.refused(answer, 119, message);
      } else if (answer.status >= 400) lib.refused(answer, 119, message);
      else for (const object of answer.json.results) checkFields(cls, p, object, message);
    }
    const kept = await send('GET', path, { params: { where: fixture, keys: `tag,${field}` } });
    for (const object of kept.json.results) {
      const shows = !hidden(cls, p, OBJECTS.find(o => o.tag === object.tag)).includes(field);
      assert.equal(field in object, shows, say(kept));
    }
  }
}));

test('S15 create', everyCell(async ({ cls, p, send, say, path }) => {
  const body = { kind: 'new', tag: 'new', ACL: {}, ...(p.isUser && { owner: pointer('_User', users[p.name].id) }) };
  const answer = await send('POST', path, { body });
  const word = decide(cls, 'create', p);
  if (word === 'allow') assert.match(answer.json.objectId ?? '', /^\w{10}$/, say(answer));
  else lib.refused(answer, word, say(answer));
}));

test('S15 update', everyCell(async ({ cls, p, door, send, say, path }) => {
  const word = decide(cls, 'update', p);
  for (const [n, object] of OBJECTS.entries()) {
    const one = `${path}/${cls.ids[n]}`;
    const mark = `${p.name} ${door}`;
    const answer = await send('PUT', one, { body: { mark: undefined, kind: 'fixture', n: { __op: 'Increment', amount: 1 } } });
    if (Number.isInteger(word)) lib.refused(answer, word, `${mark}: ${say(answer)}`);
    else if (!mayWith(cls, 'update', object, p)) lib.refused(answer, 101, `${object.tag}: ${say(answer)}`);
    else assert.ok(answer.json.updatedAt, `${object.tag}: ${say(answer)}`);
  }
}));

test('S15 update counted: what was refused did not happen', async () => {
  for (const cls of CLASSES) {
    const stored = await rest(server, 'GET', `/classes/${cls.name}${lib.queryString({ where: fixture })}`, lib.MASTER);
    for (const { tag, n } of stored.json.results) {
      const object = OBJECTS.find(o => o.tag === tag);
      const allowed = principals.filter(p => mayWith(cls, 'update', object, p)).length;
      assert.equal(n, allowed * DOORS.length, `${tag} of ${cls.name}`);
    }
  }
});

test('S15 adding a field', everyCell(async ({ cls, p, door, send, say, path }) => {
  const name = `new_${p.name.replace(/\W/g, '_')}_${door}`;
  const [open] = OBJECTS;
  const words = [decide(cls, 'update', p), decide(cls, 'addField', p)];
  const may = ['update', 'addField'].every(verb => mayWith(cls, verb, open, p));
  const answer = await send('PUT', `${path}/${cls.ids[0]}`, { body: { [name]: 1 } });
  if (may) assert.ok(answer.json.updatedAt, say(answer));
  else lib.refused(answer, [...words.filter(Number.isInteger), 101, 119], say(answer));
  const created = await send('POST', path, { body: { kind: 'new', ACL: {}, [`${name}_made`]: 1 } });
  const create = [decide(cls, 'create', p), decide(cls, 'addField', p)];
  if (create.every(word => word === 'allow')) assert.ok(created.json.objectId, say(created));
  else lib.refused(created, [...create.filter(Number.isInteger), 101, 119], say(created));
  const { fields } = (await rest(server, 'GET', `/schemas/${cls.name}`, lib.MASTER)).json;
  assert.equal(name in fields, may, `${name}: ${say(answer)}`);
}));

test('S15 delete', everyCell(async ({ cls, p, send, say, path }) => {
  const victims = await makeAll(cls.name, OBJECTS.map(object => bodyOf(object, 'victim')));
  const word = decide(cls, 'delete', p);
  for (const [n, object] of OBJECTS.entries()) {
    const answer = await send('DELETE', `${path}/${victims[n]}`);
    const may = mayWith(cls, 'delete', object, p);
    if (may) assert.deepEqual(answer.json, {}, say(answer));
    else lib.refused(answer, Number.isInteger(word) ? word : 101, `${object.tag}: ${say(answer)}`);
  }
  const where = { objectId: { $in: victims } };
  const left = await rest(server, 'GET', `${path}${lib.queryString({ where })}`, lib.MASTER);
  const kept = OBJECTS.filter(object => !mayWith(cls, 'delete', object, p));
  assert.deepEqual(tags(left.json.results), tags(kept), say(left));
}));
