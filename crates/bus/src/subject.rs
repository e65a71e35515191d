//! What a message is about: one cluster, one app or none, one topic.

use basalt_base::AppId;
use std::fmt::Write;

/// A subject; the bus puts its cluster in front.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    app: Option<AppId>,
    topic: &'static str,
}

impl Subject {
    /// About an app.
    pub fn of_app(app: AppId, topic: &'static str) -> Self {
        Self {
            app: Some(app),
            topic,
        }
    }

    /// About the whole cluster.
    pub fn of_cluster(topic: &'static str) -> Self {
        Self { app: None, topic }
    }

    /// As NATS names it: tokens of letters, digits, `-` and `_` with dots between them. Any other
    /// byte is written as `=XX`, so that no name can reach into another's place or hold a wildcard.
    pub(crate) fn on_wire(&self, cluster: &str) -> String {
        let mut text = String::from("basalt");
        token(&mut text, cluster);
        match &self.app {
            Some(app) => {
                text.push_str(".app");
                token(&mut text, app.as_str());
            }
            None => text.push_str(".all"),
        }
        token(&mut text, self.topic);
        text
    }
}

fn token(text: &mut String, name: &str) {
    text.push('.');
    if name.is_empty() {
        text.push('=');
    }
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "={byte:02X}");
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.app {
            Some(app) => write!(f, "{} of app {app}", self.topic),
            None => f.write_str(self.topic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_place() {
        let cases = [
            ("main", "a", "basalt.main.app.a.feed"),
            ("m.x", "a.b", "basalt.m=2Ex.app.a=2Eb.feed"),
            ("*", ">", "basalt.=2A.app.=3E.feed"),
            ("", "ä b", "basalt.=.app.=C3=A4=20b.feed"),
        ];
        for (cluster, app, wire) in cases {
            let subject = Subject::of_app(AppId::new(app), "feed");
            assert_eq!(subject.on_wire(cluster), wire);
        }
        let all = Subject::of_cluster("apps").on_wire("main");
        assert_eq!(all, "basalt.main.all.apps");
    }
}
