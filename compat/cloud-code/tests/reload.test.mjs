// Code that is changed, and code that is broken.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { Parse, children, parseServer, startServer, until } from '../server.mjs';

const folder = mkdtempSync(join(tmpdir(), 'basalt-cloud-'));
after(() => rmSync(folder, { recursive: true, force: true }));
// As editors do it, so that nobody sees half a file.
const write = (text, name = 'main.js') => {
  writeFileSync(join(folder, '.saving'), text);
  renameSync(join(folder, '.saving'), join(folder, name));
};
const version = n => `
  const { part } = require('./part');
  Parse.Cloud.define('version', () => ${n} + part);
  Parse.Cloud.define('slow${n}', () => new Promise(resolve => setTimeout(() => resolve(${n}), 1000)));`;
write('exports.part = 0;', 'part.js');
write(version(1));
const server = await parseServer({ cloud: folder });
const run = name => Parse.Cloud.run(name);

test('a saved file is live, and what runs finishes on the old one', async () => {
  assert.equal(await run('version'), 1);
  const slow = run('slow1');
  await run('version');
  write(version(2));
  await until('the new code is live', async () => (await run('version')) === 2);
  assert.equal(await slow, 1);
  await assert.rejects(run('slow1'), { code: 141 });
  write('exports.part = 40;', 'part.js');
  await until('the part is live', async () => (await run('version')) === 42);
  await until('the old worker is gone', () => children(server.pid).length === 1);
});

test('broken code is told with its place, and the old one stays', async () => {
  write('exports.part = 0;', 'part.js');
  write('const fine = 1;\nconst broken = ;\n');
  await until('it is told', () => /main\.js:2:\d+/.test(server.log()));
  assert.equal(typeof (await run('version')), 'number');
  write("Parse.Cloud.define('x', () => 1);\nthrow new Error('at the top');\n");
  await until('it is told', () => /main\.js:2:\d+: Error: at the top/.test(server.log()));
  write("\n\nrequire('./nowhere');\n");
  await until('it is told', () => /Cannot find module '\.\/nowhere'/.test(server.log()));
  write('for (;;);');
  await until('it is told', () => /did not (finish loading|load) in time/.test(server.log()));
  assert.equal(typeof (await run('version')), 'number');
  write(version(3));
  await until('mended code is live', async () => (await run('version')) === 3);
});

test('ES modules work', async () => {
  write("export const part = 7;\n", 'part.mjs');
  write("import { part } from './part.mjs';\nimport path from 'path';\nParse.Cloud.define('version', () => part + path.join('a', 'b'));\n");
  await until('the module is live', async () => (await run('version')) === '7a/b');
});

test('a server does not begin with broken code', async () => {
  write('const broken = ;\n');
  await assert.rejects(startServer({ cloud: folder, mode: 'production' }), /main\.js:1:\d+/);
  await assert.rejects(startServer({ cloud: join(folder, 'none.js'), mode: 'production' }), /none\.js/);
  write(version(4));
  const env = { BASALT_CLOUD_ISOLATION_MIN: 'filter' };
  const good = await startServer({ cloud: folder, mode: 'production', env });
  await good.stop();
});
