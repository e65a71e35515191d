//! A connected client: what its messages do.

use super::reply::{self, Head};
use super::request::{Ask, Connect};
use super::{hooks, position};
use crate::decode::{self, Cx, fail};
use crate::json::{Json, Object};
use crate::transport::{self, Presented};
use crate::{App, Apps};
use basalt_base::{Error, Limits, Reason, Result, Rng, Secret};
use basalt_data::{Call, EventKind, ObjectQuery, Rank, Where};
use basalt_live::{Client, From, Subscribe, Who};
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A client that was let in.
pub struct Session {
    pub app: Arc<App>,
    pub client: Client,
    pub head: Head,
    who: Arc<Who>,
    installation_id: Option<Arc<str>>,
    ip: IpAddr,
    /// The subscriptions by the ids that the client gave them.
    pub subs: HashMap<i64, Sub>,
}

/// A subscription of a client.
pub struct Sub {
    who: Arc<Who>,
    /// Whether the client knows what positions are for.
    pub resumable: bool,
}

/// Why a client is not let in.
pub enum Refused {
    /// Its app or key is none.
    Key,
    /// The app has another reason.
    Failed(Error),
}

/// The subscription's number in the engine.
pub fn number(request_id: i64) -> u64 {
    request_id.cast_unsigned()
}

/// The client's id of a subscription.
pub fn request_id(number: u64) -> i64 {
    number.cast_signed()
}

fn given(key: Option<&str>) -> Option<Cow<'_, str>> {
    key.map(Cow::Borrowed)
}

fn client_id(rng: &dyn Rng) -> String {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let hex = b"0123456789abcdef";
        text.push(char::from(hex[usize::from(byte >> 4)]));
        text.push(char::from(hex[usize::from(byte & 15)]));
    }
    text
}

impl Session {
    /// Lets a client in, if its key is right and the app's code agrees.
    pub async fn open(apps: &dyn Apps, connect: Connect, ip: IpAddr) -> Result<Self, Refused> {
        let app = apps.app(&connect.app).await.map_err(Refused::Failed)?;
        let app = app.ok_or(Refused::Key)?;
        if !app.options.live.enabled {
            let message = "This app has no live queries.";
            return Err(Refused::Failed(fail(Reason::CommandUnavailable, message)));
        }
        let presented = Presented {
            master_key: given(connect.master_key.as_deref()),
            rest_key: given(connect.rest_key.as_deref()),
            javascript_key: given(connect.javascript_key.as_deref()),
            client_key: given(connect.client_key.as_deref()),
            windows_key: given(connect.windows_key.as_deref()),
            ..Presented::default()
        };
        let pairs = app.options.live.key_pairs.as_ref();
        let keys = pairs.unwrap_or(&app.keys);
        let known = transport::rank_by(keys, &app, &presented, ip).map_err(|_| Refused::Key)?;
        // SDKs of servers send their master key unasked, so it gives rights only where the options
        // name it for this, as with Parse Server.
        let rank = match pairs {
            Some(pairs) if pairs.master.is_some() => known,
            _ => Rank::Client,
        };
        let who = Arc::new(Who {
            rank,
            token: connect.session_token.map(Secret::new),
        });
        let client = app.live.connect().map_err(Refused::Failed)?;
        let id = client_id(&*app.data.deps().rng);
        let session = Self {
            head: Head::new(&id, connect.installation_id.as_deref()),
            installation_id: connect.installation_id.map(Arc::from),
            client,
            who,
            ip,
            subs: HashMap::new(),
            app,
        };
        session.enter().await.map_err(Refused::Failed)?;
        Ok(session)
    }

    /// A session that is none is told to whoever subscribes with it: clients that come back with
    /// an old one must not try for ever to connect.
    async fn enter(&self) -> Result<()> {
        let standing = match self.client.standing(&self.who).await {
            Ok(standing) => Some(standing),
            Err(error) if error.reason() == Reason::InvalidSession => None,
            Err(error) => return Err(error),
        };
        let nobody = || keyed_call(&self.app, &self.who);
        let call = standing
            .as_ref()
            .map_or_else(nobody, |standing| (*standing.call).clone());
        let stats = self.app.live.stats();
        let others = stats.clients.saturating_sub(1);
        let hooks = &*self.app.data.deps().hooks;
        hooks::connect(hooks, &self.with_client(call), others, stats.subscriptions).await?;
        if let Some(standing) = standing.filter(|_| self.who.token.is_some()) {
            self.client.sit(Arc::clone(&self.who), standing);
        }
        Ok(())
    }

    /// A call with what is known of the client.
    fn with_client(&self, call: Call) -> Call {
        Call {
            installation_id: self.installation_id.clone(),
            ip: Some(self.ip),
            ..call
        }
    }

    /// The limits of the app.
    pub fn limits(&self) -> &Limits {
        &self.app.options.limits
    }

    /// A subscription as asked, ready for the engine.
    pub async fn asked(&self, ask: &Ask) -> Result<(Subscribe, Sub)> {
        let app = &self.app;
        let class = decode::class_name(&ask.class)?;
        app.options.live.check_class(class)?;
        let who = match &ask.session_token {
            None => Arc::clone(&self.who),
            Some(token) => Arc::new(Who {
                rank: self.who.rank,
                token: Some(Secret::new(token.as_str())),
            }),
        };
        let cx = Cx {
            limits: &app.options.limits,
            rank: who.rank,
            now: app.data.deps().clock.now(),
            public_url: &app.options.public_url,
            allow_regex: app.options.allow_regex || who.rank != Rank::Client,
            custom_ids: false,
        };
        let mut params = Object::default();
        params.set("where".into(), ask.filter.clone());
        if let Some(keys) = &ask.keys {
            let names = keys.iter().map(|key| Json::String(key.as_str().into()));
            params.set("keys".into(), Json::Array(names.collect()));
        }
        let mut query = decode::find(&cx, class, &params)?;
        query.sort.clear();
        let hooks = &app.data.deps().hooks;
        if hooks.wants(EventKind::BeforeSubscribe, class) {
            query.asked = Some(Arc::new(decode::asked(&cx, &params, None)));
            let standing = self.client.standing(&who).await?;
            let call = self.with_client((*standing.call).clone());
            let collection = Arc::clone(&query.collection);
            hooks.before_subscribe(&call, &mut query).await?;
            query.collection = collection;
        }
        refuse_unwatchable(&query)?;
        query.include = basalt_data::Include::default();
        query.asked = None;
        let fields = match &ask.watch {
            None => None,
            Some(names) => Some(
                names
                    .iter()
                    .map(|name| decode::path(&cx, name))
                    .collect::<Result<_>>()?,
            ),
        };
        let from = match ask.position.as_deref() {
            None | Some("now") => From::Now,
            // One of other data is as good as one of long ago.
            Some(text) => From::After(
                position::read(text, app.live_epoch).unwrap_or(basalt_store::Position(u64::MAX)),
            ),
        };
        let sub = Sub {
            who: Arc::clone(&who),
            resumable: ask.position.is_some(),
        };
        let subscribe = Subscribe {
            number: number(ask.request_id),
            who,
            query,
            fields,
            from,
        };
        Ok((subscribe, sub))
    }

    /// An event that code has to see first: the message that it becomes.
    pub async fn hooked(&self, number: u64, event: &basalt_live::Happened) -> Option<String> {
        let id = request_id(number);
        let sub = self.subs.get(&id)?;
        let outcome = async {
            let standing = self.client.standing(&sub.who).await?;
            let call = self.with_client((*standing.call).clone());
            hooks::event(&*self.app.data.deps().hooks, &call, event).await
        };
        Some(match outcome.await {
            Ok(event) => {
                let body = basalt_live::Encode::event(&*self.app.live_events, &event);
                self.head.event(id, &body)
            }
            Err(error) => reply::failed(&error, Some(id)),
        })
    }

    /// The text of a position.
    pub fn position(&self, position: basalt_store::Position) -> String {
        position::write(self.app.live_epoch, position)
    }
}

/// A call of whoever presents a key and nothing else that counts.
fn keyed_call(app: &App, who: &Who) -> Call {
    let principal = basalt_data::Principal::ranked(app.id.clone(), who.rank);
    Call::by(principal)
}

/// Refuses by name what an object alone does not tell.
fn refuse_unwatchable(query: &ObjectQuery) -> Result<()> {
    fn operator(filter: &Where) -> Option<&'static str> {
        match filter {
            Where::And(list) | Where::Or(list) => list.iter().find_map(operator),
            Where::Not(part) => operator(part),
            Where::Test(..) | Where::OnTime(..) => None,
            Where::InQuery { negated: false, .. } => Some("$inQuery"),
            Where::InQuery { negated: true, .. } => Some("$notInQuery"),
            Where::Select { negated: false, .. } => Some("$select"),
            Where::Select { negated: true, .. } => Some("$dontSelect"),
            Where::RelatedTo { .. } => Some("$relatedTo"),
        }
    }
    match operator(&query.filter) {
        None => Ok(()),
        Some(name) => {
            let message = format!("{name} is not available in live queries.");
            Err(fail(Reason::UnsupportedQuery, message))
        }
    }
}
