// What every case needs: a server, the doors, the rule for refusals, and a view of all that is stored.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, afterEach } from 'node:test';
import { doors, MASTER_KEY, rest, startServer } from '../parse-js/server.mjs';

export { APP_ID, MASTER_KEY, REST_KEY, rest, startServer } from '../parse-js/server.mjs';

export const READ_ONLY_KEY = 'compat-read-only-master-key';
export const MAINTENANCE_KEY = 'compat-maintenance-key';
export const DOORS = ['rest', 'method', 'batch'];

export const MASTER = { master: true };
export const READ_ONLY = { headers: { 'X-Parse-Master-Key': READ_ONLY_KEY } };
export const MAINTENANCE = { headers: { 'X-Parse-Maintenance-Key': MAINTENANCE_KEY } };
export const ANYONE = {};

/** A server for a whole test file; after each test it has to be alive, as the same process. */
export async function serve(options = {}) {
  const server = await startServer({
    ...options,
    env: {
      BASALT_READONLY_MASTER_KEY: READ_ONLY_KEY,
      BASALT_MAINTENANCE_KEY: MAINTENANCE_KEY,
      ...options.env,
    },
  });
  after(server.stop);
  afterEach(() => alive(server));
  return server;
}

/** The process that was started is there and serves. */
export async function alive(server) {
  const state = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1][0];
  assert.notEqual(state, 'Z', `the server died:\n${server.log().slice(-2000)}`);
  const health = await fetch(`${server.origin}/health`);
  assert.equal(health.status, 200);
  await health.arrayBuffer();
}

/** A figure of /proc/PID/status in MiB: VmRSS, VmHWM. */
export function memory(server, name = 'VmRSS') {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)[1]) / 1024;
}

/** What the schemas of the server's database hold whose names are like this, each as one text. */
export function schemas(server, like) {
  const options = ['--no-psqlrc', '--tuples-only', '--no-align', '-c'];
  const sql = text => execFileSync('psql', [...options, text, server.databaseUrl], { maxBuffer: 1 << 28 });
  const names = sql(`SELECT nspname FROM pg_namespace WHERE nspname LIKE '${like}'`).toString();
  const dump = name => ({ name, bytes: sql(`SELECT schema_to_xml('${name}', true, false, '')`) });
  return names.trim().split('\n').map(dump);
}

/** Options of a query as a query string: text as it is, everything else as JSON. */
export function queryString(params = {}) {
  const text = value => (typeof value === 'string' ? value : JSON.stringify(value));
  const pairs = Object.entries(params).map(([k, v]) => `${k}=${encodeURIComponent(text(v))}`);
  return pairs.length ? `?${pairs.join('&')}` : '';
}

/**
 * One request through one door. `params` are the options of a GET, `body` is for everything else;
 * the rest says who asks.
 */
export async function ask(server, door, method, path, { params, body, ...who } = {}) {
  if (method !== 'GET') return doors[door](server, method, path, { body, ...who });
  if (door === 'rest') return rest(server, method, path + queryString(params), who);
  return doors[door](server, method, path, { body: params, ...who });
}

/** Text that only the inside of the server knows: SQL, sources, paths, panics, tables. */
const INTERNAL =
  /sqlite|\bSELECT\b.*\bFROM\b|INSERT INTO|UPDATE \w+ SET|no such (table|column)|syntax error|panick|\.rs:|rusqlite|tokio|backtrace|\/tmp\/|\/home\/|\/root\/|data\.db|\bt\d+\.c\d+\b/i;

/** The answer is a refusal: a 4xx with a stable code, and nothing from the inside. */
export function refused(answer, codes, what = '') {
  const shown = `${what} → ${answer.status} ${answer.text.slice(0, 400)}`;
  assert.ok(answer.status >= 400 && answer.status < 500, `not refused: ${shown}`);
  assert.ok(answer.json && typeof answer.json.error === 'string', `no error text: ${shown}`);
  assert.ok(answer.json.error.length < 600, `long text: ${shown}`);
  assert.doesNotMatch(answer.text, INTERNAL, `inside shows: ${shown}`);
  const { code } = answer.json;
  if (code === undefined) {
    assert.ok([400, 403, 404, 405, 413].includes(answer.status), `no code: ${shown}`);
  } else {
    assert.ok(Number.isInteger(code) && code !== 1, `code: ${shown}`);
  }
  if (codes !== undefined) assert.ok([codes].flat().includes(code), `code ${codes}: ${shown}`);
}

/** Not a failure of the server, whatever the answer is. */
export function calm(answer, what = '') {
  const shown = `${what} → ${answer.status} ${answer.text.slice(0, 400)}`;
  assert.ok(answer.status >= 200 && answer.status < 500, `failed: ${shown}`);
  if (answer.status >= 400) refused(answer, undefined, what);
  else assert.notEqual(answer.json?.code, 1, shown);
}

/** The same request at every door; the answers by door. */
export async function everywhere(server, method, path, options = {}) {
  const answers = {};
  for (const door of DOORS) answers[door] = await ask(server, door, method, path, options);
  return answers;
}

/** Every door refuses, and all in the same words. */
export async function refusedEverywhere(server, method, path, options = {}, codes = undefined) {
  const answers = await everywhere(server, method, path, options);
  const { params, body } = options;
  const what = `${method} ${path} ${JSON.stringify(params ?? body ?? {}).slice(0, 300)}`;
  for (const door of DOORS) refused(answers[door], codes, `${door}: ${what}`);
  for (const door of DOORS) {
    const { code, error } = answers.rest.json;
    // A refusal without a code may have one in a batch, where there is no status to tell it by.
    // How malformed input is described depends on who read it first.
    const free = code === undefined ? ['code'] : code === 107 ? ['error'] : [];
    const expected = { code, error };
    for (const key of free) expected[key] = answers[door].json[key];
    if (expected.code === undefined) delete expected.code;
    assert.deepEqual(answers[door].json, expected, `${door} differs: ${what}`);
  }
  return answers.rest;
}

/** All schemas and all objects, as the master key sees them. */
export async function everything(server) {
  const schemas = await rest(server, 'GET', '/schemas', MASTER);
  assert.equal(schemas.status, 200, schemas.text);
  const stored = {};
  for (const schema of schemas.json.results) {
    const path = `/classes/${schema.className}?limit=100000&order=objectId`;
    const found = await rest(server, 'GET', path, MASTER);
    assert.equal(found.status, 200, `${schema.className}: ${found.text}`);
    stored[schema.className] = { schema, objects: found.json.results };
  }
  return stored;
}

/** Nothing that is stored differs after the work. */
export async function unchanged(server, work) {
  const before = await everything(server);
  await work();
  assert.deepEqual(await everything(server), before);
}

/** Makes a user. */
export async function signUp(server, username, extra = {}) {
  const body = { username, password: `password of ${username}`, ...extra };
  const answer = await rest(server, 'POST', '/users', { body });
  assert.equal(answer.status, 201, answer.text);
  const { objectId: id, sessionToken: session } = answer.json;
  return { id, session, who: { session }, username, password: body.password };
}

/** Makes an object with the master key; resolves with its id. */
export async function make(server, className, body) {
  const answer = await rest(server, 'POST', `/classes/${className}`, { ...MASTER, body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.objectId;
}

/** Makes a class with the master key. */
export async function makeClass(server, className, fields, classLevelPermissions) {
  const body = { className, fields, ...(classLevelPermissions && { classLevelPermissions }) };
  const answer = await rest(server, 'POST', `/schemas/${className}`, { ...MASTER, body });
  assert.equal(answer.status, 200, answer.text);
}

export const pointer = (className, objectId) => ({ __type: 'Pointer', className, objectId });

const EVERYONE = { '*': true };
/** Class permissions that let everybody do everything. */
export const OPEN = {
  find: EVERYONE,
  count: EVERYONE,
  get: EVERYONE,
  create: EVERYONE,
  update: EVERYONE,
  delete: EVERYONE,
  addField: EVERYONE,
};

/** A repeatable source of randomness; `SEED` sets where it starts. */
export function random(seed = Number(process.env.SEED ?? 20261121)) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = n => Math.floor(next() * n);
  return { next, below, pick: list => list[below(list.length)], seed };
}
