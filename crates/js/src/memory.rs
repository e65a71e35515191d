//! Memory of an isolate: counted, and refused beyond its limit.

use rquickjs::allocator::{Allocator, RustAllocator};
use std::cell::Cell;
use std::rc::Rc;

/// How much an isolate holds.
#[derive(Debug, Default)]
pub struct Memory {
    used: Cell<usize>,
    max: Cell<usize>,
    refused: Cell<bool>,
}

impl Memory {
    /// With this limit in bytes.
    pub fn new(max: usize) -> Rc<Self> {
        let memory = Self::default();
        memory.max.set(max);
        Rc::new(memory)
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// Whether anything was refused since this was last asked.
    pub fn take_refused(&self) -> bool {
        self.refused.replace(false)
    }

    /// Whether so little is left that code can hardly go on.
    pub fn is_exhausted(&self) -> bool {
        self.used.get() > self.max.get() / 10 * 8
    }

    fn room_for(&self, more: usize) -> bool {
        let fits = self.used.get().saturating_add(more) <= self.max.get();
        if !fits {
            self.refused.set(true);
        }
        fits
    }

    fn add(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_add(bytes));
    }

    fn remove(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }
}

/// The allocator of an isolate: Rust's, counted.
pub struct Counting(pub Rc<Memory>);

#[expect(
    unsafe_code,
    reason = "the engine takes memory through an unsafe trait; all of it is handed on"
)]
// SAFETY: every method hands on to the allocator that comes with the engine, with the arguments
// and under the conditions that it was called with; a refusal is a null pointer, as agreed.
unsafe impl Allocator for Counting {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        if !self.0.room_for(size) {
            return std::ptr::null_mut();
        }
        let pointer = RustAllocator.alloc(size);
        self.0.add(size_of(pointer));
        pointer
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        let room = count
            .checked_mul(size)
            .is_some_and(|size| self.0.room_for(size));
        if !room {
            return std::ptr::null_mut();
        }
        let pointer = RustAllocator.calloc(count, size);
        self.0.add(size_of(pointer));
        pointer
    }

    unsafe fn dealloc(&mut self, pointer: *mut u8) {
        self.0.remove(size_of(pointer));
        // SAFETY: as the caller promised.
        unsafe { RustAllocator.dealloc(pointer) }
    }

    unsafe fn realloc(&mut self, pointer: *mut u8, size: usize) -> *mut u8 {
        let old = size_of(pointer);
        if size > old && !self.0.room_for(size - old) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promised.
        let new = unsafe { RustAllocator.realloc(pointer, size) };
        if !new.is_null() {
            self.0.remove(old);
            self.0.add(size_of(new));
        } else if size == 0 {
            self.0.remove(old);
        }
        new
    }

    unsafe fn usable_size(pointer: *mut u8) -> usize {
        // SAFETY: as the caller promised.
        unsafe { RustAllocator::usable_size(pointer) }
    }
}

#[expect(unsafe_code, reason = "asking the engine's allocator for a size")]
fn size_of(pointer: *mut u8) -> usize {
    if pointer.is_null() {
        return 0;
    }
    // SAFETY: the pointer is not null and came from this allocator just now, or the caller of the
    // trait promised so.
    unsafe { RustAllocator::usable_size(pointer) }
}
