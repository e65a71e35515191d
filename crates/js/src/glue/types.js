// ACL, places, files, the config, and what is not there yet.
(function (kit) {
  'use strict';
  const { keys, isArray } = kit;
  const Parse = kit.g.Parse;
  const { call, encode, decode } = kit.use('parse');

  const idOf = (who) => {
    if (who && typeof who === 'object' && who.className === '_Role') return `role:${who.get('name')}`;
    const id = who && typeof who === 'object' ? who.id : who;
    if (typeof id !== 'string' || !id) throw new TypeError('userId must be a string.');
    return id;
  };
  const roleOf = (role) => {
    const name = role && typeof role === 'object' ? role.get('name') : role;
    if (typeof name !== 'string' || !name) throw new TypeError('role must be a ParseRole or a String');
    return `role:${name}`;
  };
  class ParseACL {
    constructor(given) {
      this.permissionsById = {};
      if (given && typeof given === 'object') {
        if (given instanceof Parse.Object) { this.setReadAccess(given, true); this.setWriteAccess(given, true); return; }
        for (const id of keys(given)) this.permissionsById[id] = { ...given[id] };
      } else if (typeof given === 'function') {
        throw new TypeError('ParseACL constructed with a function. Did you forget ()?');
      }
    }
    toJSON() { const json = {}; for (const id of keys(this.permissionsById)) json[id] = { ...this.permissionsById[id] }; return json; }
    equals(other) { return other instanceof ParseACL && JSON.stringify(this.toJSON()) === JSON.stringify(other.toJSON()); }
    _set(kind, id, allowed) {
      if (typeof allowed !== 'boolean') throw new TypeError('allowed must be either true or false.');
      const own = this.permissionsById[id];
      if (allowed) this.permissionsById[id] = { ...own, [kind]: true };
      else if (own) {
        delete own[kind];
        if (!keys(own).length) delete this.permissionsById[id];
      }
    }
    _get(kind, id) { return !!(this.permissionsById[id] && this.permissionsById[id][kind]); }
    setReadAccess(who, allowed) { this._set('read', idOf(who), allowed); }
    getReadAccess(who) { return this._get('read', idOf(who)); }
    setWriteAccess(who, allowed) { this._set('write', idOf(who), allowed); }
    getWriteAccess(who) { return this._get('write', idOf(who)); }
    setPublicReadAccess(allowed) { this._set('read', '*', allowed); }
    getPublicReadAccess() { return this._get('read', '*'); }
    setPublicWriteAccess(allowed) { this._set('write', '*', allowed); }
    getPublicWriteAccess() { return this._get('write', '*'); }
    setRoleReadAccess(role, allowed) { this._set('read', roleOf(role), allowed); }
    getRoleReadAccess(role) { return this._get('read', roleOf(role)); }
    setRoleWriteAccess(role, allowed) { this._set('write', roleOf(role), allowed); }
    getRoleWriteAccess(role) { return this._get('write', roleOf(role)); }
  }

  const EARTH_MILES = 3958.8;
  const EARTH_KILOMETERS = 6371.0;
  class ParseGeoPoint {
    constructor(first, second) {
      let [latitude, longitude] = [first, second];
      if (isArray(first)) [latitude, longitude] = first;
      else if (first && typeof first === 'object') ({ latitude, longitude } = first);
      latitude = latitude === undefined ? 0 : latitude;
      longitude = longitude === undefined ? 0 : longitude;
      if (typeof latitude !== 'number' || typeof longitude !== 'number' || isNaN(latitude) || isNaN(longitude)) {
        throw new TypeError('GeoPoint latitude and longitude must be valid numbers');
      }
      if (latitude < -90 || latitude > 90) throw new TypeError(`GeoPoint latitude out of bounds: ${latitude}.`);
      if (longitude < -180 || longitude > 180) throw new TypeError(`GeoPoint longitude out of bounds: ${longitude}.`);
      this.latitude = latitude;
      this.longitude = longitude;
    }
    toJSON() { return { __type: 'GeoPoint', latitude: this.latitude, longitude: this.longitude }; }
    equals(other) { return other instanceof ParseGeoPoint && other.latitude === this.latitude && other.longitude === this.longitude; }
    radiansTo(other) {
      const radians = Math.PI / 180;
      const sinLatitude = Math.sin(((this.latitude - other.latitude) * radians) / 2);
      const sinLongitude = Math.sin(((this.longitude - other.longitude) * radians) / 2);
      const a = sinLatitude ** 2 + Math.cos(this.latitude * radians) * Math.cos(other.latitude * radians) * sinLongitude ** 2;
      return 2 * Math.asin(Math.sqrt(Math.min(1, a)));
    }
    kilometersTo(other) { return this.radiansTo(other) * EARTH_KILOMETERS; }
    milesTo(other) { return this.radiansTo(other) * EARTH_MILES; }
  }

  class ParsePolygon {
    constructor(points) {
      if (!isArray(points) || points.length < 3) throw new TypeError('Polygon must have at least 3 GeoPoints or Points');
      this.coordinates = points.map((point) => (isArray(point) ? point.slice(0, 2) : [point.latitude, point.longitude]));
    }
    toJSON() { return { __type: 'Polygon', coordinates: this.coordinates }; }
    equals(other) { return other instanceof ParsePolygon && JSON.stringify(this) === JSON.stringify(other); }
    containsPoint({ latitude, longitude }) {
      let inside = false;
      const all = this.coordinates;
      for (let i = 0, j = all.length - 1; i < all.length; j = i++) {
        const [x, y] = all[i];
        const [u, v] = all[j];
        if (y > longitude !== v > longitude && latitude < ((u - x) * (longitude - y)) / (v - y) + x) inside = !inside;
      }
      return inside;
    }
  }

  // Files are known by name and address; making them needs the file storage, which is to come.
  class ParseFile {
    constructor(name) { this._name = name; }
    static fromJSON({ name, url }) { const file = new ParseFile(name); file._url = url; return file; }
    name() { return this._name; }
    url() { return this._url; }
    toJSON() { return { __type: 'File', name: this._name, url: this._url }; }
    equals(other) { return other instanceof ParseFile && other.name() === this.name() && other.url() === this.url(); }
  }
  ParseFile.basaltClass = '@File';
  kit.absent(ParseFile.prototype, 'Parse.File#', ['save', 'destroy', 'getData', 'cancel', 'addMetadata', 'addTag', 'setMetadata', 'setTags', 'metadata', 'tags']);

  class ParseConfig {
    constructor(params, masterKeyOnly) { this.attributes = params; this._masterKeyOnly = masterKeyOnly || {}; }
    get(name) { return this.attributes[name]; }
    escape(name) { return String(this.attributes[name] ?? '').replace(/[&<>'"/]/g, (c) => `&#${c.charCodeAt(0)};`); }
    getMasterKeyOnlyFlags() { return this._masterKeyOnly; }
    static current() { return current; }
    static async get(options) {
      const { params, masterKeyOnly } = await call('GET', 'config', {}, options);
      current = new ParseConfig(decode(params), masterKeyOnly);
      return current;
    }
    static async save(params, masterKeyOnly) {
      await call('PUT', 'config', { params: encode(params, true), masterKeyOnly: masterKeyOnly || {} }, { useMasterKey: true });
      return ParseConfig.get({ useMasterKey: true });
    }
  }
  ParseConfig.basaltClass = '@Config';
  let current = new ParseConfig({});

  // Classes and their fields.
  class ParseSchema {
    constructor(className) { this.className = className; this._fields = {}; this._indexes = {}; }
    _field(name, type, options = {}) { this._fields[name] = { type, ...encode(options, true) }; return this; }
    addField(name, type = 'String', options) { return this._field(name, type, options); }
    addPointer(name, targetClass, options) { return this._field(name, 'Pointer', { targetClass, ...options }); }
    addRelation(name, targetClass) { return this._field(name, 'Relation', { targetClass }); }
    deleteField(name) { this._fields[name] = { __op: 'Delete' }; return this; }
    addIndex(name, index) { this._indexes[name] = index; return this; }
    deleteIndex(name) { this._indexes[name] = { __op: 'Delete' }; return this; }
    setCLP(permissions) { this._clp = permissions; return this; }
    _body() { return { className: this.className, fields: this._fields, indexes: this._indexes, classLevelPermissions: this._clp }; }
    static all() { return call('GET', 'schemas', {}, { useMasterKey: true }).then(({ results }) => results); }
    get() { return call('GET', `schemas/${this.className}`, {}, { useMasterKey: true }); }
    save() { return call('POST', `schemas/${this.className}`, this._body(), { useMasterKey: true }); }
    update() { return call('PUT', `schemas/${this.className}`, this._body(), { useMasterKey: true }); }
    delete() { return call('DELETE', `schemas/${this.className}`, undefined, { useMasterKey: true }); }
    purge() { return call('DELETE', `purge/${this.className}`, undefined, { useMasterKey: true }); }
  }
  for (const type of ['String', 'Number', 'Boolean', 'Date', 'File', 'GeoPoint', 'Polygon', 'Array', 'Object', 'Bytes']) {
    ParseSchema.prototype[`add${type}`] = function add(name, options) { return this._field(name, type, options); };
  }

  const Push = {};
  kit.absent(Push, 'Parse.Push.', ['send', 'getPushStatus']);
  const LiveQuery = {};
  kit.absent(LiveQuery, 'Parse.LiveQuery.', ['open', 'close', 'on']);
  const Analytics = { track: (name, dimensions) => call('POST', `events/${encodeURIComponent(name)}`, { dimensions: dimensions || {} }) };
  const CLP = undefined;
  return { ACL: ParseACL, GeoPoint: ParseGeoPoint, Polygon: ParsePolygon, File: ParseFile, Config: ParseConfig, Schema: ParseSchema, Push, LiveQuery, Analytics, CLP };
})
