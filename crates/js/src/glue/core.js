// The heart of the glue: calls to the server, timers, the console, and running what was asked for.
// Built-ins that it relies on are taken before any other code runs.
(function (host) {
  'use strict';
  const g = globalThis;
  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const { create, keys, defineProperty, getPrototypeOf, assign, freeze } = Object;
  const PromiseOf = Promise;
  const ErrorOf = Error;
  const TypeErrorOf = TypeError;

  const kit = { host, g, parse, stringify, isArray, create, keys, defineProperty, getPrototypeOf, assign, freeze };

  // Parts of the glue, made when they are first needed.
  const parts = create(null);
  kit.use = (name) => {
    if (!(name in parts)) parts[name] = host.part(name)(kit);
    return parts[name];
  };

  // Calls to the server.
  const waiting = create(null);
  kit.ask = (what, body) => new PromiseOf((resolve, reject) => {
    const call = host.call(what, stringify(body));
    if (call === 0) {
      reject(new ErrorOf('The server takes no more calls of this run: it is over, or asks too much at once.'));
    } else {
      waiting[call] = { resolve, reject };
    }
  });
  const settle = (call, ok, body) => {
    const own = waiting[call];
    delete waiting[call];
    if (!own || ok === undefined) return;
    if (ok) own.resolve(body);
    else own.reject(body);
  };

  // Timers.
  const timers = create(null);
  let timerNumber = 0;
  const startTimer = (run, millis, again) => {
    if (typeof run !== 'function') throw new TypeErrorOf('a timer needs a function');
    const number = ++timerNumber;
    if (host.setTimer(number, +millis || 0)) timers[number] = { run, millis: +millis || 0, again };
    return number;
  };
  const stopTimer = (number) => {
    number = typeof number === 'object' && number !== null ? +number : number;
    if (typeof number !== 'number') return;
    if (timers[number]) {
      delete timers[number];
      host.clearTimer(number);
    }
  };
  const fire = (number) => {
    const timer = timers[number];
    if (!timer) return;
    if (timer.again) {
      if (!host.setTimer(number, timer.millis)) delete timers[number];
    } else {
      delete timers[number];
    }
    timer.run();
  };
  const timer = (again) => (run, millis, ...rest) =>
    startTimer(rest.length ? () => run(...rest) : run, millis, again);

  // The console.
  const shown = (value, depth = 0) => {
    switch (typeof value) {
      case 'string': return depth ? stringify(value) : value;
      case 'function': return `[Function: ${value.name || 'anonymous'}]`;
      case 'symbol': case 'bigint': return String(value);
      case 'object': break;
      default: return String(value);
    }
    if (value === null) return 'null';
    try {
      if (value instanceof ErrorOf) return value.stack ? `${value}\n${value.stack}`.trim() : String(value);
      const text = stringify(value);
      return text === undefined ? String(value) : text;
    } catch {
      return '[Object]';
    }
  };
  kit.shown = shown;
  const say = (level) => (...values) => {
    let text = '';
    let first = 0;
    if (typeof values[0] === 'string' && values.length > 1 && values[0].includes('%')) {
      first = 1;
      text = values[0].replace(/%([sdifjoOc%])/g, (all, kind) => {
        if (kind === '%') return '%';
        if (first >= values.length) return all;
        const value = values[first++];
        if (kind === 'd' || kind === 'f') return String(Number(value));
        if (kind === 'i') return String(parseInt(value, 10));
        if (kind === 'c') return '';
        return kind === 's' && typeof value !== 'object' ? String(value) : shown(value);
      });
    }
    for (let i = first; i < values.length; i++) text += (i ? ' ' : '') + shown(values[i]);
    host.log(level, text);
  };
  const logger = () => ({
    log: (level, ...rest) => say(level === 'verbose' || level === 'silly' ? 'debug' : `${level}`)(...rest),
    info: say('info'), warn: say('warn'), error: say('error'),
    debug: say('debug'), verbose: say('debug'), silly: say('debug'),
  });
  kit.logger = logger();
  g.console = {
    log: say('info'), info: say('info'), warn: say('warn'), error: say('error'),
    debug: say('debug'), trace: say('debug'), dir: say('info'),
    assert: (ok, ...rest) => { if (!ok) say('error')('Assertion failed:', ...rest); },
    time: () => {}, timeEnd: () => {}, timeLog: () => {}, group: () => {}, groupEnd: () => {},
    table: say('info'), count: () => {},
  };

  // What is known of the SDK and not there: it says so by its name.
  kit.absent = (target, prefix, names) => {
    for (const name of names) {
      kit.hidden(target, name, () => {
        throw new ErrorOf(`${prefix}${prefix.endsWith('.') || prefix.endsWith('#') ? '' : '.'}${name} is not available in Cloud Code here.`);
      });
    }
  };

  // Globals; those that cost something are made on first use.
  kit.hidden = (target, name, value) =>
    defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
  kit.lazy = (target, name, make) => defineProperty(target, name, {
    configurable: true, enumerable: false,
    get() { const value = make(); kit.hidden(target, name, value); return value; },
    set(value) { kit.hidden(target, name, value); },
  });
  kit.hidden(g, 'global', g);
  kit.hidden(g, 'setTimeout', timer(false));
  kit.hidden(g, 'setInterval', timer(true));
  kit.hidden(g, 'setImmediate', (run, ...rest) => startTimer(() => run(...rest), 0, false));
  for (const name of ['clearTimeout', 'clearInterval', 'clearImmediate']) kit.hidden(g, name, stopTimer);
  if (!g.queueMicrotask) kit.hidden(g, 'queueMicrotask', (run) => { PromiseOf.resolve().then(run); });
  const web = ['TextEncoder', 'TextDecoder', 'URL', 'URLSearchParams', 'AbortController', 'AbortSignal',
    'Event', 'EventTarget', 'DOMException', 'structuredClone', 'crypto', 'performance', 'atob', 'btoa'];
  for (const name of web) if (!(name in g)) kit.lazy(g, name, () => kit.use('web')[name]);
  for (const name of ['fetch', 'Headers', 'Request', 'Response', 'Blob', 'FormData']) {
    kit.lazy(g, name, () => kit.use('fetch')[name]);
  }
  kit.lazy(g, 'Buffer', () => kit.use('buffer').Buffer);
  kit.lazy(g, 'process', () => kit.use('node').process);

  const modules = kit.use('require');
  const cloud = kit.use('cloud');
  g.require = modules.require('');

  // Loads the bundle, and tells what it declares.
  const load = (entry, about) => {
    kit.about = about;
    const loaded = () => {
      cloud.settled = true;
      host.loaded(stringify(cloud.declared()));
    };
    const refused = (error) => host.refused(modules.described(error, entry));
    try {
      const loading = modules.run(entry);
      if (loading && typeof loading.then === 'function') loading.then(loaded, refused);
      else loaded();
    } catch (error) {
      refused(error);
    }
  };

  return { load, settle, fire, invoke: cloud.invoke };
})
