// In production nothing of the inside can be reached through a webhook.
import assert from 'node:assert/strict';
import test from 'node:test';
import { startReceiver } from '../../lib/receiver.mjs';
import { Parse, parseServer } from '../server.mjs';

await parseServer({ mode: 'production' });
const receiver = await startReceiver();
receiver.on('/', () => ({ success: 'inside' }));

const hosts = [
  '127.0.0.1', 'localhost', '0.0.0.0', '127.1', '0x7f.1', '2130706433', '017700000001', '[::1]',
  '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[64:ff9b::7f00:1]', '10.0.0.1', '100.64.0.1',
  '169.254.169.254', '172.16.0.1', '192.168.0.1', '[fd00:ec2::254]', '[fe80::1]', '224.0.0.1',
  '168.63.129.16', '[2002:7f00:1::]',
];

test('addresses inside are out of reach', async () => {
  for (const [n, host] of hosts.entries()) {
    await Parse.Hooks.createFunction(`f${n}`, `http://${host}:${receiver.port}/`);
    await assert.rejects(Parse.Cloud.run(`f${n}`), error => {
      assert.equal(error.code, 141);
      assert.equal(error.message, 'The webhook could not be reached.', host);
      return true;
    });
  }
  assert.equal(receiver.calls.length, 0);
});

test('only the web is callable', async () => {
  const urls = ['file:///etc/passwd', 'gopher://127.0.0.1/', 'http://user:pass@example.com/', '//x/'];
  for (const url of urls) {
    await assert.rejects(Parse.Hooks.createFunction('other', url), { code: 143 }, url);
  }
});
