//! What the event loop and the functions that code calls share.

use basalt_sandbox::frame::{File, Outcome, Word};
use rustix::time::{ClockId, clock_gettime};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Most lines that one invocation may log, and most bytes of one line.
const LINES_MAX: u32 = 1_000;
const LINE_BYTES_MAX: usize = 8 * 1024;
/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most timers and calls that one isolate may wait for.
const WAITING_MAX: usize = 10_000;

/// An invocation in the worker.
#[derive(Debug, Default)]
pub struct Running {
    /// When it is over, in microseconds.
    pub deadline: u64,
    cpu: u64,
    /// How it ended, until that is told.
    ended: Option<(Outcome, Vec<u8>, Vec<u8>)>,
    told: bool,
    lines: u32,
    /// Timers and calls that it waits for.
    waiting: usize,
}

/// A timer that is to fire.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    /// Its number, chosen by the glue.
    pub number: u64,
    /// The invocation that set it.
    pub id: u64,
}

/// See the module.
#[derive(Default)]
pub struct Shared {
    /// Frames that wait to be sent.
    pub out: RefCell<Vec<u8>>,
    /// The files of the bundle.
    pub files: RefCell<HashMap<String, Rc<[u8]>>>,
    /// The invocation on whose behalf code runs; 0 while loading.
    pub current: Cell<u64>,
    /// Until when the run on whose behalf code runs may take, in microseconds.
    deadline: Cell<u64>,
    /// From when on, at the earliest, code may have run for too long without a pause.
    slice_end: Cell<u64>,
    /// The processor time at which it has.
    slice_cpu_end: Cell<u64>,
    /// Whether code was stopped in this slice.
    pub interrupted: Cell<bool>,
    slice_cpu: Cell<u64>,
    running: RefCell<HashMap<u64, Running>>,
    timers: RefCell<BTreeMap<(u64, u64), u64>>,
    timer_times: RefCell<HashMap<u64, u64>>,
    calls: RefCell<HashMap<u64, u64>>,
    next_call: Cell<u64>,
}

/// Microseconds of the monotonic clock.
pub fn now() -> u64 {
    micros(ClockId::Monotonic)
}

/// Microseconds of processor time of this thread.
pub fn cpu() -> u64 {
    micros(ClockId::ThreadCPUTime)
}

fn micros(id: ClockId) -> u64 {
    let time = clock_gettime(id);
    (time.tv_sec as u64) * 1_000_000 + (time.tv_nsec as u64) / 1_000
}

impl Shared {
    /// Keeps the files of a bundle.
    pub fn put_files(&self, files: Vec<File>) {
        let files = files.into_iter();
        let files = files.map(|file| (file.path, Rc::from(file.content)));
        *self.files.borrow_mut() = files.collect();
    }

    /// Queues a frame.
    pub fn say(&self, word: &Word) {
        word.write(&mut self.out.borrow_mut());
    }

    /// A new invocation with so many milliseconds.
    pub fn admit(&self, id: u64, millis_max: u32) {
        let running = Running {
            deadline: now() + u64::from(millis_max) * 1_000,
            ..Running::default()
        };
        self.running.borrow_mut().insert(id, running);
    }

    /// Code begins to run on behalf of an invocation.
    pub fn begin(&self, id: u64, slice_millis: u32) {
        let (begin, cpu) = (now(), cpu());
        let slice = u64::from(slice_millis) * 1_000;
        let running = self.running.borrow();
        let deadline = match running.get(&id) {
            Some(running) => running.deadline.max(begin + 1_000),
            None => begin + slice * 10,
        };
        self.current.set(id);
        self.deadline.set(deadline);
        self.slice_end.set(begin + slice);
        self.slice_cpu_end.set(cpu + slice);
        self.interrupted.set(false);
        self.slice_cpu.set(cpu);
    }

    /// Whether code has run for too long: by the processor's time, since a busy machine is not its
    /// fault, or past the end of its run.
    pub fn is_over(&self) -> bool {
        let time = now();
        time >= self.deadline.get()
            || (time >= self.slice_end.get() && cpu() >= self.slice_cpu_end.get())
    }

    /// Code has stopped running; tells what ended meanwhile.
    pub fn end(&self, memory_bytes: usize) {
        let id = self.current.get();
        let cpu = cpu().saturating_sub(self.slice_cpu.get());
        let mut running = self.running.borrow_mut();
        if let Some(own) = running.get_mut(&id) {
            own.cpu += cpu;
            if own.told {
                self.say(&Word::Late {
                    id,
                    cpu_micros: cpu,
                });
            }
        }
        for (id, one) in running.iter_mut() {
            let Some((outcome, body, context)) = one.ended.take() else {
                continue;
            };
            one.told = true;
            self.say(&Word::Done {
                id: *id,
                outcome,
                body,
                context,
                cpu_micros: one.cpu,
                memory_bytes: memory_bytes as u64,
                open: one.waiting > 0,
            });
        }
        running.retain(|_, one| !one.told || one.waiting > 0);
    }

    /// An invocation has an answer; the first one counts.
    pub fn done(&self, id: u64, outcome: Outcome, body: Vec<u8>, context: Vec<u8>) {
        if let Some(one) = self.running.borrow_mut().get_mut(&id)
            && one.ended.is_none()
            && !one.told
        {
            one.ended = Some(if body.len() + context.len() > ANSWER_BYTES_MAX {
                let text = br#"{"code":141,"message":"The answer is too large."}"#;
                (Outcome::Error, text.to_vec(), Vec::new())
            } else {
                (outcome, body, context)
            });
        }
    }

    /// Whether an invocation goes on; loading does.
    pub fn goes_on(&self, id: u64) -> bool {
        id == 0
            || self
                .running
                .borrow()
                .get(&id)
                .is_some_and(|one| one.deadline > now())
    }

    fn wait_more(&self, id: u64) {
        if let Some(one) = self.running.borrow_mut().get_mut(&id) {
            one.waiting += 1;
        }
    }

    fn wait_less(&self, id: u64) {
        let mut running = self.running.borrow_mut();
        if let Some(one) = running.get_mut(&id) {
            one.waiting = one.waiting.saturating_sub(1);
        }
    }

    /// Nobody waits for an invocation any more: its timers are gone, and the numbers of its calls
    /// are given back, so that the glue forgets them.
    pub fn cancel(&self, id: u64) -> Vec<u64> {
        self.running.borrow_mut().remove(&id);
        let mut gone = Vec::new();
        self.timers.borrow_mut().retain(|(_, number), owner| {
            let keep = *owner != id;
            if !keep {
                gone.push(*number);
            }
            keep
        });
        let mut times = self.timer_times.borrow_mut();
        for number in gone {
            times.remove(&number);
        }
        let mut calls = self.calls.borrow_mut();
        let own = calls.iter().filter(|(_, owner)| **owner == id);
        let own: Vec<u64> = own.map(|(call, _)| *call).collect();
        for call in &own {
            calls.remove(call);
        }
        own
    }

    /// Asks the server; the number of the call. `None` when too much is asked already, or by an
    /// invocation that is over.
    pub fn call(&self, what: String, body: Vec<u8>) -> Option<u64> {
        let id = self.current.get();
        if self.calls.borrow().len() >= WAITING_MAX || !self.goes_on(id) {
            return None;
        }
        let call = self.next_call.get() + 1;
        self.next_call.set(call);
        self.calls.borrow_mut().insert(call, id);
        self.wait_more(id);
        self.say(&Word::Call {
            call,
            id,
            what,
            body,
        });
        Some(call)
    }

    /// The invocation that made a call which is answered now.
    pub fn answered(&self, call: u64) -> Option<u64> {
        let id = self.calls.borrow_mut().remove(&call)?;
        self.wait_less(id);
        Some(id)
    }

    /// Sets a timer. Whether there was room for it.
    pub fn set_timer(&self, number: u64, millis: f64) -> bool {
        let id = self.current.get();
        if self.timers.borrow().len() >= WAITING_MAX || !self.goes_on(id) {
            return false;
        }
        let millis = if millis.is_finite() {
            millis.clamp(1.0, 86_400_000.0)
        } else {
            1.0
        };
        let at = now() + (millis * 1_000.0) as u64;
        self.timers.borrow_mut().insert((at, number), id);
        self.timer_times.borrow_mut().insert(number, at);
        self.wait_more(id);
        true
    }

    /// Unsets a timer.
    pub fn clear_timer(&self, number: u64) {
        if let Some(at) = self.timer_times.borrow_mut().remove(&number)
            && let Some(id) = self.timers.borrow_mut().remove(&(at, number))
        {
            self.wait_less(id);
        }
    }

    /// The next timer that is due.
    pub fn due(&self) -> Option<Timer> {
        let mut timers = self.timers.borrow_mut();
        let entry = timers
            .first_entry()
            .filter(|entry| entry.key().0 <= now())?;
        let ((_, number), id) = entry.remove_entry();
        drop(timers);
        self.timer_times.borrow_mut().remove(&number);
        self.wait_less(id);
        Some(Timer { number, id })
    }

    /// Microseconds until the next timer.
    pub fn until_next(&self) -> Option<u64> {
        let timers = self.timers.borrow();
        let ((at, _), _) = timers.first_key_value()?;
        Some(at.saturating_sub(now()))
    }

    /// Logs a line, unless the invocation has logged too many.
    pub fn log(&self, level: &str, mut text: String) {
        let id = self.current.get();
        let mut running = self.running.borrow_mut();
        if let Some(one) = running.get_mut(&id) {
            one.lines += 1;
            if one.lines > LINES_MAX {
                return;
            }
            if one.lines == LINES_MAX {
                "Too many lines; no more of this run are kept.".clone_into(&mut text);
            }
        }
        if text.len() > LINE_BYTES_MAX {
            let mut end = LINE_BYTES_MAX;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push_str("... (truncated)");
        }
        self.say(&Word::Log {
            id,
            level: level.to_owned(),
            text,
        });
    }
}
