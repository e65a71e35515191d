// Starts the real binary on a free port and an empty folder, and stops it when the test file ends.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { createInterface } from 'node:readline';

export const APP_ID = 'compat';
export const MASTER_KEY = 'compat-master-key';
export const REST_KEY = 'compat-rest-key';
export const JAVASCRIPT_KEY = 'compat-javascript-key';
export const WEBHOOK_KEY = 'compat-webhook-key';

/** A fresh database beside the one of BASALT_DATABASE_URL; nothing without that variable. */
function freshDatabase() {
  const url = process.env.BASALT_DATABASE_URL;
  if (!url) return { env: {}, drop() {} };
  const name = `basalt_${process.pid}_${(databases += 1)}_${Date.now()}`;
  const sql = text => execFileSync('psql', ['--no-psqlrc', '--quiet', '-c', text, url]);
  sql(`CREATE DATABASE ${name}`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  return {
    env: { BASALT_DATABASE_URL: own.href, BASALT_KEYS_SECRET: 'compat-secret-of-shared-keys' },
    url: own.href,
    drop: () => sql(`DROP DATABASE ${name} WITH (FORCE)`),
  };
}
let databases = 0;

/** Starts a server; resolves with its origin once it says that it listens. */
export async function startServer({ mode = 'development', env = {}, args = [] } = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'basalt-compat-'));
  const database = freshDatabase();
  const child = spawn(
    process.env.BASALT_BIN,
    ['serve', '--data-dir', dataDir, '--listen', '127.0.0.1:0', '--mode', mode, ...args],
    {
      env: {
        PATH: process.env.PATH,
        BASALT_APP_ID: APP_ID,
        BASALT_MASTER_KEY: MASTER_KEY,
        BASALT_REST_KEY: REST_KEY,
        BASALT_JAVASCRIPT_KEY: JAVASCRIPT_KEY,
        BASALT_WEBHOOK_KEY: WEBHOOK_KEY,
        ...database.env,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let log = '';
  child.stderr.on('data', chunk => (log += chunk));
  const exited = new Promise(resolve => child.once('exit', resolve));
  const origin = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', line => {
      const match = /^listening on (http:\/\/\S+)$/.exec(line);
      if (match) resolve(match[1]);
    });
    child.once('exit', code => reject(new Error(`the server ended with ${code}:\n${log}`)));
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    database.drop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { origin, stop, log: () => log, pid: child.pid, dataDir, databaseUrl: database.url };
}

/** A server for a whole test file, with that SDK pointed at it. */
export async function serverFor(Parse, options) {
  const server = await startServer(options);
  after(server.stop);
  Parse.initialize(APP_ID, JAVASCRIPT_KEY, MASTER_KEY);
  Parse.serverURL = `${server.origin}/parse`;
  Parse.User.enableUnsafeCurrentUser();
  return server;
}

/** One raw REST request; resolves with status, headers and the decoded body. */
export async function rest(server, method, path, { body, headers = {}, ...keys } = {}) {
  const response = await fetch(`${server.origin}/parse${path}`, {
    method,
    headers: {
      'X-Parse-Application-Id': keys.appId ?? APP_ID,
      ...(keys.master ? { 'X-Parse-Master-Key': MASTER_KEY } : { 'X-Parse-REST-API-Key': REST_KEY }),
      ...(keys.session ? { 'X-Parse-Session-Token': keys.session } : {}),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

/** The three doors of REST: the same request directly, by `_method`, and as one of a batch. */
export const doors = {
  rest: (server, method, path, options = {}) => rest(server, method, path, options),
  async method(server, method, path, { body = {}, ...options } = {}) {
    return rest(server, 'POST', path, { ...options, body: { ...body, _method: method } });
  },
  async batch(server, method, path, { body, ...options } = {}) {
    const request = { method, path: `/parse${path}`, ...(body === undefined ? {} : { body }) };
    const answer = await rest(server, 'POST', '/batch', {
      ...options,
      body: { requests: [request] },
    });
    const item = answer.json?.[0];
    if (!item) return answer;
    return { ...answer, status: item.success ? 200 : 400, json: item.success ?? item.error };
  },
};
