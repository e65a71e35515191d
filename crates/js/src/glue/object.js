// Parse.Object, its operations, and relations.
(function (kit) {
  'use strict';
  const { keys, isArray, create, stringify } = kit;
  const Parse = kit.g.Parse;
  const { call, encode, decode } = kit.use('parse');

  const idOf = (value) => (value instanceof ParseObject && value.id ? `${value.className}:${value.id}` : undefined);
  const same = (a, b) => {
    if (a === b) return true;
    const id = idOf(a);
    if (id !== undefined) return id === idOf(b);
    return typeof a === 'object' && typeof b === 'object' && a && b && stringify(encode(a, true)) === stringify(encode(b, true));
  };
  const without = (list, gone) => list.filter((item) => !gone.some((other) => same(item, other)));
  const union = (list, more) => {
    const result = list.slice();
    for (const item of more) if (!result.some((other) => same(other, item))) result.push(item);
    return result;
  };
  const wrong = (what) => new Error(`Cannot ${what} a field that is not a list.`);
  const listOf = (value, what) => {
    if (value === undefined || value === null) return [];
    if (!isArray(value)) throw wrong(what);
    return value;
  };

  // Operations on one field. `apply`: to a value. `after`: as one operation after another one.
  class Operation {
    get isFinal() { return false; }
  }
  class SetOp extends Operation {
    constructor(value) { super(); this._value = value; }
    get isFinal() { return true; }
    apply() { return this._value; }
    after() { return this; }
    encode() { return encode(this._value, true); }
    value() { return this._value; }
  }
  class UnsetOp extends Operation {
    get isFinal() { return true; }
    apply() { return undefined; }
    after() { return this; }
    encode() { return { __op: 'Delete' }; }
  }
  class IncrementOp extends Operation {
    constructor(amount) { super(); this._amount = amount; }
    apply(value) {
      if (value === undefined || value === null) return this._amount;
      if (typeof value !== 'number') throw new TypeError('Cannot increment a non-numeric value.');
      return value + this._amount;
    }
    after(before) {
      if (!before) return this;
      if (before instanceof SetOp) return new SetOp(this.apply(before._value));
      if (before instanceof UnsetOp) return new SetOp(this._amount);
      if (before instanceof IncrementOp) return new IncrementOp(before._amount + this._amount);
      throw new Error('Cannot merge Increment Op with the previous Op');
    }
    encode() { return { __op: 'Increment', amount: this._amount }; }
  }
  class ListOp extends Operation {
    constructor(items) { super(); this._items = isArray(items) ? items : [items]; }
    after(before) {
      if (!before) return this;
      if (before instanceof SetOp) return new SetOp(this.apply(before._value));
      if (before instanceof UnsetOp) return new SetOp(this.apply(undefined));
      if (before instanceof this.constructor) return this.join(before);
      throw new Error(`Cannot merge ${this.name} Op with the previous Op`);
    }
    encode() { return { __op: this.name, objects: encode(this._items, true) }; }
  }
  class AddOp extends ListOp {
    get name() { return 'Add'; }
    apply(value) { return listOf(value, 'add to').concat(this._items); }
    join(before) { return new AddOp(before._items.concat(this._items)); }
  }
  class AddUniqueOp extends ListOp {
    get name() { return 'AddUnique'; }
    apply(value) { return union(listOf(value, 'add to'), this._items); }
    join(before) { return new AddUniqueOp(union(before._items, this._items)); }
  }
  class RemoveOp extends ListOp {
    get name() { return 'Remove'; }
    apply(value) { return without(listOf(value, 'remove from'), this._items); }
    join(before) { return new RemoveOp(union(before._items, this._items)); }
  }
  class RelationOp extends Operation {
    constructor(adds, removes, target) {
      super();
      this._adds = adds; this._removes = removes; this._target = target;
    }
    get isFinal() { return true; }
    apply(value, object, key) {
      if (value instanceof ParseRelation) {
        value.targetClassName = value.targetClassName || this._target;
        return value;
      }
      return new ParseRelation(object, key, this._target);
    }
    after(before) {
      if (!before) return this;
      if (!(before instanceof RelationOp)) throw new Error('Cannot merge Relation Op with the previous Op');
      if (before._target && this._target && before._target !== this._target) {
        throw new Error(`Related object must be of class ${before._target}, but ${this._target} was passed in.`);
      }
      const adds = before._adds.filter((id) => !this._removes.includes(id));
      const removes = before._removes.filter((id) => !this._adds.includes(id));
      return new RelationOp([...new Set([...adds, ...this._adds])], [...new Set([...removes, ...this._removes])], before._target || this._target);
    }
    encode() {
      const pointers = (ids) => ids.map((objectId) => ({ __type: 'Pointer', className: this._target, objectId }));
      const add = this._adds.length ? { __op: 'AddRelation', objects: pointers(this._adds) } : null;
      const remove = this._removes.length ? { __op: 'RemoveRelation', objects: pointers(this._removes) } : null;
      if (add && remove) return { __op: 'Batch', ops: [add, remove] };
      return add || remove || {};
    }
  }

  const operation = (json) => {
    const items = (json.objects || []).map(decode);
    const ids = () => items.map((item) => item.id);
    const target = items.length ? items[0].className : undefined;
    switch (json.__op) {
      case 'Delete': return new UnsetOp();
      case 'Increment': return new IncrementOp(json.amount);
      case 'Add': return new AddOp(items);
      case 'AddUnique': return new AddUniqueOp(items);
      case 'Remove': return new RemoveOp(items);
      case 'AddRelation': return new RelationOp(ids(), [], target);
      case 'RemoveRelation': return new RelationOp([], ids(), target);
      case 'Batch': return json.ops.map(operation).reduce((before, op) => op.after(before));
      default: throw new Error(`unknown operation ${json.__op}`);
    }
  };

  class ParseRelation {
    constructor(parent, key, targetClassName) {
      this.parent = parent; this.key = key; this.targetClassName = targetClassName || null;
    }
    _change(objects, adds) {
      objects = isArray(objects) ? objects : [objects];
      if (!objects.length) return this.parent;
      for (const object of objects) {
        if (!object.id) throw new Error('You cannot add or remove an unsaved Parse Object from a relation');
      }
      const ids = objects.map((object) => object.id);
      const op = new RelationOp(adds ? ids : [], adds ? [] : ids, objects[0].className);
      this.parent._op(this.key, op);
      this.targetClassName = objects[0].className;
      return this.parent;
    }
    add(objects) { return this._change(objects, true); }
    remove(objects) { this._change(objects, false); }
    toJSON() { return { __type: 'Relation', className: this.targetClassName }; }
    query() {
      const query = new Parse.Query(this.targetClassName || this.parent.className);
      if (!this.targetClassName) query._extra.redirectClassNameForKey = this.key;
      query._where.$relatedTo = { object: this.parent.toPointer(), key: this.key };
      return query;
    }
  }

  const classes = create(null);
  const READ_ONLY = ['objectId', 'createdAt', 'updatedAt', 'id', 'className'];
  const isPlain = (value) => typeof value === 'object' && value !== null
    && (isArray(value) || Object.getPrototypeOf(value) === Object.prototype);

  class ParseObject {
    constructor(className, attributes, options) {
      let given = attributes;
      if (typeof className === 'string') {
        this.className = className;
      } else if (className && typeof className === 'object') {
        given = { ...className };
        this.className = className.className || this.className;
        delete given.className;
      }
      this._state = create(null);
      this._ops = create(null);
      this._seen = create(null);
      this.id = undefined;
      if (given && typeof given === 'object') {
        if (given.id !== undefined) { this.id = given.id; given = { ...given }; delete given.id; }
        if (this.set(given, options) === false) throw new Error('Can\'t create an invalid Parse Object');
      }
      if (typeof this.initialize === 'function') this.initialize(className, attributes);
    }

    // State.
    get attributes() {
      const all = {};
      for (const key of keys(this._state)) all[key] = this.get(key);
      for (const key of keys(this._ops)) {
        const value = this.get(key);
        if (value === undefined) delete all[key]; else all[key] = value;
      }
      return all;
    }
    get createdAt() { return this._state.createdAt; }
    get updatedAt() { return this._state.updatedAt; }
    get(key) {
      if (key === 'objectId') return this.id;
      let value = this._state[key];
      if (value instanceof ParseRelation) { value.parent = this; value.key = key; }
      const op = this._ops[key];
      if (op) {
        if (!(key in this._seen) || this._seen[key].op !== op) this._seen[key] = { op, value: op.apply(value, this, key) };
        value = this._seen[key].value;
      } else if (isPlain(value) && !(key in this._seen)) {
        // Code may change it in place; what it was is kept for comparing.
        this._seen[key] = { json: stringify(encode(value, true)), value };
      }
      return value;
    }
    has(key) { const value = this.get(key); return value !== undefined && value !== null; }
    escape(key) {
      const value = this.get(key);
      return value === undefined || value === null ? '' : String(value).replace(/[&<>'"/]/g, (c) => `&#${c.charCodeAt(0)};`);
    }
    _notice() {
      for (const key of keys(this._seen)) {
        const { json, value, op } = this._seen[key];
        if (op === undefined && !this._ops[key] && stringify(encode(value, true)) !== json) this._ops[key] = new SetOp(value);
      }
    }
    _pending() { this._notice(); return this._ops; }
    _op(key, op) {
      this._notice();
      this._ops[key] = op.after(this._ops[key]);
      delete this._seen[key];
      this.get(key);
      return this;
    }
    _inTrigger(kind, original) {
      if (kind !== 'beforeSave' && kind !== 'afterSave') return;
      this._fresh = !original;
      if (kind === 'beforeSave') this._original = original || {};
    }
    _isFetched() { return keys(this._state).length > 0 || keys(this._ops).length > 0; }
    isDataAvailable() { return this._isFetched(); }
    isNew() { return !this.id; }
    existed() { return this._fresh === undefined ? !!this.id : !this._fresh; }
    dirty(key) {
      const ops = this._pending();
      const sent = this._sentKeys();
      if (key !== undefined) {
        if (key in ops || sent.includes(key)) return true;
        const value = this._state[key];
        return value instanceof ParseObject && value !== this && value.dirty();
      }
      return !this.id || keys(ops).length > 0 || sent.length > 0;
    }
    dirtyKeys() { return [...new Set([...keys(this._pending()), ...this._sentKeys()])]; }
    // In a trigger: what differs from what is stored.
    _sentKeys() {
      const before = this._original;
      if (!before) return [];
      const system = (key) => READ_ONLY.includes(key);
      return keys(this._state).filter((key) => !system(key) && !(this._state[key] instanceof ParseRelation)
        && stringify(encode(this._state[key], true)) !== stringify(before[key]));
    }
    op(key) { return this._pending()[key]; }
    isValid() { return !this.validate(this.attributes); }
    validate(attributes) {
      if (attributes.ACL !== undefined && !(attributes.ACL instanceof Parse.ACL)) {
        return new Parse.Error(Parse.Error.OTHER_CAUSE, 'ACL must be a Parse ACL.');
      }
      for (const key of keys(attributes)) {
        if (!/^[A-Za-z_][0-9A-Za-z_.]*$/.test(key)) return new Parse.Error(Parse.Error.INVALID_KEY_NAME, `Invalid key name: ${key}`);
      }
      return false;
    }

    // Changes.
    set(key, value, options) {
      let changes;
      if (key && typeof key === 'object') { changes = key; options = value; }
      else if (typeof key === 'string') changes = { [key]: value };
      else return this;
      const own = {};
      for (const name of keys(changes)) {
        if (name === 'objectId' || name === 'id') { this.id = changes[name]; continue; }
        if (READ_ONLY.includes(name)) continue;
        let given = changes[name];
        if (name === 'ACL' && given && typeof given === 'object' && !(given instanceof Parse.ACL)) given = new Parse.ACL(given);
        if (given instanceof ParseObject && given === this) throw new Error('Cannot set an object within itself.');
        if (given && typeof given === 'object' && typeof given.__op === 'string') given = operation(given);
        own[name] = given;
      }
      if (!(options && options.ignoreValidation)) {
        const plain = {};
        for (const name of keys(own)) if (!(own[name] instanceof Operation)) plain[name] = own[name];
        const invalid = this.validate(plain);
        if (invalid) {
          if (options && typeof options.error === 'function') options.error(this, invalid);
          return false;
        }
      }
      for (const name of keys(own)) {
        if (own[name] instanceof ParseRelation) continue;
        this._op(name, own[name] instanceof Operation ? own[name] : own[name] === undefined ? new UnsetOp() : new SetOp(own[name]));
      }
      return this;
    }
    unset(key) { return this._op(key, new UnsetOp()); }
    increment(key, amount = 1) {
      if (typeof amount !== 'number') throw new Error('Cannot increment by a non-numeric amount.');
      return this._op(key, new IncrementOp(amount));
    }
    decrement(key, amount = 1) { return this.increment(key, -amount); }
    add(key, item) { return this._op(key, new AddOp([item])); }
    addAll(key, items) { return this._op(key, new AddOp(items)); }
    addUnique(key, item) { return this._op(key, new AddUniqueOp([item])); }
    addAllUnique(key, items) { return this._op(key, new AddUniqueOp(items)); }
    remove(key, item) { return this._op(key, new RemoveOp([item])); }
    removeAll(key, items) { return this._op(key, new RemoveOp(items)); }
    relation(key) {
      const value = this.get(key);
      if (value) {
        if (!(value instanceof ParseRelation)) throw new Error(`Called relation() on non-relation field ${key}`);
        return value;
      }
      return new ParseRelation(this, key);
    }
    revert(...names) {
      for (const key of names.length ? names : keys(this._ops)) { delete this._ops[key]; delete this._seen[key]; }
    }
    clear() {
      for (const key of keys(this.attributes)) if (!READ_ONLY.includes(key) && key !== 'ACL') this.unset(key);
      return this;
    }
    getACL() { const acl = this.get('ACL'); return acl instanceof Parse.ACL ? acl : null; }
    setACL(acl, options) { return this.set('ACL', acl, options); }
    getSessionToken() { return this.get('sessionToken') || null; }
    _getId() { return this.id; }

    // As JSON.
    toPointer() {
      if (!this.id) throw new Error('Cannot create a pointer to an unsaved ParseObject');
      return { __type: 'Pointer', className: this.className, objectId: this.id };
    }
    toOfflinePointer() { return this.toPointer(); }
    toJSON(seen) {
      seen = isArray(seen) ? seen : [this];
      const json = {};
      const all = this.attributes;
      for (const key of keys(all)) {
        const value = all[key];
        if (key === 'createdAt' || key === 'updatedAt') json[key] = value instanceof Date ? value.toJSON() : value;
        else json[key] = encode(value, false, seen);
      }
      if (this.id) json.objectId = this.id;
      return json;
    }
    _toFullJSON(seen) { return { ...this.toJSON(seen), __type: 'Object', className: this.className }; }
    _getSaveJSON() {
      const json = {};
      const ops = this._pending();
      for (const key of keys(ops)) json[key] = ops[key].encode();
      return json;
    }
    equals(other) {
      return this === other || (other instanceof ParseObject && this.className === other.className && !!this.id && this.id === other.id);
    }
    newInstance() { return this.clone(); }
    clone() {
      const copy = new this.constructor(this.className);
      copy.className = this.className;
      const all = this.attributes;
      for (const key of keys(all)) {
        if (!READ_ONLY.includes(key) && !(all[key] instanceof ParseRelation)) copy._op(key, new SetOp(all[key]));
      }
      return copy;
    }

    // What the server said.
    _take(json, whole) {
      if (json.objectId) this.id = json.objectId;
      for (const key of keys(json)) {
        if (key === 'objectId' || key === 'className' || key === '__type') continue;
        const value = json[key];
        if (key === 'createdAt' || key === 'updatedAt') {
          this._state[key] = new Date(value && value.iso ? value.iso : value);
        } else if (key === 'ACL') {
          this._state.ACL = new Parse.ACL(value);
        } else {
          const decoded = decode(value);
          if (decoded instanceof UnsetOp) delete this._state[key];
          else this._state[key] = decoded;
        }
        delete this._seen[key];
      }
      if (whole) this._known = true;
      if (this._state.createdAt && !this._state.updatedAt) this._state.updatedAt = this._state.createdAt;
      return this;
    }
    _saved(json) {
      const isNew = !this.id;
      for (const key of keys(this._ops)) {
        const value = this._ops[key].apply(this._state[key], this, key);
        if (value === undefined) delete this._state[key]; else this._state[key] = value;
      }
      this._ops = create(null);
      this._seen = create(null);
      this._take(json);
      this._fresh = isNew;
      this._original = undefined;
      return this;
    }

    // Towards the server.
    _path() { return ENDPOINTS[this.className] || `classes/${this.className}`; }
    _request() {
      const body = this._getSaveJSON();
      return this.id
        ? { method: 'PUT', path: `${this._path()}/${encodeURIComponent(this.id)}`, body }
        : { method: 'POST', path: this._path(), body };
    }
    async save(first, second, third) {
      let options = second;
      if (typeof first === 'string') { this._mustSet({ [first]: second }); options = third; }
      else if (first && typeof first === 'object') this._mustSet(first);
      options = options || {};
      if (options.cascadeSave !== false) await saveChildren(this, options);
      const { method, path, body } = this._request();
      this._saved(await call(method, path, body, options));
      return this;
    }
    _mustSet(changes) {
      const invalid = this.validate(changes);
      if (invalid) throw invalid;
      this.set(changes);
    }
    saveEventually(options) { return this.save(null, options); }
    async destroy(options) {
      if (!this.id) return undefined;
      await call('DELETE', `${this._path()}/${encodeURIComponent(this.id)}`, undefined, options);
      return this;
    }
    destroyEventually(options) { return this.destroy(options); }
    async fetch(options = {}) {
      if (!this.id) throw new Parse.Error(Parse.Error.MISSING_OBJECT_ID, 'Object does not have an ID');
      const query = {};
      if (options.include) query.include = [].concat(options.include).flat().join(',');
      const json = await call('GET', `${this._path()}/${encodeURIComponent(this.id)}`, query, options);
      this._ops = create(null);
      this._seen = create(null);
      const times = this._state;
      this._state = create(null);
      this._take({ createdAt: times.createdAt, ...json }, true);
      return this;
    }
    fetchWithInclude(include, options) { return this.fetch({ ...options, include }); }

    // Of classes.
    static fromJSON(json, override, dirty) {
      if (!json.className) throw new Error('Cannot create an object without a className');
      if (ENDPOINTS[json.className]) kit.use('user');
      const Known = classes[json.className];
      const object = Known ? new Known(json.className) : new ParseObject(json.className);
      object.className = json.className;
      object._ops = create(null);
      object._seen = create(null);
      if (json.__type === 'Pointer') object.id = json.objectId;
      else object._take(json, true);
      if (dirty) object.set(json);
      return object;
    }
    static createWithoutData(id) { const object = new this(); object.id = id; return object; }
    static extend(className, own, statics) {
      if (typeof className !== 'string') {
        if (className && typeof className.className === 'string') return ParseObject.extend(className.className, className, own);
        throw new Error('Parse.Object.extend\'s first argument should be the className.');
      }
      const name = className === 'User' ? '_User' : className;
      const Base = this !== ParseObject && this.prototype instanceof ParseObject ? this : classes[name] || ParseObject;
      const Sub = class extends Base {
        constructor(attributes, options) {
          const given = typeof attributes === 'string' ? undefined : attributes;
          if (Base === ParseObject) super(name, given, options); else super(given, options);
          this.className = name;
        }
      };
      Sub.className = name;
      kit.hidden(Sub, 'name', name);
      for (const key of keys(own || {})) if (key !== 'className') kit.hidden(Sub.prototype, key, own[key]);
      for (const key of keys(statics || {})) Sub[key] = statics[key];
      classes[name] = Sub;
      return Sub;
    }
    static registerSubclass(name, constructor) {
      if (typeof name !== 'string') throw new TypeError('The first argument must be a valid class name.');
      if (typeof constructor !== 'function') throw new TypeError('You must supply a subclass constructor.');
      classes[name] = constructor;
      if (!constructor.className) constructor.className = name;
    }
    static _getSubclass(name) { return classes[name]; }
    static async saveAll(list, options) { return saveAll(list, options || {}); }
    static async destroyAll(list, options) { return destroyAll(list, options || {}); }
    static fetchAll(list, options) { return fetchAll(list, options || {}, true); }
    static fetchAllIfNeeded(list, options) { return fetchAll(list, options || {}, false); }
    static fetchAllWithInclude(list, include, options) { return fetchAll(list, { ...options, include }, true); }
    static fetchAllIfNeededWithInclude(list, include, options) { return fetchAll(list, { ...options, include }, false); }
    static disableSingleInstance() {}
    static enableSingleInstance() {}
  }
  const ENDPOINTS = { _User: 'users', _Session: 'sessions', _Role: 'roles', _Installation: 'installations' };
  kit.absent(ParseObject, 'Parse.Object', ['pinAll', 'pinAllWithName', 'unPinAll', 'unPinAllWithName', 'unPinAllObjects', 'unPinAllObjectsWithName']);
  kit.absent(ParseObject.prototype, 'Parse.Object#', ['pin', 'unPin', 'isPinned', 'pinWithName', 'unPinWithName', 'fetchFromLocalDatastore']);

  // Unsaved objects that an object refers to.
  const children = (value, found, top) => {
    if (value instanceof ParseObject) {
      if (!top) {
        if (found.includes(value)) return;
        const own = keys(value._pending()).length > 0;
        if (!value.id || own) found.push(value);
        else return;
      }
      const ops = value._pending();
      for (const key of keys(ops)) if (ops[key] instanceof SetOp || ops[key] instanceof ListOp) children(ops[key]._value || ops[key]._items, found, false);
    } else if (isArray(value)) {
      for (const item of value) children(item, found, false);
    } else if (isPlain(value)) {
      for (const key of keys(value)) children(value[key], found, false);
    }
  };
  const saveChildren = async (object, options) => {
    const found = [];
    children(object, found, true);
    const own = found.filter((child) => child !== object);
    if (own.length) await saveAll(own, options);
  };

  const batch = async (requests, options) => {
    const mount = kit.about.mountPath;
    const full = requests.map(({ method, path, body }) => ({ method, path: `${mount}/${path}`, body }));
    return call('POST', 'batch', { requests: full, ...(options.transaction ? { transaction: true } : {}) }, options);
  };
  const BATCH = 50;
  const saveAll = async (list, options) => {
    if (list instanceof ParseObject) return list.save(null, options);
    const objects = [...new Set(list)].filter((item) => item instanceof ParseObject);
    const inner = [];
    for (const object of objects) {
      const found = [];
      children(object, found, true);
      for (const child of found) if (!objects.includes(child) && !inner.includes(child)) inner.push(child);
    }
    if (inner.length) await saveAll(inner, options);
    // Those that others of the list refer to go first.
    let rest = objects.filter((object) => object.dirty());
    while (rest.length) {
      const ready = rest.filter((object) => {
        const found = [];
        children(object, found, true);
        return !found.some((child) => child !== object && !child.id && rest.includes(child));
      });
      if (!ready.length) throw new Parse.Error(Parse.Error.OTHER_CAUSE, 'Tried to save a batch with a cycle.');
      const size = options.transaction ? ready.length : options.batchSize || BATCH;
      for (let at = 0; at < ready.length; at += size) {
        const part = ready.slice(at, at + size);
        const answers = await batch(part.map((object) => object._request()), options);
        let failed;
        part.forEach((object, n) => {
          const answer = answers[n] || {};
          if (answer.success) object._saved(answer.success);
          else failed = failed || new Parse.Error(answer.error ? answer.error.code : 1, answer.error ? answer.error.error : 'unknown');
        });
        if (failed) throw failed;
      }
      rest = rest.filter((object) => !ready.includes(object));
    }
    return list;
  };
  const destroyAll = async (list, options) => {
    if (list instanceof ParseObject) return list.destroy(options);
    const objects = list.filter((object) => object.id);
    const errors = [];
    const size = options.batchSize || BATCH;
    for (let at = 0; at < objects.length; at += size) {
      const part = objects.slice(at, at + size);
      const requests = part.map((object) => ({ method: 'DELETE', path: `${object._path()}/${encodeURIComponent(object.id)}`, body: {} }));
      const answers = await batch(requests, options);
      answers.forEach((answer, n) => {
        if (answer && answer.error) {
          const error = new Parse.Error(answer.error.code, answer.error.error);
          error.object = part[n];
          errors.push(error);
        }
      });
    }
    if (errors.length) {
      const error = new Parse.Error(600, '');
      error.code = 600;
      error.errors = errors;
      throw error;
    }
    return list;
  };
  const fetchAll = async (list, options, force) => {
    if (!list.length) return list;
    const wanted = list.filter((object) => force || !object._known);
    for (const object of wanted) if (!object.id) throw new Parse.Error(Parse.Error.MISSING_OBJECT_ID, 'All objects must have an ID');
    if (!wanted.length) return list;
    const { className } = wanted[0];
    if (wanted.some((object) => object.className !== className)) {
      throw new Parse.Error(Parse.Error.INVALID_CLASS_NAME, 'All objects should be of the same class');
    }
    const query = new Parse.Query(className).containedIn('objectId', wanted.map((object) => object.id)).limit(wanted.length);
    if (options.include) query.include(...[].concat(options.include));
    const found = await query._rows(options);
    for (const object of wanted) {
      const json = found.find((row) => row.objectId === object.id);
      if (json) { object._ops = create(null); object._seen = create(null); object._take(json, true); }
      else if (force) throw new Parse.Error(Parse.Error.OBJECT_NOT_FOUND, 'All objects must exist on the server.');
    }
    return list;
  };

  const Op = { Set: SetOp, Unset: UnsetOp, Increment: IncrementOp, Add: AddOp, AddUnique: AddUniqueOp, Remove: RemoveOp, Relation: RelationOp };
  const made = { Object: ParseObject, Op, Operation, Relation: ParseRelation, operation, classes };
  return made;
})
