// Requests to the engine, values to JSON and back, and triggers.
(function (kit) {
  'use strict';
  const { ask, keys, isArray, stringify } = kit;
  const Parse = kit.g.Parse;

  // One request to the engine: below HTTP, above permissions.
  const call = async (method, path, body, options) => {
    options = options || {};
    const request = { m: method, p: path };
    if (body !== undefined && body !== null) request.b = body;
    if (options.useMasterKey) request.k = 1;
    if (options.sessionToken) request.s = options.sessionToken;
    if (options.context) request.c = options.context;
    if (options.installationId) request.i = options.installationId;
    try {
      return await ask('rest', request);
    } catch (error) {
      throw kit.failure(error);
    }
  };

  const isObject = (value) => value instanceof Parse.Object;

  // A value as the protocol has it. `pointers`: objects within become pointers.
  const encode = (value, pointers, seen) => {
    if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? Number(value) : value;
    if (isArray(value)) return value.map((item) => encode(item, pointers, seen));
    if (value instanceof Date) {
      if (isNaN(value)) throw new Error('Tried to encode an invalid date.');
      return { __type: 'Date', iso: value.toJSON() };
    }
    if (isObject(value)) {
      if (pointers) return value.toPointer();
      seen = seen || [];
      if (seen.includes(value) || (!value._isFetched() && !value.dirty() && value.id)) return value.toPointer();
      return value._toFullJSON(seen.concat(value));
    }
    if (value instanceof RegExp) return value.source;
    if (value instanceof Uint8Array) return { __type: 'Bytes', base64: kit.use('buffer').Buffer.from(value).toString('base64') };
    if (value instanceof kit.use('object').Operation) return value.encode();
    if (typeof value.toJSON === 'function') return value.toJSON();
    if (value instanceof Error) return { message: value.message, ...value };
    const result = {};
    for (const key of keys(value)) result[key] = encode(value[key], pointers, seen);
    return result;
  };

  // A value of the protocol as code sees it.
  const decode = (value) => {
    if (typeof value !== 'object' || value === null) return value;
    if (isArray(value)) return value.map(decode);
    if (typeof value.__op === 'string') return kit.use('object').operation(value);
    switch (value.__type) {
      case undefined: break;
      case 'Pointer': case 'Object':
        if (typeof value.className === 'string') return Parse.Object.fromJSON(value);
        break;
      case 'Date': return new Date(value.iso);
      case 'Relation': return new Parse.Relation(null, null, value.className);
      case 'GeoPoint': return new Parse.GeoPoint(value.latitude, value.longitude);
      case 'Polygon': return new Parse.Polygon(value.coordinates);
      case 'File': return Parse.File.fromJSON(value);
      default: break;
    }
    const result = {};
    for (const key of keys(value)) {
      if (key === '__proto__') Object.defineProperty(result, key, { value: decode(value[key]), enumerable: true, writable: true, configurable: true });
      else result[key] = decode(value[key]);
    }
    return result;
  };

  // Parameters of functions: pointers, dates and files become what they stand for, the rest stays.
  const params = (value) => {
    if (typeof value !== 'object' || value === null) return value;
    if (isArray(value)) return value.map(params);
    if (value.__type === 'Date') return new Date(value.iso);
    if (value.__type === 'File') return Parse.File.fromJSON(value);
    if (value.__type === 'Pointer') return Parse.Object.fromJSON(value);
    const result = {};
    for (const key of keys(value)) result[key] = params(value[key]);
    return result;
  };

  const run = async (name, given, options) => {
    if (typeof name !== 'string' || !name) throw new TypeError('Cloud function name must be a string.');
    const result = await call('POST', `functions/${encodeURIComponent(name)}`, encode(given || {}, true), options);
    return result && 'result' in result ? decode(result.result) : undefined;
  };

  // Triggers.
  const objectOf = (json) => Parse.Object.fromJSON(json);

  // What a before-save trigger made of its object; undefined when it changed nothing.
  const saved = (object, raw) => {
    const ops = object._pending();
    const names = keys(ops);
    if (!names.length) return undefined;
    const before = raw.original || {};
    const json = {};
    for (const key of keys(raw.object)) {
      const value = raw.object[key];
      if (key === 'className' || key === '__type' || (value && value.__type === 'Relation')) continue;
      json[key] = value;
    }
    for (const name of names) {
      const op = ops[name];
      // What the client has changed too can't be told as a change of what is stored.
      const touched = stringify(raw.object[name]) !== stringify(before[name]);
      json[name] = op.isFinal || !touched ? op.encode() : encode(object.get(name), true);
    }
    return json;
  };

  const changed = (object) => keys(object._pending()).length > 0;

  const list = (result, request, raw) => {
    if (result !== undefined && result !== null && !isArray(result)) {
      throw new Parse.Error(Parse.Error.SCRIPT_FAILED, 'AfterFind expect results to be an array.');
    }
    const objects = result || request.objects;
    const same = objects.length === raw.objects.length
      && objects.every((object, n) => object instanceof Parse.Object && object._sent === raw.objects[n] && !changed(object));
    return same ? undefined : objects.map((object) => {
      const json = object instanceof Parse.Object ? object._toFullJSON([object]) : encode(object);
      delete json.__type;
      return json;
    });
  };

  const trigger = async (entry, kind, name, raw, request, validate) => {
    if (raw.object) {
      request.object = objectOf(raw.object);
      request.object._inTrigger(kind, raw.original);
    }
    if (raw.original) request.original = objectOf(raw.original);
    let asked;
    if (kind === 'beforeFind') {
      request.query = Parse.Query.fromJSON(name, raw.query || {});
      request.count = !!raw.count;
      request.isGet = !!raw.isGet;
      asked = stringify(request.query.toJSON());
    }
    if (kind === 'afterFind') {
      request.objects = raw.objects.map((json) => {
        const object = objectOf({ className: name, ...json });
        object._sent = json;
        return object;
      });
      if (raw.query) request.query = Parse.Query.fromJSON(name, raw.query);
      request.isGet = !!raw.isGet;
    }
    if (entry.inside) await validate(entry.inside, request);
    const result = await entry.handler(request);
    switch (kind) {
      case 'beforeSave': return [saved(request.object, raw), request];
      case 'beforeFind': {
        const query = result instanceof Parse.Query ? result : request.query;
        const json = query.toJSON();
        if (stringify(json) === asked) return [undefined, request];
        return [{ where: {}, ...json }, request];
      }
      case 'afterFind': return [list(result, request, raw), request];
      default: return [undefined, request];
    }
  };

  return { call, encode, decode, params, run, trigger };
})
