// The examples of deploy/ do what docs/operate.md says of them.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { KEYS, Node, create, freePort, proxy, quitter, recorder, send, until } from '../lib.mjs';

/** Longer than it takes the proxy to turn away from a node that is stopping. */
const DRAIN_DELAY = { haproxy: '3s', nginx: '7s' };
const MIB = 1024 * 1024;

for (const kind of ['haproxy', 'nginx']) {
  describe(kind, () => {
    let nodes, front, seen, mirror;

    before(async () => {
      const env = { BASALT_DRAIN_DELAY: DRAIN_DELAY[kind] };
      nodes = [];
      for (let n = 0; n < 3; n += 1) nodes.push(await new Node(env).start());
      front = await proxy(kind, nodes.map(node => node.port));
      seen = await recorder();
      mirror = await proxy(kind, [seen.port]);
    });

    after(async () => {
      await Promise.all([front?.stop(), mirror?.stop()]);
      await Promise.all([seen?.stop(), ...nodes.map(node => node.remove())]);
    });

    /** The client's address as the node that answered logged it. */
    async function logged(answer) {
      const id = answer.headers['x-request-id'];
      const lines = await Promise.any(nodes.map(node => node.line(id)));
      return lines.fields?.client ?? lines.client;
    }

    test('clients keep their addresses and can not choose them', async () => {
      const localAddress = '127.0.0.9';
      const forged = { 'X-Forwarded-For': '8.8.8.8', Forwarded: 'for=8.8.4.4' };
      for (const headers of [{}, forged]) {
        const answer = await send(front, 'GET', '/parse/health', { headers, localAddress });
        assert.equal(await logged(answer), localAddress);
      }
      // A stranger that reaches a node itself is no proxy.
      const direct = await send(nodes[0], 'GET', '/parse/health', { headers: forged, localAddress });
      assert.equal(await logged(direct), localAddress);
      const trusted = await send(nodes[0], 'GET', '/parse/health', { headers: forged });
      assert.equal(await logged(trusted), '8.8.8.8');
    });

    test('the master key is refused from elsewhere, whoever forwards', async () => {
      const from = address => ({ ...KEYS, 'X-Forwarded-For': address });
      const near = await send(front, 'GET', '/parse/schemas', { headers: from('8.8.8.8') });
      assert.equal(near.status, 200, near.text);
      const far = await send(nodes[0], 'GET', '/parse/schemas', { headers: from('8.8.8.8') });
      assert.equal(far.status, 403, far.text);
    });

    test('paths arrive as they were sent', async () => {
      for (const path of ['/s3//a//b', '/a%2Fb/%41/..%2Fz?x=%20+&y=//', '/parse//classes/A']) {
        for (const method of ['GET', 'PUT']) {
          const answer = await send(mirror, method, path);
          assert.equal(JSON.parse(answer.text).url, path, method);
        }
      }
    });

    test('inner pages stay inside', async () => {
      for (const path of ['/metrics', '/admin/apps', '//metrics']) {
        assert.equal((await send(mirror, 'GET', path)).status, 404, path);
      }
      assert.equal((await send(front, 'GET', '/health')).status, 200);
    });

    test('bodies of 100 MB pass, larger ones are refused', async () => {
      const passed = await send(mirror, 'POST', '/x', { body: Buffer.alloc(100 * MIB) });
      assert.equal(JSON.parse(passed.text).bytes, 100 * MIB);
      const refused = await send(mirror, 'POST', '/x', {
        headers: { 'Content-Length': 100 * MIB + 1, Expect: '100-continue' },
      }).catch(error => error);
      assert.equal(refused.status, 413);
      // The node's own limit is smaller, and its answer arrives.
      const text = `{"a":"${'x'.repeat(21 * MIB)}"}`;
      const headers = { ...KEYS, 'Content-Type': 'application/json' };
      const own = await send(front, 'POST', '/parse/classes/Drop', { headers, body: text });
      assert.equal(own.status, 413);
      assert.ok(JSON.parse(own.text).error, own.text);
    });

    test('what a node may have begun is sent to no other', async t => {
      const quitters = [await quitter(), await quitter()];
      const bad = await proxy(kind, quitters.map(node => node.port));
      t.after(() => Promise.all([bad, ...quitters].map(one => one.stop())));
      for (const method of ['PUT', 'DELETE', 'POST', 'PATCH']) {
        await until('the nodes to look well', async () => (await send(bad, 'GET', '/health')).status === 200);
        quitters.forEach(node => node.read.splice(0));
        const body = '{"n":{"__op":"Increment","amount":1}}';
        const headers = { 'Content-Length': body.length };
        // HAProxy may just close the connection.
        const answer = await send(bad, method, '/x', { headers, body }).catch(() => ({ status: 502 }));
        assert.equal(answer.status, 502, method);
        assert.deepEqual(quitters.flatMap(node => node.read), [method]);
      }
    });

    test('what no node took goes to another one', async t => {
      const half = await proxy(kind, [await freePort(), seen.port]);
      t.after(half.stop);
      for (const method of ['PUT', 'DELETE', 'POST']) {
        const refused = new RegExp(`refused.*"${method} `);
        for (const bytes of [0, 100, 2 * MIB]) {
          const body = Buffer.alloc(bytes);
          half.log = '';
          // HAProxy's checks find out by themselves that nobody is there.
          await until('a refused connection', async () => {
            const headers = { 'Content-Length': bytes };
            const answer = await send(half, method, '/x', { headers, body });
            assert.equal(answer.status, 200, `${method} ${bytes} ${answer.text}`);
            assert.equal(JSON.parse(answer.text).bytes, bytes);
            return kind === 'haproxy' || refused.test(half.log);
          });
        }
      }
    });

    test('connections are kept on both sides', async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const known = seen.sockets.size;
      const ports = new Set();
      for (let n = 0; n < 20; n += 1) {
        await send(mirror, 'GET', '/x', { agent });
        Object.values(agent.freeSockets).flat().forEach(socket => ports.add(socket.localPort));
      }
      agent.destroy();
      assert.ok(ports.size <= 1, `${ports.size} connections of the client`);
      assert.ok(seen.sockets.size - known <= 2, `${seen.sockets.size - known} to the node`);
    });

    test('an upgrade passes, and bytes go both ways', async () => {
      const socket = net.connect(mirror.port, '127.0.0.1');
      socket.write(
        'GET /parse HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      );
      let text = '';
      socket.setEncoding('latin1').on('data', chunk => (text += chunk));
      await until('the upgrade', () => text.includes('\r\n\r\n'));
      assert.match(text, /^HTTP\/1\.1 101 /);
      assert.match(text, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i);
      assert.match(text, /x-url: \/parse\r\n/i);
      socket.write('ping');
      await until('the echo', () => text.endsWith('ping'));
      socket.destroy();
    });

    test('nodes are restarted one after the other without a failed request', async () => {
      const made = await create(front, { first: true });
      assert.equal(made.status, 201, made.text);
      for (const node of nodes) await create(node, { first: true });
      const agent = new http.Agent({ keepAlive: true });
      const failures = [];
      let done = 0;
      let running = true;
      const clients = Array.from({ length: 8 }, async (_, client) => {
        while (running) {
          const answer = await create(front, { client }, { agent }).catch(error => ({ error }));
          if (answer.status === 201) done += 1;
          else failures.push(answer.error?.message ?? `${answer.status} ${answer.text}`);
        }
      });
      for (const node of kind === 'haproxy' ? nodes : nodes.slice(0, 1)) {
        const before = done;
        assert.equal(await node.stop(), 0, node.log);
        await node.start();
        const log = node.log.length;
        await until('the node to be used again', () => node.log.slice(log).includes('"POST"'));
        assert.ok(done > before);
      }
      running = false;
      await Promise.all(clients);
      agent.destroy();
      assert.deepEqual(failures.slice(0, 5), [], `${failures.length} failed of ${done}`);
      assert.ok(done > 100, `${done}`);
    });
  });
}
