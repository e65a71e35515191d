// Text and numbers at the edge of what JSON can say (D17, D18, E24).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { rest } from '../lib.mjs';

const server = await lib.serve();
let note;

before(async () => {
  note = await lib.make(server, 'Note', { text: 'x', n: 1 });
});

/** JSON texts of strings that no store of text keeps: U+0000 and halves of surrogate pairs. */
const UNSTORABLE = ['\\u0000', 'a\\u0000b', '\\ud800', 'a\\udc00', '\\udc00\\ud800', '\\ud83d\\ud83d\\ude00'];

/** Where text can stand: method, path, body with TEXT in it. */
const PLACES = [
  ['POST', '/classes/Note', '{"text":"TEXT"}'],
  ['POST', '/classes/Note', '{"meta":{"a":["TEXT"]}}'],
  ['POST', '/classes/Note', '{"meta":{"TEXT":1}}'],
  ['POST', '/classes/Note', '{"TEXT":1}'],
  ['POST', '/classes/Note', '{"ACL":{"TEXT":{"read":true}}}'],
  ['POST', '/classes/Note', '{"ACL":{"role:TEXT":{"read":true}}}'],
  ['POST', '/classes/Note', '{"list":{"__op":"Add","objects":["TEXT"]}}'],
  ['POST', '/classes/Note', '{"link":{"__type":"Pointer","className":"Note","objectId":"TEXT"}}'],
  ['POST', '/classes/Note', '{"link":{"__type":"Pointer","className":"TEXT","objectId":"a"}}'],
  ['POST', '/classes/Note', '{"at":{"__type":"Date","iso":"TEXT"}}'],
  ['POST', '/classes/Note', '{"x":{"__type":"Bytes","base64":"TEXT"}}'],
  ['POST', '/classes/Note', '{"x":{"__type":"TEXT"}}'],
  ['POST', '/classes/Note', '{"x":{"__op":"TEXT"}}'],
  ['POST', '/classes/Note', '{"x":{"__type":"File","name":"TEXT","url":"TEXT"}}'],
  ['PUT', '/classes/Note/ID', '{"text":"TEXT"}'],
  ['PUT', '/classes/Note/ID', '{"meta.TEXT":1}'],
  ['POST', '/users', '{"username":"TEXT","password":"p"}'],
  ['POST', '/users', '{"username":"u","password":"TEXT"}'],
  ['POST', '/users', '{"username":"u","password":"p","email":"TEXT@example.com"}'],
  ['POST', '/login', '{"username":"TEXT","password":"TEXT"}'],
  ['POST', '/roles', '{"name":"TEXT","ACL":{}}'],
  ['POST', '/schemas', '{"className":"TEXT"}'],
  ['POST', '/schemas', '{"className":"A","fields":{"TEXT":{"type":"String"}}}'],
  ['POST', '/installations', '{"installationId":"TEXT","deviceType":"ios"}'],
  ['POST', '/batch', '{"requests":[{"method":"POST","path":"/parse/classes/TEXT","body":{}}]}'],
  ['POST', '/batch', '{"requests":[{"method":"POST","path":"/parse/classes/Note","body":{"text":"TEXT"}}]}'],
  ['POST', '/classes/Note', '{"_method":"TEXT"}'],
  ['POST', '/classes/Note', '{"_method":"GET","where":{"text":"TEXT"}}'],
  ['POST', '/classes/Note', '{"_method":"GET","where":{"TEXT":1}}'],
  ['POST', '/classes/Note', '{"_method":"GET","where":{"text":{"$regex":"TEXT"}}}'],
  ['POST', '/classes/Note', '{"_method":"GET","where":{"text":{"$in":["TEXT"]}}}'],
  ['POST', '/classes/Note', '{"_method":"GET","order":"TEXT"}'],
  ['POST', '/classes/Note', '{"_method":"GET","keys":"TEXT"}'],
  ['POST', '/classes/Note', '{"_method":"GET","include":"TEXT"}'],
];

test('D17 U+0000 and broken surrogates are refused or kept, everywhere', async () => {
  for (const [method, path, template] of PLACES) {
    for (const text of UNSTORABLE) {
      const body = template.replaceAll('TEXT', text);
      const answer = await rest(server, method, path.replace('ID', note), { ...lib.MASTER, body });
      lib.calm(answer, body);
      if (answer.status === 201 && body.startsWith('{"text"')) {
        const seen = await rest(server, 'GET', `/classes/Note/${answer.json.objectId}`, lib.MASTER);
        assert.equal(seen.json.text, JSON.parse(body).text, body);
      }
    }
  }
  for (const part of ['%00', 'a%00b', '%ff', '%c0%af', '%ed%a0%80', '%', '%zz', '%e2%82']) {
    for (const path of [`/classes/${part}`, `/classes/Note/${part}`, `/${part}`, `/users/${part}`]) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        const answer = await rest(server, method, path, { body: method === 'GET' ? undefined : {} });
        lib.calm(answer, `${method} ${path}`);
      }
    }
    for (const query of [`where=${part}`, `where={"text":"${part}"}`, `order=${part}`, `${part}=1`, part, `limit=${part}`]) {
      lib.calm(await rest(server, 'GET', `/classes/Note?${query}`), query);
    }
  }
});

test('D17 bytes that are no UTF-8 are refused in a body', async () => {
  const bytes = [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82], [0x80]];
  for (const wrong of bytes) {
    for (const [before, behind] of [['{"text":"', '"}'], ['{"', '":1}'], ['', '{}']]) {
      const body = Buffer.concat([Buffer.from(before), Buffer.from(wrong), Buffer.from(behind)]);
      const response = await fetch(`${server.origin}/parse/classes/Note`, {
        method: 'POST',
        headers: { 'X-Parse-Application-Id': lib.APP_ID, 'X-Parse-REST-API-Key': lib.REST_KEY },
        body,
      });
      const text = await response.text();
      lib.refused({ status: response.status, text, json: JSON.parse(text) }, undefined, wrong.join());
    }
  }
});

test('D17 every other text is kept, and user names are unique in their normal form', async () => {
  const texts = [
    '\u0001\u001f\u007f\u0085',
    '\u2028\u2029',
    '\ufeff\uffff\ufffe',
    '\u202e\u2066exe txt',
    'e\u0301',
    'é',
    'ﬁ',
    '👨‍👩‍👧‍👦',
    '\u{10ffff}',
    'a'.repeat(100_000),
    'İıſK',
  ];
  for (const text of texts) {
    const made = await rest(server, 'POST', '/classes/Note', { body: { text, meta: { [text.slice(0, 50)]: text } } });
    assert.equal(made.status, 201, made.text.slice(0, 200));
    const seen = await rest(server, 'GET', `/classes/Note/${made.json.objectId}`);
    assert.equal(seen.json.text, text);
    assert.deepEqual(seen.json.meta, { [text.slice(0, 50)]: text });
  }
  for (const [first, second] of [
    ['zoë', 'zoe\u0308'],
    ['Zed', 'zED'],
    ['\u212Bngström', '\u00C5ngström'],
    ['straße', 'STRASSE'],
  ]) {
    await lib.signUp(server, first);
    const again = await rest(server, 'POST', '/users', { body: { username: second, password: 'p' } });
    if (first !== 'straße') lib.refused(again, 202, second);
    else lib.calm(again);
  }
});

/** Sends a number as it is written, reads it back as it is written. */
async function numberBack(written) {
  const made = await rest(server, 'POST', '/classes/Count', { body: `{"n":${written},"m":{"n":[${written}]}}` });
  lib.calm(made, written);
  if (made.status >= 400) return undefined;
  const seen = await rest(server, 'GET', `/classes/Count/${made.json.objectId}`);
  const top = /"n":(-?[\d.eE+-]+)/.exec(seen.text)?.[1];
  const nested = /"n":\[(-?[\d.eE+-]+)\]/.exec(seen.text)?.[1];
  assert.equal(top, nested, seen.text);
  return top;
}

test('D18 numbers come back as they were, or are refused', async () => {
  for (const exact of ['0', '-1', '9007199254740991', '9007199254740993', '-9007199254740993', '9223372036854775807', '-9223372036854775808']) {
    assert.equal(await numberBack(exact), exact);
  }
  for (const double of ['0.1', '-0.1', '5e-324', '1.7976931348623157e308', '1e15', '1e21', '1E+2', '1.5e-7', '123456789.125', '-0', '0.30000000000000004']) {
    const back = await numberBack(double);
    if (back !== undefined) assert.equal(Number(back) + 0, Number(double) + 0, `${double} became ${back}`);
  }
  for (const large of ['9223372036854775808', '18446744073709551616', '1' + '0'.repeat(300)]) {
    const back = await numberBack(large);
    if (back !== undefined) assert.equal(Number(back), Number(large), `${large} became ${back}`);
  }
  for (const never of ['1e400', '-1e400', '1' + '0'.repeat(400)]) {
    assert.equal(await numberBack(never), undefined, `${never} was taken`);
  }
  for (const broken of ['NaN', 'Infinity', '-Infinity', '01', '1.', '.5', '+1', '0x10', '1_000', '1e', '--1', '1n', '٣']) {
    const answer = await rest(server, 'POST', '/classes/Count', { body: `{"n":${broken}}` });
    lib.refused(answer, undefined, broken);
  }
});

test('D18 numbers in queries are exact too', async () => {
  for (const [n, name] of [['9007199254740992', 'a'], ['9007199254740993', 'b'], ['9007199254740994', 'c']]) {
    await rest(server, 'POST', '/classes/Exact', { body: `{"n":${n},"name":"${name}"}` });
  }
  for (const [where, expected] of [
    ['{"n":9007199254740993}', 'b'],
    ['{"n":{"$gt":9007199254740993}}', 'c'],
    ['{"n":{"$lt":9007199254740993}}', 'a'],
    ['{"n":{"$in":[9007199254740993]}}', 'b'],
    ['{"n":{"$gte":9007199254740993,"$lte":9007199254740993}}', 'b'],
  ]) {
    const found = await rest(server, 'GET', `/classes/Exact?where=${encodeURIComponent(where)}&order=n`);
    assert.deepEqual(found.json.results.map(o => o.name), [expected], where);
  }
  for (const odd of ['1e400', '-0', '1e-400', '99999999999999999999']) {
    const where = encodeURIComponent(`{"n":${odd}}`);
    lib.calm(await rest(server, 'GET', `/classes/Exact?where=${where}`), odd);
  }
});

test('D18 an increment past the largest number is refused or a double, never a wrap', async () => {
  for (const [start, by] of [
    ['9223372036854775807', '1'],
    ['-9223372036854775808', '-1'],
    ['9223372036854775807', '9223372036854775807'],
    ['1.7976931348623157e308', '1.7976931348623157e308'],
  ]) {
    const made = await rest(server, 'POST', '/classes/Sum', { body: `{"n":${start},"m":{"n":${start}}}` });
    assert.equal(made.status, 201, made.text);
    for (const key of ['n', 'm.n']) {
      const body = `{"${key}":{"__op":"Increment","amount":${by}}}`;
      const path = `/classes/Sum/${made.json.objectId}`;
      const answer = await rest(server, 'PUT', path, { body });
      lib.calm(answer, body);
      const seen = await rest(server, 'GET', path);
      const value = key === 'n' ? seen.json.n : seen.json.m.n;
      assert.equal(Math.sign(value), Math.sign(Number(start)), `${start} + ${by} = ${value}`);
      assert.ok(Number.isFinite(value));
    }
  }
});

test('D18 duplicate keys: one meaning for all readers', async () => {
  for (const body of [
    '{"n":1,"n":2}',
    '{"n":1,"\\u006e":2}',
    '{"m":{"a":1,"a":2}}',
    '{"ACL":{"*":{"read":true}},"ACL":{}}',
    '{"ACL":{"*":{"read":true},"*":{"read":false}}}',
  ]) {
    const made = await rest(server, 'POST', '/classes/Twice', { body });
    lib.calm(made, body);
    if (made.status >= 400) continue;
    const seen = await rest(server, 'GET', `/classes/Twice/${made.json.objectId}`, lib.MASTER);
    for (const [key, value] of Object.entries(JSON.parse(body))) {
      if (key !== 'ACL') assert.deepEqual(seen.json[key], value, body);
      else assert.ok(!seen.json.ACL?.['*']?.read, `the last one counts: ${seen.text}`);
    }
  }
  const text = '{"username":"dup","username":{"$ne":""},"password":"p"}';
  lib.refused(await rest(server, 'POST', '/users', { body: text }));
});

test('E24 nesting has an end, in every body and in every option', async () => {
  for (const depth of [200, 100_000, 1_000_000]) {
    const array = '['.repeat(depth) + ']'.repeat(depth);
    const map = '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);
    for (const value of [array, map, '['.repeat(depth), '{"a":'.repeat(depth)]) {
      for (const [path, body] of [
        ['/classes/Deep', `{"v":${value}}`],
        ['/classes/Deep', `{"_method":"GET","where":{"v":${value}}}`],
        ['/classes/Deep', value],
        ['/users', `{"username":"deep","password":${value}}`],
        ['/batch', `{"requests":[{"method":"POST","path":"/parse/classes/Deep","body":{"v":${value}}}]}`],
        ['/schemas', `{"className":"Deep","fields":${value}}`],
      ]) {
        lib.refused(await rest(server, 'POST', path, { ...lib.MASTER, body }), undefined, `${path} ${depth}`);
      }
    }
    if (depth > 2000) continue;
    for (const name of ['where', 'keys', 'order', 'limit', 'include']) {
      const answer = await rest(server, 'GET', `/classes/Deep?${name}=${encodeURIComponent(array)}`);
      lib.calm(answer, name);
    }
  }
  await lib.alive(server);
});
