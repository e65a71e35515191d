//! Events as all subscribers are sent them alike.

use super::position;
use crate::encode::{Fields, Files, Shape, object};
use basalt_data::Include;
use basalt_live::{Encode, Happened, Happening};
use basalt_store::Record;
use bytes::Bytes;
use std::collections::HashMap;

/// Writes the events of one app.
pub struct LiveEvents {
    app: String,
    public_url: String,
    epoch: u64,
}

impl LiveEvents {
    /// For an app whose API is at `public_url`; `epoch` tells its data from other data.
    pub fn new(app: &str, public_url: &str, epoch: u64) -> Self {
        Self {
            app: app.to_owned(),
            public_url: public_url.to_owned(),
            epoch,
        }
    }

    fn object(&self, out: &mut Vec<u8>, record: &Record, event: &Happened) {
        let included = HashMap::new();
        let shape = Shape {
            files: Files {
                public_url: &self.public_url,
                app: &self.app,
            },
            included: &included,
            keys: event.keys.as_deref(),
            class: Some(&event.collection),
            session_token: None,
        };
        let schema = event.schema.as_deref();
        // Only includes, of which there are none, make an object too large.
        let _ = object(out, record, schema, &Include::default(), &shape);
    }
}

/// What the protocol calls an event.
pub fn name(kind: Happening) -> &'static str {
    match kind {
        Happening::Create => "create",
        Happening::Enter => "enter",
        Happening::Update => "update",
        Happening::Leave => "leave",
        Happening::Delete => "delete",
    }
}

impl Encode for LiveEvents {
    /// The end of a message, from its operation on; what is before it is the client's own.
    fn event(&self, event: &Happened) -> Bytes {
        let mut out = Vec::with_capacity(1_024);
        let mut fields = Fields::open(&mut out);
        fields.text("op", name(event.kind));
        self.object(fields.key("object"), &event.object, event);
        if let Some(original) = &event.original {
            self.object(fields.key("original"), original, event);
        }
        fields.text("position", &position::write(self.epoch, event.position));
        fields.close();
        // The brace is the client's part's.
        Bytes::from(out).slice(1..)
    }
}
