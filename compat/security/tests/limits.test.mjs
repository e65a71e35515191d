// Unbounded work: nesting, patterns, lists, pages, bodies (E01–E04, E10, E29, E20).
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as lib from '../lib.mjs';
import { ask, DOORS, everywhere, memory, refusedEverywhere, rest } from '../lib.mjs';

const server = await lib.serve();
/** A hang shows as a failure of its own instead of as a suite that never ends. */
const PATIENCE = { timeout: 20_000 };
const find = (where, extra) => rest(server, 'POST', '/classes/Note', { body: { _method: 'GET', where, ...extra } });
const findText = where => rest(server, 'POST', '/classes/Note', { body: `{"_method":"GET","where":${where}}` });

before(async () => {
  const requests = Array.from({ length: 50 }, (_, n) => ({
    method: 'POST',
    path: '/parse/classes/Note',
    body: { n, text: 'a'.repeat(40) + '!', list: [n], meta: { text: 'x'.repeat(30) + 'y' } },
  }));
  await rest(server, 'POST', '/batch', { body: { requests } });
});

test('E01 a where nested 10² to 10⁵ deep is refused at once and costs no memory', PATIENCE, async () => {
  // Bodies of this size leave their mark on the allocator, whatever is in them.
  const plain = JSON.stringify({ text: 'x'.repeat(2_500_000) });
  for (let n = 0; n < 20; n += 1) await findText(plain);
  const before = memory(server, 'VmHWM');
  for (const depth of [100, 1000, 10_000, 100_000]) {
    for (const operator of ['$or', '$and', '$nor']) {
      const where = `{"${operator}":[`.repeat(depth) + '{"n":1}' + ']}'.repeat(depth);
      lib.refused(await findText(where), [102, 107], `${operator} ${depth}`);
      lib.refused(await findText(JSON.stringify(where)), [102, 107], `${operator} ${depth} as text`);
    }
  }
  const grown = memory(server, 'VmHWM') - before;
  assert.ok(grown < 16, `resident memory grew by ${grown} MiB`);
  for (const depth of [100, 1000, 100_000]) {
    const sub = '{"p":{"$inQuery":{"className":"Note","where":'.repeat(depth) + '{}' + '}}}'.repeat(depth);
    lib.refused(await findText(sub), [102, 107], `$inQuery ${depth}`);
    const not = '{"n":{"$not":'.repeat(depth) + '1' + '}}'.repeat(depth);
    lib.refused(await findText(not), [102, 105, 107], `$not ${depth}`);
  }
});

test('E01 nor can it be wide: the number of conditions is limited', PATIENCE, async () => {
  let tree = { n: 1 };
  for (let level = 0; level < 14; level += 1) tree = { $or: [tree, tree] };
  lib.refused(await find(tree), 102, 'doubling tree');
  let both = { n: 1 };
  for (let level = 0; level < 12; level += 1) both = { $and: [{ $or: [both, both] }, { $or: [both] }] };
  lib.refused(await find(both), [102, 107, 116], 'and of or');
  lib.refused(await find({ $or: Array.from({ length: 10_001 }, (_, n) => ({ n })) }), 102, 'wide or');
  const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, n) => [`f${n}`, n]));
  lib.refused(await find(many), 102, 'many fields');
  const wide = { $or: Array.from({ length: 5000 }, (_, n) => ({ n: n + 1000 })) };
  const answer = await find(wide);
  lib.calm(answer, 'an allowed wide or');
  assert.ok(answer.json.results === undefined || answer.json.results.length === 0);
});

test('E01 sub-queries that multiply are limited', PATIENCE, async () => {
  const nest = depth =>
    depth === 0 ? {} : { n: { $select: { key: 'n', query: { className: 'Note', where: nest(depth - 1) } } } };
  for (const depth of [11, 20, 90]) lib.refused(await find(nest(depth)), [102, 107], `depth ${depth}`);
  lib.calm(await find(nest(10)), 'the deepest allowed');
  const one = { n: { $select: { key: 'n', query: { className: 'Note', where: {} } } } };
  lib.calm(await find({ $or: Array.from({ length: 300 }, () => one) }), 'many beside each other');
});

test('E02 a catastrophic pattern ends, and others do not wait for it', PATIENCE, async () => {
  const patterns = [
    '(a+)+$',
    '^(a|aa)+$',
    '(a*)*b',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    '(?=(a+)+b)a',
    '(a+)+\\1b',
    '(.*)*(.*)*(.*)*x',
    '^(?:(?:a?){50}){50}$',
    '(x+x+)+z',
    '(?<=(a+)+)b',
  ];
  const slow = patterns.flatMap(pattern => [
    find({ text: { $regex: pattern } }),
    find({ 'meta.text': { $regex: pattern, $options: 'i' } }),
    find({ $nor: [{ text: { $regex: pattern } }] }),
  ]);
  for (let n = 0; n < 20; n += 1) assert.equal((await find({ n: 1 })).json.results.length, 1);
  for (const answer of await Promise.all(slow)) lib.calm(answer);
});

test('E02 patterns have a size, also after they are unfolded', PATIENCE, async () => {
  const before = memory(server);
  for (const pattern of [
    'a'.repeat(1001),
    'a'.repeat(1_000_000),
    '(((((a{99}){99}){99}){99}){99})',
    'a{1000000}',
    'a{0,65535}{0,65535}',
    '(a{500}){500}',
    '('.repeat(450) + ')'.repeat(450),
    '(?:'.repeat(300) + 'a' + ')*'.repeat(300),
    '\\p{L}{500}',
    '[\\w-\\d]'.repeat(100),
  ]) {
    lib.calm(await find({ text: { $regex: pattern } }), pattern.slice(0, 60));
  }
  lib.refused(await find({ text: { $regex: 'a'.repeat(1_000_000) } }), 102);
  assert.ok(memory(server) - before < 32);
});

test('E04 a batch has 50 requests at most, and no batch in it', PATIENCE, async () => {
  const request = { method: 'POST', path: '/parse/classes/Batched', body: { n: 1 } };
  const batch = n => ({ requests: Array.from({ length: n }, () => request) });
  lib.refused(await rest(server, 'POST', '/batch', { body: batch(51) }));
  const get = { method: 'GET', path: '/parse/classes/Batched' };
  for (const requests of [batch(51).requests, Array(51).fill(get)]) {
    const answer = await rest(server, 'POST', '/batch', { ...lib.MASTER, body: { requests } });
    const all = Array.isArray(answer.json) && answer.json.every(item => item.error);
    assert.ok(answer.status >= 400 || all, `the master key too: ${answer.text.slice(0, 200)}`);
  }
  lib.refused(await rest(server, 'POST', '/batch', { body: { ...batch(51), transaction: true } }));
  lib.refused(await rest(server, 'POST', '/batch', { body: batch(100_000) }));
  const none = await rest(server, 'GET', '/classes/Batched?count=1&limit=0', lib.MASTER);
  assert.equal(none.json.count ?? 0, 0);
  const nested = { requests: [{ method: 'POST', path: '/parse/batch', body: batch(50) }] };
  const answer = await rest(server, 'POST', '/batch', { body: nested });
  assert.ok(answer.status >= 400 || answer.json.every(item => item.error), answer.text);
  assert.equal((await rest(server, 'POST', '/batch', { body: batch(50) })).json.length, 50);
});

test('E04 includes and keys have limits', PATIENCE, async () => {
  const names = n => Array.from({ length: n }, (_, i) => `f${i}`);
  const tooMuch = [
    { include: Array(11).fill('link').join('.') },
    { include: Array(100_000).fill('link').join('.') },
    { include: names(51).join(',') },
    { include: names(51) },
    { keys: names(1001).join(',') },
    { keys: Array(12).fill('link').join('.') },
    { order: names(1001).join(',') },
  ];
  for (const params of tooMuch) {
    for (const door of ['method', 'batch']) {
      lib.refused(await ask(server, door, 'GET', '/classes/Note', { params }), 102, JSON.stringify(params).slice(0, 60));
    }
  }
  for (const params of [{ include: names(50).join(',') }, { keys: names(1000).join(',') }, { excludeKeys: names(5000).join(',') }]) {
    lib.calm(await ask(server, 'method', 'GET', '/classes/Note', { params }));
  }
});

test('E04 includes in a circle stay within their depth', PATIENCE, async () => {
  const id = await lib.make(server, 'Ring', { name: 'ring' });
  const link = lib.pointer('Ring', id);
  await rest(server, 'PUT', `/classes/Ring/${id}`, { body: { link, links: [link, link, link, link] } });
  for (const include of ['*', 'link.link.link', 'links.links.links.links.links', Array(10).fill('links').join('.')]) {
    const answer = await rest(server, 'GET', `/classes/Ring?include=${include}`);
    lib.calm(answer, include);
    assert.ok(answer.text.length < 64 * 1024 * 1024, `${include}: ${answer.text.length} bytes`);
  }
});

test('E04 a class has 1,000 fields at most', PATIENCE, async () => {
  const names = (n, from = 0) => Array.from({ length: n }, (_, i) => [`field${from + i}`, 1]);
  const many = Object.fromEntries(names(1200));
  await refusedEverywhere(server, 'POST', '/classes/Many', { body: many });
  const fields = Object.fromEntries(names(1200).map(([name]) => [name, { type: 'Number' }]));
  const body = { className: 'Many', fields };
  await refusedEverywhere(server, 'POST', '/schemas', { body, ...lib.MASTER });
  let status = 201;
  for (let from = 0; from < 1500 && status === 201; from += 300) {
    const answer = await rest(server, 'POST', '/classes/Grown', { body: Object.fromEntries(names(300, from)) });
    lib.calm(answer, `from ${from}`);
    status = answer.status;
  }
  assert.equal(status, 400, 'fields were added without end');
});

test('E10 a bad explain, and writes to classes that come and go, are refused', PATIENCE, async () => {
  for (const explain of ['x', 'constructor', {}, [], 5, true, 'queryPlanner']) {
    await refusedEverywhere(server, 'GET', '/classes/Note', { params: { explain } }, 102);
  }
  for (const explain of ['x', 'constructor', {}, [], 5]) {
    await refusedEverywhere(server, 'GET', '/classes/Note', { params: { explain }, ...lib.MASTER }, 102);
  }
  for (const name of ['_PushStatus', '_JobStatus', '_Hooks', '_GlobalConfig', '_Idempotency', '_JobSchedule']) {
    await refusedEverywhere(server, 'POST', `/classes/${name}`, { body: {} }, 119);
  }
});

test('E29 long lists and odd pages', PATIENCE, async () => {
  const million = Array.from({ length: 1_000_000 }, (_, n) => n);
  for (const operator of ['$in', '$nin', '$all', '$containedBy']) {
    lib.refused(await find({ list: { [operator]: million } }), [102, 116], `${operator} of a million`);
    lib.refused(await find({ list: { [operator]: million.slice(0, 20_001) } }), 102, operator);
    lib.calm(await find({ list: { [operator]: million.slice(0, 20_000) } }), `${operator} of 20,000`);
  }
  for (const [params, codes] of [
    [{ skip: 1_000_000_001 }, 102],
    [{ skip: -1 }, 102],
    [{ limit: 1.5 }, 102],
  ]) {
    await refusedEverywhere(server, 'GET', '/classes/Note', { params }, codes);
  }
  for (const params of [{ skip: 1_000_000_000 }, { limit: -1 }, { limit: 0 }, { limit: 9e15 }, { limit: 2 ** 63 }]) {
    for (const answer of Object.values(await everywhere(server, 'GET', '/classes/Note', { params }))) {
      lib.calm(answer, JSON.stringify(params));
      assert.ok((answer.json.results?.length ?? 0) <= 100, 'no more than there is');
    }
  }
  const points = million.map(n => [n % 90, n % 180]);
  lib.refused(await find({ place: { $geoWithin: { $polygon: points } } }), undefined, 'polygon');
  const big = await rest(server, 'POST', '/classes/Shape', {
    body: { shape: { __type: 'Polygon', coordinates: points.slice(0, 500_000) } },
  });
  lib.calm(big, 'a stored polygon');
});

test('E29 geo constraints take points on the globe only', PATIENCE, async () => {
  const point = (latitude, longitude) => ({ __type: 'GeoPoint', latitude, longitude });
  for (const wrong of [point(91, 0), point(0, 181), point('0', 0), point(null, 0), point({}, 0), {}, [], 5, 'x', null]) {
    for (const constraint of [
      { $nearSphere: wrong },
      { $within: { $box: [wrong, wrong] } },
      { $geoWithin: { $centerSphere: [wrong, 1] } },
      { $geoIntersects: { $point: wrong } },
    ]) {
      const answer = await find({ place: constraint });
      // The protocol's own answer to a latitude out of range is code 1; anything but a crash will do.
      assert.ok(answer.status >= 400 && typeof answer.json.error === 'string', answer.text);
      assert.ok(answer.status < 500, `${JSON.stringify(constraint)} ${answer.text}`);
    }
  }
  for (const distance of [-1, 1e400, 'x', {}, [], null, 1e300]) {
    const near = { $nearSphere: point(0, 0), $maxDistance: distance };
    lib.calm(await find({ place: near }), String(distance));
  }
});

test('E20 a stored object has a size, also when it grows by operations', PATIENCE, async () => {
  const mib = n => 'x'.repeat(n * 1024 * 1024);
  lib.refused(await rest(server, 'POST', '/classes/Big', { body: { v: mib(17) } }), 116);
  const id = await lib.make(server, 'Big', { list: [] });
  const add = { list: { __op: 'Add', objects: [mib(6)] } };
  let last;
  for (let n = 0; n < 4; n += 1) last = await rest(server, 'PUT', `/classes/Big/${id}`, { body: add });
  lib.refused(last, 116, 'an object that grows by operations');
  await rest(server, 'DELETE', `/classes/Big/${id}`);
});

test('E24 many small values in one body do not cost a hundred times its size', PATIENCE, async () => {
  const bodies = {
    numbers: `[${Array(5_000_000).fill('1').join()}]`,
    lists: `[${Array(6_000_000).fill('[]').join()}]`,
    objects: `[${Array(2_500_000).fill('{"a":1}').join()}]`,
    texts: `[${Array(6_000_000).fill('""').join()}]`,
    keys: `{${Array.from({ length: 1_200_000 }, (_, n) => `"k${n}":1`).join()}}`,
  };
  for (const [name, value] of Object.entries(bodies)) {
    const before = memory(server, 'VmHWM');
    for (const body of [`{"v":${value}}`, `{"_method":"GET","where":{"n":{"$in":${value}}}}`]) {
      const answer = await rest(server, 'POST', '/classes/Small', { body });
      lib.calm(answer, name);
      const grown = memory(server, 'VmHWM') - before;
      assert.ok(grown < 256, `${name}: ${body.length >> 20} MiB cost ${Math.round(grown)} MiB`);
    }
  }
});

test('E04 names have a length', PATIENCE, async () => {
  const long = 'a'.repeat(10_000);
  await refusedEverywhere(server, 'POST', '/classes/Note', { body: { [long]: 1 } });
  await refusedEverywhere(server, 'POST', '/schemas', { body: { className: long }, ...lib.MASTER });
  for (const door of DOORS) {
    lib.calm(await ask(server, door, 'GET', `/classes/Note/${long}`));
    const ACL = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`user${n}`, { read: true }]));
    lib.calm(await ask(server, door, 'POST', '/classes/Note', { body: { ACL } }), 'ACL of 20,000');
  }
});
