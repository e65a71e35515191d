// Nodes, proxies with the configuration of deploy/, and a recorder that shows what reaches a node.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const MASTER_KEY = 'gateway-master-key';
const DEPLOY = join(import.meta.dirname, '../../deploy');
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

export const KEYS = {
  'X-Parse-Application-Id': 'gateway',
  'X-Parse-Master-Key': MASTER_KEY,
};

/** Resolves with what `look` gives once it is truthy. */
export async function until(what, look, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

export async function freePort() {
  const server = net.createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** A node that keeps its port and folder over restarts. */
export class Node {
  constructor(env = {}) {
    this.env = env;
    this.dataDir = mkdtempSync(join(tmpdir(), 'basalt-gateway-'));
    this.log = '';
    this.port = 0;
  }

  async start() {
    this.child = spawn(process.env.BASALT_BIN, ['serve'], {
      env: {
        PATH,
        BASALT_DATA_DIR: this.dataDir,
        BASALT_LISTEN: `127.0.0.1:${this.port}`,
        BASALT_APP_ID: 'gateway',
        BASALT_MASTER_KEY: MASTER_KEY,
        BASALT_KEYS_SECRET: 'gateway-secret-of-shared-keys',
        BASALT_TRUSTED_PROXIES: '127.0.0.1/32',
        BASALT_LOG: 'info,basalt_server=debug',
        ...(process.env.BASALT_DATABASE_URL
          ? { BASALT_DATABASE_URL: process.env.BASALT_DATABASE_URL }
          : {}),
        ...this.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stderr.on('data', chunk => (this.log += chunk));
    this.exited = new Promise(resolve => this.child.once('exit', resolve));
    await new Promise((resolve, reject) => {
      createInterface({ input: this.child.stdout }).on('line', line => {
        const match = /^listening on http:\/\/127\.0\.0\.1:(\d+)$/.exec(line);
        if (match) resolve((this.port = Number(match[1])));
      });
      this.child.once('exit', code => reject(new Error(`ended with ${code}:\n${this.log}`)));
    });
    return this;
  }

  /** Tells it to stop and waits for its end; resolves with the exit code. */
  async stop() {
    this.child.kill('SIGTERM');
    return this.exited;
  }

  async remove() {
    await this.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** The log's line about a request. */
  async line(requestId) {
    return until(`request ${requestId} in the log`, () => {
      const lines = this.log.split('\n').filter(line => line.includes(requestId));
      return lines.length > 0 && JSON.parse(lines[0]);
    });
  }
}

/** Stands in a node's place and tells what arrives. */
export async function recorder() {
  const sockets = new Set();
  const server = http.createServer((request, response) => {
    let bytes = 0;
    request.on('data', chunk => (bytes += chunk.length));
    request.on('end', () => {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ url: request.url, headers: request.headers, bytes }));
    });
  });
  server.on('connection', socket => sockets.add(socket));
  server.on('upgrade', (request, socket) => {
    const text = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(text).digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\nX-Url: ${request.url}\r\n\r\n`,
    );
    socket.pipe(socket);
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    sockets,
    stop: () => {
      sockets.forEach(socket => socket.destroy());
      return new Promise(resolve => server.close(resolve));
    },
  };
}

/** A node that is well but ends each connection once it has read a request; resolves with what it read. */
export async function quitter() {
  const read = [];
  const server = http.createServer((request, response) => {
    if (request.url === '/health') return response.end('{}');
    request.resume().on('end', () => {
      read.push(request.method);
      request.socket.destroy();
    });
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.closeAllConnections();
    return new Promise(resolve => server.close(resolve));
  };
  return { port: server.address().port, read, stop };
}

const PROXIES = {
  haproxy: {
    file: 'haproxy.cfg',
    server: /^  server node\d .*$/gm,
    line: (port, n) => `  server node${n + 1} 127.0.0.1:${port}`,
    adapt: text => text,
    command: path => ['haproxy', '-db', '-f', path],
  },
  nginx: {
    file: 'nginx.conf',
    server: /^    server 127\.0\.0\.1:\d+ .*$/gm,
    line: port => `    server 127.0.0.1:${port} max_fails=1 fail_timeout=2s;`,
    // Its own folder instead of the system's.
    adapt: (text, folder) =>
      `daemon off;\n${text}`
        .replace('pid /run/nginx.pid;', `pid ${folder}/nginx.pid;`)
        .replace('worker_processes auto;', 'worker_processes 1;')
        .replace(
          'access_log off;',
          `access_log off;${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
            .map(name => ` ${name}_temp_path ${folder}/${name};`)
            .join('')}`,
        ),
    command: (path, folder) => ['nginx', '-p', folder, '-e', 'stderr', '-c', path],
  },
};

/** A proxy with the file of deploy/ in front of these ports of loopback. */
export async function proxy(kind, ports) {
  const { file, server, line, adapt, command } = PROXIES[kind];
  const folder = mkdtempSync(join(tmpdir(), `basalt-${kind}-`));
  // Started by root it works as somebody else, who keeps large bodies there.
  chmodSync(folder, 0o755);
  const port = await freePort();
  let text = readFileSync(join(DEPLOY, file), 'utf8');
  const lines = ports.map(line).join('\n');
  text = text.replace(server, '\0').replace(/\0(\n\0)*/, lines);
  text = text.replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`);
  const path = join(folder, file);
  writeFileSync(path, adapt(text, folder));
  const [program, ...args] = command(path, folder);
  const child = spawn(program, args, { env: { PATH }, stdio: ['ignore', 'pipe', 'pipe'] });
  const proxy = { port, log: '', origin: `http://127.0.0.1:${port}` };
  child.stdout.on('data', chunk => (proxy.log += chunk));
  child.stderr.on('data', chunk => (proxy.log += chunk));
  const exited = new Promise(resolve => child.once('exit', resolve));
  proxy.stop = async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  await until(`${kind} to answer: ${proxy.log}`, async () => {
    if (child.exitCode !== null) throw new Error(`${kind} ended: ${proxy.log}`);
    const answer = await send(proxy, 'GET', '/health').catch(() => undefined);
    return answer?.status === 200;
  });
  return proxy;
}

/** One request exactly as written; resolves with status, headers and text. */
export function send(target, method, path, { headers = {}, body, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const all = { host: '127.0.0.1', port: target.port, method, path, headers, ...options };
    const request = http.request(all, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', chunk => (text += chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, text }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Creates an object. */
export function create(target, fields, options = {}) {
  const headers = { ...KEYS, 'Content-Type': 'application/json', ...options.headers };
  const body = JSON.stringify(fields);
  return send(target, 'POST', '/parse/classes/Drop', { ...options, headers, body });
}
