//! The load generator: one thread, one event loop, closed loop per caller (each caller keeps one
//! connection and sends its next request when the last one is answered).

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::clock;
use crate::http::{self, Frame};

/// What a group of callers sends and how it judges the answers.
pub trait Traffic {
    /// Appends the next request and returns a tag for its answer; `None` when there is no more.
    fn next(&mut self, out: &mut Vec<u8>) -> Option<u64>;

    /// Whether the answer is the one that was asked for.
    fn accept(&mut self, _tag: u64, status: u16, _body: &[u8]) -> bool {
        (200..300).contains(&status)
    }
}

/// A group of callers.
pub struct Lane<'a> {
    pub callers: usize,
    /// Time that a caller rests between an answer and its next request.
    pub rest: Option<Duration>,
    pub traffic: &'a mut dyn Traffic,
}

/// How long to load: the measured part follows the warm-up; then open requests are drained.
#[derive(Clone, Copy)]
pub struct Window {
    pub warm_up: Duration,
    pub measure: Duration,
}

/// The edges of the measured part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Start,
    End,
}

/// What one lane saw.
#[derive(Default)]
pub struct Tally {
    /// Accepted answers in the measured part.
    pub measured: u64,
    /// Their latencies, in the order of arrival.
    pub latencies_us: Vec<u32>,
    /// Accepted answers, warm-up and drain included.
    pub accepted: u64,
    /// Refusals and broken connections, warm-up and drain included.
    pub refused: u64,
    pub first_refusal: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measure,
    Drain,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Resting,
    Finished,
}

struct Caller {
    lane: usize,
    addr: SocketAddr,
    stream: TcpStream,
    state: State,
    out: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    filled: usize,
    tag: u64,
    /// When the open request was sent, or when the rest ends.
    at: Instant,
}

const BROKEN_LIMIT: u32 = 1000;

/// Sends `lanes` to `addrs`, the callers in turn, until the window is over, or without a window until the traffic ends.
/// `edge` is called at the edges of the measured part.
pub fn drive(
    addrs: &[SocketAddr],
    lanes: &mut [Lane],
    window: Option<Window>,
    edge: &mut dyn FnMut(Edge) -> Result<()>,
) -> Result<Vec<Tally>> {
    let mut engine = Engine::open(addrs, lanes)?;
    let mut events = Events::with_capacity(1024);
    let start = clock::now();
    for token in 0..engine.callers.len() {
        engine.send_next(token)?;
    }
    while engine.open > 0 {
        let tick = if engine.rests { 1 } else { 10 };
        if let Err(error) = engine
            .poll
            .poll(&mut events, Some(Duration::from_millis(tick)))
            && error.kind() != ErrorKind::Interrupted
        {
            return Err(error.into());
        }
        for event in &events {
            engine.handle(event.token().0, event.is_writable())?;
        }
        engine.wake()?;
        let Some(window) = window else { continue };
        let elapsed = start.elapsed();
        if engine.phase == Phase::WarmUp && elapsed >= window.warm_up {
            edge(Edge::Start)?;
            engine.phase = Phase::Measure;
        } else if engine.phase == Phase::Measure && elapsed >= window.warm_up + window.measure {
            engine.phase = Phase::Drain;
            edge(Edge::End)?;
        }
    }
    Ok(engine.tallies)
}

struct Engine<'a, 'b> {
    poll: Poll,
    lanes: &'a mut [Lane<'b>],
    callers: Vec<Caller>,
    tallies: Vec<Tally>,
    phase: Phase,
    open: usize,
    broken: u32,
    rests: bool,
}

impl<'a, 'b> Engine<'a, 'b> {
    fn open(addrs: &[SocketAddr], lanes: &'a mut [Lane<'b>]) -> Result<Self> {
        let poll = Poll::new()?;
        let mut callers = Vec::new();
        for (lane, group) in lanes.iter().enumerate() {
            for _ in 0..group.callers {
                let addr = addrs[callers.len() % addrs.len()];
                let stream = connect(addr, &poll, callers.len())?;
                callers.push(Caller {
                    lane,
                    addr,
                    stream,
                    state: State::Waiting,
                    out: Vec::with_capacity(4096),
                    sent: 0,
                    input: vec![0; 64 * 1024],
                    filled: 0,
                    tag: 0,
                    at: clock::now(),
                });
            }
        }
        Ok(Self {
            poll,
            tallies: lanes.iter().map(|_| Tally::default()).collect(),
            rests: lanes.iter().any(|lane| lane.rest.is_some()),
            lanes,
            open: callers.len(),
            callers,
            phase: Phase::WarmUp,
            broken: 0,
        })
    }

    fn send_next(&mut self, token: usize) -> Result<()> {
        let caller = &mut self.callers[token];
        caller.out.clear();
        let tag = if self.phase == Phase::Drain {
            None
        } else {
            self.lanes[caller.lane].traffic.next(&mut caller.out)
        };
        let Some(tag) = tag else {
            caller.state = State::Finished;
            self.open -= 1;
            return Ok(());
        };
        (caller.tag, caller.sent, caller.filled) = (tag, 0, 0);
        caller.state = State::Waiting;
        caller.at = clock::now();
        if caller.flush().is_err() {
            self.broken(token, "write failed")?;
        }
        Ok(())
    }

    fn handle(&mut self, token: usize, writable: bool) -> Result<()> {
        let caller = &mut self.callers[token];
        if caller.state != State::Waiting {
            return Ok(());
        }
        if writable && caller.flush().is_err() {
            return self.broken(token, "write failed");
        }
        match caller.receive() {
            Ok(Some(frame)) => self.answered(token, &frame),
            Ok(None) => Ok(()),
            Err(error) => self.broken(token, &format!("{error:#}")),
        }
    }

    fn answered(&mut self, token: usize, frame: &Frame) -> Result<()> {
        let now = clock::now();
        let caller = &mut self.callers[token];
        let lane = &mut self.lanes[caller.lane];
        let tally = &mut self.tallies[caller.lane];
        let body = frame.body(&caller.input[..caller.filled]);
        if lane.traffic.accept(caller.tag, frame.status, &body) {
            tally.accepted += 1;
            if self.phase == Phase::Measure {
                tally.measured += 1;
                let took = (now - caller.at).as_micros();
                tally
                    .latencies_us
                    .push(u32::try_from(took).unwrap_or(u32::MAX));
            }
        } else {
            tally.refuse(&format!(
                "{} {}",
                frame.status,
                String::from_utf8_lossy(&body[..body.len().min(300)])
            ));
        }
        if frame.closes {
            caller.stream = connect(caller.addr, &self.poll, token)?;
        }
        if let Some(rest) = lane.rest {
            caller.state = State::Resting;
            caller.at = now + rest;
            return Ok(());
        }
        self.send_next(token)
    }

    /// Wakes the callers whose rest is over, all of them when draining.
    fn wake(&mut self) -> Result<()> {
        if !self.rests {
            return Ok(());
        }
        let now = clock::now();
        for token in 0..self.callers.len() {
            let caller = &self.callers[token];
            if caller.state == State::Resting && (caller.at <= now || self.phase == Phase::Drain) {
                self.send_next(token)?;
            }
        }
        Ok(())
    }

    /// The outcome of the open request is unknown: counted as refused, on a new connection.
    fn broken(&mut self, token: usize, why: &str) -> Result<()> {
        self.broken += 1;
        if self.broken > BROKEN_LIMIT {
            bail!("over {BROKEN_LIMIT} broken connections, the last one: {why}");
        }
        let lane = self.callers[token].lane;
        self.tallies[lane].refuse(why);
        let caller = &mut self.callers[token];
        caller.stream = connect(caller.addr, &self.poll, token).context("the server is gone")?;
        self.send_next(token)
    }
}

impl Caller {
    fn flush(&mut self) -> std::io::Result<()> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads until a whole answer is there. Once it is, nothing more can follow before the next
    /// request, so the socket need not be read dry.
    fn receive(&mut self) -> Result<Option<Frame>> {
        loop {
            if self.filled == self.input.len() {
                self.input.resize(self.input.len() * 2, 0);
            }
            match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(read) => {
                    self.filled += read;
                    let frame = http::frame(&self.input[..self.filled])?;
                    if frame.is_some() {
                        return Ok(frame);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Tally {
    fn refuse(&mut self, why: &str) {
        self.refused += 1;
        if self.first_refusal.is_none() {
            self.first_refusal = Some(why.to_owned());
        }
    }
}

fn connect(addr: SocketAddr, poll: &Poll, token: usize) -> Result<TcpStream> {
    let stream = std::net::TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    poll.registry().register(
        &mut stream,
        Token(token),
        Interest::READABLE | Interest::WRITABLE,
    )?;
    Ok(stream)
}
