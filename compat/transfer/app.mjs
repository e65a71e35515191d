// An app as clients make it, through the unmodified SDK: `fill` makes it, `show` prints all of it.
import { createRequire } from 'node:module';

const Parse = createRequire(new URL('../parse-js/package.json', import.meta.url))('parse/node');
const [, , what, address, session] = process.argv;
const OBJECTS = 2000;
const MASTER = { useMasterKey: true };

Parse.initialize('main', undefined, process.env.BASALT_MASTER_KEY);
Parse.serverURL = `${address}/parse`;

async function fill() {
  const schema = new Parse.Schema('Post');
  schema.addString('text').addNumber('n').addPointer('author', '_User').addGeoPoint('place');
  schema.addDate('at').addArray('tags').addObject('nested').addRelation('likes', '_User').addBoolean('yes');
  schema.addIndex('by_n', { n: 1 });
  await schema.save(MASTER);
  const users = [];
  for (const name of ['ann', 'bob', 'ümläut 😀']) {
    users.push(await Parse.User.signUp(name, `secret of ${name}`, { email: `${users.length}@x.example` }));
  }
  const role = new Parse.Role('editors', new Parse.ACL());
  role.getUsers().add(users[0]);
  await role.save(null, MASTER);
  const text = 'x'.repeat(4000);
  for (let from = 0; from < OBJECTS; from += 500) {
    const posts = Array.from({ length: 500 }, (_, at) => {
      const n = from + at;
      const acl = new Parse.ACL(users[n % 3]);
      acl.setRoleReadAccess('editors', true);
      return new Parse.Object('Post', {
        text: `${n} ${text}`, n: n / 7, yes: n % 2 === 0, at: new Date(n * 1e9), tags: [n, 'é', { n }, null],
        nested: { b: 1, a: { deep: [n] } }, place: new Parse.GeoPoint(n % 90, -n % 180),
        author: users[n % 3], ACL: acl,
      });
    });
    await Parse.Object.saveAll(posts, { ...MASTER, batchSize: 50 });
    posts[0].relation('likes').add(users);
    await posts[0].save(null, MASTER);
  }
  await Parse.Config.save({ welcome: 'hello' }, {}, MASTER).catch(() => undefined);
  console.log(users[2].getSessionToken());
}

async function all(name) {
  const found = [];
  const each = object => void found.push({ ...object.toJSON(), ACL: object.getACL()?.toJSON() });
  await new Parse.Query(name).each(each, { ...MASTER, batchSize: 500 });
  return found;
}

async function show() {
  const shown = {};
  for (const name of ['Post', '_User', '_Role', '_Session']) shown[name] = await all(name);
  const first = await new Parse.Query('Post').ascending('n').first(MASTER);
  const likes = await first.relation('likes').query().ascending('username').find(MASTER);
  shown.likes = likes.map(user => user.get('username'));
  shown.schemas = (await Parse.Schema.all()).filter(schema => /^(Post|_User|_Role)$/.test(schema.className));
  // The session from before goes on, with its own rights; so do passwords.
  shown.own = await new Parse.Query('Post').limit(1).count({ sessionToken: session });
  shown.me = (await Parse.User.me(session)).id;
  shown.known = (await Parse.User.verifyPassword('bob', 'secret of bob')).id;
  console.log(JSON.stringify(shown, (_, value) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value, 1));
}

await { fill, show }[what]();
