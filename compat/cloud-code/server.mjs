// Starts the real binary with Cloud Code on a free port and an empty folder, and stops it when the
// test file ends.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { createInterface } from 'node:readline';
import Parse from 'parse/node';

export const APP_ID = 'compat';
export const MASTER_KEY = 'compat-master-key';
export const JAVASCRIPT_KEY = 'compat-javascript-key';
export const CLOUD = new URL('cloud/', import.meta.url).pathname;

/** Starts a server; resolves once it says that it listens, rejects with its log when it ends before. */
export async function startServer({ cloud, mode = 'development', env = {} }) {
  const dataDir = mkdtempSync(join(tmpdir(), 'basalt-compat-'));
  const child = spawn(
    process.env.BASALT_BIN,
    ['serve', '--data-dir', dataDir, '--listen', '127.0.0.1:0', '--mode', mode],
    {
      env: {
        PATH: process.env.PATH,
        BASALT_APP_ID: APP_ID,
        BASALT_MASTER_KEY: MASTER_KEY,
        BASALT_JAVASCRIPT_KEY: JAVASCRIPT_KEY,
        BASALT_CLOUD: cloud,
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
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { origin, stop, log: () => log, pid: child.pid, dataDir };
}

/** Another server with the same Cloud Code and keys, to compare answers with: its API's address. */
export const PEER = process.env.PEER_URL;

/** A server for a whole test file, with the SDK pointed at it. */
export async function parseServer(options) {
  if (PEER) {
    Parse.initialize(APP_ID, JAVASCRIPT_KEY, MASTER_KEY);
    Parse.serverURL = PEER;
    Parse.User.enableUnsafeCurrentUser();
    return {};
  }
  const server = await startServer({ cloud: join(CLOUD, 'main.js'), ...options });
  after(server.stop);
  Parse.initialize(APP_ID, JAVASCRIPT_KEY, MASTER_KEY);
  Parse.serverURL = `${server.origin}/parse`;
  Parse.User.enableUnsafeCurrentUser();
  return server;
}

/** The processes that a server has started and that are there, dead ones that nobody waited for included. */
export function children(pid) {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).filter(name => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      return +stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === pid;
    } catch {
      return false;
    }
  }).map(Number);
}

/** Waits until something holds, for at most 30 seconds. */
export async function until(what, holds) {
  const end = Date.now() + 30_000;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 25));
  }
}

export { Parse };
