//! Creates, updates and deletes of objects that belong to one thread.

use serde_json::{Value, json};

use crate::history::{Fields, Outcome, Tracked};
use crate::parse::{class_path, object_path, part};

use super::{ITEM, Worker};

impl Worker<'_> {
    /// A new object; sometimes in a class, or with a field, that did not exist before.
    pub(super) fn create(&mut self) {
        let (class, key, fields) = self.new_object();
        let body = Value::Object(fields.clone());
        let outcome = self.send("POST", &class_path(&class), Some(&body), &[]);
        self.note_create(class, key, fields, outcome);
    }

    fn new_object(&mut self) -> (String, String, Fields) {
        let key = self.new_key();
        let mut fields = self.new_fields(&key);
        let mut class = ITEM.to_owned();
        if self.draw.chance(15)
            && let Some(fresh) = self.draw.pick(&self.plan.classes)
        {
            class.clone_from(fresh);
        }
        if self.draw.chance(15)
            && let Some(field) = self.draw.pick(&self.plan.fields)
        {
            // The name of the field decides its type, so that racing threads agree.
            let value = match field.chars().last() {
                Some('0') => json!(1.5),
                Some('1') => json!("new"),
                _ => json!({"new": [1]}),
            };
            fields.insert(field.clone(), value);
        }
        (class, key, fields)
    }

    fn note_create(&mut self, class: String, key: String, fields: Fields, outcome: Outcome) {
        let mut tracked = Tracked {
            class,
            id: None,
            now: None,
            pending: None,
            stamp: None,
        };
        if let Outcome::Acknowledged(answer) = outcome {
            tracked.id = answer["objectId"].as_str().map(str::to_owned);
            tracked.stamp = answer["createdAt"].as_str().map(str::to_owned);
            if tracked.id.is_none() || tracked.stamp.is_none() {
                let surprise = format!("create without id or time: {answer}");
                self.history.surprises.push(surprise);
            }
            tracked.now = Some(fields);
            self.mine.push((key, tracked));
        } else if outcome.is_unknown() {
            tracked.pending = Some(Some(fields));
            self.history.objects.insert(key, tracked);
        }
    }

    /// Several creates in one request, each on its own.
    pub(super) fn batch_of_creates(&mut self) {
        let count = self.draw.between(2, 8);
        let objects: Vec<_> = (0..count).map(|_| self.new_object()).collect();
        let parts: Vec<Value> = objects
            .iter()
            .map(|(class, _, fields)| part("POST", &class_path(class), &json!(fields)))
            .collect();
        let outcome = self.send("POST", "/batch", Some(&json!({"requests": parts})), &[]);
        for (place, (class, key, fields)) in objects.into_iter().enumerate() {
            let part = match &outcome {
                Outcome::Acknowledged(answers) => Outcome::of_part(&answers[place]),
                whole => whole.clone(),
            };
            match &part {
                Outcome::Refused(_, whole) => self.history.surprises.push(whole.clone()),
                Outcome::Failed(whole) => self.history.failures.push(whole.clone()),
                _ => {}
            }
            self.note_create(class, key, fields, part);
        }
    }

    /// Overwrites several fields of an object, and sometimes takes one away.
    pub(super) fn update(&mut self) {
        let Some((key, mut tracked)) = self.take_mine() else {
            return self.create();
        };
        let mut fields = tracked.now.clone().unwrap_or_default();
        let new = self.new_fields(&key);
        let mut body = Fields::new();
        for name in ["number", "twin", "body", "place"] {
            let value = new.get(name).cloned().unwrap_or_default();
            fields.insert(name.to_owned(), value.clone());
            body.insert(name.to_owned(), value);
        }
        if self.draw.chance(10) {
            fields.remove("tags");
            body.insert("tags".into(), json!({"__op": "Delete"}));
        }
        let path = object_path(&tracked.class, tracked.id.as_deref().unwrap_or_default());
        match self.send("PUT", &path, Some(&Value::Object(body)), &[]) {
            Outcome::Acknowledged(answer) => {
                tracked.stamp = answer["updatedAt"].as_str().map(str::to_owned);
                tracked.now = Some(fields);
                self.mine.push((key, tracked));
            }
            outcome => {
                if outcome.is_unknown() {
                    tracked.pending = Some(Some(fields));
                }
                self.history.objects.insert(key, tracked);
            }
        }
    }

    /// Deletes an object.
    pub(super) fn delete(&mut self) {
        let Some((key, mut tracked)) = self.take_mine() else {
            return self.create();
        };
        let path = object_path(&tracked.class, tracked.id.as_deref().unwrap_or_default());
        match self.send("DELETE", &path, None, &[]) {
            Outcome::Acknowledged(_) => tracked.now = None,
            outcome if outcome.is_unknown() => tracked.pending = Some(None),
            _ => {}
        }
        self.history.objects.insert(key, tracked);
    }

    fn take_mine(&mut self) -> Option<(String, Tracked)> {
        if self.mine.is_empty() {
            return None;
        }
        let place = self.draw.place(self.mine.len());
        Some(self.mine.swap_remove(place))
    }
}
