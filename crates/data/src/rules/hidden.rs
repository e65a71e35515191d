//! Which fields a caller does not see.

use super::{FieldRule, Policy};
use crate::{Look, Options, Principal, names, system};
use basalt_base::Value;
use basalt_store::{AclEntry, Collection, Field, FieldType, Record};
use std::sync::Arc;

/// One caller looking at one collection.
pub(crate) struct Viewer<'a> {
    principal: &'a Principal,
    collection: &'a str,
    owner_exempt: bool,
    /// What is hidden in every object of the collection that is not exempt.
    hidden: Vec<&'a str>,
    /// Rules that apply to the objects that refer to the caller.
    by_object: Vec<(&'a str, &'a FieldRule)>,
}

/// What a rule's group means.
enum Group<'a> {
    Public,
    Authenticated,
    Role(&'a str),
    UserField(&'a str),
    User(&'a str),
}

fn group(text: &str) -> Group<'_> {
    match text {
        "*" => Group::Public,
        "authenticated" => Group::Authenticated,
        _ => match text.split_once(':') {
            Some(("role", name)) => Group::Role(name),
            Some(("userField", field)) => Group::UserField(field),
            _ => Group::User(text),
        },
    }
}

impl<'a> Viewer<'a> {
    /// A caller and what its groups hide: the intersection over the groups it is in.
    pub(crate) fn new(
        principal: &'a Principal,
        collection: &'a str,
        policy: &'a Policy,
        options: &Options,
    ) -> Self {
        let mut viewer = Self {
            principal,
            collection,
            owner_exempt: collection == system::USER && options.protected_fields_owner_exempt,
            hidden: Vec::new(),
            by_object: Vec::new(),
        };
        if principal.reads_everything() {
            return viewer;
        }
        let mut first = true;
        for rule in &policy.hidden {
            let applies = match group(&rule.group) {
                Group::Public => true,
                Group::Authenticated => principal.user.is_some(),
                Group::Role(name) => has_role(principal, name),
                Group::User(id) => principal.user.as_deref() == Some(id),
                Group::UserField(field) => {
                    viewer.by_object.push((field, rule));
                    continue;
                }
            };
            if !applies {
                continue;
            }
            if first {
                viewer.hidden = rule.fields.iter().map(|f| &**f).collect();
                first = false;
            } else {
                viewer.hidden.retain(|f| contains(rule, f));
            }
        }
        viewer
    }

    /// Whether a query may not mention the field. `own` says that the query can only find the
    /// caller's own user.
    pub(crate) fn hides_from_query(&self, field: &str, own: bool) -> bool {
        if self.principal.reads_everything() || (own && self.owner_exempt) {
            return false;
        }
        self.hidden.contains(&field) || (self.collection == system::USER && field == "authData")
    }

    /// The collection as the caller sees it: a hidden relation has nothing in an object that could
    /// be taken out, so its field goes.
    pub(crate) fn visible(&self, collection: &Arc<Collection>) -> Arc<Collection> {
        let hides = |field: &Field| {
            matches!(field.def.ty, FieldType::Relation(_))
                && self.hidden.contains(&&*field.def.name)
        };
        if self.hidden.is_empty() || !collection.fields.iter().any(hides) {
            return collection.clone();
        }
        let mut seen = Collection::clone(collection);
        seen.fields.retain(|f| !hides(f));
        Arc::new(seen)
    }

    /// Fields that have to be read for the rules, whether the caller wants them or not.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &str> {
        self.by_object.iter().map(|(field, _)| *field)
    }

    /// How objects look to this caller; `None` when that depends on the object.
    pub(crate) fn look(&self) -> Option<Look> {
        let internal = self.principal.sees_internal_fields();
        let same = self.by_object.is_empty() || self.hidden.is_empty();
        same.then(|| Look::new(internal, &self.hidden))
    }

    /// Takes out of an object what this caller does not see.
    pub(crate) fn hide(&self, record: &mut Record) {
        let users = self.collection == system::USER;
        if !self.principal.sees_internal_fields() {
            let secret = |name: &str| names::is_internal(name) || (users && name == "password");
            record.fields.retain(|(name, _)| !secret(name));
        }
        if self.principal.reads_everything() {
            return;
        }
        let own = users && self.principal.user.as_deref() == Some(&*record.id);
        if users && !own {
            record.remove("authData");
        }
        if (own && self.owner_exempt) || (self.hidden.is_empty()) {
            return;
        }
        let exempting: Vec<&FieldRule> = self
            .by_object
            .iter()
            .filter(|(field, _)| self.is_named_in(record, field))
            .map(|(_, rule)| *rule)
            .collect();
        record.fields.retain(|(name, _)| {
            let name = &**name;
            !self.hidden.contains(&name) || exempting.iter().any(|rule| !contains(rule, name))
        });
    }

    /// Whether the field refers to the caller, alone or in a list.
    fn is_named_in(&self, record: &Record, field: &str) -> bool {
        let Some(user) = self.principal.user.as_deref() else {
            return false;
        };
        let is_caller = |value: &Value| matches!(value, Value::Reference(r) if r.collection == system::USER && r.id == user);
        match record.get(field) {
            Some(Value::Array(items)) => items.iter().any(is_caller),
            Some(value) => is_caller(value),
            None => false,
        }
    }
}

fn contains(rule: &FieldRule, field: &str) -> bool {
    rule.fields.iter().any(|f| **f == *field)
}

fn has_role(principal: &Principal, name: &str) -> bool {
    let entries = principal.principals.entries();
    entries
        .iter()
        .any(|e| matches!(e, AclEntry::Role(role) if **role == *name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;
    use basalt_base::{AppId, Reference, Timestamp};

    fn policy(rules: &[(&str, &[&str])]) -> Policy {
        let rule = |(group, fields): &(&str, &[&str])| FieldRule {
            group: (*group).into(),
            fields: fields.iter().map(|f| (*f).into()).collect(),
        };
        Policy {
            rules: Arc::new(Rules::open()),
            hidden: rules.iter().map(rule).collect(),
        }
    }

    fn shown(collection: &str, policy: &Policy, principal: &Principal) -> String {
        let owner = Reference {
            collection: "_User".to_owned(),
            id: "u1".to_owned(),
        };
        let at = Timestamp::from_millis(0);
        let mut record = Record {
            id: "u1".into(),
            created_at: at,
            updated_at: at,
            rev: 1,
            acl: basalt_store::Acl::default(),
            fields: ["a", "b", "_c"]
                .map(|n| (n.into(), Value::Int(1)))
                .into_iter()
                .chain([("owner".into(), Value::Reference(owner))])
                .collect(),
        };
        let options = Options::default();
        Viewer::new(principal, collection, policy, &options).hide(&mut record);
        let names: Vec<_> = record.fields.iter().map(|(n, _)| &**n).collect();
        names.join(" ")
    }

    #[test]
    fn callers_in_several_groups_are_hidden_what_all_of_them_hide() {
        let app = AppId::new("a");
        let nobody = Principal::anonymous(app.clone());
        let member = Principal::user(app.clone(), "u2", ["staff".into()]);
        let named = Principal::user(app.clone(), "u1", []);
        let policy = policy(&[
            ("*", &["a", "b"]),
            ("role:staff", &["b"]),
            ("userField:owner", &["a"]),
        ]);
        assert_eq!(shown("Post", &policy, &nobody), "owner");
        assert_eq!(shown("Post", &policy, &member), "a owner");
        assert_eq!(shown("Post", &policy, &named), "b owner");
        let master = Principal::ranked(app.clone(), crate::Rank::Master);
        assert_eq!(shown("Post", &policy, &master), "a b owner");
        let maintenance = Principal::ranked(app, crate::Rank::Maintenance);
        assert_eq!(shown("Post", &policy, &maintenance), "a b _c owner");
        assert_eq!(shown("_User", &policy, &named), "a b owner");
    }

    #[test]
    fn a_user_whose_id_reads_like_a_group_is_no_group() {
        let app = AppId::new("a");
        let odd = Principal::user(app, "role:staff", []);
        let policy = policy(&[("*", &["a"]), ("role:staff", &[])]);
        assert_eq!(shown("Post", &policy, &odd), "b owner");
    }
}
