// Users, sessions, roles and installations.
(function (kit) {
  'use strict';
  const Parse = kit.g.Parse;
  const { call } = kit.use('parse');
  const { Object: ParseObject, classes } = kit.use('object');

  class ParseUser extends ParseObject {
    constructor(attributes) { super('_User', typeof attributes === 'string' ? undefined : attributes); }
    getUsername() { return this.get('username') || null; }
    setUsername(name) { this.set('username', name); }
    setPassword(password) { this.set('password', password); }
    getEmail() { return this.get('email') || null; }
    setEmail(email) { return this.set('email', email); }
    getSessionToken() { return this.get('sessionToken') || null; }
    authenticated() { return !!this.getSessionToken(); }
    isCurrent() { return false; }
    async isCurrentAsync() { return false; }
    stripAnonymity() {}
    async signUp(attributes, options = {}) {
      if (attributes) this._mustSet(attributes);
      if (!this.get('username')) throw new Parse.Error(Parse.Error.OTHER_CAUSE, 'Cannot sign up user with an empty username.');
      if (!this.get('password')) throw new Parse.Error(Parse.Error.OTHER_CAUSE, 'Cannot sign up user with an empty password.');
      return this.save(null, options);
    }
    async logIn(options = {}) {
      const body = { username: this.get('username'), password: this.get('password') };
      return this._saved(await call('POST', 'login', body, options));
    }
    _saved(json) {
      super._saved(json);
      delete this._state.password;
      return this;
    }
    async linkWith(provider, { authData }, options) {
      const name = typeof provider === 'string' ? provider : provider.getAuthType();
      return this.save({ authData: { ...this.get('authData'), [name]: authData } }, options);
    }
    _isLinked(provider) {
      const all = this.get('authData') || {};
      return !!all[typeof provider === 'string' ? provider : provider.getAuthType()];
    }
    _unlinkFrom(provider, options) { return this.linkWith(provider, { authData: null }, options); }
    async verifyPassword(password, options) { return ParseUser.verifyPassword(this.getUsername(), password, options); }
    // Nobody is signed in to a server; requests carry their users.
    static current() { return null; }
    static async currentAsync() { return null; }
    static async signUp(username, password, attributes, options) {
      return new this({ ...attributes, username, password }).signUp(null, options);
    }
    static async logIn(username, password, options) {
      if (typeof username !== 'string') throw new Parse.Error(Parse.Error.OTHER_CAUSE, 'Username must be a string.');
      if (typeof password !== 'string') throw new Parse.Error(Parse.Error.OTHER_CAUSE, 'Password must be a string.');
      return sent(await call('POST', 'login', { username, password }, options));
    }
    static async logInWith(provider, { authData }, options) {
      const name = typeof provider === 'string' ? provider : provider.getAuthType();
      return new this().save({ authData: { [name]: authData } }, options);
    }
    static async loginAs(userId) { return sent(await call('POST', 'loginAs', { userId }, { useMasterKey: true })); }
    static async become(sessionToken, options) { return ParseUser.me(sessionToken, options); }
    static async me(sessionToken, options) {
      return sent(await call('GET', 'users/me', {}, { ...options, sessionToken }));
    }
    static async hydrate(json) { return sent(json); }
    static async logOut(options) { await call('POST', 'logout', {}, options); }
    static async verifyPassword(username, password, options) {
      return sent(await call('GET', 'verifyPassword', { username, password }, options));
    }
    static async requestPasswordReset(email, options) { await call('POST', 'requestPasswordReset', { email }, options); }
    static async requestEmailVerification(email, options) { await call('POST', 'verificationEmailRequest', { email }, options); }
    static enableUnsafeCurrentUser() {}
    static disableUnsafeCurrentUser() {}
    static enableRevocableSession() { return Promise.resolve(); }
    static allowCustomUserClass() {}
    static readOnlyAttributes() { return []; }
  }
  ParseUser.className = '_User';

  class ParseSession extends ParseObject {
    constructor(attributes) { super('_Session', attributes); }
    getSessionToken() { return this.get('sessionToken') || ''; }
    static async current(options) { return ParseObject.fromJSON({ className: '_Session', ...(await call('GET', 'sessions/me', {}, options)) }); }
    static isCurrentSessionRevocable() { return true; }
    static readOnlyAttributes() { return ['createdWith', 'expiresAt', 'installationId', 'restricted', 'sessionToken', 'user']; }
  }
  ParseSession.className = '_Session';

  class ParseRole extends ParseObject {
    constructor(name, acl) {
      super('_Role', name && typeof name === 'object' ? name : undefined);
      if (typeof name === 'string') this.setName(name);
      if (acl instanceof Parse.ACL) this.setACL(acl);
    }
    getName() { return this.get('name') || ''; }
    setName(name, options) {
      if (this.id) throw new Parse.Error(Parse.Error.OTHER_CAUSE, 'A role\'s name can only be set before it has been saved.');
      if (!/^[0-9a-zA-Z\-_ ]+$/.test(name)) {
        throw new Parse.Error(Parse.Error.OTHER_CAUSE, 'A role\'s name can be only contain alphanumeric characters, _, -, and spaces.');
      }
      return this.set('name', name, options);
    }
    getUsers() { return this.relation('users'); }
    getRoles() { return this.relation('roles'); }
  }
  ParseRole.className = '_Role';

  class ParseInstallation extends ParseObject {
    constructor(attributes) { super('_Installation', attributes); }
  }
  ParseInstallation.className = '_Installation';

  for (const one of [ParseUser, ParseSession, ParseRole, ParseInstallation]) classes[one.className] = classes[one.className] || one;

  const sent = (json) => ParseObject.fromJSON({ className: '_User', ...json });

  // The roles of a user, inherited ones too.
  const rolesOf = async (user) => {
    const found = [];
    let query = new Parse.Query(ParseRole).equalTo('users', user);
    for (let depth = 0; depth < 32; depth++) {
      const next = (await query.limit(1000).find({ useMasterKey: true })).filter((role) => !found.some((known) => known.id === role.id));
      if (!next.length) break;
      found.push(...next);
      query = new Parse.Query(ParseRole).containedIn('roles', next);
    }
    return found;
  };

  return { User: ParseUser, Session: ParseSession, Role: ParseRole, Installation: ParseInstallation, sent, rolesOf };
})
