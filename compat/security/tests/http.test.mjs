// HTTP itself: two readings of one stream, slow peers, bodies without end (D13, D15, E03, E16, E19, E20).
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import * as lib from '../lib.mjs';
import { memory, rest } from '../lib.mjs';

const server = await lib.serve();
const { hostname, port } = new URL(server.origin);
const PATIENCE = { timeout: 20_000 };
const KEYS = `X-Parse-Application-Id: ${lib.APP_ID}\r\nX-Parse-REST-API-Key: ${lib.REST_KEY}\r\n`;

/** Sends bytes on a fresh connection; resolves with all that comes back until the server hangs up. */
function raw(...parts) {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    const chunks = [];
    socket.on('data', chunk => chunks.push(chunk));
    socket.on('error', error => (error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 0 : reject(error)));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    for (const part of parts) socket.write(part);
  });
}

const SMUGGLED_BODY = '{"smuggled":true}';
/** A request that would leave a trace, if it were seen. */
const SMUGGLED =
  `POST /parse/classes/Smuggled HTTP/1.1\r\nHost: a\r\n${KEYS}` +
  `Content-Length: ${SMUGGLED_BODY.length}\r\nConnection: close\r\n\r\n${SMUGGLED_BODY}`;

const post = headers => `POST /parse/classes/Front HTTP/1.1\r\nHost: a\r\n${KEYS}${headers}\r\n`;
const chunk = text => `${text.length.toString(16)}\r\n${text}\r\n`;
const BODY = '{"n":1}';
const INNER = `0\r\n\r\n${SMUGGLED}`;

const AMBIGUOUS = {
  'length and chunks': post(`Content-Length: ${INNER.length}\r\nTransfer-Encoding: chunked\r\n`) + INNER,
  'chunks and length': post(`Transfer-Encoding: chunked\r\nContent-Length: ${INNER.length}\r\n`) + INNER,
  'two lengths': post(`Content-Length: 7\r\nContent-Length: 0\r\n`) + BODY + SMUGGLED,
  'two equal lengths': post(`Content-Length: 7\r\nContent-Length: 7\r\n`) + BODY + SMUGGLED,
  'a list of lengths': post(`Content-Length: 7, 0\r\n`) + BODY + SMUGGLED,
  'a signed length': post(`Content-Length: +7\r\n`) + BODY + SMUGGLED,
  'a negative length': post(`Content-Length: -7\r\n`) + BODY + SMUGGLED,
  'a hexadecimal length': post(`Content-Length: 0x7\r\n`) + BODY + SMUGGLED,
  'an empty length': post(`Content-Length:\r\n`) + BODY + SMUGGLED,
  'a huge length': post(`Content-Length: 99999999999999999999999\r\n`) + BODY + SMUGGLED,
  'a wrapping length': post(`Content-Length: 18446744073709551623\r\n`) + BODY + SMUGGLED,
  'chunked, identity': post('Transfer-Encoding: chunked, identity\r\n') + INNER,
  'identity, chunked': post('Transfer-Encoding: identity, chunked\r\n') + INNER,
  'gzip, chunked': post('Transfer-Encoding: gzip, chunked\r\n') + INNER,
  'two encodings': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n') + INNER,
  'chunked twice': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n') + INNER,
  xchunked: post('Transfer-Encoding: xchunked\r\n') + INNER,
  'quoted chunked': post('Transfer-Encoding: "chunked"\r\n') + INNER,
  'a blank before the colon': post(`Transfer-Encoding : chunked\r\nContent-Length: ${INNER.length}\r\n`) + INNER,
  'a vertical tab': post('Transfer-Encoding:\vchunked\r\n') + INNER,
  'a folded header': post(`X: a\r\n Content-Length: 7\r\n`) + BODY + SMUGGLED,
  'a folded encoding': post(`Transfer-Encoding:\r\n chunked\r\nContent-Length: ${INNER.length}\r\n`) + INNER,
  'a bare line feed': `POST /parse/classes/Front HTTP/1.1\nHost: a\n${KEYS}Content-Length: 7\n\n` + BODY + SMUGGLED,
  'a bare line feed before a header': post(`X: a\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n`) + BODY + SMUGGLED,
  'a bare carriage return': post(`X: a\rContent-Length: 0\r\nContent-Length: 7\r\n`) + BODY + SMUGGLED,
  'U+0000 in a header': post(`X: a\0b\r\nContent-Length: 7\r\n`) + BODY + SMUGGLED,
  'a header without a name': post(`: a\r\nContent-Length: 7\r\n`) + BODY + SMUGGLED,
  'a line without a colon': post(`nothing\r\nContent-Length: 7\r\n`) + BODY + SMUGGLED,
  'a huge chunk': post('Transfer-Encoding: chunked\r\n') + `fffffffffffffffff\r\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`,
  'a wrapping chunk': post('Transfer-Encoding: chunked\r\n') + `10000000000000007\r\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`,
  'a signed chunk': post('Transfer-Encoding: chunked\r\n') + `+7\r\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk in 0x': post('Transfer-Encoding: chunked\r\n') + `0x7\r\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk that is longer than it says': post('Transfer-Encoding: chunked\r\n') + `3\r\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk size ended by a line feed': post('Transfer-Encoding: chunked\r\n') + `7\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk ended by a line feed': post('Transfer-Encoding: chunked\r\n') + `7\r\n${BODY}\n0\r\n\r\n${SMUGGLED}`,
  'an endless chunk extension': post('Transfer-Encoding: chunked\r\n') + `7;${'x'.repeat(100_000)}\r\n${BODY}\r\n0\r\n\r\n`,
  'chunks in HTTP/1.0': `POST /parse/classes/Front HTTP/1.0\r\n${KEYS}Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n${INNER}`,
};

test('E16 a stream with two readings is refused and closed, and nothing behind it is read', PATIENCE, async () => {
  await Promise.all(
    Object.entries(AMBIGUOUS).map(async ([name, bytes]) => {
      const answer = await raw(bytes);
      const statuses = [...answer.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(m => Number(m[1]));
      assert.ok(statuses.length <= 1, `${name}: ${statuses.length} answers: ${answer.slice(0, 500)}`);
      if (statuses.length) assert.ok(statuses[0] >= 400 && statuses[0] < 500, `${name}: ${answer.slice(0, 300)}`);
    }),
  );
  const seen = await rest(server, 'GET', '/classes/Smuggled', lib.MASTER);
  assert.deepEqual(seen.json.results, []);
});

test('E16 what has one reading is served, in order, on one connection', PATIENCE, async () => {
  const chunked = post('Transfer-Encoding: chunked\r\n') + chunk('{"n"') + chunk(':1}') + '0\r\n\r\n';
  const sized = post(`Content-Length: ${BODY.length}\r\n`) + BODY;
  const last = `GET /parse/classes/Front?count=1&limit=0 HTTP/1.1\r\nHost: a\r\n${KEYS}Connection: close\r\n\r\n`;
  const answer = await raw(chunked + sized + chunked + last);
  const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(m => m[1]);
  assert.deepEqual(statuses, ['201', '201', '201', '200'], answer);
  assert.match(answer, /"count":3/);
});

test('E16 request lines that are none', PATIENCE, async () => {
  const lines = [
    'GET / HTTP/9.9',
    'GET /',
    'GET  / HTTP/1.1',
    'GET / HTTP/1.1 x',
    'G\0T / HTTP/1.1',
    'GET /\0 HTTP/1.1',
    'GET /a b HTTP/1.1',
    'GET http:// HTTP/1.1',
    'GET \\ HTTP/1.1',
    `GET /${'a'.repeat(100_000)} HTTP/1.1`,
    `${'A'.repeat(100_000)} / HTTP/1.1`,
    'CONNECT 127.0.0.1:22 HTTP/1.1',
    'TRACE /parse/health HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    '\x16\x03\x01\x02\x00',
    'PRI * HTTP/2.0',
  ];
  await Promise.all(
    lines.map(async line => {
      const answer = await raw(`${line}\r\nHost: a\r\n${KEYS}Connection: close\r\n\r\n`, SMUGGLED);
      const statuses = [...answer.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(m => Number(m[1]));
      const shown = `${line.slice(0, 60)}: ${answer.slice(0, 200)}`;
      assert.ok(statuses.length <= 1 && statuses.every(status => status < 500), shown);
      assert.ok(!answer.includes(lib.REST_KEY), `the request comes back: ${shown}`);
    }),
  );
  const seen = await rest(server, 'GET', '/classes/Smuggled', lib.MASTER);
  assert.deepEqual(seen.json.results, []);
});

test('E03 header fields have limits, and no value of one does harm', PATIENCE, async () => {
  const get = (extra, line = 'GET /parse/classes/Front HTTP/1.1') =>
    raw(`${line}\r\nHost: a\r\n${KEYS}${extra}Connection: close\r\n\r\n`);
  const status = async extra => Number(/^HTTP\/1\.1 (\d{3})/.exec(await get(extra))?.[1] ?? 0);
  assert.equal(await status(''), 200);
  for (const tooMuch of [
    `X: ${'a'.repeat(9000)}\r\n`,
    `X: ${'a'.repeat(1_000_000)}\r\n`,
    `${'X'.repeat(40_000)}: a\r\n`,
    Array.from({ length: 101 }, (_, n) => `X-${n}: a\r\n`).join(''),
    Array.from({ length: 20 }, (_, n) => `X-${n}: ${'a'.repeat(4000)}\r\n`).join(''),
    'Cookie: a\r\n'.repeat(5000),
  ]) {
    const got = await status(tooMuch);
    assert.ok(got === 0 || (got >= 400 && got < 500), `${tooMuch.slice(0, 40)}: ${got}`);
  }
  const names = ['Client-Version', 'Installation-Id', 'Session-Token', 'Request-Id', 'Cloud-Context', 'Revocable-Session', 'Master-Key', 'Application-Id'];
  const values = ['', ' ', 'a'.repeat(8000), '1.'.repeat(4000), 'js' + '0'.repeat(7000) + '!', '\xff\xfe', '%00', '{', '{"a":{"__proto__":1}}', '[]', "' OR 1=1 --", '../../etc/passwd', '\x01\x1b[31m'];
  for (const name of names) {
    for (const value of values) {
      const got = Number(
        /^HTTP\/1\.1 (\d{3})/.exec(
          await raw(Buffer.from(`GET /parse/classes/Front HTTP/1.1\r\nHost: a\r\n${KEYS}X-Parse-${name}: ${value}\r\nConnection: close\r\n\r\n`, 'latin1')),
        )?.[1] ?? 0,
      );
      assert.ok(got < 500, `${name}: ${JSON.stringify(value.slice(0, 40))}: ${got}`);
    }
  }
  for (const value of ['Basic', 'Basic ', 'Basic %%%', `Basic ${'A'.repeat(8000)}`, 'Basic Og==', 'Bearer x', 'Basic AAAA//8=']) {
    const got = await status(`Authorization: ${value}\r\n`);
    assert.ok(got < 500, `${value.slice(0, 30)}: ${got}`);
  }
});

test('D13 nothing from a request comes back as a header of its own', PATIENCE, async () => {
  const tricks = ['%0d%0aX-Injected:%201', '%0aX-Injected:%201', '%E5%98%8A%E5%98%8DX-Injected:%201'];
  for (const trick of tricks) {
    for (const path of [`/classes/A${trick}`, `/classes/Front/${trick}`, `/${trick}`, `/files/${trick}`]) {
      for (const method of ['GET', 'POST']) {
        const answer = await rest(server, method, path, { body: method === 'POST' ? {} : undefined });
        assert.equal(answer.headers.get('x-injected'), null, path);
        lib.calm(answer, path);
      }
    }
  }
  const origin = 'http://evil.example\\r\\nX-Injected: 1';
  const answer = await rest(server, 'GET', '/classes/Front', { headers: { Origin: origin, Host: 'evil.example' } });
  assert.equal(answer.headers.get('x-injected'), null);
  const created = await fetch(`${server.origin}/parse/classes/Front`, {
    method: 'POST',
    headers: {
      'X-Parse-Application-Id': lib.APP_ID,
      'X-Parse-REST-API-Key': lib.REST_KEY,
      'X-Forwarded-Host': 'evil.example',
      'X-Forwarded-Proto': 'https',
      Forwarded: 'host=evil.example',
    },
    body: '{}',
  });
  await created.arrayBuffer();
  assert.doesNotMatch(created.headers.get('location') ?? '', /evil/, 'links use the configured address');
});

test('C25 a forwarding header makes nobody local, and CORS lets no credentials through', PATIENCE, async () => {
  const credentials = await rest(server, 'GET', '/classes/Front', { headers: { Origin: 'https://evil.example' } });
  assert.notEqual(credentials.headers.get('access-control-allow-credentials'), 'true');
  for (const Origin of ['null', 'https://evil.example', 'file://']) {
    const answer = await rest(server, 'OPTIONS', '/classes/Front', { headers: { Origin } });
    assert.equal(answer.status, 200);
    const allowed = answer.headers.get('access-control-allow-origin');
    const isCredentialed = answer.headers.get('access-control-allow-credentials') === 'true';
    assert.ok(allowed === '*' || !isCredentialed, `${Origin} → ${allowed}`);
  }
  const secret = await rest(server, 'GET', '/users/me', { session: 'r:none' });
  assert.doesNotMatch(secret.headers.get('cache-control') ?? '', /public/);
});

test('D15 what clients send can not forge lines of the log', PATIENCE, async () => {
  const forged = '{"level":"ERROR","message":"FORGED"}';
  await raw(`GET /parse/classes/Front?x=${encodeURIComponent('\n' + forged)} HTTP/1.1\r\nHost: a\r\n${KEYS}User-Agent: \x1b[31m${forged}\r\nConnection: close\r\n\r\n`);
  await rest(server, 'GET', `/classes/${encodeURIComponent('\n' + forged + '\n')}`);
  await rest(server, 'POST', '/classes/Front', { body: { ['\n' + forged]: 1 } });
  await rest(server, 'GET', '/classes/Front', { session: 'x' + forged });
  for (const line of server.log().split('\n')) {
    assert.ok(!line.startsWith('{"level":"ERROR","message":"FORGED"'), line);
    assert.ok(!line.includes('\x1b[31m'), 'a control character in the log');
  }
});

test('E19 slow peers hold nobody up', PATIENCE, async () => {
  const sockets = Array.from({ length: 300 }, (_, n) => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    const head = `POST /parse/classes/Front HTTP/1.1\r\nHost: a\r\n${KEYS}`;
    if (n % 3 === 0) socket.write('POST /parse/cla');
    else if (n % 3 === 1) socket.write(`${head}Content-Length: 1000000\r\n\r\n{"a`);
    else socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n1\r\n{`);
    return socket;
  });
  await Promise.all(sockets.map(socket => new Promise(resolve => (socket.connecting ? socket.once('connect', resolve) : resolve()))));
  for (let n = 0; n < 50; n += 1) {
    const answer = await rest(server, 'POST', '/classes/Front', { body: { n } });
    assert.equal(answer.status, 201, answer.text);
  }
  for (const socket of sockets) socket.destroy();
});

test('E20 a body over the limit is refused before it is sent, and an endless one is cut', PATIENCE, async () => {
  const early = await raw(post('Content-Length: 30000000\r\n'));
  assert.match(early, /^HTTP\/1\.1 413/, early.slice(0, 200));
  const expecting = await raw(post('Content-Length: 30000000\r\nExpect: 100-continue\r\n'));
  assert.match(expecting, /^HTTP\/1\.1 4(13|17)/, expecting.slice(0, 200));
  const before = memory(server);
  const { answer, sent } = await endless();
  assert.match(answer, /^HTTP\/1\.1 413|^$/, answer.slice(0, 200));
  assert.ok(sent < 200 * 1024 * 1024, `${sent} bytes were taken`);
  assert.ok(memory(server) - before < 64, 'no more than a body is held');
});

test('E20 who sends too much is told so, though he is still sending', PATIENCE, async () => {
  const bytes = Buffer.alloc(21 * 1024 * 1024, ' ');
  const sends = Array.from({ length: 10 }, (_, n) => (n % 2 ? '/parse/batch' : '/parse/classes/Front'));
  for (const path of sends) {
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\n${KEYS}Content-Length: ${bytes.length}\r\n\r\n`;
    assert.match(await raw(head, bytes), /^HTTP\/1\.1 413/, 'the answer was lost with the connection');
  }
});

/** Sends chunks for as long as the server takes them. */
function endless() {
  return new Promise(resolve => {
    const socket = connect(Number(port), hostname);
    const piece = chunk(' '.repeat(65536));
    let [answer, sent, over] = ['', 0, false];
    const pump = () => {
      while (!over && sent < 400 * 1024 * 1024) {
        sent += piece.length;
        if (!socket.write(piece)) return socket.once('drain', pump);
      }
      return socket.destroy();
    };
    socket.on('data', data => {
      answer += data.toString('latin1');
      over = true;
    });
    socket.on('error', () => (over = true));
    socket.on('close', () => resolve({ answer, sent }));
    socket.write(post('Transfer-Encoding: chunked\r\n'));
    pump();
  });
}
