// Parse.Query.
(function (kit) {
  'use strict';
  const { keys, isArray, create } = kit;
  const Parse = kit.g.Parse;
  const { call, encode, decode } = kit.use('parse');

  const quote = (text) => `\\Q${String(text).replace(/\\E/g, '\\E\\\\E\\Q')}\\E`;
  const PAGE = 100;

  class ParseQuery {
    constructor(of) {
      if (typeof of === 'string') {
        this.className = of === 'User' ? '_User' : of;
      } else if (of instanceof Parse.Object) {
        this.className = of.className;
      } else if (typeof of === 'function') {
        this.className = typeof of.className === 'string' ? of.className : of.basaltClass || new of().className;
      } else {
        throw new TypeError('A ParseQuery must be constructed with a ParseObject or class name.');
      }
      this._where = {};
      this._include = [];
      this._select = undefined;
      this._exclude = undefined;
      this._limit = -1;
      this._skip = 0;
      this._order = undefined;
      this._count = false;
      this._extra = {};
    }

    // Constraints.
    _add(key, name, value) {
      const known = this._where[key];
      if (!known || typeof known !== 'object' || known.__type || isArray(known)) this._where[key] = {};
      this._where[key][name] = encode(value, true);
      return this;
    }
    equalTo(key, value) {
      if (key && typeof key === 'object') { for (const name of keys(key)) this.equalTo(name, key[name]); return this; }
      if (value === undefined) return this.doesNotExist(key);
      this._where[key] = encode(value, true);
      return this;
    }
    notEqualTo(key, value) {
      if (key && typeof key === 'object') { for (const name of keys(key)) this.notEqualTo(name, key[name]); return this; }
      return this._add(key, '$ne', value);
    }
    lessThan(key, value) { return this._add(key, '$lt', value); }
    greaterThan(key, value) { return this._add(key, '$gt', value); }
    lessThanOrEqualTo(key, value) { return this._add(key, '$lte', value); }
    greaterThanOrEqualTo(key, value) { return this._add(key, '$gte', value); }
    containedIn(key, values) { return this._add(key, '$in', values); }
    notContainedIn(key, values) { return this._add(key, '$nin', values); }
    containedBy(key, values) { return this._add(key, '$containedBy', values); }
    containsAll(key, values) { return this._add(key, '$all', values); }
    containsAllStartingWith(key, values) {
      return this._add(key, '$all', [].concat(values).map((value) => ({ $regex: `^${quote(value)}` })));
    }
    exists(key) { return this._add(key, '$exists', true); }
    doesNotExist(key) { return this._add(key, '$exists', false); }
    matches(key, pattern, modifiers) {
      let flags = modifiers || '';
      let source = pattern;
      if (pattern instanceof RegExp) {
        source = pattern.source;
        if (pattern.ignoreCase) flags += 'i';
        if (pattern.multiline) flags += 'm';
      }
      this._add(key, '$regex', source);
      return flags ? this._add(key, '$options', flags) : this;
    }
    contains(key, text) { return this._add(key, '$regex', quote(text)); }
    startsWith(key, text, modifiers) { return this.matches(key, `^${quote(text)}`, modifiers); }
    endsWith(key, text, modifiers) { return this.matches(key, `${quote(text)}$`, modifiers); }
    fullText(key, text, options = {}) {
      const search = { $term: text };
      const names = { language: '$language', caseSensitive: '$caseSensitive', diacriticSensitive: '$diacriticSensitive' };
      for (const name of keys(options)) if (names[name]) search[names[name]] = options[name];
      return this._add(key, '$text', { $search: search });
    }
    sortByTextScore() { this.ascending('$score'); return this.select(['$score']); }
    matchesQuery(key, query) { return this._add(key, '$inQuery', query._inner()); }
    doesNotMatchQuery(key, query) { return this._add(key, '$notInQuery', query._inner()); }
    matchesKeyInQuery(key, queryKey, query) { return this._add(key, '$select', { key: queryKey, query: query._inner() }); }
    doesNotMatchKeyInQuery(key, queryKey, query) { return this._add(key, '$dontSelect', { key: queryKey, query: query._inner() }); }
    _inner() { return { ...this.toJSON(), className: this.className }; }
    near(key, point) { return this._add(key, '$nearSphere', point instanceof Parse.GeoPoint ? point : new Parse.GeoPoint(point)); }
    withinRadians(key, point, distance, sorted) {
      if (sorted === undefined || sorted) {
        this.near(key, point);
        return this._add(key, '$maxDistance', distance);
      }
      return this._add(key, '$geoWithin', { $centerSphere: [[point.longitude, point.latitude], distance] });
    }
    withinMiles(key, point, distance, sorted) { return this.withinRadians(key, point, distance / 3958.8, sorted); }
    withinKilometers(key, point, distance, sorted) { return this.withinRadians(key, point, distance / 6371.0, sorted); }
    withinGeoBox(key, southwest, northeast) { return this._add(key, '$within', { $box: [southwest, northeast] }); }
    withinPolygon(key, points) { return this._add(key, '$geoWithin', { $polygon: points }); }
    polygonContains(key, point) { return this._add(key, '$geoIntersects', { $point: point }); }

    // What is shown.
    ascending(...names) { this._order = []; return this.addAscending(...names); }
    addAscending(...names) { this._order = (this._order || []).concat(split(names)); return this; }
    descending(...names) { this._order = []; return this.addDescending(...names); }
    addDescending(...names) { this._order = (this._order || []).concat(split(names).map((name) => `-${name}`)); return this; }
    limit(count) {
      if (typeof count !== 'number') throw new Error('You can only set the limit to a numeric value');
      this._limit = count;
      return this;
    }
    skip(count) {
      if (typeof count !== 'number' || count < 0) throw new Error('You can only skip by a positive number');
      this._skip = count;
      return this;
    }
    withCount(on = true) { this._count = on; return this; }
    include(...names) { for (const name of names.flat()) if (!this._include.includes(name)) this._include.push(name); return this; }
    includeAll() { return this.include('*'); }
    select(...names) { this._select = (this._select || []).concat(names.flat()); return this; }
    exclude(...names) { this._exclude = (this._exclude || []).concat(names.flat()); return this; }
    watch(...names) { this._extra.watch = names.flat().join(','); return this; }
    readPreference(of) { this._extra.readPreference = of; return this; }
    hint(value) { if (value === undefined) delete this._extra.hint; else this._extra.hint = value; return this; }
    explain(on = true) { this._extra.explain = on; return this; }
    comment(text) { this._extra.comment = text; return this; }
    applyToReadPreference() { return this; }

    toJSON() {
      const json = { where: this._where };
      if (this._include.length) json.include = this._include.join(',');
      if (this._exclude) json.excludeKeys = this._exclude.join(',');
      if (this._select) json.keys = this._select.join(',');
      if (this._count) json.count = 1;
      if (this._limit >= 0) json.limit = this._limit;
      if (this._skip > 0) json.skip = this._skip;
      if (this._order) json.order = this._order.join(',');
      for (const key of keys(this._extra)) json[key] = this._extra[key];
      return json;
    }
    withJSON(json) {
      if (json.where) this._where = json.where;
      if (json.include) this._include = isArray(json.include) ? json.include.slice() : json.include.split(',');
      if (json.keys) this._select = isArray(json.keys) ? json.keys.slice() : json.keys.split(',');
      if (json.excludeKeys) this._exclude = isArray(json.excludeKeys) ? json.excludeKeys.slice() : json.excludeKeys.split(',');
      if (json.count) this._count = json.count === 1 || json.count === true;
      if (json.limit !== undefined) this._limit = +json.limit;
      if (json.skip) this._skip = +json.skip;
      if (json.order) this._order = isArray(json.order) ? json.order.slice() : json.order.split(',');
      const known = ['where', 'include', 'keys', 'excludeKeys', 'count', 'limit', 'skip', 'order', 'className'];
      for (const key of keys(json)) if (!known.includes(key)) this._extra[key] = json[key];
      return this;
    }
    static fromJSON(className, json) { return new ParseQuery(className).withJSON(json); }
    static or(...queries) { return ParseQuery._of(queries, '$or'); }
    static and(...queries) { return ParseQuery._of(queries, '$and'); }
    static nor(...queries) { return ParseQuery._of(queries, '$nor'); }
    static _of(queries, name) {
      const list = queries.flat();
      const { className } = list[0];
      if (list.some((query) => query.className !== className)) throw new Error('All queries must be for the same class.');
      const query = new ParseQuery(className);
      query._where[name] = list.map((one) => one._where);
      return query;
    }

    // Asking.
    _path() {
      return { _User: 'users', _Session: 'sessions', _Role: 'roles', _Installation: 'installations' }[this.className] || `classes/${this.className}`;
    }
    async _ask(options = {}, more) {
      return call('GET', this._path(), { ...this.toJSON(), ...more }, options);
    }
    async _rows(options) { return (await this._ask(options)).results; }
    _objects(rows, className) {
      const partial = this._select || this._exclude;
      return rows.map((row) => {
        const object = Parse.Object.fromJSON({ className: row.className || className || this.className, ...row });
        if (partial) object._known = false;
        return object;
      });
    }
    async find(options) {
      const answer = await this._ask(options);
      if (this._extra.explain) return answer.results;
      const results = this._objects(answer.results, answer.className);
      return this._count ? { results, count: answer.count } : results;
    }
    async findAll(options) {
      const all = [];
      await this.eachBatch((part) => { all.push(...part); }, options);
      return all;
    }
    async first(options) {
      const answer = await this._ask(options, { limit: 1 });
      return this._objects(answer.results, answer.className)[0];
    }
    async get(id, options) {
      this.equalTo('objectId', id);
      const found = await this.first(options);
      if (!found) throw new Parse.Error(Parse.Error.OBJECT_NOT_FOUND, 'Object not found.');
      return found;
    }
    async count(options) { return (await this._ask(options, { limit: 0, count: 1 })).count; }
    async aggregate(pipeline, options) {
      const body = { pipeline: isArray(pipeline) ? pipeline.slice() : [pipeline] };
      if (keys(this._where).length) body.pipeline.unshift({ $match: this._where });
      for (const name of ['hint', 'explain', 'readPreference', 'comment']) if (this._extra[name] !== undefined) body[name] = this._extra[name];
      return (await call('GET', `aggregate/${this.className}`, body, { ...options, useMasterKey: true })).results;
    }
    async distinct(key, options) {
      const body = { distinct: key, where: this._where };
      return (await call('GET', `aggregate/${this.className}`, body, { ...options, useMasterKey: true })).results.map(decode);
    }
    async eachBatch(run, options = {}) {
      if (this._order || this._skip || this._limit >= 0) {
        throw new Error('Cannot iterate on a query with sort, skip, or limit.');
      }
      const size = options.batchSize || PAGE;
      let after;
      for (;;) {
        const query = ParseQuery.fromJSON(this.className, JSON.parse(JSON.stringify(this.toJSON()))).ascending('objectId').limit(size);
        if (after !== undefined) query._where = { $and: [query._where, { objectId: { $gt: after } }] };
        const part = await query.find(options);
        if (part.length) await run(part);
        if (part.length < size) return;
        after = part[part.length - 1].id;
      }
    }
    async each(run, options) {
      await this.eachBatch(async (part) => { for (const object of part) await run(object); }, options);
    }
    async map(run, options) {
      const all = [];
      let n = 0;
      await this.each(async (object) => { all.push(await run(object, n++, this)); }, options);
      return all;
    }
    async filter(run, options) {
      const all = [];
      let n = 0;
      await this.each(async (object) => { if (await run(object, n++, this)) all.push(object); }, options);
      return all;
    }
    async reduce(run, start, options) {
      let value = start;
      let n = 0;
      await this.each(async (object) => { value = n === 0 && value === undefined ? object : await run(value, object, n); n++; }, options);
      return value;
    }
    cancel() { return this; }
  }
  const split = (names) => names.flat().flatMap((name) => String(name).replace(/\s/g, '').split(','));
  kit.absent(ParseQuery.prototype, 'Parse.Query#', ['subscribe', 'fromLocalDatastore', 'fromNetwork', 'fromPin', 'fromPinWithName', 'fromCache']);
  return { Query: ParseQuery };
})
