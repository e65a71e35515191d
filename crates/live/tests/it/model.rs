//! What subscribers should be told, worked out in another way: from plain states and sentences.

use basalt_base::Value;
use basalt_data::{Rank, Where};
use basalt_store::{Acl, AclEntry, Path, Test};

/// An object as the model keeps it.
#[derive(Clone, Debug)]
pub struct Thing {
    pub id: String,
    pub kind: &'static str,
    pub n: i64,
    pub secret: i64,
    pub owner: String,
    /// Who may read; `None` for everybody.
    pub readers: Option<Vec<AclEntry>>,
}

impl Thing {
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("kind", Value::from(self.kind)),
            ("n", Value::Int(self.n)),
            ("secret", Value::Int(self.secret)),
            ("owner", crate::world::pointer(&self.owner)),
        ]
    }

    pub fn acl(&self) -> Acl {
        Acl {
            read: self.readers.clone(),
            write: None,
        }
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    Everything,
    Above(i64),
    Kind(&'static str),
    KindAmong(Vec<&'static str>),
    NotKind(&'static str),
    KindOrAbove(&'static str, i64),
    KindAndBelow(&'static str, i64),
    OwnedBy(String),
}

impl Ask {
    pub fn means(&self, thing: &Thing) -> bool {
        match self {
            Self::Everything => true,
            Self::Above(n) => thing.n > *n,
            Self::Kind(kind) => thing.kind == *kind,
            Self::KindAmong(kinds) => kinds.contains(&thing.kind),
            Self::NotKind(kind) => thing.kind != *kind,
            Self::KindOrAbove(kind, n) => thing.kind == *kind || thing.n > *n,
            Self::KindAndBelow(kind, n) => thing.kind == *kind && thing.n < *n,
            Self::OwnedBy(owner) => thing.owner == *owner,
        }
    }

    pub fn filter(&self) -> Where {
        let test = |name: &str, test: Test| Where::Test(Path::field(name), test);
        let kind = |kind: &str| test("kind", Test::Eq(Value::from(kind)));
        match self {
            Self::Everything => Where::everything(),
            Self::Above(n) => test("n", Test::Gt(Value::Int(*n))),
            Self::Kind(text) => kind(text),
            Self::KindAmong(kinds) => {
                let kinds = kinds.iter().map(|kind| Value::from(*kind));
                test("kind", Test::In(kinds.collect()))
            }
            Self::NotKind(text) => test("kind", Test::Ne(Value::from(*text))),
            Self::KindOrAbove(text, n) => {
                Where::Or(vec![kind(text), test("n", Test::Gt(Value::Int(*n)))])
            }
            Self::KindAndBelow(text, n) => {
                Where::And(vec![kind(text), test("n", Test::Lt(Value::Int(*n)))])
            }
            Self::OwnedBy(owner) => test("owner", Test::Eq(crate::world::pointer(owner))),
        }
    }
}

/// Somebody who is told.
#[derive(Clone, Debug)]
pub struct Listener {
    pub rank: Rank,
    pub user: Option<String>,
    pub roles: Vec<&'static str>,
    pub ask: Ask,
    pub collection: &'static str,
    /// Only these fields.
    pub keys: Option<Vec<&'static str>>,
    /// Only updates that change this field.
    pub watch: Option<&'static str>,
}

/// What holds for everybody.
#[derive(Clone, Debug)]
pub struct Law {
    /// Whether `secret` is hidden from all but `staff`.
    pub hides: bool,
}

/// The collection whose objects only their owners may find.
pub const MINE: &str = "Mine";

impl Listener {
    fn reads(&self, thing: &Thing) -> bool {
        if self.rank == Rank::Master {
            return true;
        }
        if self.collection == MINE && self.user.as_deref() != Some(&*thing.owner) {
            return false;
        }
        let Some(readers) = &thing.readers else {
            return true;
        };
        readers.iter().any(|reader| match reader {
            AclEntry::Public => true,
            AclEntry::User(id) => self.user.as_deref() == Some(&**id),
            AclEntry::Role(name) => self.roles.iter().any(|role| **role == **name),
        })
    }

    fn sees(&self, thing: &Thing, law: &Law) -> String {
        let hidden = law.hides && self.rank != Rank::Master && !self.roles.contains(&"staff");
        let shown = |name: &str| {
            let asked = self.keys.as_ref().is_none_or(|keys| keys.contains(&name));
            asked && !(hidden && self.collection != MINE && name == "secret")
        };
        let fields = [
            ("kind", thing.kind.to_owned()),
            ("n", thing.n.to_string()),
            ("owner", thing.owner.clone()),
            ("secret", thing.secret.to_string()),
        ];
        let fields = fields.into_iter().filter(|(name, _)| shown(name));
        let fields: Vec<_> = fields
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{} {}", thing.id, fields.join(" "))
    }

    /// What the listener should be told of a change, if anything.
    pub fn told(
        &self,
        law: &Law,
        collection: &str,
        before: Option<&Thing>,
        after: Option<&Thing>,
        position: u64,
    ) -> Option<String> {
        if self.collection != collection {
            return None;
        }
        let visible = |thing: Option<&Thing>| {
            thing.is_some_and(|thing| self.ask.means(thing) && self.reads(thing))
        };
        let shown = |thing: Option<&Thing>| thing.map(|thing| self.sees(thing, law));
        let (was, is) = (
            before.filter(|thing| self.reads(thing)),
            after.filter(|thing| self.reads(thing)),
        );
        let (word, object, original) = match (visible(before), visible(after)) {
            (false, false) => return None,
            (false, true) if before.is_none() => ("Create", shown(after), None),
            (false, true) => ("Enter", shown(after), shown(was)),
            (true, true) => ("Update", shown(after), shown(before)),
            (true, false) if after.is_none() => ("Delete", shown(before), None),
            (true, false) => {
                let object = shown(is).or(shown(before));
                ("Leave", object, shown(before))
            }
        };
        if let (Some(field), "Create" | "Update") = (self.watch, word) {
            let value = |thing: Option<&Thing>| {
                thing.map(|thing| match field {
                    "n" => thing.n.to_string(),
                    _ => thing.kind.to_owned(),
                })
            };
            if value(before) == value(after) {
                return None;
            }
        }
        let original = original.map_or(String::new(), |was| format!(" was {was}"));
        Some(format!("1 {word} {}{original} @{position}", object?))
    }
}
