// Requests to the outside. They are made by the server, within its rules for the network.
(function (kit) {
  'use strict';
  const { ask, keys, isArray } = kit;
  const web = kit.use('web');
  const { Buffer } = kit.use('buffer');

  class Headers {
    #all = kit.create(null);
    constructor(from) {
      if (!from) return;
      const pairs = from instanceof Headers ? from : isArray(from) ? from : keys(from).map((name) => [name, from[name]]);
      for (const [name, value] of pairs) this.append(name, value);
    }
    append(name, value) { name = String(name).toLowerCase(); this.#all[name] = name in this.#all ? `${this.#all[name]}, ${value}` : String(value); }
    set(name, value) { this.#all[String(name).toLowerCase()] = String(value); }
    get(name) { const value = this.#all[String(name).toLowerCase()]; return value === undefined ? null : value; }
    has(name) { return String(name).toLowerCase() in this.#all; }
    delete(name) { delete this.#all[String(name).toLowerCase()]; }
    forEach(run) { for (const [name, value] of this) run(value, name, this); }
    * entries() { for (const name of keys(this.#all).sort()) yield [name, this.#all[name]]; }
    * keys() { for (const [name] of this) yield name; }
    * values() { for (const [, value] of this) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    toJSON() { return { ...this.#all }; }
  }

  const bytesOf = (body) => {
    if (body === undefined || body === null) return Buffer.alloc(0);
    if (typeof body === 'string') return Buffer.from(body);
    if (body instanceof web.URLSearchParams) return Buffer.from(body.toString());
    if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return Buffer.from(kit.bytesOf(body));
    throw new TypeError('Bodies are texts, bytes or URLSearchParams.');
  };
  class Body {
    #bytes;
    bodyUsed = false;
    constructor(body) { this.#bytes = bytesOf(body); }
    #take() {
      if (this.bodyUsed) throw new TypeError('Body is unusable: Body has already been read');
      this.bodyUsed = true;
      return this.#bytes;
    }
    async text() { return this.#take().toString(); }
    async json() { return JSON.parse(this.#take().toString()); }
    async bytes() { return new Uint8Array(this.#take()); }
    async arrayBuffer() { return new Uint8Array(this.#take()).slice().buffer; }
    get _bytes() { return this.#bytes; }
  }
  class Request extends Body {
    constructor(input, init = {}) {
      const from = input instanceof Request ? input : {};
      super(init.body !== undefined ? init.body : from._bytes);
      this.url = input instanceof Request ? input.url : new web.URL(String(input)).href;
      this.method = String(init.method || from.method || 'GET').toUpperCase();
      this.headers = new Headers(init.headers || from.headers);
      this.signal = init.signal || from.signal;
      this.redirect = init.redirect || 'follow';
      if (init.body instanceof web.URLSearchParams && !this.headers.has('content-type')) this.headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8');
      if (typeof init.body === 'string' && !this.headers.has('content-type')) this.headers.set('content-type', 'text/plain;charset=UTF-8');
    }
  }
  class Response extends Body {
    constructor(body, init = {}) {
      super(body);
      this.status = init.status === undefined ? 200 : init.status;
      this.statusText = init.statusText || '';
      this.headers = new Headers(init.headers);
      this.url = init.url || '';
      this.redirected = !!init.redirected;
    }
    get ok() { return this.status >= 200 && this.status < 300; }
    clone() { return new Response(this._bytes, this); }
    static json(value, init = {}) { return new Response(JSON.stringify(value), { ...init, headers: { 'content-type': 'application/json', ...init.headers } }); }
  }

  const fetch = async (input, init) => {
    const request = new Request(input, init);
    if (request.signal) request.signal.throwIfAborted();
    const asking = ask('fetch', {
      url: request.url, method: request.method, headers: [...request.headers], body: request._bytes.toString('base64'),
    }).catch((error) => {
      const failed = new TypeError('fetch failed');
      failed.cause = kit.failure(error);
      failed.message = `fetch failed: ${failed.cause.message}`;
      throw failed;
    });
    const racing = [asking];
    if (request.signal) racing.push(new Promise((resolve, reject) => { request.signal.addEventListener('abort', () => reject(request.signal.reason)); }));
    const { status, headers, body, url } = await Promise.race(racing);
    return new Response(Buffer.from(body, 'base64'), { status, headers, url });
  };

  class HTTPResponse {
    constructor(status, headers, buffer) { this.status = status; this.headers = headers; this.buffer = buffer; this.cookies = {}; }
    get text() { return this.buffer.toString(); }
    get data() { try { return JSON.parse(this.text); } catch { return undefined; } }
  }
  const httpRequest = async (options) => {
    if (typeof options === 'string') options = { url: options };
    const url = new web.URL(options.url || options.uri);
    const { params } = options;
    if (typeof params === 'string') url.search = params;
    else if (params) for (const name of keys(params)) url.searchParams.append(name, params[name]);
    const headers = new Headers(options.headers);
    let { body } = options;
    if (body && typeof body === 'object' && !ArrayBuffer.isView(body)) {
      const isForm = (headers.get('content-type') || '').includes('urlencoded');
      if (!headers.has('content-type')) headers.set('content-type', 'application/json');
      body = isForm ? new web.URLSearchParams(body).toString() : JSON.stringify(body);
    }
    const answer = await fetch(url.href, { method: options.method || 'GET', headers, body });
    const response = new HTTPResponse(answer.status, answer.headers.toJSON(), Buffer.from(answer._bytes));
    if (options.success && response.status < 400) options.success(response);
    if (response.status < 200 || response.status >= 400) { if (options.error) options.error(response); throw response; }
    return response;
  };

  class Blob { constructor() { throw new Error('Blob is not available in isolates.'); } }
  class FormData { constructor() { throw new Error('FormData is not available in isolates.'); } }
  return { fetch, Headers, Request, Response, Blob, FormData, httpRequest, HTTPResponse };
})
