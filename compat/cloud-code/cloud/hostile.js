// Functions that mean ill, or are broken.
/* global Parse, setTimeout, console */
Parse.Cloud.define('fine', () => 'fine');
Parse.Cloud.define('loop', () => { for (;;); });
Parse.Cloud.define('loopInFinally', () => {
  for (;;) { try { for (;;); } catch { /* again */ } finally { for (;;); } } // eslint-disable-line no-unsafe-finally
});
Parse.Cloud.define('loopInGenerator', () => {
  const generator = (function* g() { try { yield 1; } finally { for (;;); } }());
  for (const value of generator) if (value) break;
});
Parse.Cloud.define('microtasks', () => {
  const again = () => Promise.resolve().then(again);
  return again();
});
Parse.Cloud.define('timers', () => new Promise(() => {
  const again = () => setTimeout(again, 0);
  again();
}));
Parse.Cloud.define('never', () => new Promise(() => {}));
Parse.Cloud.define('loopAfterwards', () => { setTimeout(() => { for (;;); }, 1); return 'answered'; });
Parse.Cloud.define('regex', () => /^(a+)+$/.test(`${'a'.repeat(60)}b`));
Parse.Cloud.define('bytes', () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20)); });
Parse.Cloud.define('texts', () => { let text = 'x'; for (;;) text += text; });
Parse.Cloud.define('map', () => { const map = new Map(); for (let n = 0; ; n++) map.set(n, { n }); });
const kept = [];
Parse.Cloud.define('keep', () => { for (;;) kept.push({ a: [1, 2, 3] }); });
Parse.Cloud.define('recursion', () => { const deep = () => deep() + 1; return deep(); });
Parse.Cloud.define('recursionInJson', () => { let deep = []; for (let n = 0; n < 1e6; n++) deep = [deep]; return deep; });
Parse.Cloud.define('giant', () => 'x'.repeat(40 << 20));
Parse.Cloud.define('cycle', () => { const own = {}; own.own = own; return own; });
Parse.Cloud.define('lines', () => { for (let n = 0; n < 5_000; n++) console.log('line', n); return 'logged'; });
Parse.Cloud.define('longLine', () => { console.log('\u001b[31m'.repeat(1 << 20)); return 'logged'; });
Parse.Cloud.define('throwNull', () => { throw null; });
Parse.Cloud.define('throwStrange', () => { throw { toString() { for (;;); }, get message() { for (;;); } }; });
Parse.Cloud.define('rejectLater', () => { setTimeout(() => Promise.reject(new Error('later')), 1); return 'answered'; });
Parse.Cloud.define('exit', () => process.exit(1));
Parse.Cloud.define('reach', () => {
  const found = [];
  for (const name of ['fs', 'net', 'child_process', 'http', 'os', 'worker_threads', 'vm', 'cluster', 'dns']) {
    try { if (require(name).readFileSync || name !== 'os') found.push(name); } catch { /* as it should be */ }
  }
  for (const name of ['std', 'os', 'scriptArgs', 'print', 'Deno', 'Bun', '__basaltLoad', 'host', 'kit', 'WebAssembly', 'Worker']) {
    if (name in globalThis) found.push(name);
  }
  return { found, env: Object.keys(process.env), argv: process.argv.length };
});
Parse.Cloud.define('importFile', () => import('/etc/passwd').then(() => 'read', error => String(error)));
Parse.Cloud.define('constructorEscape', () => {
  const make = (function f() {}).constructor;
  return Object.keys(make('return globalThis')()).filter(name => /host|basalt/.test(name));
});
Parse.Cloud.define('poison', () => {
  JSON.stringify = () => '{"success":"poisoned"}';
  JSON.parse = () => ({ params: { stolen: true } });
  Promise.prototype.then = function then() { return this; };
  Array.prototype.push = () => { throw new Error('poisoned'); };
  Array.prototype.map = () => ['poisoned'];
  Object.prototype.then = undefined;
  Object.keys = () => [];
  return 'poisoned';
});
Parse.Cloud.define('storm', async () => {
  let refused = 0;
  await Promise.all(Array.from({ length: 30_000 }, () => new Parse.Query('Nothing').first().catch(() => { refused += 1; })));
  return refused;
});
Parse.Cloud.define('forge', ({ params }) => new Parse.Query('_User').find({ ...params }).then(found => found.length));
Parse.Cloud.beforeSave('Again', async ({ object }) => { await new Parse.Object('Again').save({ n: object.get('n') + 1 }); });
