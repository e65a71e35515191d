//! One socket from its first message to its last.

use super::gate::Place;
use super::rate::Rate;
use super::reply;
use super::request::{self, Ask, Message};
use super::session::{Refused, Session, number, request_id};
use crate::Apps;
use basalt_base::{Clock, Limits};
use basalt_listener::{CloseReason, Received, Socket, Upgrading};
use basalt_live::{Cut, Delivery};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a goodbye may take.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(2);
/// How long a client may take nothing of what is written to it.
const WRITE_TIME_MAX: Duration = Duration::from_secs(10);

/// The key that a client presents is none.
const BAD_KEY: i32 = 4;
/// There is no such client or subscription.
const UNKNOWN: i32 = 2;
/// The client has to start over.
const NOT_KEPT_UP: i32 = 155;
const MISSED: i32 = 100;

/// What a socket's task needs.
pub struct Opened {
    pub apps: Arc<dyn Apps>,
    pub limits: Arc<Limits>,
    pub clock: Arc<dyn Clock>,
    pub place: Place,
    pub ip: IpAddr,
}

/// Why a socket ends; the text is for people.
struct End(CloseReason, &'static str);

/// Whether the socket goes on.
type Flow = Result<(), End>;

impl From<CloseReason> for End {
    fn from(reason: CloseReason) -> Self {
        let text = match reason {
            CloseReason::TooLarge => "The message is too large.",
            CloseReason::Protocol => "The WebSocket protocol was broken.",
            CloseReason::Policy => "Too much was sent.",
            _ => "",
        };
        Self(reason, text)
    }
}

/// Serves a socket until it ends.
pub async fn serve(upgrading: Upgrading, opened: Opened) {
    let handshake = opened.limits.live_handshake_time_max;
    let Ok(Some(socket)) = timeout(handshake, upgrading.connected()).await else {
        return;
    };
    let now = opened.clock.monotonic();
    let limits = &opened.limits;
    let per_second = limits.live_messages_per_second_max;
    // A client that comes back subscribes to everything again at once.
    let burst = per_second + 2 * limits.live_subscriptions_per_client_max;
    let mut conn = Conn {
        socket,
        rate: Rate::new(per_second, burst, now),
        opened,
    };
    let End(reason, text) = conn.run().await;
    // Whoever does not hang up is cut.
    let _ = timeout(GOODBYE_TIME_MAX, conn.socket.close(reason, text)).await;
}

struct Conn {
    socket: Socket,
    rate: Rate,
    opened: Opened,
}

impl Conn {
    async fn run(&mut self) -> End {
        let until = Instant::now() + self.opened.limits.live_handshake_time_max;
        let session = match self.greet(until).await {
            Ok(session) => session,
            Err(end) => return end,
        };
        let mut live = Connected {
            session,
            conn: self,
        };
        live.run().await
    }

    /// Waits until the client connects.
    async fn greet(&mut self, until: Instant) -> Result<Box<Session>, End> {
        loop {
            let text = tokio::select! {
                received = self.socket.receive() => received?,
                () = sleep_until(until) => {
                    return Err(End(CloseReason::Policy, "The client did not connect in time."));
                }
                _ = self.opened.place.stop.changed() => return Err(stopping()),
            };
            let Some(text) = self.text(text)? else {
                continue;
            };
            let outcome = Box::pin(self.hello(&text)).await?;
            if let Some(session) = outcome {
                return Ok(session);
            }
        }
    }

    /// Counts what came in; the text of a message.
    fn text(&mut self, received: Received) -> Result<Option<String>, End> {
        if !self.rate.take(self.opened.clock.monotonic()) {
            return Err(End(CloseReason::Policy, "Too many messages."));
        }
        match received {
            Received::Text(text) => Ok(Some(text.as_str().to_owned())),
            Received::Bytes(bytes) => match String::from_utf8(bytes.to_vec()) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(End(CloseReason::Protocol, "A message is no text.")),
            },
            Received::Control => Ok(None),
            Received::Closed => Err(End(CloseReason::Normal, "")),
        }
    }

    async fn hello(&mut self, text: &str) -> Result<Option<Box<Session>>, End> {
        let connect = match request::read(text, &self.opened.limits) {
            Ok(Message::Connect(connect)) => connect,
            Ok(_) => {
                let message =
                    "Can not find this client, make sure you connect to server before subscribing";
                self.say(reply::error(UNKNOWN, message, true, None)).await?;
                return Ok(None);
            }
            Err(bad) => {
                let text = reply::error(bad.code, &bad.message, true, bad.request_id);
                self.say(text).await?;
                return Ok(None);
            }
        };
        let (apps, ip) = (&*self.opened.apps, self.opened.ip);
        match Session::open(apps, connect, ip).await {
            Ok(session) => {
                let connected = session.head.told("connected", None, None);
                self.say(connected).await?;
                Ok(Some(Box::new(session)))
            }
            Err(Refused::Key) => {
                let text = reply::error(BAD_KEY, "Key in request is not valid", true, None);
                self.say(text).await?;
                Err(End(CloseReason::Policy, "The key is not valid."))
            }
            Err(Refused::Failed(error)) => {
                self.say(reply::failed(&error, None)).await?;
                Err(End(CloseReason::Policy, "The client was refused."))
            }
        }
    }

    /// Writes a message.
    async fn say(&mut self, text: String) -> Flow {
        self.push(text).await?;
        self.flush().await
    }

    async fn push(&mut self, text: String) -> Flow {
        let sent = timeout(WRITE_TIME_MAX, self.socket.send(text)).await;
        sent.map_err(|_| slow())?.map_err(End::from)
    }

    async fn flush(&mut self) -> Flow {
        let flushed = timeout(WRITE_TIME_MAX, self.socket.flush()).await;
        flushed.map_err(|_| slow())?.map_err(End::from)
    }
}

fn slow() -> End {
    End(CloseReason::TryLater, "The client did not keep up.")
}

fn stopping() -> End {
    End(CloseReason::Away, "The server stops.")
}

struct Connected<'c> {
    session: Box<Session>,
    conn: &'c mut Conn,
}

impl Connected<'_> {
    async fn run(&mut self) -> End {
        let every = self.session.app.options.live.ping_every;
        let mut alive = true;
        let mut ping_at = Instant::now() + every;
        loop {
            if let Err(end) = self.drain().await {
                return end;
            }
            let outbox = self.session.client.outbox();
            let received = tokio::select! {
                received = self.conn.socket.receive() => received,
                () = outbox.some() => continue,
                () = sleep_until(ping_at) => {
                    if !alive {
                        return End(CloseReason::Policy, "The client gave no sign of life.");
                    }
                    alive = false;
                    ping_at = Instant::now() + every;
                    match Box::pin(self.beat()).await {
                        Ok(()) => continue,
                        Err(end) => return end,
                    }
                }
                _ = self.conn.opened.place.stop.changed() => return stopping(),
            };
            alive = true;
            let text = match received.map_err(End::from) {
                Ok(received) => self.conn.text(received),
                Err(end) => Err(end),
            };
            match text {
                Ok(None) => {}
                // What it takes to handle a message is no part of an idle socket.
                Ok(Some(text)) => {
                    if let Err(end) = Box::pin(self.obey(text)).await {
                        return end;
                    }
                }
                Err(end) => return end,
            }
        }
    }

    /// Asks for a sign of life. Who knows of positions is told how far it is, so that it can go on
    /// from there though nothing happened for long.
    async fn beat(&mut self) -> Flow {
        if self.session.subs.values().any(|sub| sub.resumable) {
            let position = self.session.client.position();
            self.drain().await?;
            let position = self.session.position(position);
            let text = self.session.head.told("position", None, Some(&position));
            self.conn.push(text).await?;
        }
        let pinged = timeout(WRITE_TIME_MAX, self.conn.socket.ping()).await;
        pinged.map_err(|_| slow())?.map_err(End::from)
    }

    /// Writes everything that waits.
    async fn drain(&mut self) -> Flow {
        let mut wrote = false;
        loop {
            match self.session.client.outbox().take() {
                Ok(Some(delivery)) => {
                    wrote = true;
                    self.deliver(delivery).await?;
                }
                Ok(None) if wrote => return self.conn.flush().await,
                Ok(None) => return Ok(()),
                Err(cut) => return Err(self.cut(cut).await),
            }
        }
    }

    /// Tells the client that it has to start over.
    async fn cut(&mut self, cut: Cut) -> End {
        let (code, message, end) = match cut {
            Cut::Slow => (
                NOT_KEPT_UP,
                "The client did not keep up and missed events; read the objects anew.",
                slow(),
            ),
            Cut::Closed => (
                MISSED,
                "Events may be missed; connect again and read the objects anew.",
                End(CloseReason::Away, "The app is not served here right now."),
            ),
        };
        match self.conn.say(reply::error(code, message, true, None)).await {
            Ok(()) => end,
            Err(other) => other,
        }
    }

    async fn deliver(&mut self, delivery: Delivery) -> Flow {
        let head = &self.session.head;
        let text = match delivery {
            Delivery::Event { subscription, body } => head.event(request_id(subscription), &body),
            Delivery::Hooked {
                subscription,
                event,
            } => match Box::pin(self.session.hooked(subscription, &event)).await {
                Some(text) => text,
                None => return Ok(()),
            },
            Delivery::Subscribed {
                subscription,
                position,
            } => {
                let position = self.session.position(position);
                head.told(
                    "subscribed",
                    Some(request_id(subscription)),
                    Some(&position),
                )
            }
            Delivery::Missed {
                subscription,
                position,
            } => return self.missed(subscription, position).await,
            Delivery::Unsubscribed { subscription } => {
                head.told("unsubscribed", Some(request_id(subscription)), None)
            }
            Delivery::Ended {
                subscription,
                error,
            } => {
                let id = request_id(subscription);
                self.session.subs.remove(&id);
                reply::failed(&error, Some(id))
            }
            Delivery::SessionEnded { error } => {
                self.conn.say(reply::failed(&error, None)).await?;
                return Err(End(CloseReason::Policy, "The session ended."));
            }
        };
        self.conn.push(text).await
    }

    /// Clients that know of positions are told to read anew; others only know to connect again.
    async fn missed(&mut self, subscription: u64, position: basalt_store::Position) -> Flow {
        let id = request_id(subscription);
        let sub = self.session.subs.get(&id);
        if sub.is_none_or(|sub| sub.resumable) {
            let position = self.session.position(position);
            let text = self.session.head.told("resync", Some(id), Some(&position));
            return self.conn.push(text).await;
        }
        Err(self.cut(Cut::Closed).await)
    }

    async fn obey(&mut self, text: String) -> Flow {
        let unknown = |id: i64| {
            let message = format!(
                "Cannot find subscription with requestId {id}. Make sure you subscribe first."
            );
            reply::error(UNKNOWN, &message, true, Some(id))
        };
        match request::read(&text, self.session.limits()) {
            Ok(Message::Subscribe(ask)) => self.subscribe(ask).await,
            Ok(Message::Update(ask)) if self.session.subs.contains_key(&ask.request_id) => {
                self.subscribe(ask).await
            }
            Ok(Message::Update(ask)) => self.conn.say(unknown(ask.request_id)).await,
            Ok(Message::Unsubscribe(id)) => {
                let was = self.session.subs.contains_key(&id);
                // Its answer comes through the outbox, after the last event.
                let ended = self.session.client.unsubscribe(number(id)).await;
                match ended {
                    Ok(true) => {
                        self.drain().await?;
                        self.session.subs.remove(&id);
                        Ok(())
                    }
                    _ if was => Ok(()),
                    _ => self.conn.say(unknown(id)).await,
                }
            }
            Ok(Message::Connect(_)) => {
                let text = reply::error(UNKNOWN, "The client is connected already.", false, None);
                self.conn.say(text).await
            }
            Err(bad) => {
                let text = reply::error(bad.code, &bad.message, true, bad.request_id);
                self.conn.say(text).await
            }
        }
    }

    async fn subscribe(&mut self, ask: Ask) -> Flow {
        let id = ask.request_id;
        if let Err(error) = self.try_subscribe(ask).await? {
            // What was refused on its way is none; one that it was to replace goes on.
            self.conn.say(reply::failed(&error, Some(id))).await?;
        }
        Ok(())
    }

    async fn try_subscribe(&mut self, ask: Ask) -> Result<basalt_base::Result<()>, End> {
        let session = &self.session;
        let max = session.limits().live_subscriptions_per_client_max;
        let known = session.subs.contains_key(&ask.request_id);
        if !known && session.subs.len() >= max {
            let message = format!("A client may have {max} subscriptions.");
            return Ok(Err(refused(message)));
        }
        let (subscribe, sub) = match session.asked(&ask).await {
            Ok(asked) => asked,
            Err(error) => return Ok(Err(error)),
        };
        if known && matches!(subscribe.from, basalt_live::From::After(_)) {
            let message = "A query that takes the place of another can't go on elsewhere.";
            return Ok(Err(refused(message.to_owned())));
        }
        let old = self.session.subs.insert(ask.request_id, sub);
        let outcome = self.follow_up(subscribe).await?;
        if outcome.is_err() {
            match old {
                Some(old) => self.session.subs.insert(ask.request_id, old),
                None => self.session.subs.remove(&ask.request_id),
            };
        }
        Ok(outcome)
    }

    /// Has the engine take the subscription, and tells what was missed until then.
    async fn follow_up(
        &mut self,
        subscribe: basalt_live::Subscribe,
    ) -> Result<basalt_base::Result<()>, End> {
        let session = &self.session;
        let mut pending = match session.client.subscribe(subscribe).await {
            Ok(pending) => pending,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            let told = match pending.next().await {
                Ok(None) => return Ok(Ok(())),
                Ok(Some(told)) => told,
                Err(error) => return Ok(Err(error)),
            };
            for delivery in told {
                let text = match delivery {
                    Delivery::Event { subscription, body } => {
                        session.head.event(request_id(subscription), &body)
                    }
                    Delivery::Hooked {
                        subscription,
                        event,
                    } => match session.hooked(subscription, &event).await {
                        Some(text) => text,
                        None => continue,
                    },
                    Delivery::Subscribed {
                        subscription,
                        position,
                    } => {
                        let position = session.position(position);
                        let id = Some(request_id(subscription));
                        session.head.told("subscribed", id, Some(&position))
                    }
                    Delivery::Missed {
                        subscription,
                        position,
                    } => {
                        let position = session.position(position);
                        let id = Some(request_id(subscription));
                        session.head.told("resync", id, Some(&position))
                    }
                    _ => continue,
                };
                self.conn.push(text).await?;
            }
            self.conn.flush().await?;
        }
    }
}

fn refused(message: String) -> basalt_base::Error {
    basalt_base::Error::new(basalt_base::Reason::QuotaExceeded, message)
}
