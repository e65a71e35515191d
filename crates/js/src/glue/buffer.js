// Buffer, as far as it is used beside streams.
(function (kit) {
  'use strict';
  const web = kit.use('web');
  const { host } = kit;
  const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const latin = (bytes) => { let text = ''; for (const byte of bytes) text += String.fromCharCode(byte); return text; };
  const unlatin = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0) & 255);
  const encoded = (text, encoding) => {
    switch (String(encoding || 'utf8').toLowerCase()) {
      case 'utf8': case 'utf-8': return host.encode(text.toWellFormed());
      case 'hex': return Uint8Array.from(text.match(/[0-9a-f]{2}/gi) || [], (pair) => parseInt(pair, 16));
      case 'base64': case 'base64url': return unlatin(web.atob(text.replace(/-/g, '+').replace(/_/g, '/')));
      case 'latin1': case 'binary': case 'ascii': return unlatin(text);
      default: throw new TypeError(`Unknown encoding: ${encoding}`);
    }
  };
  class Buffer extends Uint8Array {
    static from(value, encoding, length) {
      let bytes;
      if (typeof value === 'string') bytes = encoded(value, encoding);
      else if (value instanceof ArrayBuffer) bytes = new Uint8Array(value, encoding, length);
      else if (value && value.type === 'Buffer' && Array.isArray(value.data)) bytes = Uint8Array.from(value.data);
      else bytes = Uint8Array.from(value);
      if (value instanceof ArrayBuffer) return new Buffer(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const buffer = new Buffer(bytes.length);
      buffer.set(bytes);
      return buffer;
    }
    static alloc(size, fill) { const buffer = new Buffer(size); if (fill !== undefined) buffer.fill(typeof fill === 'string' ? fill.charCodeAt(0) : fill); return buffer; }
    static allocUnsafe(size) { return new Buffer(size); }
    static isBuffer(value) { return value instanceof Buffer; }
    static byteLength(value, encoding) { return typeof value === 'string' ? encoded(value, encoding).length : value.byteLength; }
    static concat(list) {
      const all = new Buffer(list.reduce((sum, one) => sum + one.length, 0));
      let at = 0;
      for (const one of list) { all.set(one, at); at += one.length; }
      return all;
    }
    static compare(a, b) { return a.compare(b); }
    static isEncoding(name) { return /^(utf-?8|hex|base64(url)?|latin1|binary|ascii)$/i.test(name); }
    toString(encoding, start = 0, end = this.length) {
      const part = this.subarray(start, end);
      switch (String(encoding || 'utf8').toLowerCase()) {
        case 'utf8': case 'utf-8': return host.decode(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
        case 'hex': return hexOf(part);
        case 'base64': return web.btoa(latin(part));
        case 'base64url': return web.btoa(latin(part)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
        case 'latin1': case 'binary': case 'ascii': return latin(part);
        default: throw new TypeError(`Unknown encoding: ${encoding}`);
      }
    }
    toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
    equals(other) { return this.length === other.length && this.every((byte, n) => byte === other[n]); }
    compare(other) {
      for (let n = 0; n < Math.min(this.length, other.length); n++) if (this[n] !== other[n]) return this[n] < other[n] ? -1 : 1;
      return Math.sign(this.length - other.length);
    }
    write(text, offset = 0) { const bytes = encoded(text); this.set(bytes.subarray(0, this.length - offset), offset); return bytes.length; }
    copy(target, at = 0, start = 0, end = this.length) { const part = this.subarray(start, end); target.set(part, at); return part.length; }
    slice(start, end) { return this.subarray(start, end); }
    readUInt8(at = 0) { return this[at]; }
    writeUInt8(value, at = 0) { this[at] = value; return at + 1; }
    readUInt32BE(at = 0) { return new DataView(this.buffer, this.byteOffset).getUint32(at); }
    readUInt32LE(at = 0) { return new DataView(this.buffer, this.byteOffset).getUint32(at, true); }
    readUInt16BE(at = 0) { return new DataView(this.buffer, this.byteOffset).getUint16(at); }
    readInt32BE(at = 0) { return new DataView(this.buffer, this.byteOffset).getInt32(at); }
    writeUInt32BE(value, at = 0) { new DataView(this.buffer, this.byteOffset).setUint32(at, value); return at + 4; }
  }
  return { Buffer };
})
