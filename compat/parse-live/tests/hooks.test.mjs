// Code around connections, subscriptions and events, as webhooks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recorder, until } from '../lib.mjs';
import { startReceiver } from '../../lib/receiver.mjs';
import { APP_ID, JAVASCRIPT_KEY, Parse, parseServer, rest } from '../server.mjs';

const server = await parseServer();
const receiver = await startReceiver();
Parse.Object.disableSingleInstance();

async function declare(triggerName, className, act) {
  const path = `/${triggerName}`;
  receiver.on(path, act);
  const body = { triggerName, className, url: receiver.url(path) };
  const answer = await rest(server, 'POST', '/hooks/triggers', { master: true, body });
  assert.equal(answer.status, 200, answer.text);
}

function client(more = {}) {
  const live = new Parse.LiveQueryClient({
    serverURL: `${server.origin.replace('http', 'ws')}/parse`,
    applicationId: APP_ID,
    javascriptKey: JAVASCRIPT_KEY,
    ...more,
  });
  live.open();
  return live;
}

test('code sees events, may change them and keep them back', async () => {
  await declare('afterEvent', 'Told', body => {
    if (body.object.n === 2) return { error: 'not this one' };
    return { success: { ...body.object, added: body.event } };
  });
  const live = client();
  const subscription = live.subscribe(new Parse.Query('Told'));
  await subscription.subscribePromise;
  const events = recorder(subscription);
  const errors = [];
  subscription.on('error', error => errors.push(error));
  for (const n of [1, 2, 3]) await new Parse.Object('Told', { n }).save();
  await until(() => events.length === 2 && errors.length === 1);
  assert.deepEqual(events.map(e => [e.object.get('n'), e.object.get('added')]), [
    [1, 'create'],
    [3, 'create'],
  ]);
  assert.deepEqual(errors, ['not this one']);
  const seen = receiver.taken();
  assert.equal(seen[0].body.useMasterKey, false);
  assert.equal(seen[0].body.object.className, 'Told');
  await live.close();
});

test('code may change a query and refuse it', async () => {
  await declare('beforeSubscribe', 'Asked', body => {
    if (body.query.where.refuse) return { error: 'not this query' };
    return { success: { where: { n: { $gt: 5 } } } };
  });
  const live = client();
  const subscription = live.subscribe(new Parse.Query('Asked'));
  await subscription.subscribePromise;
  const events = recorder(subscription);
  for (const n of [1, 9]) await new Parse.Object('Asked', { n }).save();
  await until(() => events.length === 1);
  assert.equal(events[0].object.get('n'), 9);
  const refused = live.subscribe(new Parse.Query('Asked').equalTo('refuse', 1));
  await assert.rejects(refused.subscribePromise, { code: 141, message: 'not this query' });
  await live.close();
});

test('code may refuse a connection', async () => {
  await declare('beforeConnect', '@Connect', body =>
    body.sessionToken ? { error: 'no sessions here' } : { success: {} },
  );
  const user = await Parse.User.signUp('ann', 'secret');
  receiver.taken();
  const refused = client({ sessionToken: user.getSessionToken() });
  const subscription = refused.subscribe(new Parse.Query('A'));
  await assert.rejects(subscription.subscribePromise, { code: 141, message: 'no sessions here' });
  const [call] = receiver.taken();
  assert.equal(call.body.event, 'connect');
  assert.equal(call.body.triggerName, 'beforeConnect');
  assert.equal(call.body.user.objectId, user.id);
  assert.equal(typeof call.body.clients, 'number');
  refused.state = 'closed';
  await refused.close();
  const live = client();
  await live.subscribe(new Parse.Query('A')).subscribePromise;
  await live.close();
});
