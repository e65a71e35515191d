import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parseServer, Parse, rest } from '../server.mjs';

const server = await parseServer();
const Book = Parse.Object.extend('Book');
const Author = Parse.Object.extend('Author');

let authors;
before(async () => {
  authors = await Parse.Object.saveAll(
    ['Ann', 'Bob', 'Cid'].map((name, n) => new Author({ name, age: 30 + n })),
  );
  await Parse.Object.saveAll(
    Array.from({ length: 30 }, (_, n) =>
      new Book({
        n,
        title: `Book ${String(n).padStart(2, '0')}`,
        tags: n % 2 ? ['odd', `t${n % 3}`] : ['even'],
        meta: { pages: n * 10, inner: { deep: n % 4 } },
        author: authors[n % 3],
        at: new Date(n * 1000),
        place: new Parse.GeoPoint(n, n),
        ...(n % 5 ? {} : { fifth: n === 0 ? null : true }),
      }),
    ),
  );
});

const numbers = async query => (await query.ascending('n').limit(100).find()).map(o => o.get('n'));
const where = () => new Parse.Query(Book);
const range = filter => Array.from({ length: 30 }, (_, n) => n).filter(filter);

const cases = [
  ['equalTo', q => q.equalTo('n', 7), n => n === 7],
  ['notEqualTo', q => q.notEqualTo('n', 7), n => n !== 7],
  ['range', q => q.greaterThan('n', 3).lessThanOrEqualTo('n', 6), n => n > 3 && n <= 6],
  ['dates', q => q.lessThan('at', new Date(3000)), n => n < 3],
  ['containedIn', q => q.containedIn('n', [1, 5, 99]), n => n === 1 || n === 5],
  ['notContainedIn', q => q.notContainedIn('n', [1, 5]), n => n !== 1 && n !== 5],
  ['array contains', q => q.equalTo('tags', 'odd'), n => n % 2 === 1],
  ['containsAll', q => q.containsAll('tags', ['odd', 't1']), n => n % 2 === 1 && n % 3 === 1],
  ['containedBy', q => q.containedBy('tags', ['even', 'x']), n => n % 2 === 0],
  ['nested equal', q => q.equalTo('meta.inner.deep', 2), n => n % 4 === 2],
  ['nested range', q => q.greaterThan('meta.pages', 250), n => n > 25],
  ['nested in', q => q.containedIn('meta.pages', [10, 20]), n => n === 1 || n === 2],
  ['nested not in', q => q.notContainedIn('meta.inner.deep', [0, 1, 2]), n => n % 4 === 3],
  ['nested exists', q => q.exists('meta.pages').doesNotExist('meta.x'), () => true],
  ['null counts as present', q => q.exists('fifth'), n => n % 5 === 0],
  ['missing', q => q.doesNotExist('fifth'), n => n % 5 !== 0],
  ['null or missing', q => q.equalTo('fifth', null), n => n % 5 !== 0 || n === 0],
  ['startsWith', q => q.startsWith('title', 'Book 1'), n => n >= 10 && n < 20],
  ['endsWith', q => q.endsWith('title', '7'), n => n % 10 === 7],
  ['contains with specials', q => q.contains('title', '.*'), () => false],
  ['regex i', q => q.matches('title', /^book 0[12]$/i), n => n === 1 || n === 2],
  ['regex s m x', q => q.matches('title', 'book \\s 03 # c', 'ix'), n => n === 3],
  ['pointer', q => q.equalTo('author', authors[1]), n => n % 3 === 1],
  [
    'inQuery',
    q => q.matchesQuery('author', new Parse.Query(Author).greaterThan('age', 30)),
    n => n % 3 > 0,
  ],
  [
    'notInQuery',
    q => q.doesNotMatchQuery('author', new Parse.Query(Author).equalTo('name', 'Ann')),
    n => n % 3 > 0,
  ],
  [
    'select',
    q => q.matchesKeyInQuery('n', 'age', new Parse.Query(Author).notEqualTo('name', 'Ann')),
    () => false,
  ],
  [
    'dontSelect',
    q => q.doesNotMatchKeyInQuery('n', 'age', new Parse.Query(Author)),
    () => true,
  ],
  [
    'equal beside dontSelect',
    q =>
      q
        .equalTo('author', authors[1])
        .doesNotMatchKeyInQuery('author', 'author', new Parse.Query(Book).equalTo('n', 0)),
    n => n % 3 === 1,
  ],
  [
    'equal beside dontSelect of the same',
    q =>
      q
        .equalTo('author', authors[0])
        .doesNotMatchKeyInQuery('author', 'author', new Parse.Query(Book).equalTo('n', 0)),
    () => false,
  ],
  ['near', q => q.withinRadians('place', new Parse.GeoPoint(0, 0), 0.06), n => n <= 2],
  [
    'box',
    q => q.withinGeoBox('place', new Parse.GeoPoint(4.5, 4.5), new Parse.GeoPoint(7.5, 7.5)),
    n => n >= 5 && n <= 7,
  ],
  [
    'box with swapped corners',
    q => q.withinGeoBox('place', new Parse.GeoPoint(7.5, 7.5), new Parse.GeoPoint(4.5, 4.5)),
    n => n >= 5 && n <= 7,
  ],
];
for (const [name, build, expected] of cases) {
  test(name, async () => {
    assert.deepEqual(await numbers(build(where())), range(expected));
  });
}

test('or, and, nor', async () => {
  const [low, high] = [where().lessThan('n', 2), where().greaterThan('n', 27)];
  assert.deepEqual(await numbers(Parse.Query.or(low, high)), [0, 1, 28, 29]);
  assert.deepEqual(await numbers(Parse.Query.nor(low, high)), range(n => n > 1 && n < 28));
  const both = Parse.Query.and(where().greaterThan('n', 3), where().lessThan('n', 5));
  assert.deepEqual(await numbers(both), [4]);
});

test('sort, skip, limit, count and keys', async () => {
  const page = await where().descending('n').skip(2).limit(3).select('n').find();
  assert.deepEqual(page.map(o => o.get('n')), [27, 26, 25]);
  assert.ok(page.every(o => o.createdAt && !o.has('title')));
  const { results, count } = await where().limit(2).withCount().find();
  assert.deepEqual([results.length, count], [2, 30]);
  assert.equal(await where().greaterThan('n', 9).count(), 20);
  const multi = await where().ascending('meta.inner.deep').addDescending('n').limit(2).find();
  assert.deepEqual(multi.map(o => o.get('n')), [28, 24]);
});

test('include follows pointers, level by level', async () => {
  const Shelf = Parse.Object.extend('Shelf');
  const books = await where().ascending('n').limit(2).find();
  await new Shelf({ books, first: books[0] }).save();
  const shelf = await new Parse.Query(Shelf).include('books.author', 'first.author').first();
  assert.deepEqual(shelf.get('books').map(b => b.get('author').get('name')), ['Ann', 'Bob']);
  assert.equal(shelf.get('first').get('author').get('name'), 'Ann');
  const all = await new Parse.Query(Shelf).includeAll().first();
  assert.equal(all.get('first').get('title'), 'Book 00');
});

test('near sorts by distance', async () => {
  const query = where().near('place', new Parse.GeoPoint(10.2, 10.2)).limit(3);
  assert.deepEqual((await query.find()).map(o => o.get('n')), [10, 11, 9]);
});

test('distinct and aggregate', async () => {
  const options = { useMasterKey: true };
  const names = await new Parse.Query(Author).distinct('name');
  assert.deepEqual(names.sort(), ['Ann', 'Bob', 'Cid']);
  const groups = await where().aggregate([
    { $match: { n: { $lt: 10 } } },
    { $unwind: '$tags' },
    { $group: { _id: '$tags', total: { $sum: '$n' }, count: { $sum: 1 } } },
    { $sort: { _id: 1 } },
    { $limit: 2 },
  ], options);
  assert.deepEqual(groups, [
    { objectId: 'even', total: 20, count: 5 },
    { objectId: 'odd', total: 25, count: 5 },
  ]);
  await assert.rejects(where().aggregate([{ $facet: {} }]), error => {
    return error.code === 102 && error.message.includes('$facet');
  });
});

test('what is not there yet or not known is refused by name', async () => {
  const refusals = [
    [{ title: { $text: { $search: { $term: 'x' } } } }, '$text'],
    [{ place: { $geoWithin: { $polygon: [] } } }, '$geoWithin'],
    [{ n: { $frobnicate: 1 } }, '$frobnicate'],
    [{ $frobnicate: [] }, '$frobnicate'],
  ];
  for (const [query, name] of refusals) {
    const path = `/classes/Book?where=${encodeURIComponent(JSON.stringify(query))}`;
    const answer = await rest(server, 'GET', path);
    assert.equal(answer.status, 400, answer.text);
    assert.ok(answer.json.error.includes(name), answer.text);
  }
  const unknown = await rest(server, 'GET', '/classes/Book?frobnicate=1');
  assert.deepEqual([unknown.status, unknown.json.code], [400, 102]);
});

test('a regular expression that backtracks for ever is bounded', async () => {
  const evil = new Book({ evil: 'a'.repeat(40) + '!' });
  await evil.save();
  const found = await where().matches('evil', '^(a+)+$').find();
  assert.equal(found.length, 0);
});

test('keys of a sub-query come out of lists and references', async () => {
  const Group = Parse.Object.extend('Group');
  await new Group({ members: [authors[1]], lead: authors[2] }).save();
  const groups = new Parse.Query(Group);
  const ofMembers = where().matchesKeyInQuery('author', 'members', groups);
  assert.deepEqual(await numbers(ofMembers), range(n => n % 3 === 1));
  const lead = new Parse.Query(Author).matchesKeyInQuery('objectId', 'lead.objectId', groups);
  assert.deepEqual((await lead.find()).map(o => o.get('name')), ['Cid']);
});

test('keys: none, some as a repeated parameter, all', async () => {
  const shown = async query => {
    const { json } = await rest(server, 'GET', `/classes/Book?where={"n":1}${query}`);
    const always = ['objectId', 'createdAt', 'updatedAt'];
    return Object.keys(json.results[0]).filter(key => !always.includes(key)).sort();
  };
  assert.deepEqual(await shown('&keys='), []);
  assert.deepEqual(await shown('&keys=n&keys=title'), ['n', 'title']);
  const all = await shown('');
  assert.ok(all.length > 5);
  const left = all.filter(key => key !== 'n' && key !== 'title');
  assert.deepEqual(await shown('&excludeKeys=n&excludeKeys=title'), left);
  const none = await new Parse.Query(Book).select().first();
  assert.ok(none.id && !none.has('title'));
});

test('a time relative to now is for fields that hold times', async () => {
  const ago = { $relativeTime: '1 day ago' };
  assert.deepEqual(await numbers(where().lessThan('at', ago)), range(() => true));
  await assert.rejects(where().greaterThan('title', ago).find(), { code: 107 });
});

test('a relation is never null; one of an unsaved object is empty', async () => {
  const Club = Parse.Object.extend('Club');
  const club = new Club();
  club.relation('fans').add(authors[0]);
  await club.save();
  assert.equal(await new Parse.Query(Club).equalTo('fans', null).count(), 0);
  assert.equal(await new Parse.Query(Club).equalTo('fans', authors[0]).count(), 1);
  const fans = club.clone().relation('fans').query();
  assert.deepEqual(await fans.find(), []);
});
