//! The event loop of a worker.

use crate::isolate::{Isolate, Spent};
use crate::shared::Shared;
use basalt_sandbox::frame::{Decoder, Order, VERSION, Word};
use basalt_sandbox::{Jail, JailOptions, enter};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::process::ExitCode;
use std::rc::Rc;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// Longest time to wait without a reason, in microseconds.
const IDLE_MICROS: u64 = 60_000_000;

/// What the program does as a worker. Standard input is the socket to the server.
pub fn worker() -> ExitCode {
    let jail = enter(JailOptions::default());
    let input = std::io::stdin();
    serve(input.as_fd(), jail)
}

/// Serves orders from a socket until it is closed, or the isolate is spent.
pub fn serve(socket: BorrowedFd<'_>, jail: Jail) -> ExitCode {
    let shared = Rc::new(Shared::default());
    shared.say(&Word::Ready {
        version: VERSION,
        jail: jail.to_bits(),
    });
    let mut worker = Worker {
        socket,
        shared,
        isolate: None,
        decoder: Decoder::default(),
    };
    match worker.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

struct Worker<'s> {
    socket: BorrowedFd<'s>,
    shared: Rc<Shared>,
    isolate: Option<Isolate>,
    decoder: Decoder,
}

/// Why a worker ends.
struct End;

impl From<Errno> for End {
    fn from(_: Errno) -> Self {
        Self
    }
}

impl From<Spent> for End {
    fn from(_: Spent) -> Self {
        Self
    }
}

impl Worker<'_> {
    fn run(&mut self) -> Result<(), End> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.flush()?;
            if !self.wait()? {
                self.fire()?;
                continue;
            }
            match rustix::io::read(self.socket, &mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.decoder.push(buffer.get(..count).unwrap_or_default()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            while let Some(order) = self.decoder.order().map_err(|_| End)? {
                self.obey(order)?;
                if self.shared.out.borrow().len() > READ_BYTES {
                    self.flush()?;
                }
            }
            self.fire()?;
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), End> {
        if let Order::Load(bundle) = order {
            match Isolate::load(bundle, Rc::clone(&self.shared)) {
                Ok(isolate) => self.isolate = Some(isolate),
                Err(message) => self.shared.say(&Word::Refused { message }),
            }
            return Ok(());
        }
        let Some(isolate) = &self.isolate else {
            return Err(End);
        };
        let outcome = match order {
            Order::Invoke {
                id,
                millis_max,
                kind,
                name,
                request,
            } => {
                self.shared.admit(id, millis_max);
                isolate.invoke(id, &kind, &name, request)
            }
            Order::Answer { call, ok, body } => isolate.settle(call, ok, body),
            Order::Cancel { id } => {
                isolate.forget(self.shared.cancel(id));
                Ok(())
            }
            Order::Load(_) => Ok(()),
        };
        // Whatever was answered already is still told.
        if outcome.is_err() {
            self.flush()?;
        }
        Ok(outcome?)
    }

    /// Fires the timers that are due, as many as there were at the beginning.
    fn fire(&self) -> Result<(), End> {
        let Some(isolate) = &self.isolate else {
            return Ok(());
        };
        for _ in 0..64 {
            let Some(timer) = self.shared.due() else {
                break;
            };
            isolate.fire(timer.id, timer.number)?;
        }
        Ok(())
    }

    /// Waits for the socket or the next timer. Whether the socket has something to read.
    fn wait(&self) -> Result<bool, End> {
        let micros = self
            .shared
            .until_next()
            .unwrap_or(IDLE_MICROS)
            .min(IDLE_MICROS);
        let timeout = Timespec {
            tv_sec: (micros / 1_000_000) as i64,
            tv_nsec: ((micros % 1_000_000) * 1_000) as i64,
        };
        let mut waiting = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut waiting, Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends what waits to be sent.
    fn flush(&self) -> Result<(), End> {
        let mut out = self.shared.out.borrow_mut();
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(self.socket, rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        out.clear();
        // A giant answer should not keep its memory.
        out.shrink_to(READ_BYTES * 4);
        Ok(())
    }
}
