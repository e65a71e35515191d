//! The streaming executor.

use super::expr::Expr;
use super::group::Groups;
use super::project::{Shape, add_fields};
use super::unwind::{Unwind, Unwound, unwind};
use super::{Keys, Stage, size};
use crate::eval::{matches_map, sort_maps};
use crate::{Filter, Sort};
use basalt_base::{Error, Map, Reason, Result, Value};
use std::ops::ControlFlow;
use std::sync::Arc;

/// How many documents more than twice its limit a limited sort collects before it sorts.
const SORT_SPARE: usize = 1_000;

/// After how many documents the caller is asked whether to go on.
const CHECK_EVERY: u32 = 256;

/// Asked every few hundred documents; an error (deadline, cancellation) stops the executor.
pub type Check = Box<dyn FnMut() -> Result<()> + Send>;

/// Runs a pipeline over documents that are pushed one by one.
///
/// Only `Group`, `Sort` and the result hold documents; a `Sort` before a `Limit` holds no more than
/// about twice the limit.
pub struct Executor {
    nodes: Vec<Node>,
    output: Vec<Map>,
    memory: Memory,
    check: Check,
    until_check: u32,
}

/// What the executor may hold and holds, in bytes.
struct Memory {
    max: usize,
    used: usize,
}

impl Memory {
    fn take(&mut self, bytes: usize) -> Result<()> {
        self.used += bytes;
        if self.used > self.max {
            return Err(Error::new(
                Reason::QueryTooComplex,
                format!(
                    "The aggregate needs more than {} bytes of memory.",
                    self.max
                ),
            ));
        }
        Ok(())
    }

    fn give_back(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }
}

/// A stage and its state.
enum Node {
    Match(Filter),
    Group(Groups),
    Project(Shape),
    AddFields(Vec<(Keys, Expr)>),
    Sort(Sorter),
    Limit(u64),
    Skip(u64),
    Unwind(Arc<Unwind>),
    Count(String, i64),
    /// A stage that has given everything it held.
    Done,
}

struct Sorter {
    sort: Vec<Sort>,
    docs: Vec<Map>,
    /// The bytes that `docs` hold.
    bytes: usize,
    /// How many of the first ones matter.
    keep: Option<usize>,
}

impl Executor {
    /// An executor that may hold `bytes_max` bytes, beyond which it fails with
    /// [`Reason::QueryTooComplex`], and that asks `check` whether to go on.
    pub fn new(stages: Vec<Stage>, bytes_max: usize, check: Check) -> Self {
        let mut keep = None;
        // From the end, so that a `Sort` knows of the `Limit` behind it.
        let mut nodes: Vec<Node> = stages
            .into_iter()
            .rev()
            .map(|stage| {
                let node = Node::new(stage, keep);
                keep = match &node {
                    Node::Limit(n) => usize::try_from(*n).ok(),
                    _ => None,
                };
                node
            })
            .collect();
        nodes.reverse();
        Self {
            nodes,
            output: Vec::new(),
            memory: Memory {
                max: bytes_max,
                used: 0,
            },
            check,
            until_check: CHECK_EVERY,
        }
    }

    /// Takes a document; `Break` means that more would change nothing.
    ///
    /// Fails with what `check` says, [`Reason::QueryTooComplex`] over the memory limit, and
    /// [`Reason::InvalidQuery`] where an expression can't work on a value.
    pub fn push(&mut self, doc: Map) -> Result<ControlFlow<()>> {
        self.push_into(0, doc)
    }

    /// The results, once everything is pushed.
    pub fn finish(mut self) -> Result<Vec<Map>> {
        (self.check)()?;
        for at in 0..self.nodes.len() {
            let _ = match std::mem::replace(&mut self.nodes[at], Node::Done) {
                Node::Group(groups) => self.push_all(at + 1, groups.finish())?,
                Node::Sort(sorter) => {
                    let docs = sorter.finish(&mut self.memory);
                    self.push_all(at + 1, docs.into_iter())?
                }
                Node::Count(name, n) if n > 0 => {
                    self.push_into(at + 1, Map::from_iter([(name, Value::Int(n))]))?
                }
                _ => ControlFlow::Continue(()),
            };
        }
        Ok(self.output)
    }

    /// Hands a document to the stage at an index; past the last one it is a result.
    fn push_into(&mut self, at: usize, doc: Map) -> Result<ControlFlow<()>> {
        self.ask()?;
        let Some(node) = self.nodes.get_mut(at) else {
            self.memory.take(size::of_map(&doc))?;
            self.output.push(doc);
            return Ok(ControlFlow::Continue(()));
        };
        match node.take(doc, &mut self.memory)? {
            Taken::Kept => Ok(ControlFlow::Continue(())),
            Taken::Full => Ok(ControlFlow::Break(())),
            Taken::Pass(doc) => self.push_into(at + 1, doc),
            Taken::PassLast(doc) => {
                let _ = self.push_into(at + 1, doc)?;
                Ok(ControlFlow::Break(()))
            }
            Taken::PassMany(docs) => self.push_all(at + 1, docs),
        }
    }

    fn push_all(&mut self, at: usize, docs: impl Iterator<Item = Map>) -> Result<ControlFlow<()>> {
        for doc in docs {
            if self.push_into(at, doc)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn ask(&mut self) -> Result<()> {
        self.until_check -= 1;
        if self.until_check == 0 {
            self.until_check = CHECK_EVERY;
            (self.check)()?;
        }
        Ok(())
    }
}

/// What a stage did with a document.
enum Taken {
    /// Kept or dropped it.
    Kept,
    /// It wants no more; this one did not count either.
    Full,
    Pass(Map),
    /// Passes this one and wants no more.
    PassLast(Map),
    PassMany(Unwound),
}

impl Node {
    /// `keep` is the limit right behind the stage, if there is one.
    fn new(stage: Stage, keep: Option<usize>) -> Self {
        match stage {
            Stage::Match(filter) => Self::Match(filter),
            Stage::Group { id, fields } => Self::Group(Groups::new(id, fields)),
            Stage::Project(shape) => Self::Project(shape),
            Stage::AddFields(fields) => Self::AddFields(fields),
            Stage::Sort(sort) => Self::Sort(Sorter {
                sort,
                docs: Vec::new(),
                bytes: 0,
                keep,
            }),
            Stage::Limit(n) => Self::Limit(n),
            Stage::Skip(n) => Self::Skip(n),
            Stage::Unwind {
                path,
                include_array_index,
                preserve_null_and_empty,
            } => Self::Unwind(Arc::new(Unwind {
                path,
                index: include_array_index,
                keep_empty: preserve_null_and_empty,
            })),
            Stage::Count(name) => Self::Count(name, 0),
        }
    }

    fn take(&mut self, mut doc: Map, memory: &mut Memory) -> Result<Taken> {
        match self {
            Self::Match(filter) => {
                let matches = matches_map(filter, &doc)?;
                Ok(if matches {
                    Taken::Pass(doc)
                } else {
                    Taken::Kept
                })
            }
            Self::Group(groups) => {
                memory.take(groups.add(&doc)?)?;
                Ok(Taken::Kept)
            }
            Self::Project(shape) => shape.apply(doc).map(Taken::Pass),
            Self::AddFields(fields) => {
                add_fields(&mut doc, fields)?;
                Ok(Taken::Pass(doc))
            }
            Self::Sort(sorter) => {
                sorter.add(doc, memory)?;
                Ok(Taken::Kept)
            }
            Self::Limit(0) | Self::Done => Ok(Taken::Full),
            Self::Limit(left) => {
                *left -= 1;
                let last = *left == 0;
                Ok(if last {
                    Taken::PassLast(doc)
                } else {
                    Taken::Pass(doc)
                })
            }
            Self::Skip(0) => Ok(Taken::Pass(doc)),
            Self::Skip(left) => {
                *left -= 1;
                Ok(Taken::Kept)
            }
            Self::Unwind(spec) => Ok(Taken::PassMany(unwind(spec.clone(), doc))),
            Self::Count(_, n) => {
                *n += 1;
                Ok(Taken::Kept)
            }
        }
    }
}

impl Sorter {
    fn add(&mut self, doc: Map, memory: &mut Memory) -> Result<()> {
        let bytes = size::of_map(&doc);
        memory.take(bytes)?;
        self.bytes += bytes;
        self.docs.push(doc);
        let Some(keep) = self.keep else { return Ok(()) };
        if self.docs.len() >= keep.saturating_mul(2).saturating_add(SORT_SPARE) {
            sort_maps(&mut self.docs, &self.sort);
            self.docs.truncate(keep);
            memory.give_back(self.bytes);
            self.bytes = self.docs.iter().map(size::of_map).sum();
            memory.take(self.bytes)?;
        }
        Ok(())
    }

    fn finish(mut self, memory: &mut Memory) -> Vec<Map> {
        sort_maps(&mut self.docs, &self.sort);
        self.docs.truncate(self.keep.unwrap_or(usize::MAX));
        memory.give_back(self.bytes);
        self.docs
    }
}
