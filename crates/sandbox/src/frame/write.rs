//! Frames to bytes.

use super::{Order, Outcome, Word};

/// A frame that is being written; its length is filled in at the end.
struct Out<'o> {
    out: &'o mut Vec<u8>,
    begin: usize,
}

impl<'o> Out<'o> {
    fn begin(out: &'o mut Vec<u8>, kind: u8) -> Self {
        let begin = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(kind);
        Self { out, begin }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.out.extend_from_slice(&length.to_le_bytes());
        self.out.extend_from_slice(bytes);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn end(self) {
        let length = self.out.len() - self.begin - 4;
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if let Some(place) = self.out.get_mut(self.begin..self.begin + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }
}

impl Order {
    /// Appends it as a frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Load(bundle) => {
                let mut out = Out::begin(out, 1);
                out.bytes(bundle.entry.as_bytes());
                out.bytes(&bundle.about);
                out.raw(&bundle.memory_bytes_max.to_le_bytes());
                out.raw(&bundle.slice_millis_max.to_le_bytes());
                out.raw(&(bundle.files.len() as u32).to_le_bytes());
                for file in &bundle.files {
                    out.bytes(file.path.as_bytes());
                    out.bytes(&file.content);
                }
                out.end();
            }
            Self::Invoke {
                id,
                millis_max,
                kind,
                name,
                request,
            } => {
                let mut out = Out::begin(out, 2);
                out.raw(&id.to_le_bytes());
                out.raw(&millis_max.to_le_bytes());
                out.bytes(kind.as_bytes());
                out.bytes(name.as_bytes());
                out.bytes(request);
                out.end();
            }
            Self::Answer { call, ok, body } => {
                let mut out = Out::begin(out, 3);
                out.raw(&call.to_le_bytes());
                out.raw(&[u8::from(*ok)]);
                out.bytes(body);
                out.end();
            }
            Self::Cancel { id } => {
                let mut out = Out::begin(out, 4);
                out.raw(&id.to_le_bytes());
                out.end();
            }
        }
    }
}

impl Outcome {
    fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Error => 1,
            Self::Interrupted => 2,
            Self::OutOfMemory => 3,
        }
    }
}

impl Word {
    /// Appends it as a frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ready { version, jail } => {
                let mut out = Out::begin(out, 1);
                out.raw(&version.to_le_bytes());
                out.raw(&[*jail]);
                out.end();
            }
            Self::Loaded { declared } => {
                let mut out = Out::begin(out, 2);
                out.bytes(declared);
                out.end();
            }
            Self::Refused { message } => {
                let mut out = Out::begin(out, 3);
                out.bytes(message.as_bytes());
                out.end();
            }
            Self::Done {
                id,
                outcome,
                body,
                context,
                cpu_micros,
                memory_bytes,
                open,
            } => {
                let mut out = Out::begin(out, 4);
                out.raw(&id.to_le_bytes());
                out.raw(&[outcome.code()]);
                out.bytes(body);
                out.bytes(context);
                out.raw(&cpu_micros.to_le_bytes());
                out.raw(&memory_bytes.to_le_bytes());
                out.raw(&[u8::from(*open)]);
                out.end();
            }
            Self::Call {
                call,
                id,
                what,
                body,
            } => {
                let mut out = Out::begin(out, 5);
                out.raw(&call.to_le_bytes());
                out.raw(&id.to_le_bytes());
                out.bytes(what.as_bytes());
                out.bytes(body);
                out.end();
            }
            Self::Log { id, level, text } => {
                let mut out = Out::begin(out, 6);
                out.raw(&id.to_le_bytes());
                out.bytes(level.as_bytes());
                out.bytes(text.as_bytes());
                out.end();
            }
            Self::Late { id, cpu_micros } => {
                let mut out = Out::begin(out, 7);
                out.raw(&id.to_le_bytes());
                out.raw(&cpu_micros.to_le_bytes());
                out.end();
            }
        }
    }
}
