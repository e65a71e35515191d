// Secrets in the data directory, in the log and in public pages (S05, S06, S27, S29, A33, A34).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as lib from '../lib.mjs';
import { DOORS, ask, everywhere, rest } from '../lib.mjs';

const LOUD = { RUST_LOG: 'trace', BASALT_REST_KEY: lib.REST_KEY };
const server = await lib.serve({ env: LOUD });

const files = folder =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath ?? entry.path, entry.name));

const secrets = {
  master: lib.MASTER_KEY,
  'read-only': lib.READ_ONLY_KEY,
  maintenance: lib.MAINTENANCE_KEY,
  password: 'canary-password-7f3a',
  'new password': 'canary-changed-9b1c',
  'wrong password': 'canary-mistyped-44de',
};

test('S06 S27 tokens are stored as digests, passwords as hashes, given keys not at all', async () => {
  const body = { username: 'ann', email: 'ann@example.com', password: secrets.password };
  const made = await rest(server, 'POST', '/users', { body });
  secrets['sign-up token'] = made.json.sessionToken;
  for (const door of DOORS) {
    const login = { username: 'ann', password: secrets.password };
    const answer = await ask(server, door, 'POST', '/login', { body: login });
    secrets[`log-in token by ${door}`] = answer.json.sessionToken;
    await ask(server, door, 'GET', '/users/me', { session: answer.json.sessionToken });
    const wrong = { username: 'ann', password: secrets['wrong password'] };
    lib.refused(await ask(server, door, 'POST', '/login', { body: wrong }), 101);
  }
  const session = secrets['sign-up token'];
  const own = await rest(server, 'POST', '/sessions', { session, body: {} });
  secrets['made token'] = own.json.sessionToken;
  const as = await rest(server, 'POST', '/loginAs', { ...lib.MASTER, body: { userId: made.json.objectId } });
  secrets['lent token'] = as.json.sessionToken;
  const changed = await rest(server, 'PUT', `/users/${made.json.objectId}`, {
    session,
    body: { password: secrets['new password'] },
  });
  secrets['new token'] = changed.json.sessionToken;
  await rest(server, 'GET', '/users', lib.READ_ONLY);
  await rest(server, 'GET', '/users', lib.MAINTENANCE);
  assert.ok(Object.values(secrets).every(Boolean), JSON.stringify(secrets));

  const stored = files(server.dataDir).map(name => ({ name, bytes: readFileSync(name) }));
  if (server.databaseUrl) stored.push(...lib.schemas(server, 'basalt%'));
  else assert.ok(stored.some(({ name }) => name.endsWith('data.db')), stored.map(file => file.name).join());
  let hashes = 0;
  for (const { name: place, bytes } of stored) {
    hashes += bytes.includes('$argon2id$v=19$m=19456,t=2,p=1$') ? 1 : 0;
    for (const [name, secret] of Object.entries(secrets)) {
      for (const form of [secret, secret.replace(/^r:/, ''), Buffer.from(secret).toString('base64')]) {
        assert.ok(!bytes.includes(form), `${name} in ${place}`);
      }
    }
  }
  assert.ok(hashes > 0, 'passwords are hashed with argon2id at the documented cost');
});

test('S29 the log names no key, password, token or content, at its loudest', async () => {
  secrets.body = 'canary-body-text-5e5e';
  secrets['wrong master'] = 'canary-wrong-master-1234';
  secrets.auth = 'canary-auth-data-7777';
  const session = secrets['new token'];
  await rest(server, 'POST', '/classes/Note', { session, body: { text: secrets.body } });
  await rest(server, 'POST', '/classes/Note', { session, body: { text: { __op: 'Nope' }, x: secrets.body } });
  await rest(server, 'POST', '/classes/Note', { session, body: `{"text":"${secrets.body}"` });
  await rest(server, 'GET', `/classes/Note?where={"text":"${secrets.body}"}`, { session });
  await rest(server, 'GET', '/users', { headers: { 'X-Parse-Master-Key': secrets['wrong master'] } });
  await rest(server, 'POST', '/users', { body: { authData: { p: { id: secrets.auth } } } });
  await rest(server, 'GET', `/login?username=ann&password=${secrets['wrong password']}`);
  await rest(server, 'GET', `/sessions?where={"sessionToken":"${session}"}`, lib.MASTER);
  const basic = Buffer.from(`${lib.APP_ID}:${lib.MASTER_KEY}`).toString('base64');
  await rest(server, 'GET', '/schemas', { headers: { Authorization: `Basic ${basic}` } });
  await rest(server, 'POST', '/classes/Note', {
    body: { _MasterKey: lib.MASTER_KEY, _SessionToken: session, _method: 'GET' },
  });
  const outputs = { log: server.log() };
  for (const path of ['/metrics', '/health', '/parse/health', '/']) {
    outputs[path] = await (await fetch(`${server.origin}${path}`)).text();
  }
  for (const [where, text] of Object.entries(outputs)) {
    for (const [name, secret] of Object.entries({ ...secrets, basic })) {
      assert.ok(!text.includes(secret), `${name} in ${where}`);
    }
    assert.doesNotMatch(text, /r:[0-9a-f]{32}|\$argon2/, `a token or hash in ${where}`);
  }
});

test('S29 nothing secret in arguments that others on the machine can see', () => {
  const shown = readFileSync(`/proc/${server.pid}/cmdline`, 'latin1');
  for (const [name, secret] of Object.entries(secrets)) assert.ok(!shown.includes(secret), name);
});

test('S05 generated keys are random, readable by the owner only, and not printed', async () => {
  const found = [];
  for (let n = 0; n < 2; n += 1) {
    const bare = await lib.startServer({ env: { BASALT_MASTER_KEY: undefined } });
    const keys = files(join(bare.dataDir, 'keys'));
    assert.ok(keys.length > 0);
    for (const file of keys) {
      assert.equal(statSync(file).mode & 0o077, 0, file);
      const key = readFileSync(file, 'utf8').trim();
      assert.ok(key.length >= 22, `${file} is short`);
      assert.ok(!bare.log().includes(key), `${file} is in the log`);
      found.push(key);
    }
    for (const file of files(bare.dataDir)) {
      assert.equal(statSync(file).mode & 0o022, 0, `${file} is writable by others`);
    }
    for (const key of ['', 'undefined', 'null', 'masterKey', 'myMasterKey', lib.MASTER_KEY]) {
      const headers = { 'X-Parse-Master-Key': key };
      const answer = await rest(bare, 'GET', '/schemas', { headers });
      assert.equal(answer.status, 403, `master key ${JSON.stringify(key)}: ${answer.text}`);
    }
    await bare.stop();
  }
  assert.equal(new Set(found).size, found.length);
});

test('A33 A28 in production a class without permissions is closed to clients', async () => {
  const production = await lib.startServer({ mode: 'production' });
  after(production.stop);
  const id = await lib.make(production, 'Private', { text: 'x', ACL: { '*': { read: true, write: true } } });
  const user = await lib.signUp(production, 'ann');
  await lib.unchanged(production, async () => {
    for (const who of [lib.ANYONE, user.who]) {
      for (const [method, path, body] of [
        ['GET', '/classes/Private'],
        ['GET', `/classes/Private/${id}`],
        ['POST', '/classes/Private', { text: 'y' }],
        ['PUT', `/classes/Private/${id}`, { text: 'y' }],
        ['DELETE', `/classes/Private/${id}`],
      ]) {
        for (const answer of Object.values(await everywhere(production, method, path, { body, ...who }))) {
          lib.refused(answer, [101, 119], `${method} ${path}`);
        }
      }
      for (const answer of Object.values(await everywhere(production, 'POST', '/classes/Fresh', { body: { a: 1 }, ...who }))) {
        lib.refused(answer, [119, 103], 'a class of its own');
      }
    }
  });
});

test('A34 development does not listen where others could reach it', async () => {
  for (const listen of ['0.0.0.0:0', '[::]:0']) {
    const folder = mkdtempSync(join(tmpdir(), 'basalt-security-'));
    const child = spawn(
      process.env.BASALT_BIN,
      ['serve', '--data-dir', folder, '--listen', listen, '--mode', 'development'],
      { env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'pipe'], timeout: 10_000 },
    );
    let out = '';
    child.stdout.on('data', data => {
      out += data;
      child.kill();
    });
    const code = await new Promise(resolve => child.once('exit', resolve));
    rmSync(folder, { recursive: true, force: true });
    assert.ok(!out.includes('listening'), `${listen}: ${out}`);
    assert.ok(code !== 0 && code !== null, `${listen} ended with ${code}`);
  }
});
