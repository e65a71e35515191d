// The modules of Node that need nothing but JavaScript.
(function (kit) {
  'use strict';
  const { g, create, shown } = kit;

  const process = {
    env: create(null), argv: ['basalt'], platform: 'linux', version: 'v20.0.0', versions: { node: '20.0.0' }, pid: 1, arch: 'x64',
    cwd: () => '/', nextTick: (run, ...rest) => { g.queueMicrotask(() => run(...rest)); },
    hrtime: Object.assign((since) => {
      const now = kit.host.now();
      const time = [Math.floor(now / 1e3), Math.floor((now % 1e3) * 1e6)];
      if (!since) return time;
      const [s, n] = [time[0] - since[0], time[1] - since[1]];
      return n < 0 ? [s - 1, n + 1e9] : [s, n];
    }, { bigint: () => BigInt(Math.floor(kit.host.now() * 1e6)) }),
    uptime: () => kit.host.now() / 1e3, memoryUsage: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0 }),
    on() { return process; }, once() { return process; }, off() { return process; }, emitWarning: (text) => g.console.warn(text),
    exit() { throw new Error('process.exit is not available: code can\'t end its process here.'); },
  };

  class EventEmitter {
    _of(name) { this._all = this._all || create(null); return this._all[name] || (this._all[name] = []); }
    on(name, run) { this._of(name).push({ run }); return this; }
    addListener(name, run) { return this.on(name, run); }
    prependListener(name, run) { this._of(name).unshift({ run }); return this; }
    once(name, run) { this._of(name).push({ run, once: true }); return this; }
    off(name, run) {
      const all = this._of(name);
      const at = all.findIndex((one) => one.run === run);
      if (at >= 0) all.splice(at, 1);
      return this;
    }
    removeListener(name, run) { return this.off(name, run); }
    removeAllListeners(name) { if (name === undefined) this._all = create(null); else delete (this._all || {})[name]; return this; }
    emit(name, ...rest) {
      const all = this._of(name).slice();
      if (!all.length && name === 'error') throw rest[0] instanceof Error ? rest[0] : new Error(`Unhandled error. (${shown(rest[0])})`);
      for (const one of all) { if (one.once) this.off(name, one.run); one.run.apply(this, rest); }
      return all.length > 0;
    }
    listeners(name) { return this._of(name).map((one) => one.run); }
    listenerCount(name) { return this._of(name).length; }
    eventNames() { return Object.keys(this._all || {}); }
    setMaxListeners() { return this; }
  }
  EventEmitter.EventEmitter = EventEmitter;
  EventEmitter.once = (emitter, name) => new Promise((resolve, reject) => {
    emitter.once(name, (...rest) => resolve(rest));
    if (name !== 'error') emitter.once('error', reject);
  });

  const normal = (path) => {
    const out = [];
    const top = path.startsWith('/');
    for (const part of path.split('/')) {
      if (part === '..') { if (out.length && out[out.length - 1] !== '..') out.pop(); else if (!top) out.push('..'); } else if (part && part !== '.') out.push(part);
    }
    return (top ? '/' : '') + out.join('/') || (top ? '/' : '.');
  };
  const path = {
    sep: '/', delimiter: ':', normalize: normal, join: (...parts) => normal(parts.filter(Boolean).join('/')),
    resolve: (...parts) => { let at = ''; for (const part of parts) at = part.startsWith('/') ? part : `${at}/${part}`; return normal(at.startsWith('/') ? at : `/${at}`); },
    isAbsolute: (text) => text.startsWith('/'), dirname: (text) => { const at = text.replace(/\/+$/, '').lastIndexOf('/'); return at < 0 ? '.' : text.slice(0, at) || '/'; },
    basename: (text, ending) => { const name = text.replace(/\/+$/, '').split('/').pop(); return ending && name.endsWith(ending) && name !== ending ? name.slice(0, -ending.length) : name; },
    extname: (text) => { const name = path.basename(text); const at = name.lastIndexOf('.'); return at > 0 ? name.slice(at) : ''; },
    relative: (from, to) => {
      const [a, b] = [path.resolve(from).split('/').filter(Boolean), path.resolve(to).split('/').filter(Boolean)];
      while (a.length && a[0] === b[0]) { a.shift(); b.shift(); }
      return [...a.map(() => '..'), ...b].join('/');
    },
  };
  path.posix = path;

  const format = (first, ...rest) => {
    let n = 0;
    const text = typeof first === 'string'
      ? first.replace(/%([sdifjoO%])/g, (all, kind) => (kind === '%' ? '%' : n < rest.length ? (kind === 's' ? String(rest[n++]) : 'dif'.includes(kind) ? String(Number(rest[n++])) : shown(rest[n++])) : all))
      : shown(first);
    return [text, ...rest.slice(n).map((value) => shown(value))].join(' ');
  };
  const isDeep = (a, b, strict) => {
    if (strict ? Object.is(a, b) : a == b || (a !== a && b !== b)) return true; // eslint-disable-line eqeqeq
    if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return false;
    if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
    if (Array.isArray(a) !== Array.isArray(b)) return false;
    const [x, y] = [Object.keys(a), Object.keys(b)];
    return x.length === y.length && x.every((key) => isDeep(a[key], b[key], strict));
  };
  const util = {
    format, inspect: (value) => shown(value, 1), isDeepStrictEqual: (a, b) => isDeep(a, b, true),
    promisify: (run) => (...rest) => new Promise((resolve, reject) => { run(...rest, (error, value) => (error ? reject(error) : resolve(value))); }),
    callbackify: (run) => (...rest) => { const done = rest.pop(); run(...rest).then((value) => done(null, value), done); },
    inherits: (child, parent) => { Object.setPrototypeOf(child.prototype, parent.prototype); Object.setPrototypeOf(child, parent); },
    deprecate: (run) => run, types: { isDate: (value) => value instanceof Date, isRegExp: (value) => value instanceof RegExp, isPromise: (value) => value instanceof Promise },
    isArray: Array.isArray,
  };
  kit.lazy(util, 'TextEncoder', () => g.TextEncoder);
  kit.lazy(util, 'TextDecoder', () => g.TextDecoder);

  class AssertionError extends Error {
    constructor({ message, actual, expected }) { super(message); this.code = 'ERR_ASSERTION'; this.actual = actual; this.expected = expected; }
    get name() { return 'AssertionError'; }
  }
  const check = (ok, message, actual, expected) => { if (!ok) throw message instanceof Error ? message : new AssertionError({ message: message || `${shown(actual, 1)} is not what was expected: ${shown(expected, 1)}`, actual, expected }); };
  const assert = (value, message) => check(value, message, value, true);
  Object.assign(assert, {
    ok: assert, AssertionError, fail: (message) => check(false, message || 'Failed'),
    equal: (a, b, m) => check(a == b, m, a, b), notEqual: (a, b, m) => check(a != b, m, a, b), // eslint-disable-line eqeqeq
    strictEqual: (a, b, m) => check(Object.is(a, b), m, a, b), notStrictEqual: (a, b, m) => check(!Object.is(a, b), m, a, b),
    deepEqual: (a, b, m) => check(isDeep(a, b, false), m, a, b), deepStrictEqual: (a, b, m) => check(isDeep(a, b, true), m, a, b),
    throws: (run, m) => { let thrown = false; try { run(); } catch { thrown = true; } check(thrown, typeof m === 'string' ? m : 'Missing expected exception.'); },
    rejects: async (what, m) => { let thrown = false; try { await (typeof what === 'function' ? what() : what); } catch { thrown = true; } check(thrown, typeof m === 'string' ? m : 'Missing expected rejection.'); },
  });
  assert.strict = assert;

  const querystring = {
    parse: (text) => { const all = create(null); for (const [name, value] of new g.URLSearchParams(text)) all[name] = name in all ? [].concat(all[name], value) : value; return all; },
    stringify: (all) => Object.keys(all).flatMap((name) => [].concat(all[name]).map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)).join('&'),
    escape: encodeURIComponent, unescape: decodeURIComponent,
  };
  const url = {
    get URL() { return g.URL; }, get URLSearchParams() { return g.URLSearchParams; },
    parse: (text) => { try { const own = new g.URL(text); return { href: own.href, protocol: own.protocol, host: own.host, hostname: own.hostname, port: own.port || null, pathname: own.pathname, search: own.search || null, query: own.search.slice(1) || null, hash: own.hash || null, path: own.pathname + own.search }; } catch { return { href: text, protocol: null, host: null, hostname: null, port: null, pathname: text, search: null, query: null, hash: null, path: text }; } },
    format: (own) => String(own.href || own), resolve: (from, to) => new g.URL(to, from).href,
  };
  const cryptoModule = {
    get webcrypto() { return g.crypto; },
    randomUUID: () => g.crypto.randomUUID(), randomBytes: (count) => g.Buffer.from(new Uint8Array(kit.host.random(count))),
    randomInt: (low, high) => { if (high === undefined) { high = low; low = 0; } return low + Math.floor(new Uint32Array(kit.host.random(4))[0] / 4294967296 * (high - low)); },
    timingSafeEqual: (a, b) => { if (a.length !== b.length) throw new RangeError('Input buffers must have the same byte length'); let bits = 0; for (let n = 0; n < a.length; n++) bits |= a[n] ^ b[n]; return bits === 0; },
  };
  kit.absent(cryptoModule, 'crypto.', ['createHash', 'createHmac', 'createCipheriv', 'createDecipheriv', 'pbkdf2', 'scrypt', 'generateKeyPair', 'createSign', 'createVerify']);

  const modules = {
    events: () => EventEmitter, path: () => path, 'path/posix': () => path, util: () => util, assert: () => assert, 'assert/strict': () => assert,
    querystring: () => querystring, url: () => url, crypto: () => cryptoModule, process: () => process,
    buffer: () => ({ Buffer: g.Buffer }), timers: () => ({ setTimeout: g.setTimeout, setInterval: g.setInterval, setImmediate: g.setImmediate, clearTimeout: g.clearTimeout, clearInterval: g.clearInterval }),
    'timers/promises': () => ({ setTimeout: (millis, value) => new Promise((resolve) => { g.setTimeout(() => resolve(value), millis); }), setImmediate: (value) => Promise.resolve(value) }),
    string_decoder: () => ({ StringDecoder: class { write(bytes) { return g.Buffer.from(bytes).toString(); } end() { return ''; } } }),
    perf_hooks: () => ({ performance: g.performance }), os: () => ({ EOL: '\n', platform: () => 'linux', hostname: () => 'basalt', cpus: () => [], tmpdir: () => '/tmp' }),
  };
  const made = create(null);
  const module = (name) => {
    if (!Object.prototype.hasOwnProperty.call(modules, name)) return undefined;
    if (!(name in made)) made[name] = modules[name]();
    return made[name];
  };
  return { process, module };
})
