//! Unique names: one owner each, and the one who was told so.

use std::collections::BTreeMap;

use crate::history::{Claim, History};
use crate::load::BADGE;
use crate::parse::text;

use super::Seen;

/// Classes with unique names, and the field.
const NAMED: [(&str, &str); 3] = [
    ("_User", "username"),
    ("_Role", "name"),
    (BADGE, "objectId"),
];

pub(super) fn check(seen: &Seen, history: &mut History) -> Vec<String> {
    let mut broken = Vec::new();
    for (class, field) in NAMED {
        let objects = seen.of(class).iter();
        let owners: BTreeMap<&str, &str> = objects
            .map(|object| (text(object, field), text(object, "objectId")))
            .collect();
        for name in owners.keys() {
            let claim = (class.to_owned(), (*name).to_owned());
            if !history.claims.contains_key(&claim) {
                broken.push(format!("{class}: nobody asked for the name {name}"));
            }
        }
        let claims = history.claims.iter_mut();
        for ((_, name), claim) in claims.filter(|((of, _), _)| of == class) {
            let owner = owners.get(name.as_str()).copied();
            broken.extend(judge(claim, owner).map(|message| format!("{class} {name}: {message}")));
            claim.unknown = 0;
            claim.winners = owner.map(str::to_owned).into_iter().collect();
        }
    }
    broken
}

fn judge(claim: &Claim, owner: Option<&str>) -> Option<String> {
    let winners = &claim.winners;
    match (owner, winners.as_slice()) {
        (_, [_, _, ..]) => Some(format!("was given to {winners:?}")),
        (None, [winner]) => Some(format!("was given to {winner} and is lost")),
        (Some(owner), [winner]) if owner != winner => {
            Some(format!("was given to {winner} and belongs to {owner}"))
        }
        (None, []) if claim.taken > 0 => Some("was said to be taken and is not there".to_owned()),
        (Some(owner), []) if claim.unknown == 0 => {
            Some(format!("belongs to {owner}, who was never told"))
        }
        _ => None,
    }
}

/// Names that two objects have.
pub(super) fn twice(seen: &Seen) -> Vec<String> {
    let mut broken = Vec::new();
    for (class, field) in NAMED {
        let mut names: Vec<&str> = seen.of(class).iter().map(|o| text(o, field)).collect();
        names.sort_unstable();
        let pairs = names.windows(2).filter(|pair| pair[0] == pair[1]);
        broken.extend(pairs.map(|pair| format!("{class}: two are called {}", pair[0])));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn owners_are_those_who_were_told() {
        let claim = |winners: &[&str], taken, unknown| Claim {
            winners: winners.iter().map(|w| (*w).to_owned()).collect(),
            taken,
            unknown,
            token: None,
        };
        let cases = [
            (claim(&["a"], 3, 0), Some("a"), true),
            (claim(&[], 1, 1), Some("a"), true),
            (claim(&[], 0, 1), None, true),
            (claim(&[], 0, 0), None, true),
            (claim(&["a"], 0, 0), None, false),
            (claim(&["a"], 0, 1), Some("b"), false),
            (claim(&["a", "b"], 0, 0), Some("a"), false),
            (claim(&[], 1, 1), None, false),
            (claim(&[], 1, 0), Some("a"), false),
        ];
        for (claim, owner, fine) in cases {
            assert_eq!(judge(&claim, owner).is_none(), fine, "{claim:?} {owner:?}");
        }
    }

    #[test]
    fn two_of_a_name_are_seen() {
        let user = |id| json!({"objectId": id, "username": "u"});
        let seen = Seen {
            classes: [("_User".to_owned(), vec![user("a"), user("b")])].into(),
        };
        assert_eq!(twice(&seen), ["_User: two are called u"]);
    }
}
