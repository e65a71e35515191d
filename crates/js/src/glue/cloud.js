// Parse.Cloud, Parse.Error, and running functions, jobs and triggers.
(function (kit) {
  'use strict';
  const { host, g, stringify, create, keys, isArray, defineProperty } = kit;

  const CODES = {
    OTHER_CAUSE: -1, INTERNAL_SERVER_ERROR: 1, CONNECTION_FAILED: 100, OBJECT_NOT_FOUND: 101, INVALID_QUERY: 102,
    INVALID_CLASS_NAME: 103, MISSING_OBJECT_ID: 104, INVALID_KEY_NAME: 105, INVALID_POINTER: 106, INVALID_JSON: 107,
    COMMAND_UNAVAILABLE: 108, NOT_INITIALIZED: 109, INCORRECT_TYPE: 111, INVALID_CHANNEL_NAME: 112,
    PUSH_MISCONFIGURED: 115, OBJECT_TOO_LARGE: 116, OPERATION_FORBIDDEN: 119, CACHE_MISS: 120, INVALID_NESTED_KEY: 121,
    INVALID_FILE_NAME: 122, INVALID_ACL: 123, TIMEOUT: 124, INVALID_EMAIL_ADDRESS: 125, MISSING_CONTENT_TYPE: 126,
    MISSING_CONTENT_LENGTH: 127, INVALID_CONTENT_LENGTH: 128, FILE_TOO_LARGE: 129, FILE_SAVE_ERROR: 130,
    DUPLICATE_VALUE: 137, INVALID_ROLE_NAME: 139, EXCEEDED_QUOTA: 140, SCRIPT_FAILED: 141, VALIDATION_ERROR: 142,
    INVALID_IMAGE_DATA: 143, UNSAVED_FILE_ERROR: 151, INVALID_PUSH_TIME_ERROR: 152, FILE_DELETE_ERROR: 153,
    FILE_DELETE_UNNAMED_ERROR: 161, REQUEST_LIMIT_EXCEEDED: 155, DUPLICATE_REQUEST: 159, INVALID_EVENT_NAME: 160,
    INVALID_VALUE: 162, USERNAME_MISSING: 200, PASSWORD_MISSING: 201, USERNAME_TAKEN: 202, EMAIL_TAKEN: 203,
    EMAIL_MISSING: 204, EMAIL_NOT_FOUND: 205, SESSION_MISSING: 206, MUST_CREATE_USER_THROUGH_SIGNUP: 207,
    ACCOUNT_ALREADY_LINKED: 208, INVALID_SESSION_TOKEN: 209, MFA_ERROR: 210, MFA_TOKEN_REQUIRED: 211,
    LINKED_ID_MISSING: 250, INVALID_LINKED_SESSION: 251, UNSUPPORTED_SERVICE: 252, INVALID_SCHEMA_OPERATION: 255,
    AGGREGATE_ERROR: 600, FILE_READ_ERROR: 601, X_DOMAIN_REQUEST: 602,
  };

  class ParseError extends Error {
    constructor(code, message) {
      super(message);
      this.code = code;
      let text = message;
      if (message && typeof message === 'object' && typeof message.error === 'string') text = message.error;
      defineProperty(this, 'message', { enumerable: true, configurable: true, writable: true, value: text });
    }
    get name() { return 'ParseError'; }
    toString() { return `ParseError: ${this.code} ${this.message}`; }
  }
  Object.assign(ParseError, CODES);
  kit.ParseError = ParseError;

  // What a call to the server was refused with, as an error.
  kit.failure = (body) => {
    if (body instanceof Error) return body;
    return new ParseError(body && body.code !== undefined ? body.code : 1, body ? body.error : 'unknown');
  };

  const Parse = {};
  g.Parse = Parse;
  const named = (about) => (about ? about.appId : undefined);
  defineProperty(Parse, 'applicationId', { enumerable: true, get: () => named(kit.about) });
  defineProperty(Parse, 'serverURL', { enumerable: true, get: () => kit.about && kit.about.serverURL });
  Parse.Error = ParseError;
  Parse.VERSION = '8.0.0';
  const LAZY = {
    Object: 'object', Op: 'object', Relation: 'object', Query: 'query', User: 'user', Session: 'user', Role: 'user',
    Installation: 'user', ACL: 'types', GeoPoint: 'types', Polygon: 'types', File: 'types', Config: 'types',
    Schema: 'types', Push: 'types', Analytics: 'types', LiveQuery: 'types', CLP: 'types',
  };
  for (const name of keys(LAZY)) kit.lazy(Parse, name, () => kit.use(LAZY[name])[name]);
  for (const name of ['_encode', '_decode']) kit.lazy(Parse, name, () => kit.use('parse')[name.slice(1)]);
  Parse.initialize = () => {};
  Parse.enableLocalDatastore = () => {};

  // What is declared.
  const functions = create(null);
  const jobs = create(null);
  const triggers = create(null);

  const classOf = (of) => {
    const name = typeof of === 'string' ? of : of && (of.className || (of.name === 'ParseFile' && '@File')
      || (of.name === 'ParseConfig' && '@Config') || of.basaltClass);
    if (typeof name !== 'string' || !name) throw new Error('A trigger needs a class: its name, or a subclass of Parse.Object.');
    return name;
  };
  const checked = (what, handler) => {
    if (typeof handler !== 'function') throw new Error(`${what} needs a function.`);
    return handler;
  };

  const TYPES = new Map([[String, 'String'], [Number, 'Number'], [Boolean, 'Boolean'], [Array, 'Array'], [Object, 'Object']]);

  // The part of a validator that the engine checks, and the part that is code.
  const split = (validator) => {
    if (validator === undefined || validator === null) return {};
    if (typeof validator === 'function') return { inside: { whole: validator } };
    const declared = {};
    const inside = { fields: [], roles: [], skip: !!validator.skipWithMasterKey };
    const rules = (name, all) => {
      if (isArray(all)) return all;
      const result = {};
      for (const key of keys(all)) {
        const rule = all[key];
        if (!rule || typeof rule !== 'object') { result[key] = rule; continue; }
        const plain = { ...rule };
        if (typeof plain.type === 'function') plain.type = TYPES.get(plain.type) || plain.type.name;
        if (typeof plain.default === 'function') {
          inside.fields.push({ name, key, rule, part: 'default' });
          delete plain.default;
        }
        if (typeof plain.options === 'function') {
          inside.fields.push({ name, key, rule, part: 'options' });
          delete plain.options;
        }
        if (typeof plain.error === 'function') delete plain.error;
        result[key] = plain;
      }
      return result;
    };
    for (const name of keys(validator)) {
      const value = validator[name];
      if (name === 'fields' || name === 'requireUserKeys') declared[name] = rules(name, value);
      else if (typeof value === 'function') inside.roles.push({ name, value });
      else declared[name] = value;
    }
    const any = inside.fields.length || inside.roles.length;
    return { declared, inside: any ? inside : undefined };
  };

  const trigger = (name, of, handler, validator) => {
    checked(`Parse.Cloud.${name}`, handler);
    const className = classOf(of);
    triggers[`${name}.${className}`] = { name, className, handler, ...split(validator) };
  };

  const Cloud = {
    define(name, handler, validator) {
      if (typeof name !== 'string' || !name) throw new Error('A function needs a name.');
      functions[name] = { handler: checked('Parse.Cloud.define', handler), ...split(validator) };
    },
    job(name, handler) {
      if (typeof name !== 'string' || !name) throw new Error('A job needs a name.');
      jobs[name] = { handler: checked('Parse.Cloud.job', handler) };
    },
    beforeLogin: (of, handler, validator) => own('beforeLogin', '_User', of, handler, validator),
    afterLogin: (of, handler, validator) => own('afterLogin', '_User', of, handler, validator),
    afterLogout: (of, handler, validator) => own('afterLogout', '_Session', of, handler, validator),
    beforePasswordResetRequest: (of, handler, validator) =>
      own('beforePasswordResetRequest', '_User', of, handler, validator),
    beforeConnect: (handler, validator) => trigger('beforeConnect', '@Connect', handler, validator),
    onLiveQueryEvent: () => {},
    useMasterKey() {},
    async run(name, params, options) {
      return kit.use('parse').run(name, params, options);
    },
    async startJob(name, params, options) {
      const { call } = kit.use('parse');
      const result = await call('POST', `jobs/${encodeURIComponent(name)}`, params || {}, { ...options, useMasterKey: true });
      return result.jobStatusId;
    },
    async getJobStatus(id) {
      return new Parse.Query('_JobStatus').get(id, { useMasterKey: true });
    },
    async getJobsData() {
      return kit.use('parse').call('GET', 'cloud_code/jobs/data', {}, { useMasterKey: true });
    },
    httpRequest: (options) => kit.use('fetch').httpRequest(options),
    sendEmail() { throw new Error('Parse.Cloud.sendEmail is not available: this server sends no mail yet.'); },
  };
  // The class may be left out.
  const own = (name, className, of, handler, validator) => {
    if (typeof of === 'function' && !of.className && typeof handler !== 'function') [of, handler, validator] = [className, of, handler];
    trigger(name, of, handler, validator);
  };
  for (const name of ['beforeSave', 'afterSave', 'beforeDelete', 'afterDelete', 'beforeFind', 'afterFind', 'beforeSubscribe']) {
    Cloud[name] = (of, handler, validator) => trigger(name, of, handler, validator);
  }
  Cloud.afterLiveQueryEvent = (of, handler, validator) => trigger('afterEvent', of, handler, validator);
  for (const name of ['beforeSaveFile', 'afterSaveFile', 'beforeDeleteFile', 'afterDeleteFile']) {
    Cloud[name] = (handler, validator) => trigger(name.slice(0, -4), '@File', handler, validator);
  }
  kit.lazy(Cloud, 'HTTPResponse', () => kit.use('fetch').HTTPResponse);
  Parse.Cloud = Cloud;

  const declared = () => ({
    functions: keys(functions).map((name) => ({ name, validator: functions[name].declared })),
    jobs: keys(jobs),
    triggers: keys(triggers).map((key) => {
      const { name, className, declared: validator } = triggers[key];
      return { trigger: name, className, validator };
    }),
  });

  // What code threw, as it is told.
  const told = (error, code, message) => {
    if (error === undefined || error === null || error === '' || error === false) return { code, message };
    if (error instanceof ParseError) return { code: error.code, message: error.message };
    if (typeof error === 'string') return { code, message: error };
    let text = error && error.message ? error.message : error;
    if (error instanceof Error && !error.message) text = message;
    return { code, message: text };
  };

  const refuse = (error) => { throw new ParseError(CODES.VALIDATION_ERROR, error); };

  // The part of a validator that is code.
  const validate = async (inside, request) => {
    if (inside.whole) {
      try {
        await inside.whole(request);
      } catch (error) {
        const { code, message } = told(error, CODES.VALIDATION_ERROR, 'Validation failed.');
        throw new ParseError(code, message);
      }
      return;
    }
    if (inside.skip && request.master) return;
    const object = request.object;
    const user = request.user || (object && object.className === '_User' && !object.existed() ? object : undefined);
    for (const { name, key, rule, part } of inside.fields) {
      const of = name === 'requireUserKeys' ? user : object;
      const value = of ? of.get(key) : name === 'requireUserKeys' ? undefined : request.params[key];
      if (part === 'default') {
        if (value === undefined || value === null) {
          const given = await rule.default(request);
          if (of) of.set(key, given); else request.params[key] = given;
        }
        continue;
      }
      if (value === undefined && !rule.required && name === 'fields') continue;
      let message;
      try {
        const ok = await rule.options(value);
        if (!ok && ok !== undefined && ok !== null) message = rule.error || `Validation failed. Invalid value for ${key}.`;
      } catch (error) {
        message = rule.error || (error && error.message) || error || `Validation failed. Invalid value for ${key}.`;
      }
      if (message) refuse(message);
    }
    for (const { name, value } of inside.roles) {
      const wanted = await value(request);
      const held = user ? (await kit.use('user').rolesOf(user)).map((role) => role.get('name')) : [];
      const list = (isArray(wanted) ? wanted : [wanted]).map((role) => String(role).replace(/^role:/, ''));
      const has = (role) => held.includes(role);
      const ok = name === 'requireAllUserRoles' ? list.every(has) : list.some(has);
      if (!ok) refuse('Validation failed. User does not match the required roles.');
    }
  };

  // The request as code sees it. The user, the objects and the query are made when they are looked at.
  const requestOf = (kind, raw) => {
    const request = {
      triggerName: kind === 'function' || kind === 'job' ? undefined : kind,
      master: !!raw.master, isReadOnly: !!raw.isReadOnly, installationId: raw.installationId,
      headers: raw.headers || {}, ip: raw.ip, log: kit.logger, context: raw.context || {},
    };
    if (raw.user) {
      kit.lazy(request, 'user', () => kit.use('user').sent(raw.user));
      defineProperty(request, 'user', { enumerable: true });
    } else {
      request.user = undefined;
    }
    return request;
  };

  const asFunction = async (entry, name, raw) => {
    const request = requestOf('function', raw);
    delete request.triggerName;
    request.functionName = name;
    request.params = kit.hasTypes(raw.params) ? kit.use('parse').params(raw.params) : raw.params || {};
    if (entry.inside) await validate(entry.inside, request);
    const result = await entry.handler(request);
    if (result === undefined) return [undefined, request];
    return [typeof result === 'object' && result !== null ? kit.encoded(result) : result, request];
  };

  const asJob = async (entry, name, raw) => {
    const request = requestOf('job', raw);
    request.jobName = name;
    request.jobId = raw.jobId;
    request.params = kit.use('parse').params(raw.params || {});
    request.message = async (text) => { await kit.ask('progress', { job: raw.jobId, message: String(text) }); };
    const result = await entry.handler(request);
    return [typeof result === 'string' ? result : undefined, request];
  };

  // Whether anything in JSON has to become more than JSON.
  kit.hasTypes = (value) => {
    if (typeof value !== 'object' || value === null) return false;
    if (isArray(value)) return value.some(kit.hasTypes);
    if (value.__type !== undefined) return true;
    for (const key of keys(value)) if (kit.hasTypes(value[key])) return true;
    return false;
  };
  // A result as JSON, without the larger parts of the glue where it is nothing but JSON.
  const isPlain = (value, depth) => {
    if (typeof value !== 'object' || value === null) return typeof value !== 'bigint';
    if (depth > 64) return false;
    if (isArray(value)) return value.every((item) => isPlain(item, depth + 1));
    const prototype = kit.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return false;
    for (const key of keys(value)) if (!isPlain(value[key], depth + 1)) return false;
    return true;
  };
  kit.encoded = (value) => (isPlain(value, 0) ? value : kit.use('parse').encode(value));

  // Runs what was asked for; always answers.
  const invoke = (id, kind, name, raw) => {
    const before = stringify(raw.context || {});
    const finish = (success, request) => {
      const context = request ? stringify(request.context) : before;
      const body = success === undefined ? '{}' : stringify({ success });
      host.done(id, true, body, context === before || context === undefined ? '' : context);
    };
    const fail = (error) => {
      let text;
      try {
        const unknown = kind === 'function' ? 'Script failed.' : 'Script failed. Unknown error.';
        const { code, message } = told(error, CODES.SCRIPT_FAILED, unknown);
        text = stringify({ code, message });
      } catch {
        text = '{"code":141,"message":"Script failed."}';
      }
      host.done(id, false, text, '');
    };
    const running = (async () => {
      if (kind === 'function') return asFunction(functions[name], name, raw);
      if (kind === 'job') return asJob(jobs[name], name, raw);
      const entry = triggers[`${kind}.${name}`];
      return kit.use('parse').trigger(entry, kind, name, raw, requestOf(kind, raw), validate);
    })();
    running.then(([success, request]) => finish(success, request)).catch(fail);
  };

  return { declared, invoke };
})
