//! How far workers can be locked in on this machine.

use basalt_functions::WORKER;
use basalt_sandbox::frame::{Decoder, Word};
use basalt_sandbox::{Jail, Program};
use std::io::Read;
use std::time::Duration;

/// How long a worker may take to say so.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Starts a worker, hears what it achieved, and ends it. Errors: in words.
pub(crate) fn probe() -> Result<Jail, String> {
    let started = Program::this().and_then(|program| program.start(&[WORKER]));
    let mut started = started.map_err(|error| format!("no worker can be started: {error}"))?;
    let heard = hear(&mut started.socket);
    // Its end is not what is asked for.
    let _ = started.child.kill();
    let _ = started.child.wait();
    heard
}

fn hear(socket: &mut std::os::unix::net::UnixStream) -> Result<Jail, String> {
    let failed = |error: std::io::Error| format!("the worker says nothing: {error}");
    socket.set_read_timeout(Some(TIME_MAX)).map_err(failed)?;
    let mut decoder = Decoder::default();
    let mut buffer = [0; 1024];
    loop {
        let count = socket.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            return Err("the worker ended".to_owned());
        }
        decoder.push(buffer.get(..count).unwrap_or_default());
        match decoder.word() {
            Ok(Some(Word::Ready { jail, .. })) => return Ok(Jail::of_bits(jail)),
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return Err("the worker speaks in tongues".to_owned()),
        }
    }
}
