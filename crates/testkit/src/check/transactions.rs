//! Transactions: all of them or nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::history::{Deed, Fate, History};
use crate::load::{ACCOUNT, LINK, TRANSFER};
use crate::parse::text;

use super::Seen;

pub(super) fn check(seen: &Seen, history: &mut History) -> Vec<String> {
    let mut broken = Vec::new();
    let done: BTreeSet<&str> = [LINK, TRANSFER]
        .iter()
        .flat_map(|class| seen.of(class))
        .map(|object| text(object, "batch"))
        .collect();
    for batch in &done {
        if !history.deeds.contains_key(*batch) {
            broken.push(format!("nobody sent the transaction {batch}"));
        }
    }
    let transfers = by_batch(seen, TRANSFER);
    for (batch, (deed, fate)) in &mut history.deeds {
        let is_there = done.contains(batch.as_str());
        match (*fate, is_there) {
            (Fate::Done, false) => broken.push(format!("transaction {batch} is lost")),
            (Fate::Undone, true) => broken.push(format!("refused transaction {batch} is there")),
            _ => {}
        }
        *fate = if is_there { Fate::Done } else { Fate::Undone };
        if let (Deed::Transfer { from, to, amount }, Some(records)) =
            (deed, transfers.get(batch.as_str()))
        {
            let whole = records.len() == 1
                && text(&records[0]["from"], "objectId") == from
                && text(&records[0]["to"], "objectId") == to
                && records[0]["amount"].as_i64() == Some(*amount);
            if !whole {
                broken.push(format!("transfer {batch} is recorded as {records:?}"));
            }
        }
    }
    broken
}

/// Transactions of which a part is there and a part is not.
pub(super) fn torn(seen: &Seen) -> Vec<String> {
    let mut broken = Vec::new();
    for (batch, members) in by_batch(seen, LINK) {
        let size = members[0]["size"].as_u64().unwrap_or_default();
        let places: BTreeSet<u64> = members.iter().filter_map(|m| m["index"].as_u64()).collect();
        let whole = members.len() as u64 == size && places == (0..size).collect();
        let target = text(&members[0]["target"], "objectId");
        if !whole
            || members
                .iter()
                .any(|m| text(&m["target"], "objectId") != target)
        {
            broken.push(format!("transaction {batch} is torn: {members:?}"));
        }
    }
    let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
    for transfer in seen.of(TRANSFER) {
        let amount = transfer["amount"].as_i64().unwrap_or_default();
        *expected
            .entry(text(&transfer["from"], "objectId"))
            .or_default() -= amount;
        *expected
            .entry(text(&transfer["to"], "objectId"))
            .or_default() += amount;
    }
    for account in seen.of(ACCOUNT) {
        let id = text(account, "objectId");
        let sum = expected.get(id).copied().unwrap_or_default();
        if account["balance"].as_i64() != Some(sum) {
            broken.push(format!(
                "account {id} holds {}, its transfers add up to {sum}",
                account["balance"]
            ));
        }
    }
    broken
}

fn by_batch<'a>(seen: &'a Seen, class: &str) -> BTreeMap<&'a str, Vec<&'a Value>> {
    let mut batches: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for object in seen.of(class) {
        batches
            .entry(text(object, "batch"))
            .or_default()
            .push(object);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::pointer;
    use serde_json::json;

    fn seen(members: &[u64], balances: [i64; 2], amounts: &[i64]) -> Seen {
        let link = |index: &u64| json!({"batch": "b", "size": 3, "index": index, "target": pointer("Item", "i")});
        let account = |(id, balance)| json!({"objectId": id, "balance": balance});
        let transfer = |amount: &i64| {
            let (from, to) = (pointer(ACCOUNT, "x"), pointer(ACCOUNT, "y"));
            json!({"batch": "t", "amount": amount, "from": from, "to": to})
        };
        let classes = [
            (LINK.to_owned(), members.iter().map(link).collect()),
            (
                ACCOUNT.to_owned(),
                ["x", "y"].into_iter().zip(balances).map(account).collect(),
            ),
            (TRANSFER.to_owned(), amounts.iter().map(transfer).collect()),
        ];
        Seen {
            classes: classes.into(),
        }
    }

    #[test]
    fn a_torn_transaction_is_seen() {
        assert_eq!(torn(&seen(&[0, 1, 2], [-5, 5], &[5])).len(), 0);
        assert_eq!(torn(&seen(&[], [0, 0], &[])).len(), 0);
        assert_eq!(torn(&seen(&[0, 2], [0, 0], &[])).len(), 1);
        assert_eq!(torn(&seen(&[0, 1, 1], [0, 0], &[])).len(), 1);
        assert_eq!(torn(&seen(&[], [-5, 0], &[5])).len(), 1);
        assert_eq!(torn(&seen(&[], [-5, 5], &[])).len(), 2);
    }

    #[test]
    fn the_answer_binds() {
        let problems = |fate, amounts: &[i64]| {
            let deed = Deed::Transfer {
                from: "x".into(),
                to: "y".into(),
                amount: 5,
            };
            let mut history = History::default();
            history.deeds.insert("t".into(), (deed, fate));
            check(&seen(&[], [0, 0], amounts), &mut history).len()
        };
        assert_eq!(problems(Fate::Done, &[5]), 0);
        assert_eq!(problems(Fate::Done, &[]), 1);
        assert_eq!(problems(Fate::Done, &[4]), 1);
        assert_eq!(problems(Fate::Done, &[5, 5]), 1);
        assert_eq!(problems(Fate::Undone, &[5]), 1);
        assert_eq!(problems(Fate::Either, &[5]), 0);
        assert_eq!(problems(Fate::Either, &[]), 0);
        let stranger = check(&seen(&[0, 1, 2], [0, 0], &[]), &mut History::default());
        assert_eq!(stranger.len(), 1);
    }
}
