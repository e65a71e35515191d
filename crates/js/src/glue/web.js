// The small globals of the web.
(function (kit) {
  'use strict';
  const { host, isArray, keys } = kit;

  const bytesOf = (input) => {
    if (input === undefined) return new Uint8Array(0);
    if (input instanceof ArrayBuffer) return new Uint8Array(input);
    if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    throw new TypeError('expected bytes');
  };
  kit.bytesOf = bytesOf;

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return host.encode(String(text).toWellFormed()); }
    encodeInto(text, target) {
      const bytes = this.encode(text).subarray(0, target.length);
      target.set(bytes);
      return { read: text.length, written: bytes.length };
    }
  }
  class TextDecoder {
    constructor(label = 'utf-8') {
      if (!/^utf-?8$/i.test(label)) throw new RangeError(`The encoding ${label} is not available.`);
    }
    get encoding() { return 'utf-8'; }
    decode(input) { return host.decode(bytesOf(input)).replace(/^\uFEFF/, ''); }
  }

  class DOMException extends Error {
    constructor(message, name = 'Error') { super(message); kit.hidden(this, 'name', name); }
  }
  class Event {
    constructor(type) { this.type = type; }
  }
  class EventTarget {
    constructor() { kit.hidden(this, '_listeners', []); }
    addEventListener(type, run, options) { this._listeners.push({ type, run, once: !!(options && options.once) }); }
    removeEventListener(type, run) { this._listeners = this._listeners.filter((one) => one.type !== type || one.run !== run); }
    dispatchEvent(event) {
      for (const one of this._listeners.slice()) {
        if (one.type !== event.type) continue;
        if (one.once) this.removeEventListener(one.type, one.run);
        if (typeof one.run === 'function') one.run.call(this, event); else one.run.handleEvent(event);
      }
      const handler = this[`on${event.type}`];
      if (typeof handler === 'function') handler.call(this, event);
      return true;
    }
  }
  class AbortSignal extends EventTarget {
    constructor() { super(); this.aborted = false; this.reason = undefined; }
    throwIfAborted() { if (this.aborted) throw this.reason; }
    static abort(reason) { const own = new AbortController(); own.abort(reason); return own.signal; }
    static timeout(millis) {
      const own = new AbortController();
      setTimeout(() => own.abort(new DOMException('The operation timed out.', 'TimeoutError')), millis);
      return own.signal;
    }
  }
  class AbortController {
    constructor() { this.signal = new AbortSignal(); }
    abort(reason = new DOMException('The operation was aborted.', 'AbortError')) {
      if (this.signal.aborted) return;
      this.signal.aborted = true;
      this.signal.reason = reason;
      this.signal.dispatchEvent(new Event('abort'));
    }
  }

  const structuredClone = (value) => {
    const seen = new Map();
    const copy = (from) => {
      if (typeof from === 'function' || typeof from === 'symbol') throw new DOMException(`${String(from)} could not be cloned.`, 'DataCloneError');
      if (typeof from !== 'object' || from === null) return from;
      if (seen.has(from)) return seen.get(from);
      let to;
      if (from instanceof Date) to = new Date(from.getTime());
      else if (from instanceof RegExp) to = new RegExp(from.source, from.flags);
      else if (from instanceof ArrayBuffer) to = from.slice(0);
      else if (ArrayBuffer.isView(from)) to = new from.constructor(from);
      else if (from instanceof Error) { to = new Error(from.message); to.name = from.name; }
      if (to) { seen.set(from, to); return to; }
      if (from instanceof Map) { to = new Map(); seen.set(from, to); for (const [k, v] of from) to.set(copy(k), copy(v)); return to; }
      if (from instanceof Set) { to = new Set(); seen.set(from, to); for (const v of from) to.add(copy(v)); return to; }
      to = isArray(from) ? [] : {};
      seen.set(from, to);
      for (const key of keys(from)) to[key] = copy(from[key]);
      return to;
    };
    return copy(value);
  };

  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const btoa = (text) => {
    text = String(text);
    let out = '';
    for (let i = 0; i < text.length; i += 3) {
      const [a, b, c] = [text.charCodeAt(i), text.charCodeAt(i + 1), text.charCodeAt(i + 2)];
      if (a > 255 || b > 255 || c > 255) throw new DOMException('The text holds characters outside of Latin-1.', 'InvalidCharacterError');
      const all = (a << 16) | ((b || 0) << 8) | (c || 0);
      out += ALPHABET[all >> 18] + ALPHABET[(all >> 12) & 63]
        + (i + 1 < text.length ? ALPHABET[(all >> 6) & 63] : '=') + (i + 2 < text.length ? ALPHABET[all & 63] : '=');
    }
    return out;
  };
  const atob = (text) => {
    const clean = String(text).replace(/[\t\n\f\r ]/g, '').replace(/=+$/, '');
    if (/[^A-Za-z0-9+/]/.test(clean) || clean.length % 4 === 1) throw new DOMException('The text is not base64.', 'InvalidCharacterError');
    let out = '';
    let bits = 0;
    let have = 0;
    for (const c of clean) {
      bits = (bits << 6) | ALPHABET.indexOf(c);
      have += 6;
      if (have >= 8) { have -= 8; out += String.fromCharCode((bits >> have) & 255); }
    }
    return out;
  };

  const crypto = {
    getRandomValues(array) { array.set(new array.constructor(host.random(array.byteLength)).subarray(0, array.length)); return array; },
    randomUUID() {
      const b = new Uint8Array(host.random(16));
      b[6] = (b[6] & 15) | 64;
      b[8] = (b[8] & 63) | 128;
      const hex = Array.from(b, (byte) => byte.toString(16).padStart(2, '0')).join('');
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
  };
  const start = host.now();
  const performance = { now: () => host.now() - start, timeOrigin: Date.now(), mark() {}, measure() {} };

  const address = kit.use('url');
  return { TextEncoder, TextDecoder, DOMException, Event, EventTarget, AbortSignal, AbortController, structuredClone, btoa, atob, crypto, performance, ...address };
})
