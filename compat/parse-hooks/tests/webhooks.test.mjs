// What webhooks are told, and what their answers do.
import assert from 'node:assert/strict';
import test from 'node:test';
import { startReceiver } from '../../lib/receiver.mjs';
import { Parse, WEBHOOK_KEY, parseServer, rest } from '../server.mjs';

const server = await parseServer();
const receiver = await startReceiver();
let count = 0;

/** A function at a path of its own. */
async function declare(act, name = `f${(count += 1)}`) {
  receiver.on(`/${name}`, act);
  await Parse.Hooks.createFunction(name, receiver.url(`/${name}`));
  return name;
}

async function trigger(className, triggerName, act) {
  const path = `/t${(count += 1)}`;
  receiver.on(path, act);
  await Parse.Hooks.createTrigger(className, triggerName, receiver.url(path));
}

test('a function runs, and is told who calls', async () => {
  const user = await Parse.User.signUp('caller', 'password');
  const name = await declare(body => ({ success: { got: body.params, when: body.params.when } }));
  receiver.taken();
  const when = new Date('2026-11-21T15:00:00.000Z');
  const post = Parse.Object.extend('Post').createWithoutData('abc').toPointer();
  const result = await Parse.Cloud.run(name, { n: 1, when, post }, { context: { from: 'test' } });
  assert.equal(result.got.n, 1);
  assert.ok(result.when instanceof Date);
  assert.equal(result.when.getTime(), when.getTime());
  assert.equal(result.got.post.className, 'Post');
  const [call] = receiver.taken();
  assert.equal(call.headers['x-parse-webhook-key'], WEBHOOK_KEY);
  assert.equal(call.body.functionName, name);
  assert.equal(call.body.user.objectId, user.id);
  assert.equal(call.body.user.password, undefined);
  assert.equal(call.body.master, false);
  assert.equal(call.body.context.from, 'test');
  assert.ok(call.body.installationId);
  assert.equal(call.body.ip, '127.0.0.1');
  await Parse.User.logOut();
});

test('what a function refuses with reaches the caller', async () => {
  const name = await declare(() => ({ error: { code: 1337, error: 'hacking that one!' } }));
  await assert.rejects(Parse.Cloud.run(name), error => {
    assert.equal(error.code, Parse.Error.SCRIPT_FAILED);
    assert.equal(error.message.code, 1337);
    assert.equal(error.message.error, 'hacking that one!');
    return true;
  });
  await assert.rejects(Parse.Cloud.run('nothing'), /Invalid function: "nothing"/);
});

test('beforeSave changes and refuses', async () => {
  await trigger('SomeObject', 'beforeSave', body => {
    const object = Parse.Object.fromJSON(body.object);
    if (object.get('name') === 'bad') return { error: 'bad name' };
    object.set('hello', 'world');
    return { success: object };
  });
  const object = new Parse.Object('SomeObject');
  await object.save({ name: 'good', tags: ['a'] });
  assert.equal(object.get('hello'), 'world');
  await object.save();
  object.increment('hits');
  await object.save();
  const fresh = await new Parse.Query('SomeObject').get(object.id);
  assert.equal(fresh.get('hello'), 'world');
  assert.equal(fresh.get('hits'), 1);
  assert.deepEqual(fresh.get('tags'), ['a']);
  await assert.rejects(object.save({ name: 'bad' }), { code: 141, message: 'bad name' });
});

test('afterSave writes back, and is not lost in a loop', async () => {
  await trigger('Loop', 'afterSave', async body => {
    const next = new Parse.Object('Loop');
    await next.save({ n: body.object.n + 1 }, { context: body.context });
    return { success: {} };
  });
  await new Parse.Object('Loop').save({ n: 1 });
  const made = await new Parse.Query('Loop').count();
  assert.ok(made >= 16 && made <= 18, `${made} objects`);
});

test('find triggers narrow, change, and see includes', async () => {
  const child = await new Parse.Object('Child').save({ n: 1 });
  await new Parse.Object('Parent').save({ child });
  await trigger('Child', 'afterFind', body => ({
    success: body.objects.map(object => ({ ...object, seen: true })),
  }));
  await trigger('Parent', 'beforeFind', body => ({ success: { ...body.query, limit: 1 } }));
  await new Parse.Object('Parent').save({ child });
  const found = await new Parse.Query('Parent').include('child').find();
  assert.equal(found.length, 1);
  assert.equal(found[0].get('child').get('seen'), true);
});

test('deletes can be refused, and are told of', async () => {
  let deleted = 0;
  await trigger('Gone', 'beforeDelete', body =>
    body.object.keep ? { error: 'kept' } : { success: {} },
  );
  await trigger('Gone', 'afterDelete', () => {
    deleted += 1;
    return { success: {} };
  });
  const kept = await new Parse.Object('Gone').save({ keep: true });
  await assert.rejects(kept.destroy(), { code: 141, message: 'kept' });
  await (await new Parse.Object('Gone').save({ keep: false })).destroy();
  assert.equal(deleted, 1);
});

test('bad receivers are errors that tell nothing', async () => {
  const huge = 'x'.repeat(9 * 1024 * 1024);
  const cases = [
    [(_, response) => void response.writeHead(200).end('not json'), /malformed/],
    [(_, response) => void response.writeHead(200).end(huge), /too large/],
    [(_, response) => void response.writeHead(503).end('stack trace'), /^The webhook failed\.$/],
    [(_, response) => void response.destroy(), /could not be reached/],
    [(_, response) => void response.writeHead(302, { Location: '/f1' }).end(), /could not be reached/],
    [
      (_, response) => void response.writeHead(307, { Location: 'http://169.254.169.254/' }).end(),
      /could not be reached/,
    ],
  ];
  for (const [act, message] of cases) {
    const name = await declare(act);
    await assert.rejects(Parse.Cloud.run(name), error => {
      assert.equal(error.code, 141);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /127\.0\.0\.1|169\.254|stack|ECONN|refused/i);
      return true;
    });
  }
});

test('validators come with the declaration', async () => {
  receiver.on('/checked', () => ({ success: 'ok' }));
  const validator = { requireUser: true, fields: { n: { type: Number.name, required: true } } };
  const body = { functionName: 'checked', url: receiver.url('/checked'), validator };
  const made = await rest(server, 'POST', '/hooks/functions', { master: true, body });
  assert.equal(made.status, 200, made.text);
  await assert.rejects(Parse.Cloud.run('checked', { n: 1 }), {
    code: 142,
    message: 'Validation failed. Please login to continue.',
  });
  await Parse.User.logIn('caller', 'password');
  await assert.rejects(Parse.Cloud.run('checked', { n: 'x' }), {
    message: 'Validation failed. Invalid type for n. Expected: number',
  });
  assert.equal(await Parse.Cloud.run('checked', { n: 1 }), 'ok');
  await Parse.User.logOut();
});

test('what ran can be searched', async () => {
  const { json } = await rest(server, 'GET', '/scriptlog?size=5&level=info', { master: true });
  assert.ok(Array.isArray(json) && json.length === 5);
  assert.ok(json.every(line => line.timestamp && line.level && line.message));
  assert.ok(json[0].timestamp >= json[4].timestamp);
});
