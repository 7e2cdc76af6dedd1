//! `apportion athena`: Athena's API on loopback, over an engine of ours.
//!
//! For a laptop and for tests: clients find it by `AWS_ENDPOINT_URL_ATHENA`. What it serves it serves as Athena does, so that an adapter,
//! the AWS command line or boto3 cannot tell; what it does not serve, it refuses by name.

mod backend;
#[cfg(feature = "trino")]
mod cluster;
mod embedded;
mod executions;
mod notes;
mod output;
mod protocol;
mod server;
mod spool;

use crate::engine::EngineName;
use crate::failure::Failure;
use clap::Args;
use executions::{Front, Settings};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;

#[derive(Args)]
pub struct FrontArguments {
    /// Where to listen, on 127.0.0.1; 0 takes a free port.
    #[arg(long, value_name = "N")]
    port: u16,
    /// What runs the queries: embedded, or trino=URL.
    #[arg(long, value_name = "ENGINE", default_value = "embedded")]
    engine: EngineName,
    /// The catalog that stands for Athena's (Trino).
    #[arg(long, value_name = "NAME", default_value = "hive")]
    catalog: String,
    /// The schema of tables that a query names without database (Trino).
    #[arg(long, value_name = "NAME", default_value = "apportion")]
    schema: String,
    /// The store of frozen bills, below inputs/, that the tables are over: a folder or s3://bucket/prefix (embedded engine).
    #[arg(long, value_name = "PLACE")]
    work: Option<String>,
    /// The store of delivered bills, that the tables delivered_… are over (embedded engine).
    #[arg(long, value_name = "PLACE")]
    bill: Option<String>,
    /// Where results go for queries that name no place: s3://bucket/prefix/ or file:///folder/.
    #[arg(long, value_name = "LOCATION")]
    results: Option<String>,
    /// The one workgroup.
    #[arg(long, value_name = "NAME", default_value = "primary")]
    workgroup: String,
    /// Bytes that a query may scan before it is cancelled.
    #[arg(long, value_name = "BYTES")]
    bytes_cutoff: Option<u64>,
    /// Queries that may run at once; one more is TooManyRequestsException.
    #[arg(long, value_name = "N", default_value_t = 20)]
    concurrency: usize,
}

/// Serves until the process is ended.
pub async fn run(arguments: FrontArguments) -> Result<u8, Failure> {
    let s3 = aws_sdk_s3::Client::new(&apportion_runtime::aws::configuration().await);
    let backend = backend::Backend::of(&arguments, &s3)?;
    let settings = Settings {
        workgroup: arguments.workgroup,
        results: arguments.results,
        bytes_cutoff: arguments.bytes_cutoff,
        concurrency: arguments.concurrency,
    };
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("apportion-query").build();
    let threads = threads.map_err(|error| Failure::other(format!("threads for queries: {error}")))?;
    let front = Front::new(backend, settings, s3, threads.handle().clone());
    let front = front.map_err(|error| Failure::other(format!("a folder for results: {error}")))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await;
    let listener = listener.map_err(|error| Failure::bad_input(format!("--port {}: {error}", arguments.port)))?;
    let address = listener.local_addr().map_err(Failure::other)?;
    crate::print(&format!("http://{address}\n"))?;
    let served = server::serve(listener, Arc::new(front)).await;
    threads.shutdown_background();
    served.map(|()| 0).map_err(Failure::other)
}
