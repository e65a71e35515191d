//! The order of a run: every workload in rounds, the peers in turn within each round.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::arena::{Arena, Sample, memory_mb};
use crate::clock;
use crate::options::Options;
use crate::peers::{self, Peer, Places};
use crate::report::{self, Figure, Row, Table};
use crate::work::{self, Kind, LIGHT_CALLERS, LIGHT_REST_MS, Work};

/// How long a fresh server may settle before its idle memory is read.
const IDLE: Duration = Duration::from_secs(2);

struct Entrant {
    peer: Box<dyn Peer>,
    arena: Option<Arena>,
    /// Why there is no arena.
    absent: String,
}

impl Entrant {
    fn arena(&mut self) -> Result<&mut Arena> {
        let why = &self.absent;
        let arena = self.arena.as_mut();
        arena.with_context(|| format!("not running: {why}"))
    }
}

/// The rows of one peer in the tables of one workload: a row for each lane, at least one.
struct Lanes(Vec<Row>);

impl Lanes {
    fn new(entrant: &Entrant, work: &Work) -> Self {
        let row = || Row {
            peer: entrant.peer.name().to_owned(),
            durability: entrant.peer.durability(),
            rounds: Vec::new(),
            check: None,
            failure: None,
        };
        let amount = if work.kind == Kind::Login { 2 } else { 1 };
        Self(std::iter::repeat_with(row).take(amount).collect())
    }

    fn add(&mut self, samples: Vec<Sample>) {
        for (row, sample) in self.0.iter_mut().zip(samples) {
            row.rounds.push(sample);
        }
    }
}

/// The peers of a run with the results so far.
pub struct Contest<'a> {
    options: &'a Options,
    work: PathBuf,
    entrants: Vec<Entrant>,
    json: Vec<Value>,
    failed: bool,
}

impl<'a> Contest<'a> {
    pub fn new(options: &'a Options, places: &Places) -> Result<Self> {
        let mut entrants = Vec::new();
        for name in &options.peers {
            let peer = peers::find(name, places)?;
            entrants.push(Entrant {
                peer,
                arena: None,
                absent: "not loaded".to_owned(),
            });
        }
        Ok(Self {
            options,
            work: places.work.clone(),
            entrants,
            json: Vec::new(),
            failed: false,
        })
    }

    pub fn json(&self) -> &[Value] {
        &self.json
    }

    /// Whether a peer failed at something; the tables and standard error say at what.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Runs what was asked for. A peer that fails is reported, the others go on.
    pub fn run(&mut self) {
        let (size, start, memory) = ("size", "start", "memory");
        if self.options.wants(size) {
            self.sizes();
        }
        let (mut starts, mut memories) = (Vec::new(), Vec::new());
        if self.options.wants(start) {
            starts = self.each_round(Self::start_empty);
        }
        if self.options.wants(memory) {
            memories = self.each_once(Self::idle_memory);
        }
        let loads: Vec<Work> = work::LOADS
            .iter()
            .filter(|load| self.options.wants(load.name))
            .copied()
            .collect();
        if !loads.is_empty() || self.options.wants(start) || self.options.wants(memory) {
            self.open("data", self.options.rows);
        }
        for load in &loads {
            self.load(load);
        }
        if self.options.wants(memory) {
            memories.extend(self.each_once(Self::loaded_memory));
            self.publish(memory, &memories);
        }
        if self.options.wants(start) {
            starts.extend(self.each_round(Self::start_loaded));
            self.publish(start, &starts);
        }
        self.close();
        if self.options.wants(work::GROW) {
            self.grow();
        }
    }

    fn open(&mut self, folder: &str, rows: usize) {
        for index in 0..self.entrants.len() {
            let entrant = &mut self.entrants[index];
            let folder = data_folder(&self.work, &*entrant.peer, folder);
            match Arena::open(&mut *entrant.peer, &folder, rows) {
                Ok(arena) => entrant.arena = Some(arena),
                Err(error) => self.lose(index, "load", &error),
            }
        }
    }

    fn close(&mut self) {
        for entrant in &mut self.entrants {
            entrant.arena = None;
        }
    }

    /// All rounds of one workload, as a table.
    fn load(&mut self, work: &Work) {
        let mut lanes: Vec<Lanes> = self
            .entrants
            .iter()
            .map(|entrant| Lanes::new(entrant, work))
            .collect();
        for (index, lanes) in lanes.iter_mut().enumerate() {
            self.attempt(index, work, lanes, |arena| arena.probe(work.kind));
        }
        let window = self.options.window;
        for round in 0..self.options.rounds {
            for index in in_turn(self.entrants.len(), round) {
                let measured = self.attempt(index, work, &mut lanes[index], |arena| {
                    arena.round(work, window, round as u64)
                });
                lanes[index].add(measured.unwrap_or_default());
            }
        }
        for (index, lanes) in lanes.iter_mut().enumerate() {
            let found = self.attempt(index, work, lanes, |arena| arena.check(work.kind));
            lanes.0[0].check = found.flatten();
        }
        self.tabulate(work, lanes);
    }

    /// Does something with a peer unless it failed at this workload before.
    fn attempt<T>(
        &mut self,
        index: usize,
        work: &Work,
        lanes: &mut Lanes,
        act: impl FnOnce(&mut Arena) -> Result<T>,
    ) -> Option<T> {
        if lanes.0[0].failure.is_some() {
            return None;
        }
        match self.entrants[index].arena().and_then(act) {
            Ok(value) => Some(value),
            Err(error) => {
                for row in &mut lanes.0 {
                    row.failure = Some(format!("{error:#}"));
                }
                self.report(index, work.name, &error);
                None
            }
        }
    }

    fn tabulate(&mut self, work: &Work, peers: Vec<Lanes>) {
        let mut lanes = [Vec::new(), Vec::new()];
        for peer in peers {
            for (lane, row) in peer.0.into_iter().enumerate() {
                lanes[lane].push(row);
            }
        }
        let data_rows = self.data_rows();
        for (lane, rows) in lanes.into_iter().enumerate() {
            if rows.is_empty() {
                continue;
            }
            let mut table = Table {
                name: work.name.to_owned(),
                title: work.title.to_owned(),
                callers: work.callers,
                data_rows,
                rows,
            };
            if lane > 0 {
                table.name = format!("{}-beside", work.name);
                table.callers = LIGHT_CALLERS;
                table.title = format!(
                    "the light reads beside {} logins, {LIGHT_REST_MS} ms of rest between them",
                    work.callers
                );
            }
            table.print();
            self.json.extend(table.json());
        }
    }

    fn data_rows(&self) -> usize {
        let arenas = self.entrants.iter().filter_map(|e| e.arena.as_ref());
        arenas
            .map(|arena| arena.world.items.len())
            .max()
            .unwrap_or(0)
    }

    /// The query on growing data, on servers of its own. Basalt alone: to fill the others takes
    /// many times as long as all the rest.
    fn grow(&mut self) {
        self.entrants
            .retain(|entrant| entrant.peer.name().starts_with("basalt"));
        self.open("grow", 0);
        for rows in &self.options.grow {
            for index in 0..self.entrants.len() {
                let Entrant { peer, arena, .. } = &mut self.entrants[index];
                let Some(open) = arena else { continue };
                if let Err(error) = open.grow(&**peer, *rows) {
                    *arena = None;
                    self.lose(index, work::GROW, &error);
                }
            }
            let name = work::GROW;
            self.load(&Work {
                name,
                ..work::QUERY
            });
        }
        self.close();
    }

    fn sizes(&mut self) {
        let figures = self.each_once(|entrant, _| {
            let files = entrant.peer.program();
            let sizes: Result<Vec<u64>> = files.iter().map(|path| size(path)).collect();
            let mb = sizes?.iter().sum::<u64>() as f64 / 1e6;
            Ok(vec![figure(entrant, "size", "program", "MB", mb)])
        });
        self.publish("size", &figures);
    }

    fn start_empty(entrant: &mut Entrant, work: &Path, round: usize) -> Result<Vec<Figure>> {
        let folder = data_folder(work, &*entrant.peer, &format!("empty{round}"));
        let server = entrant.peer.start(&folder)?;
        let ms = clock::ms_since(server.process.spawned_at);
        let what = "start to first 200, empty";
        Ok(vec![figure(entrant, "start", what, "ms", ms)])
    }

    fn start_loaded(entrant: &mut Entrant, _work: &Path, _round: usize) -> Result<Vec<Figure>> {
        entrant.arena()?;
        let arena = entrant.arena.take().context("just there")?;
        "its restart failed".clone_into(&mut entrant.absent);
        let rows = arena.world.items.len();
        let (arena, ms) = arena.restart(&mut *entrant.peer)?;
        entrant.arena = Some(arena);
        let what = format!("start to first object read, {rows} rows");
        Ok(vec![figure(entrant, "start", &what, "ms", ms)])
    }

    fn idle_memory(entrant: &mut Entrant, work: &Path) -> Result<Vec<Figure>> {
        let folder = data_folder(work, &*entrant.peer, "idle");
        let server = entrant.peer.start(&folder)?;
        clock::pause(IDLE);
        let memory = memory_mb(&server);
        Ok(memories(entrant, "idle, empty", memory))
    }

    fn loaded_memory(entrant: &mut Entrant, _work: &Path) -> Result<Vec<Figure>> {
        let memory = entrant.arena()?.memory_mb();
        Ok(memories(entrant, "after the load", memory))
    }

    fn each_once(
        &mut self,
        mut measure: impl FnMut(&mut Entrant, &Path) -> Result<Vec<Figure>>,
    ) -> Vec<Figure> {
        let mut figures = Vec::new();
        for index in 0..self.entrants.len() {
            match measure(&mut self.entrants[index], &self.work) {
                Ok(measured) => figures.extend(measured),
                Err(error) => self.report(index, "figure", &error),
            }
        }
        figures
    }

    /// Like `each_once` for every round, with the values of a figure's rounds brought together.
    fn each_round(
        &mut self,
        mut measure: impl FnMut(&mut Entrant, &Path, usize) -> Result<Vec<Figure>>,
    ) -> Vec<Figure> {
        let mut all: Vec<Figure> = Vec::new();
        for round in 0..self.options.rounds {
            for figure in self.each_once(|entrant, work| measure(entrant, work, round)) {
                let known = all
                    .iter_mut()
                    .find(|other| other.peer == figure.peer && other.what == figure.what);
                match known {
                    Some(known) => known.values.extend(figure.values),
                    None => all.push(figure),
                }
            }
        }
        all
    }

    fn publish(&mut self, work: &str, figures: &[Figure]) {
        report::print_figures(work, figures);
        self.json.extend(figures.iter().map(Figure::json));
    }

    /// Reports a peer that is no longer there and remembers why.
    fn lose(&mut self, index: usize, what: &str, error: &anyhow::Error) {
        let why = format!("{error:#}");
        let first = why.lines().next().unwrap_or_default();
        first.clone_into(&mut self.entrants[index].absent);
        self.report(index, what, error);
    }

    fn report(&mut self, index: usize, what: &str, error: &anyhow::Error) {
        self.failed = true;
        let peer = self.entrants[index].peer.name();
        eprintln!("{peer} failed at {what}: {error:#}");
    }
}

/// Peers forwards in even rounds and backwards in odd ones, so that drift of the machine falls on
/// all alike.
fn in_turn(peers: usize, round: usize) -> Vec<usize> {
    let forwards = 0..peers;
    if round.is_multiple_of(2) {
        forwards.collect()
    } else {
        forwards.rev().collect()
    }
}

fn data_folder(work: &Path, peer: &dyn Peer, name: &str) -> PathBuf {
    work.join(format!("{}-{name}", peer.name()))
}

fn figure(
    entrant: &Entrant,
    work: &'static str,
    what: &str,
    unit: &'static str,
    value: f64,
) -> Figure {
    Figure {
        work,
        what: what.to_owned(),
        unit,
        peer: entrant.peer.name().to_owned(),
        values: vec![value],
    }
}

fn memories(entrant: &Entrant, when: &str, memory: (f64, Option<f64>)) -> Vec<Figure> {
    let server = figure(entrant, "memory", when, "MB", memory.0);
    let database = memory
        .1
        .map(|mb| figure(entrant, "memory", &format!("{when}, database"), "MB", mb));
    std::iter::once(server).chain(database).collect()
}

/// Bytes of a file, or of all files below a folder.
fn size(path: &Path) -> Result<u64> {
    let about = std::fs::symlink_metadata(path)
        .with_context(|| format!("no program at {}", path.display()))?;
    if !about.is_dir() {
        return Ok(about.len());
    }
    let mut sum = 0;
    for entry in std::fs::read_dir(path)? {
        sum += size(&entry?.path())?;
    }
    Ok(sum)
}
