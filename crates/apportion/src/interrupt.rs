//! Ctrl-C, or the signal to end, while a cluster works for this command.

use crate::failure::Failure;
use apportion_engine_trino::TrinoEngine;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Handle;

/// A signal has come and ends the process.
static ENDING: AtomicBool = AtomicBool::new(false);

/// From now on a signal first stops what the engine runs on its cluster, and then ends the process with the exit code that shells expect.
///
/// A second signal changes nothing: the engine waits some seconds at most.
pub fn stop_on_signal(engine: &Arc<TrinoEngine>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| Failure::other(format!("signals: {error}")))?;
    let (engine, runtime) = (Arc::downgrade(engine), Handle::current());
    std::thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        ENDING.store(true, Ordering::SeqCst);
        // Without an engine the command is past its queries.
        if let Some(engine) = engine.upgrade() {
            eprintln!("apportion: interrupted: its statements on Trino are stopped");
            runtime.block_on(engine.stop_all());
        }
        std::process::exit(128 + signal);
    });
    Ok(())
}

/// Leaves the last word to a signal that has come: a command whose statements were stopped fails, which nobody needs to be told.
pub fn wait_if_ending() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}
