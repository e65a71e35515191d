//! Batches that are one transaction.

use serde_json::{Value, json};

use crate::history::{Deed, Fate, Outcome};
use crate::parse::{class_path, object_path, part, pointer};

use super::{ACCOUNT, ITEM, LINK, TRANSFER, Worker};

/// Parse's code for an object that is not there.
const NOT_FOUND: i64 = 101;
/// Parse's code for a transaction that met others too often.
const CONFLICT: i64 = 251;

impl Worker<'_> {
    /// Several new objects that point to one of this thread's.
    pub(super) fn link_transaction(&mut self) {
        let Some(target) = self.link_target() else {
            return self.create();
        };
        let batch = self.new_key();
        let size = self.draw.between(2, 12);
        let parts = (0..size)
            .map(|index| link(&batch, index, size, &target))
            .collect();
        let fate = self.transaction(parts, &[CONFLICT]);
        self.history.deeds.insert(batch, (Deed::Links(size), fate));
    }

    /// The same with a part that must fail: nothing of it may happen.
    pub(super) fn failing_transaction(&mut self) {
        let Some(target) = self.link_target() else {
            return self.create();
        };
        let batch = self.new_key();
        let mut parts: Vec<Value> = (0..3)
            .map(|index| link(&batch, index, 3, &target))
            .collect();
        let nobody = part(
            "PUT",
            &object_path(ITEM, "nobodyhere"),
            &json!({"number": 1}),
        );
        parts.insert(self.draw.place(4), nobody);
        let fate = self.transaction(parts, &[NOT_FOUND, CONFLICT]);
        if fate == Fate::Done {
            let surprise = format!("transaction {batch} with a failing part was acknowledged");
            self.history.surprises.push(surprise);
        }
        let deed = (Deed::Links(3), Fate::Undone);
        self.history.deeds.insert(batch, deed);
    }

    /// Moves an amount between two accounts and writes it down, in any order.
    pub(super) fn transfer(&mut self) {
        let accounts = &self.plan.stage.accounts;
        let from = self.draw.place(accounts.len());
        let to = (from + 1 + self.draw.place(accounts.len() - 1)) % accounts.len();
        let (from, to) = (accounts[from].clone(), accounts[to].clone());
        let amount = self.draw.between(1, 100) as i64;
        let batch = self.new_key();
        let change = |id: &str, amount: i64| {
            let body = json!({"balance": {"__op": "Increment", "amount": amount}});
            part("PUT", &object_path(ACCOUNT, id), &body)
        };
        let record = json!({
            "batch": batch, "amount": amount,
            "from": pointer(ACCOUNT, &from), "to": pointer(ACCOUNT, &to),
        });
        let mut parts = vec![
            change(&from, -amount),
            change(&to, amount),
            part("POST", &class_path(TRANSFER), &record),
        ];
        let last = self.draw.place(parts.len());
        parts.swap(last, 2);
        let fate = self.transaction(parts, &[CONFLICT]);
        let deed = Deed::Transfer { from, to, amount };
        self.history.deeds.insert(batch, (deed, fate));
    }

    fn transaction(&mut self, parts: Vec<Value>, expected: &[i64]) -> Fate {
        let count = parts.len();
        let body = json!({"requests": parts, "transaction": true});
        match self.send("POST", "/batch", Some(&body), expected) {
            Outcome::Acknowledged(answer) => {
                let answers = answer.as_array().map(Vec::as_slice).unwrap_or_default();
                if answers.len() == count && answers.iter().all(|a| a.get("success").is_some()) {
                    return Fate::Done;
                }
                if !answers.iter().any(|answer| answer.get("error").is_some()) {
                    let surprise = format!("transaction of {count} parts: {answer}");
                    self.history.surprises.push(surprise);
                }
                Fate::Undone
            }
            outcome if outcome.is_unknown() => Fate::Either,
            _ => Fate::Undone,
        }
    }

    fn link_target(&self) -> Option<Value> {
        let (_, tracked) = self.draw.pick(&self.mine)?;
        (tracked.class == ITEM).then(|| pointer(ITEM, tracked.id.as_deref().unwrap_or_default()))
    }
}

fn link(batch: &str, index: u64, size: u64, target: &Value) -> Value {
    let body = json!({"batch": batch, "index": index, "size": size, "target": target});
    part("POST", &class_path(LINK), &body)
}
