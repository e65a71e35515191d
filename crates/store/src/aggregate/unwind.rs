//! `Unwind`: a document of each element.

use super::Keys;
use super::project::set;
use basalt_base::{Map, Value};
use std::sync::Arc;

/// What the stage was told.
pub(super) struct Unwind {
    pub(super) path: Keys,
    pub(super) index: Option<Keys>,
    pub(super) keep_empty: bool,
}

/// The documents of one document, made one at a time.
pub(super) struct Unwound {
    spec: Arc<Unwind>,
    doc: Map,
    left: Left,
}

enum Left {
    Elements(std::iter::Enumerate<std::vec::IntoIter<Value>>),
    /// The document itself.
    Once,
    Nothing,
}

pub(super) fn unwind(spec: Arc<Unwind>, mut doc: Map) -> Unwound {
    let left = match find(&mut doc, &spec.path) {
        Some(Value::Array(items)) if !items.is_empty() => {
            // Taken out, so that the clones for the elements don't each hold the whole array.
            Left::Elements(std::mem::take(items).into_iter().enumerate())
        }
        Some(Value::Array(_)) if spec.keep_empty => {
            if let Some((last, way)) = spec.path.split_last() {
                match way {
                    [] => drop(doc.shift_remove(&**last)),
                    way => {
                        if let Some(Value::Map(parent)) = find(&mut doc, way) {
                            parent.shift_remove(&**last);
                        }
                    }
                }
            }
            Left::Once
        }
        Some(Value::Array(_)) => Left::Nothing,
        Some(Value::Null) | None if !spec.keep_empty => Left::Nothing,
        _ => Left::Once,
    };
    Unwound { spec, doc, left }
}

impl Iterator for Unwound {
    type Item = Map;

    fn next(&mut self) -> Option<Map> {
        let (mut doc, number) = match &mut self.left {
            Left::Nothing => return None,
            Left::Once => {
                self.left = Left::Nothing;
                (std::mem::take(&mut self.doc), Value::Null)
            }
            Left::Elements(elements) => {
                let (at, element) = elements.next()?;
                let mut doc = self.doc.clone();
                set(&mut doc, &self.spec.path, element);
                (doc, Value::Int(at as i64))
            }
        };
        if let Some(index) = &self.spec.index {
            set(&mut doc, index, number);
        }
        Some(doc)
    }
}

/// The value at a path of map keys; never through arrays.
fn find<'a>(doc: &'a mut Map, path: &[Box<str>]) -> Option<&'a mut Value> {
    let (step, rest) = path.split_first()?;
    let mut value = doc.get_mut(&**step)?;
    for step in rest {
        let Value::Map(map) = value else {
            return None;
        };
        value = map.get_mut(&**step)?;
    }
    Some(value)
}
