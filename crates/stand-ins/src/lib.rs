//! For tests only: stand-ins for AWS on loopback, and a proxy before them that fails on request.
//!
//! Nothing here imitates our own code: the emulator and the mail server are other people's, and the proxy passes bytes on.
#![allow(clippy::unwrap_used, clippy::expect_used)] // test support: a panic is the report

mod process;
mod proxy;
mod server;

pub use process::{Answer, StandIn, call, dynamodb_table, emulator, mail_server, rest};
pub use proxy::{Fault, Proxy, forward};
pub use server::{Reply, Request, Server};
