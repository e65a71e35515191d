//! Every subscriber is told exactly what an independent model says, in order, also when it goes
//! away and comes back.

use crate::model::{Ask, Law, Listener, MINE, Thing};
use crate::world::{Dice, World, shown, take, who, world};
use basalt_data::{FieldRule, ObjectQuery, PermissionSet, Rank, Rules};
use basalt_live::{Client, From, Options, Subscribe};
use basalt_store::{AclEntry, Path, Position};
use std::collections::BTreeMap;

const KINDS: [&str; 4] = ["a", "b", "c", "d"];
const USERS: [&str; 5] = ["u0", "u1", "u2", "u3", "u4"];
const ROLES: [&str; 2] = ["staff", "crew"];

fn ask(dice: &Dice) -> Ask {
    let n = dice.roll(10) as i64;
    match dice.roll(8) {
        0 => Ask::Everything,
        1 => Ask::Above(n),
        2 => Ask::Kind(dice.pick(&KINDS)),
        3 => Ask::KindAmong(KINDS[..=dice.roll(3)].to_vec()),
        4 => Ask::NotKind(dice.pick(&KINDS)),
        5 => Ask::KindOrAbove(dice.pick(&KINDS), n),
        6 => Ask::KindAndBelow(dice.pick(&KINDS), n),
        _ => Ask::OwnedBy(dice.pick(&USERS).to_owned()),
    }
}

fn listener(dice: &Dice) -> Listener {
    let user = (dice.roll(3) > 0).then(|| dice.pick(&USERS).to_owned());
    let keys = [None, None, Some(vec!["n"]), Some(vec!["kind", "secret"])];
    let mine = user.is_some() && dice.roll(4) == 0;
    Listener {
        rank: if dice.roll(12) == 0 {
            Rank::Master
        } else {
            Rank::Client
        },
        user,
        roles: Vec::new(),
        ask: ask(dice),
        collection: if mine { MINE } else { "Post" },
        keys: dice.pick(&keys),
        watch: dice.pick(&[None, None, None, Some("n"), Some("kind")]),
    }
}

fn readers(dice: &Dice) -> Option<Vec<AclEntry>> {
    let user = || AclEntry::User(dice.pick(&USERS).into());
    let role = || AclEntry::Role(dice.pick(&ROLES).into());
    match dice.roll(7) {
        0 | 1 => None,
        2 => Some(vec![AclEntry::Public]),
        3 => Some(vec![user()]),
        4 => Some(vec![role()]),
        5 => Some(vec![user(), role()]),
        _ => Some(Vec::new()),
    }
}

fn rules(law: &Law) -> Rules {
    let rule = |group: &str, fields: &[&str]| FieldRule {
        group: group.into(),
        fields: fields.iter().map(|field| Box::from(*field)).collect(),
    };
    Rules {
        protected_fields: if law.hides {
            vec![rule("*", &["secret"]), rule("role:staff", &[])]
        } else {
            Vec::new()
        },
        ..Rules::open()
    }
}

/// A listener with its connection and what it heard.
struct Ear {
    listener: Listener,
    client: Option<Client>,
    heard: Vec<String>,
    expected: Vec<String>,
    /// The position of the last thing that it heard.
    position: u64,
}

impl Ear {
    async fn connect(&mut self, world: &World, from: From) {
        let client = world.live.connect().unwrap();
        let listener = &self.listener;
        let keys = listener.keys.as_ref();
        let query = ObjectQuery {
            filter: listener.ask.filter(),
            keys: keys.map(|keys| keys.iter().map(|key| Box::from(*key)).collect()),
            ..ObjectQuery::of(listener.collection)
        };
        let subscribe = Subscribe {
            number: 1,
            who: who(listener.rank, listener.user.as_deref()),
            query,
            fields: listener.watch.map(|field| vec![Path::field(field)]),
            from,
        };
        let mut pending = client.subscribe(subscribe).await.unwrap();
        while let Some(told) = pending.next().await.unwrap() {
            for delivery in told {
                let line = shown(delivery);
                self.hear(line);
            }
        }
        self.client = Some(client);
        self.listen();
    }

    /// Goes away, with the position up to which it was told. From an older one it would be told
    /// again what it could not see then and can see now.
    fn leave(&mut self) {
        let position = self.client.as_ref().map(Client::position);
        self.listen();
        self.client = None;
        if let Some(position) = position {
            self.position = self.position.max(position.0);
        }
    }

    fn listen(&mut self) {
        if let Some(client) = &self.client {
            for line in take(client) {
                self.hear(line);
            }
        }
    }

    fn hear(&mut self, line: String) {
        if let Some((_, position)) = line.rsplit_once(" @") {
            self.position = position.parse().unwrap();
            self.heard.push(line);
        } else {
            assert_eq!(line, "1 subscribed");
        }
    }
}

struct Play {
    world: World,
    law: Law,
    ears: Vec<Ear>,
    things: BTreeMap<(&'static str, String), Thing>,
}

impl Play {
    async fn begin(seed: u64, count: usize) -> Self {
        let mut world = world(seed, Options::default()).await;
        for user in USERS {
            let roles = &world.table.roles;
            roles.lock().unwrap().insert(user.to_owned(), Vec::new());
        }
        let law = Law { hides: false };
        for collection in ["Post", MINE] {
            let thing = Thing {
                id: String::new(),
                kind: "a",
                n: 0,
                secret: 0,
                owner: "u0".to_owned(),
                readers: None,
            };
            let id = world.create(collection, &thing.fields(), thing.acl()).await;
            world.delete(collection, &id).await;
        }
        let own = PermissionSet {
            user_fields: vec!["owner".into()],
            ..PermissionSet::default()
        };
        let mine = Rules {
            find: own.clone(),
            get: own,
            ..Rules::open()
        };
        world.rules(MINE, mine).await;
        world.rules("Post", rules(&law)).await;
        let mut play = Self {
            ears: Vec::new(),
            things: BTreeMap::new(),
            world,
            law,
        };
        for _ in 0..count {
            let mut ear = Ear {
                listener: listener(&play.world.dice),
                client: None,
                heard: Vec::new(),
                expected: Vec::new(),
                position: 0,
            };
            ear.connect(&play.world, From::Now).await;
            ear.position = play.world.data.deps().store.position().0;
            play.ears.push(ear);
        }
        play
    }

    fn expect(&mut self, collection: &str, before: Option<&Thing>, after: Option<&Thing>) {
        let position = self.world.data.deps().store.position().0;
        for ear in &mut self.ears {
            let listener = &ear.listener;
            let told = listener.told(&self.law, collection, before, after, position);
            ear.expected.extend(told);
        }
    }

    async fn write(&mut self) {
        let dice = &self.world.dice;
        let collection = dice.pick(&["Post", "Post", MINE]);
        let keys: Vec<_> = self
            .things
            .keys()
            .filter(|key| key.0 == collection)
            .collect();
        let fresh = Thing {
            id: String::new(),
            kind: dice.pick(&KINDS),
            n: dice.roll(10) as i64,
            secret: dice.roll(3) as i64,
            owner: dice.pick(&USERS).to_owned(),
            readers: readers(dice),
        };
        let is_new = keys.len() < 5 || (keys.len() < 40 && dice.roll(4) == 0);
        if is_new {
            let mut thing = fresh;
            thing.id = self
                .world
                .create(collection, &thing.fields(), thing.acl())
                .await;
            self.expect(collection, None, Some(&thing));
            self.things.insert((collection, thing.id.clone()), thing);
            return;
        }
        let key = dice.pick(&keys).clone();
        let goes = dice.roll(8) == 0;
        let changes_acl = dice.roll(3) == 0;
        let before = self.things[&key].clone();
        if goes {
            self.world.delete(collection, &before.id).await;
            self.expect(collection, Some(&before), None);
            self.things.remove(&key);
            return;
        }
        let after = Thing {
            id: before.id.clone(),
            readers: if changes_acl {
                fresh.readers.clone()
            } else {
                before.readers.clone()
            },
            ..fresh
        };
        let acl = changes_acl.then(|| after.acl());
        self.world
            .update(collection, &after.id, &after.fields(), acl)
            .await;
        self.expect(collection, Some(&before), Some(&after));
        self.things.insert(key, after);
    }

    /// Roles, rules, and comings and goings.
    async fn turn(&mut self) {
        match self.world.dice.roll(3) {
            0 => {
                let user = self.world.dice.pick(&USERS);
                let count = self.world.dice.roll(3);
                let roles: Vec<_> = ROLES[..count].to_vec();
                self.come_back().await;
                self.world.set_roles(user, &roles).await;
                for ear in &mut self.ears {
                    if ear.listener.user.as_deref() == Some(user) {
                        ear.listener.roles.clone_from(&roles);
                    }
                }
            }
            1 => {
                self.come_back().await;
                self.world.settle().await;
                self.law.hides = !self.law.hides;
                self.world.rules("Post", rules(&self.law)).await;
                self.world.settle().await;
            }
            _ => {
                for ear in &mut self.ears {
                    if self.world.dice.roll(4) == 0 {
                        // In the middle of whatever is under way.
                        ear.leave();
                    }
                }
            }
        }
    }

    /// Those who went away come back and go on where they were.
    async fn come_back(&mut self) {
        for ear in &mut self.ears {
            if ear.client.is_none() {
                let from = From::After(Position(ear.position));
                ear.connect(&self.world, from).await;
            }
        }
    }

    async fn end(mut self, seed: u64) {
        self.come_back().await;
        self.world.settle().await;
        let mut told = 0;
        for ear in &mut self.ears {
            ear.listen();
            let (heard, expected) = (&ear.heard, &ear.expected);
            let first =
                (0..heard.len().max(expected.len())).find(|at| heard.get(*at) != expected.get(*at));
            if let Some(at) = first {
                panic!(
                    "seed {seed}, {:?}: at {at}\n heard {:#?}\n not {:#?}",
                    ear.listener,
                    &heard[at.saturating_sub(2)..heard.len().min(at + 3)],
                    &expected[at.saturating_sub(2)..expected.len().min(at + 3)]
                );
            }
            told += heard.len();
        }
        assert!(told > 0, "seed {seed}: nobody was told anything");
    }
}

async fn play(seed: u64, listeners: usize, writes: usize) {
    let mut play = Play::begin(seed, listeners).await;
    for n in 0..writes {
        play.write().await;
        if n % 25 == 24 {
            play.turn().await;
        }
        if n % 60 == 59 {
            play.come_back().await;
        }
    }
    play.end(seed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_what_the_model_says() {
    for seed in 0..6 {
        play(seed, 40, 300).await;
    }
}

#[tokio::test]
async fn a13_who_may_not_find_is_refused() {
    let mut world = world(1, Options::default()).await;
    let id = world
        .create("Closed", &[], basalt_store::Acl::default())
        .await;
    world.rules("Closed", Rules::closed()).await;
    let client = world.live.connect().unwrap();
    let ask = |number| Subscribe {
        number,
        who: who(Rank::Client, None),
        query: ObjectQuery::of("Closed"),
        fields: None,
        from: From::Now,
    };
    assert!(client.subscribe(ask(1)).await.is_err());
    world.rules("Closed", Rules::open()).await;
    let mut pending = client.subscribe(ask(2)).await.unwrap();
    assert!(pending.next().await.unwrap().is_none());
    // The right is taken away again: the subscription ends, and nothing is told.
    world.rules("Closed", Rules::closed()).await;
    world
        .update("Closed", &id, &[("n", basalt_base::Value::Int(1))], None)
        .await;
    world.settle().await;
    let heard = take(&client);
    assert_eq!(heard[0], "2 subscribed");
    assert!(
        heard[1].starts_with("2 ended Permission denied"),
        "{heard:?}"
    );
    assert_eq!(heard.len(), 2, "{heard:?}");
}
