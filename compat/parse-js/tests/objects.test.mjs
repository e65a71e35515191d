import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServer, Parse, rest } from '../server.mjs';

const server = await parseServer();
const Item = Parse.Object.extend('Item');

async function reload(object) {
  return new Parse.Query(object.className).get(object.id);
}

test('every kind of value comes back as it was', async () => {
  const target = await new Item({ name: 'target' }).save();
  const values = {
    text: 'grüße 👋 \u0001 \uFFFF',
    whole: 9007199254740991,
    fraction: -0.1,
    yes: true,
    when: new Date('1969-07-20T20:17:40.123Z'),
    list: [1, 'two', [3], { four: 4 }, new Date(5), null],
    map: { deep: { er: [{ x: 1 }] }, date: new Date(7), empty: {} },
    place: new Parse.GeoPoint(48.1, 11.5),
    bytes: { __type: 'Bytes', base64: 'AAEC/w==' },
    nothing: null,
    pointer: target,
    file: { __type: 'File', name: 'a.txt', url: 'http://example.com/a.txt' },
  };
  const object = await new Item(values).save();
  const copy = await reload(object);
  for (const key of ['text', 'whole', 'fraction', 'yes', 'list', 'map', 'nothing']) {
    assert.deepEqual(copy.get(key), values[key], key);
  }
  assert.equal(copy.get('when').getTime(), values.when.getTime());
  assert.equal(copy.get('place').latitude, 48.1);
  assert.equal(copy.get('pointer').id, target.id);
  assert.equal(copy.toJSON().bytes.base64, 'AAEC/w==');
  assert.ok('nothing' in copy.attributes && !('missing' in copy.attributes));
});

test('create answers with id and times, update with results of operations only', async () => {
  const created = await rest(server, 'POST', '/classes/Item', { body: { n: 1, s: 'x' } });
  assert.equal(created.status, 201);
  assert.deepEqual(Object.keys(created.json).sort(), ['createdAt', 'objectId']);
  const { objectId } = created.json;
  assert.match(objectId, /^[A-Za-z0-9]{10}$/);
  assert.ok(created.headers.get('location').endsWith(`/classes/Item/${objectId}`));
  const updated = await rest(server, 'PUT', `/classes/Item/${objectId}`, {
    body: { s: 'y', n: { __op: 'Increment', amount: 2 } },
  });
  assert.equal(updated.status, 200);
  assert.deepEqual(Object.keys(updated.json).sort(), ['n', 'updatedAt']);
  assert.equal(updated.json.n, 3);
  const gone = await rest(server, 'DELETE', `/classes/Item/${objectId}`);
  assert.deepEqual([gone.status, gone.text], [200, '{}']);
  const missing = await rest(server, 'GET', `/classes/Item/${objectId}`);
  assert.deepEqual([missing.status, missing.json.code], [404, 101]);
});

test('operations: increment, add, addUnique, remove, unset', async () => {
  const object = await new Item({ n: 1.5, list: ['a', 'b', 'a'], gone: 1 }).save();
  object.increment('n', 0.25);
  object.addUnique('list', 'b');
  object.unset('gone');
  await object.save();
  object.addAllUnique('list', ['c', 'a']);
  await object.save();
  object.removeAll('list', ['a']);
  object.increment('fresh');
  await object.save();
  const copy = await reload(object);
  assert.equal(copy.get('n'), 1.75);
  assert.deepEqual(copy.get('list'), ['b', 'c']);
  assert.equal(copy.get('fresh'), 1);
  assert.ok(!copy.has('gone'));
});

test('nested operations, several levels deep and fractional', async () => {
  const object = await new Item({ stats: { a: { b: { n: 1 } }, tags: ['x'] } }).save();
  object.increment('stats.a.b.n', 0.5);
  object.set('stats.a.c', 'new');
  object.unset('stats.tags');
  await object.save();
  const copy = await reload(object);
  assert.deepEqual(copy.get('stats'), { a: { b: { n: 1.5 }, c: 'new' } });
});

test('a hundred concurrent increments add up', async () => {
  const object = await new Item({ hits: 0 }).save();
  const path = `/classes/Item/${object.id}`;
  const body = { hits: { __op: 'Increment', amount: 1 } };
  await Promise.all(Array.from({ length: 100 }, () => rest(server, 'PUT', path, { body })));
  assert.equal((await reload(object)).get('hits'), 100);
});

test('a value of another type is refused with the message the SDKs know', async () => {
  await new Item({ typed: 'text' }).save();
  await assert.rejects(new Item({ typed: 5 }).save(), {
    code: 111,
    message: 'schema mismatch for Item.typed; expected String but got Number',
  });
});

test('class names that differ in case only are two classes', async () => {
  await new (Parse.Object.extend('Post'))({ n: 1 }).save();
  await new (Parse.Object.extend('post'))({ n: 2 }).save();
  const found = await new Parse.Query('post').find();
  assert.deepEqual(found.map(o => o.get('n')), [2]);
});

test('bad names, U+0000 and unpaired surrogates are refused', async () => {
  const refusals = [
    ['/classes/Item', '{"a b":1}', 105],
    ['/classes/Item', '{"1a":1}', 105],
    ['/classes/1Item', '{"a":1}', 103],
    ['/classes/Item', '{"s":"a\\u0000b"}', 107],
    ['/classes/Item', '{"s":"\\ud800"}', 107],
    ['/classes/Item', '{"m":{"a\\u0000":1}}', 107],
    ['/classes/Item', '{"m":{"$x":1}}', 121],
    ['/classes/Item', '{"m":{"a.b":1}}', 121],
    ['/classes/Item', '{"n":1', 107],
  ];
  for (const [path, body, code] of refusals) {
    const answer = await rest(server, 'POST', path, { body });
    assert.deepEqual([answer.status, answer.json?.code], [400, code], body);
  }
});

test('saveAll and destroyAll go through batches', async () => {
  const objects = Array.from({ length: 45 }, (_, n) => new Item({ batch: 'b1', n }));
  await Parse.Object.saveAll(objects);
  const query = new Parse.Query(Item).equalTo('batch', 'b1');
  assert.equal(await query.count(), 45);
  await Parse.Object.destroyAll(objects);
  assert.equal(await query.count(), 0);
});

test('a failing step of a transaction undoes all of it', async () => {
  const kept = await new Item({ tx: 'before' }).save();
  const requests = [
    { method: 'PUT', path: `/parse/classes/Item/${kept.id}`, body: { tx: 'after' } },
    { method: 'POST', path: '/parse/classes/Item', body: { tx: 'new' } },
    { method: 'PUT', path: '/parse/classes/Item/doesNotExist', body: { tx: 'x' } },
  ];
  const answer = await rest(server, 'POST', '/batch', { body: { requests, transaction: true } });
  assert.ok(answer.status >= 400, answer.text);
  assert.equal((await reload(kept)).get('tx'), 'before');
  assert.equal(await new Parse.Query(Item).equalTo('tx', 'new').count(), 0);
  const good = await rest(server, 'POST', '/batch', {
    body: { requests: requests.slice(0, 2), transaction: true },
  });
  assert.equal(good.status, 200);
  assert.equal((await reload(kept)).get('tx'), 'after');
});

test('relations hold many objects and are queried from both ends', async () => {
  const owner = await new Item({ name: 'owner' }).save();
  const likes = await Parse.Object.saveAll([1, 2, 3].map(n => new Item({ like: n })));
  owner.relation('likes').add(likes);
  await owner.save();
  owner.relation('likes').remove(likes[1]);
  await owner.save();
  const found = await owner.relation('likes').query().ascending('like').find();
  assert.deepEqual(found.map(o => o.get('like')), [1, 3]);
  const owners = await new Parse.Query(Item).equalTo('likes', likes[0]).find();
  assert.deepEqual(owners.map(o => o.id), [owner.id]);
});

test('null for a field that nothing has made is kept', async () => {
  const Note = Parse.Object.extend('NullNote');
  const note = await new Note({ text: 'x', later: null }).save();
  await new Note({ text: 'y' }).save();
  const found = await new Parse.Query(Note).exists('later').find();
  assert.deepEqual(found.map(o => [o.id, o.get('later')]), [[note.id, null]]);
  const schema = await new Parse.Schema('NullNote').get();
  assert.ok(!schema.fields.later);
  await new Note({ text: 'z', later: 5 }).save();
  const again = await new Parse.Query(Note).get(note.id);
  assert.equal(again.get('later'), null);
  await note.save({ later: 6 });
  assert.equal(await new Parse.Query(Note).equalTo('later', 6).count(), 1);
});

test('removing from a new list starts it; writing past the end fills up', async () => {
  const List = Parse.Object.extend('ListThing');
  const list = new List();
  list.remove('tags', 'a');
  await list.save();
  const read = await new Parse.Query(List).get(list.id);
  assert.deepEqual(read.get('tags'), []);
  await list.save({ rows: [] });
  list.increment('rows.2.n', 4);
  await list.save();
  const filled = await new Parse.Query(List).get(list.id);
  assert.deepEqual(filled.get('rows'), [null, null, { n: 4 }]);
});

test('a class has one field of geo points', async () => {
  const Place = Parse.Object.extend('OnePlace');
  const place = await new Place({ a: new Parse.GeoPoint(1, 2) }).save();
  await assert.rejects(place.save({ b: new Parse.GeoPoint(1, 2) }), { code: 111 });
});

test('config parameters take operations', async () => {
  const save = params => Parse.Config.save(params);
  await save({ list: ['a'], n: 1 });
  await save({ list: { __op: 'AddUnique', objects: ['a', 'b'] }, n: { __op: 'Increment', amount: 2 } });
  await save({ list: { __op: 'Remove', objects: ['a'] }, fresh: { __op: 'Add', objects: [1] } });
  const config = await Parse.Config.get();
  assert.deepEqual([config.get('list'), config.get('n'), config.get('fresh')], [['b'], 3, [1]]);
});

test('the server says that it is well', async () => {
  assert.equal(await Parse.getServerHealth().then(health => health.status), 'ok');
});
