// Cloud Code of some breadth, as it is written for Parse Server.
/* global Parse, require, console, setTimeout */
const { shout } = require('./lib/texts');
const settings = require('./lib/settings');

// Functions.
Parse.Cloud.define('hello', request => `${settings.greeting} ${request.params.name || 'world'}`);
Parse.Cloud.define('shout', ({ params }) => shout(params.text));
Parse.Cloud.define('nothing', () => {});
Parse.Cloud.define('null', () => null);
Parse.Cloud.define('echo', ({ params }) => params);
Parse.Cloud.define('later', async () => {
  await new Promise(resolve => setTimeout(resolve, 5));
  return 'later';
});
Parse.Cloud.define('request', request => ({
  keys: Object.keys(request).sort(),
  name: request.functionName,
  master: request.master,
  user: request.user ? request.user.id : null,
  isUser: request.user instanceof Parse.User,
  token: request.user ? typeof request.user.getSessionToken() : null,
  installationId: typeof request.installationId,
  context: request.context,
}));
Parse.Cloud.define('types', ({ params }) => ({
  date: params.date instanceof Date ? params.date.toISOString() : null,
  pointer: params.pointer instanceof Parse.Object ? params.pointer.className + params.pointer.id : null,
  nested: params.nested && params.nested.list[0] instanceof Date,
}));
Parse.Cloud.define('returnTypes', () => ({
  date: new Date(0),
  point: new Parse.GeoPoint(1, 2),
  object: Parse.Object.fromJSON({ className: 'Thing', objectId: 'abc', n: 1 }),
  list: [new Date(1), { deep: new Parse.GeoPoint(3, 4) }],
}));

// Errors.
Parse.Cloud.define('parseError', () => { throw new Parse.Error(4242, 'own code'); });
Parse.Cloud.define('notFound', () => { throw new Parse.Error(Parse.Error.OBJECT_NOT_FOUND, 'gone'); });
Parse.Cloud.define('textError', () => { throw 'just text'; });
Parse.Cloud.define('error', () => { throw new Error('an error'); });
Parse.Cloud.define('objectError', () => { throw { reason: 'an object' }; });
Parse.Cloud.define('nullError', () => { throw null; });
Parse.Cloud.define('emptyError', () => { throw undefined; });
Parse.Cloud.define('rejected', () => Promise.reject(new Parse.Error(142, 'rejected')));
Parse.Cloud.define('engineError', () => new Parse.Query('Thing').get('none', { useMasterKey: true }));

// Objects and queries.
const Thing = Parse.Object.extend('Thing');
Parse.Cloud.define('objects', async () => {
  const master = { useMasterKey: true };
  const thing = new Thing({ name: 'one', n: 1, list: [1, 2], map: { a: 1 } });
  const steps = { isNew: thing.isNew(), dirty: thing.dirty() };
  await thing.save(null, master);
  steps.saved = !thing.isNew() && !thing.dirty() && thing.createdAt instanceof Date && typeof thing.id === 'string';
  thing.increment('n', 4);
  thing.add('list', 3);
  thing.unset('map');
  steps.local = [thing.get('n'), thing.get('list'), thing.has('map'), thing.dirtyKeys().sort()];
  await thing.save(null, master);
  thing.addUnique('list', 3);
  await thing.save(null, master);
  thing.remove('list', 1);
  await thing.save(null, master);
  const again = await new Parse.Query(Thing).get(thing.id, master);
  steps.stored = [again.get('n'), [...again.get('list')], again.has('map')];
  again.get('list').push(9);
  steps.inPlace = again.dirty('list');
  await again.save({ name: 'two' }, master);
  await thing.fetch(master);
  steps.fetched = [thing.get('name'), thing.get('list'), thing.equals(again), thing instanceof Thing];
  const other = new Parse.Object('Other', { thing });
  await other.save(null, master);
  const included = await new Parse.Query('Other').include('thing').get(other.id, master);
  steps.included = included.get('thing').get('name');
  const pointed = await new Parse.Query('Other').get(other.id, master);
  steps.pointer = pointed.get('thing').id === thing.id && !pointed.get('thing').has('name');
  const cascade = new Parse.Object('Other', { thing: new Thing({ name: 'child' }) });
  await cascade.save(null, master);
  steps.cascade = typeof cascade.get('thing').id === 'string';
  const relation = other.relation('things');
  relation.add([thing, cascade.get('thing')]);
  await other.save(null, master);
  steps.related = (await relation.query().ascending('name').find(master)).map(one => one.get('name'));
  await thing.destroy(master);
  steps.gone = await new Parse.Query(Thing).equalTo('objectId', thing.id).count(master);
  return steps;
});
Parse.Cloud.define('queries', async () => {
  const master = { useMasterKey: true };
  const rows = [];
  for (let n = 0; n < 12; n++) {
    rows.push(new Parse.Object('Row', { n, even: n % 2 === 0, tags: [`t${n % 3}`], name: `row ${n}`, at: new Parse.GeoPoint(n, n) }));
  }
  await Parse.Object.saveAll(rows, master);
  const of = build => build(new Parse.Query('Row')).find(master).then(found => found.map(row => row.get('n')));
  const result = {
    less: await of(q => q.lessThan('n', 3).ascending('n')),
    and: await of(q => q.greaterThanOrEqualTo('n', 4).equalTo('even', true).descending('n')),
    in: await of(q => q.containedIn('n', [1, 5, 99]).ascending('n')),
    starts: await of(q => q.startsWith('name', 'row 1').ascending('n')),
    exists: await of(q => q.doesNotExist('name')),
    or: (await Parse.Query.or(new Parse.Query('Row').equalTo('n', 1), new Parse.Query('Row').equalTo('n', 2)).find(master)).length,
    page: await of(q => q.ascending('n').skip(2).limit(3)),
    near: await of(q => q.near('at', new Parse.GeoPoint(0, 0)).limit(2)),
    count: await new Parse.Query('Row').equalTo('even', true).count(master),
    first: (await new Parse.Query('Row').descending('n').first(master)).get('n'),
    none: (await new Parse.Query('Row').equalTo('n', 99).first(master)) === undefined,
    distinct: (await new Parse.Query('Row').distinct('tags')).sort(),
    aggregate: await new Parse.Query('Row').aggregate([{ $group: { _id: null, total: { $sum: '$n' } } }]).then(rows => rows[0].total),
    select: Object.keys((await new Parse.Query('Row').select('n').first(master)).attributes).includes('name'),
    withCount: await new Parse.Query('Row').withCount().limit(1).find(master).then(({ results, count }) => [results.length, count]),
    each: 0,
  };
  await new Parse.Query('Row').each(row => { result.each += row.get('n'); }, { ...master, batchSize: 5 });
  const fetched = rows.map(row => Parse.Object.fromJSON({ __type: 'Pointer', className: 'Row', objectId: row.id }));
  await Parse.Object.fetchAll(fetched, master);
  result.fetchAll = fetched[3].get('n');
  await Parse.Object.destroyAll(rows, master);
  result.left = await new Parse.Query('Row').count(master);
  return result;
});

// Users, roles and permissions.
Parse.Cloud.define('users', async ({ params }) => {
  const user = await Parse.User.signUp(params.name, 'secret', { shoe: 42 });
  const found = await Parse.User.logIn(params.name, 'secret');
  const me = await Parse.User.me(found.getSessionToken());
  const acl = new Parse.ACL(user);
  const secret = new Parse.Object('Secret', { text: 'mine' });
  secret.setACL(acl);
  await secret.save(null, { useMasterKey: true });
  const seen = async options => (await new Parse.Query('Secret').equalTo('objectId', secret.id).find(options)).length;
  const role = new Parse.Role(`role-${params.name}`, new Parse.ACL());
  role.getUsers().add(user);
  await role.save(null, { useMasterKey: true });
  return {
    same: user.id === found.id && me.id === user.id,
    shoe: me.get('shoe'),
    current: Parse.User.current(),
    nobody: await seen(),
    owner: await seen({ sessionToken: found.getSessionToken() }),
    master: await seen({ useMasterKey: true }),
    role: role.getName(),
    token: found.getSessionToken(),
  };
});
Parse.Cloud.define('asCaller', async ({ user }) =>
  (await new Parse.Query('Secret').find(user ? { sessionToken: user.getSessionToken() } : {})).length);

// Calls among each other.
Parse.Cloud.define('outer', ({ params }) => Parse.Cloud.run('hello', { name: `outer ${params.name}` }));
Parse.Cloud.define('forever', ({ context }) => Parse.Cloud.run('forever', {}, { context }));

// Validators.
Parse.Cloud.define('onlyUsers', ({ user }) => user.id, { requireUser: true });
Parse.Cloud.define('onlyMaster', () => 'master', { requireMaster: true });
Parse.Cloud.define('fields', ({ params }) => params, {
  fields: {
    name: { type: String, required: true },
    size: { type: Number, default: 3 },
    kind: { options: ['a', 'b'], error: 'kind must be a or b' },
    odd: { options: value => value % 2 === 1 },
  },
});
Parse.Cloud.define('checked', () => 'fine', request => {
  if (request.params.key !== 'open sesame') throw 'wrong key';
});

// Triggers.
Parse.Cloud.beforeSave('Hooked', request => {
  const { object, original, context } = request;
  if (object.get('refuse')) throw new Parse.Error(4000, 'refused by hook');
  if (object.get('refuseText')) throw 'refused by text';
  object.set('seenDirty', object.dirtyKeys().filter(key => key !== 'seenDirty').sort());
  object.set('wasNew', object.isNew());
  object.set('before', original ? original.get('n') : null);
  object.increment('saves');
  if (object.get('remove')) object.unset('remove');
  context.fromBefore = 'handed on';
});
Parse.Cloud.afterSave('Hooked', async request => {
  const { object, original, context, master } = request;
  await new Parse.Object('Told').save({
    of: object.id, existed: object.existed(), n: object.get('n'), before: original ? original.get('n') : null,
    context: context.fromBefore, fromClient: context.fromClient, master,
  }, { useMasterKey: true });
});
Parse.Cloud.beforeSave('Ordered', ({ object }) => {
  if (object.get('n') < 0) throw new Parse.Error(Parse.Error.VALIDATION_ERROR, 'n is negative');
}, { fields: { n: { type: Number, required: true } } });
Parse.Cloud.beforeDelete('Kept', ({ object }) => { throw `${object.id} stays`; });
Parse.Cloud.afterDelete('Dropped', ({ object }) => new Parse.Object('Told').save({ of: object.id, dropped: true }, { useMasterKey: true }));
Parse.Cloud.beforeFind('Found', ({ query, isGet, count }) => {
  query.equalTo('shown', true);
  console.log('find', isGet, count);
});
Parse.Cloud.afterFind('Found', ({ objects }) => {
  for (const object of objects) object.set('extra', `for ${object.get('name')}`);
  return objects;
});
Parse.Cloud.afterFind('Halved', ({ objects }) => objects.filter((object, n) => n % 2 === 0));
Parse.Cloud.beforeSave(Parse.User, ({ object }) => {
  if (object.get('username') === 'forbidden') throw 'no such name';
});
Parse.Cloud.beforeLogin(({ object }) => {
  if (object.get('banned')) throw 'you are banned';
});
Parse.Cloud.afterLogout(({ object }) => { console.log('left', object.get('user').id); });

// Jobs.
Parse.Cloud.job('work', async ({ params, message }) => {
  await message('half way');
  await new Parse.Object('Told').save({ job: params.n }, { useMasterKey: true });
  return 'all done';
});
Parse.Cloud.job('fails', () => { throw new Error('job failed'); });
Parse.Cloud.define('startWork', ({ params }) => Parse.Cloud.startJob('work', params));

// The environment.
Parse.Cloud.define('environment', async () => {
  const bytes = new TextEncoder().encode('äöü');
  const controller = new AbortController();
  controller.abort();
  return {
    text: new TextDecoder().decode(bytes),
    base64: Buffer.from('hello').toString('base64'),
    url: new URL('../b?x=1#y', 'https://example.org/a/c/d').href,
    query: new URL('https://example.org/?a=1&b=2').searchParams.get('b'),
    clone: structuredClone({ when: new Date(0), list: [1] }).when.getTime(),
    aborted: controller.signal.aborted,
    uuid: crypto.randomUUID().length,
    util: require('util').format('%s-%d', 'a', 1),
    path: require('node:path').join('/a', '..', 'b'),
    events: new (require('events'))().on('x', () => {}).emit('x'),
    sameFile: require('./lib/texts') === require('./lib/texts.js'),
    config: Object.keys((await Parse.Config.get()).attributes),
  };
});
Parse.Cloud.define('missingModule', () => require('fs'));
Parse.Cloud.define('outside', () => require('../../../../etc/passwd'));
Parse.Cloud.define('notCovered', () => Parse.Object.pinAll([]));
Parse.Cloud.define('fetch', async ({ params }) => {
  const response = await fetch(params.url, { method: 'POST', body: 'ping' });
  return [response.status, await response.text()];
});
