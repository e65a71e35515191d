// Declaring hooks by Parse.Hooks, as the public specs of Parse Server do.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Parse, parseServer, rest } from '../server.mjs';

const server = await parseServer();
const refused = (work, code, message) =>
  assert.rejects(work, error => {
    assert.equal(error.code, code);
    assert.equal(error.message, message);
    return true;
  });

test('no hooks at first', async () => {
  assert.deepEqual(await Parse.Hooks.getFunctions(), []);
  assert.deepEqual(await Parse.Hooks.getTriggers(), []);
});

test('functions: create, get, update, remove', async () => {
  const made = await Parse.Hooks.createFunction('My-Test-Function', 'http://someurl');
  assert.equal(made.functionName, 'My-Test-Function');
  assert.equal(made.url, 'http://someurl');
  const got = await Parse.Hooks.getFunction('My-Test-Function');
  assert.equal(got.url, 'http://someurl');
  const changed = await Parse.Hooks.updateFunction('My-Test-Function', 'http://anotherurl');
  assert.equal(changed.url, 'http://anotherurl');
  assert.deepEqual(await Parse.Hooks.removeFunction('My-Test-Function'), {});
  await refused(
    Parse.Hooks.getFunction('My-Test-Function'),
    143,
    'no function named: My-Test-Function is defined',
  );
});

test('triggers: create, get, update, remove', async () => {
  const made = await Parse.Hooks.createTrigger('MyClass', 'beforeDelete', 'http://someurl');
  assert.deepEqual({ ...made }, {
    className: 'MyClass',
    triggerName: 'beforeDelete',
    url: 'http://someurl',
  });
  const changed = await Parse.Hooks.updateTrigger('MyClass', 'beforeDelete', 'http://anotherurl');
  assert.equal(changed.url, 'http://anotherurl');
  const got = await Parse.Hooks.getTrigger('MyClass', 'beforeDelete');
  assert.equal(got.url, 'http://anotherurl');
  assert.deepEqual(await Parse.Hooks.removeTrigger('MyClass', 'beforeDelete'), {});
  await refused(
    Parse.Hooks.getTrigger('MyClass', 'beforeDelete'),
    143,
    'class MyClass does not exist',
  );
});

test('declarations that can not be are refused', async () => {
  await Parse.Hooks.createFunction('twice', 'http://url.com');
  await refused(
    Parse.Hooks.createFunction('twice', 'http://url.com'),
    143,
    'function name: twice already exists',
  );
  await Parse.Hooks.createTrigger('Twice', 'beforeSave', 'http://url.com');
  await refused(
    Parse.Hooks.createTrigger('Twice', 'beforeSave', 'http://url.com'),
    143,
    'class Twice already has trigger beforeSave',
  );
  await refused(
    Parse.Hooks.updateFunction('A_COOL_FUNCTION', 'http://url.com'),
    143,
    'no function named: A_COOL_FUNCTION is defined',
  );
  await refused(
    Parse.Hooks.updateTrigger('AClassName', 'beforeSave', 'http://url.com'),
    143,
    'class AClassName does not exist',
  );
  await assert.rejects(Parse.Hooks.createFunction('MyFunction'), error => {
    assert.equal(error.code, 143);
    assert.equal(error.error, 'invalid hook declaration');
    return true;
  });
  const answer = await rest(server, 'POST', '/hooks/functions', {
    master: true,
    body: { functionName: 'SomeFunction' },
  });
  assert.deepEqual(answer.json, { code: 143, error: 'invalid hook declaration' });
});

test('only the master key declares hooks', async () => {
  for (const path of ['/hooks/functions', '/hooks/triggers']) {
    const read = await rest(server, 'GET', path);
    assert.equal(read.status, 403);
    const write = await rest(server, 'POST', path, { body: { functionName: 'x', url: 'http://x' } });
    assert.equal(write.status, 403);
  }
});

test('the server says that it has hooks', async () => {
  const { json } = await rest(server, 'GET', '/serverInfo', { master: true });
  assert.deepEqual(json.features.hooks, { create: true, read: true, update: true, delete: true });
});
