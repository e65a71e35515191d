// What class permissions, ACLs and protected fields mean: a second, small model to compare the server with.

export const READS = ['find', 'count', 'get'];
export const VERBS = [...READS, 'create', 'update', 'delete', 'addField'];
const ENTITIES = ['public', 'auth', 'role', 'owner', 'pointer'];

/** Who may do a verb, by the entities that the class names for it. */
const FIXED = {
  Open: { every: ['public'] },
  Members: { every: ['auth'] },
  Team: { every: ['role'] },
  Named: { every: ['owner'] },
  Closed: { every: [] },
  Pointed: { every: ['pointer'] },
  PointedMembers: { every: ['auth', 'pointer'] },
  Shared: { every: [], readUserFields: true, writeUserFields: true },
  FindNoGet: { every: ['public'], get: [], count: [] },
  GetNoFind: { every: ['public'], find: [], count: ['role'] },
  NoNewFields: { every: ['public'], addField: [] },
  Veiled: {
    every: ['public'],
    protectedFields: { public: ['secret', 'extra'], auth: ['secret'], role: [], pointer: [] },
  },
};

/** The classes of a run: the fixed ones, and as many made by dice. */
export function classes(dice, more) {
  const made = Object.entries(FIXED).map(([name, spec]) => complete(name, spec));
  for (let n = 0; n < more; n += 1) {
    const some = () => ENTITIES.filter(() => dice.next() < 0.3);
    const spec = { every: [], readUserFields: dice.next() < 0.25, writeUserFields: dice.next() < 0.25 };
    for (const verb of VERBS) spec[verb] = some().filter(e => e !== 'pointer' || verb !== 'addField');
    const hidden = () => ['secret', 'extra'].filter(() => dice.next() < 0.5);
    const groups = ENTITIES.filter(() => dice.next() < 0.4);
    spec.protectedFields = Object.fromEntries(groups.map(group => [group, hidden()]));
    made.push(complete(`Rolled${n}`, spec));
  }
  return made;
}

function complete(name, { every, ...spec }) {
  const verbs = Object.fromEntries(VERBS.map(verb => [verb, spec[verb] ?? every]));
  return {
    name,
    verbs,
    readUserFields: spec.readUserFields ?? false,
    writeUserFields: spec.writeUserFields ?? false,
    protectedFields: spec.protectedFields ?? {},
  };
}

/** The class permissions as the protocol writes them. */
export function permissions(cls, ownerId) {
  const clp = {};
  for (const [verb, entities] of Object.entries(cls.verbs)) {
    clp[verb] = {};
    if (entities.includes('public')) clp[verb]['*'] = true;
    if (entities.includes('auth')) clp[verb].requiresAuthentication = true;
    if (entities.includes('role')) clp[verb]['role:team'] = true;
    if (entities.includes('owner')) clp[verb][ownerId] = true;
    if (entities.includes('pointer')) clp[verb].pointerFields = ['owner'];
  }
  if (cls.readUserFields) clp.readUserFields = ['owner'];
  if (cls.writeUserFields) clp.writeUserFields = ['owner'];
  const groups = {
    public: '*',
    auth: 'authenticated',
    role: 'role:team',
    owner: ownerId,
    pointer: 'userField:owner',
  };
  clp.protectedFields = Object.fromEntries(
    Object.entries(cls.protectedFields).map(([group, fields]) => [groups[group], fields]),
  );
  return clp;
}

/** The objects of every class: whose they are and what their ACL says. */
export const OBJECTS = [
  { tag: 'public', owner: 'owner', read: ['*'], write: ['*'] },
  { tag: 'readable', owner: 'other', read: ['*'], write: ['owner'] },
  { tag: 'team', owner: 'member', read: ['team'], write: ['team'] },
  { tag: 'private', owner: 'owner', read: ['owner'], write: ['owner'] },
  { tag: 'nobody', owner: 'owner', read: [], write: [] },
  { tag: 'write only', owner: 'other', read: [], write: ['other', 'team'] },
  { tag: 'bare', owner: undefined, read: undefined, write: undefined },
];

/** The ACL of an object as the protocol writes it. */
export function aclOf(object, users) {
  if (!object.read) return undefined;
  const acl = {};
  const key = entry => (entry === '*' ? '*' : entry === 'team' ? 'role:team' : users[entry].id);
  for (const right of ['read', 'write']) {
    for (const entry of object[right]) (acl[key(entry)] ??= {})[right] = true;
  }
  return acl;
}

const isMaster = p => p.rank === 'master';
const readsAll = p => isMaster(p) || p.rank === 'readOnly';

/** The class's own word: `allow`, `pointer` (objects that refer to the caller), or a code. */
export function decide(cls, verb, p) {
  if (isMaster(p)) return 'allow';
  if (p.rank === 'readOnly') return READS.includes(verb) ? 'allow' : 119;
  const entities = cls.verbs[verb];
  const named =
    entities.includes('public') ||
    (entities.includes('owner') && p.name === 'owner') ||
    (entities.includes('role') && p.name === 'member');
  if (named) return 'allow';
  if (entities.includes('auth') && !p.isUser) return 101;
  const shared = READS.includes(verb) ? cls.readUserFields : cls.writeUserFields;
  if (verb !== 'create' && (entities.includes('pointer') || shared)) return 'pointer';
  return entities.includes('auth') ? 'allow' : 119;
}

function aclAllows(object, right, p) {
  if (isMaster(p) || (right === 'read' && readsAll(p))) return true;
  const entries = object[right];
  if (!entries) return true;
  return entries.some(e => e === '*' || (p.isUser && (e === p.name || (e === 'team' && p.name === 'member'))));
}

/** Whether the caller may do the verb with this object. */
export function mayWith(cls, verb, object, p) {
  const word = decide(cls, verb, p);
  if (word !== 'allow' && (word !== 'pointer' || !p.isUser || object.owner !== p.name)) return false;
  return aclAllows(object, READS.includes(verb) ? 'read' : 'write', p);
}

/** Fields that the caller does not see of an object; without one, what he may not ask about. */
export function hidden(cls, p, object) {
  if (readsAll(p)) return [];
  const applies = {
    public: true,
    auth: p.isUser,
    role: p.name === 'member',
    owner: p.name === 'owner',
    pointer: object !== undefined && p.isUser && object.owner === p.name,
  };
  const sets = Object.entries(cls.protectedFields).filter(([group]) => applies[group]);
  // A group of owners can only give back what another group hides.
  if (sets.every(([group]) => group === 'pointer')) return [];
  return ['secret', 'extra'].filter(field => sets.every(([, fields]) => fields.includes(field)));
}
