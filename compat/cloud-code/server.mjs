// Starts the real binary with Cloud Code on a free port and an empty folder, and stops it when the
// test file ends.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import Parse from 'parse/node';
import { APP_ID, JAVASCRIPT_KEY, MASTER_KEY, startServer as start } from '../lib/server.mjs';

export { APP_ID, JAVASCRIPT_KEY, MASTER_KEY };
export const CLOUD = new URL('cloud/', import.meta.url).pathname;

/** Starts a server with that Cloud Code; rejects with its log when it ends before it listens. */
export const startServer = ({ cloud, mode, env }) => start({ mode, env: { BASALT_CLOUD: cloud, ...env } });

/** Another server with the same Cloud Code and keys, to compare answers with: its API's address. */
export const PEER = process.env.PEER_URL;

/** A server for a whole test file, with the SDK pointed at it. */
export async function parseServer(options) {
  Parse.initialize(APP_ID, JAVASCRIPT_KEY, MASTER_KEY);
  Parse.User.enableUnsafeCurrentUser();
  Parse.serverURL = PEER;
  if (PEER) return {};
  const server = await startServer({ cloud: join(CLOUD, 'main.js'), ...options });
  after(server.stop);
  Parse.serverURL = `${server.origin}/parse`;
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
