//! Both buses pass the suite; NATS also comes and goes.

mod local;
mod nats;
