// A receiver of webhooks on a free port of this machine.
import { createServer } from 'node:http';
import { after } from 'node:test';

/** Starts a receiver; `on(path, act)` sets what it does, `calls` holds what came. */
export async function startReceiver() {
  const acts = new Map();
  const calls = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', chunk => chunks.push(chunk));
    request.on('end', async () => {
      const text = Buffer.concat(chunks).toString();
      const body = text ? JSON.parse(text) : {};
      calls.push({ path: request.url, headers: request.headers, body });
      const act = acts.get(request.url);
      if (!act) {
        response.writeHead(404).end('nothing here');
        return;
      }
      try {
        const answer = await act(body, response, request);
        if (answer !== undefined) {
          response.writeHead(200, { 'Content-Type': 'application/json' });
          response.end(JSON.stringify(answer));
        }
      } catch (error) {
        response.writeHead(500).end(String(error));
      }
    });
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    port,
    calls,
    url: path => `http://127.0.0.1:${port}${path}`,
    on: (path, act) => acts.set(path, act),
    taken: () => calls.splice(0),
  };
}
