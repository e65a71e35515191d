// URL and URLSearchParams, for addresses of the web.
(function () {
  'use strict';
  const DEFAULT_PORTS = { 'http:': '80', 'https:': '443', 'ftp:': '21', 'ws:': '80', 'wss:': '443' };
  const form = (text) => encodeURIComponent(String(text).toWellFormed()).replace(/%20/g, '+').replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const unform = (text) => { try { return decodeURIComponent(text.replace(/\+/g, ' ')); } catch { return text; } };

  class URLSearchParams {
    #pairs = [];
    #changed = () => {};
    constructor(from = '', changed) {
      if (typeof from === 'string') {
        const text = from.startsWith('?') ? from.slice(1) : from;
        for (const part of text.split('&')) {
          if (!part) continue;
          const at = part.indexOf('=');
          this.#pairs.push(at < 0 ? [unform(part), ''] : [unform(part.slice(0, at)), unform(part.slice(at + 1))]);
        }
      } else if (from && typeof from[Symbol.iterator] === 'function') {
        for (const [name, value] of from) this.#pairs.push([String(name), String(value)]);
      } else if (from) {
        for (const name of Object.keys(from)) this.#pairs.push([name, String(from[name])]);
      }
      if (changed) this.#changed = changed;
    }
    get size() { return this.#pairs.length; }
    append(name, value) { this.#pairs.push([String(name), String(value)]); this.#changed(); }
    delete(name) { this.#pairs = this.#pairs.filter((pair) => pair[0] !== name); this.#changed(); }
    get(name) { const found = this.#pairs.find((pair) => pair[0] === name); return found ? found[1] : null; }
    getAll(name) { return this.#pairs.filter((pair) => pair[0] === name).map((pair) => pair[1]); }
    has(name) { return this.#pairs.some((pair) => pair[0] === name); }
    set(name, value) {
      const at = this.#pairs.findIndex((pair) => pair[0] === name);
      if (at < 0) this.#pairs.push([String(name), String(value)]);
      else {
        this.#pairs[at][1] = String(value);
        this.#pairs = this.#pairs.filter((pair, n) => n <= at || pair[0] !== name);
      }
      this.#changed();
    }
    sort() { this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)); this.#changed(); }
    forEach(run) { for (const [name, value] of this.#pairs) run(value, name, this); }
    * entries() { yield* this.#pairs.map((pair) => pair.slice()); }
    * keys() { for (const pair of this.#pairs) yield pair[0]; }
    * values() { for (const pair of this.#pairs) yield pair[1]; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#pairs.map(([name, value]) => `${form(name)}=${form(value)}`).join('&'); }
  }

  const SHAPE = /^([A-Za-z][A-Za-z0-9+.-]*:)?(?:\/\/(?:([^/?#@]*)@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d*))?)?([^?#]*)(\?[^#]*)?(#.*)?$/s;
  const folded = (path) => {
    const out = [];
    const parts = path.split('/');
    parts.forEach((part, n) => {
      const plain = part.replace(/%2e/gi, '.');
      const last = n === parts.length - 1;
      if (plain === '..') { if (out.length > 1) out.pop(); if (last) out.push(''); } else if (plain === '.') { if (last) out.push(''); } else out.push(part);
    });
    const text = out.join('/');
    return text.startsWith('/') ? text : `/${text}`;
  };
  const escaped = (text) => text.replace(/[^\x21-\x7e]|["<>`{}]/g, (c) => encodeURIComponent(c.toWellFormed()));

  class URL {
    #params;
    constructor(text, base) {
      text = String(text).trim().replace(/[\t\n\r]/g, '');
      let match = SHAPE.exec(text);
      const bad = () => { const error = new TypeError('Invalid URL'); error.code = 'ERR_INVALID_URL'; error.input = text; return error; };
      if (!match) throw bad();
      if (!match[1]) {
        if (base === undefined) throw bad();
        const from = new URL(base);
        if (text.startsWith('//')) match = SHAPE.exec(from.protocol + text);
        else if (text.startsWith('/')) match = SHAPE.exec(from.origin + text);
        else if (text.startsWith('?')) match = SHAPE.exec(from.origin + from.pathname + text);
        else if (text.startsWith('#')) match = SHAPE.exec(from.origin + from.pathname + from.search + text);
        else match = SHAPE.exec(from.origin + from.pathname.replace(/[^/]*$/, '') + text);
        if (!match) throw bad();
      }
      const [, protocol, login, host, port, path, search, hash] = match;
      this.protocol = protocol.toLowerCase();
      const special = this.protocol in DEFAULT_PORTS;
      if (special && !host) throw bad();
      if (host && /[\s<>^|%\\]/.test(host)) throw bad();
      if (port && +port > 65535) throw bad();
      const [username = '', password = ''] = (login || '').split(/:(.*)/s);
      this.username = username;
      this.password = password;
      this.hostname = (host || '').toLowerCase();
      this.port = port && port !== DEFAULT_PORTS[this.protocol] ? String(+port) : '';
      this.pathname = special ? folded(escaped(path.replace(/\\/g, '/') || '/')) : path;
      this.hash = hash && hash !== '#' ? escaped(hash) : '';
      let query = search && search !== '?' ? escaped(search) : '';
      Object.defineProperty(this, 'search', {
        enumerable: true,
        get: () => query,
        set: (value) => { query = value && value !== '?' ? `?${String(value).replace(/^\?/, '')}` : ''; this.#params = undefined; },
      });
      Object.defineProperty(this, 'searchParams', {
        enumerable: true,
        get: () => {
          if (!this.#params) {
            const own = new URLSearchParams(query, () => { const all = own.toString(); query = all ? `?${all}` : ''; });
            this.#params = own;
          }
          return this.#params;
        },
      });
    }
    get host() { return this.port ? `${this.hostname}:${this.port}` : this.hostname; }
    get origin() { return this.protocol in DEFAULT_PORTS ? `${this.protocol}//${this.host}` : 'null'; }
    get href() {
      const login = this.username ? `${this.username}${this.password ? `:${this.password}` : ''}@` : '';
      const slashes = this.hostname || this.protocol in DEFAULT_PORTS || this.protocol === 'file:' ? '//' : '';
      return `${this.protocol}${slashes}${login}${this.host}${this.pathname}${this.search}${this.hash}`;
    }
    toString() { return this.href; }
    toJSON() { return this.href; }
    static canParse(text, base) { try { return !!new URL(text, base); } catch { return false; } }
    static parse(text, base) { try { return new URL(text, base); } catch { return null; } }
  }
  return { URL, URLSearchParams };
})
