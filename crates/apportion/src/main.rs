//! The command line: a whole month on one machine, by the same functions, SQL and state machines as on AWS.

mod anomalies;
#[cfg(feature = "aws")]
mod approve;
#[cfg(feature = "aws")]
mod athena_front;
mod close;
mod daily;
mod daily_report;
#[cfg(test)]
mod day_tests;
mod engine;
mod explain;
mod failure;
mod health;
#[cfg(test)]
mod hygiene_tests;
mod init;
mod init_bill;
#[cfg(feature = "trino")]
mod interrupt;
mod local;
mod place;
mod query;
mod rederive;
mod render;
mod report;
mod sample;
mod schema;
#[cfg(feature = "aws")]
mod served;
mod status;
mod suggestions;
mod timed;
mod verify;
mod walker;

use apportion_core::period::Period;
use clap::{Args, Parser, Subcommand};
use failure::Failure;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Rollup and pages allocate much, from every core at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns the bill of an AWS organization into one statement per business unit that adds up to the invoice to the cent.
#[derive(Parser)]
#[command(name = "apportion", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Closes a month: freezes the bill, allocates it, proves it, renders and signs the statements.
    ///
    /// Exit codes: 0 closed, 2 bad input or configuration, 3 not ready, 4 does not reconcile, 1 anything else.
    Close(CloseArguments),
    /// Checks a close: sums, chain, signature, conservation, and the whole month again from its frozen inputs.
    ///
    /// Exit codes: 0 holds, 5 does not hold, 2 unreadable.
    Verify(VerifyArguments),
    /// Walks from a unit's lines to rule, pool, driver and share, rollup rows and the bill's own rows, and proves that they add up.
    ///
    /// Exit codes: 0 explained, 5 something does not add up or was changed, 2 bad input.
    Explain(ExplainArguments),
    /// Prints one statement, or the summary, of a close again: to try a template, or to look. Publishes nothing.
    Render(RenderArguments),
    /// Writes the package's own statement template into a folder, to begin another from.
    Template {
        /// The folder to write; it must not exist yet, or be empty.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Lists periods, closes and what is awaited.
    Status(StatusArguments),
    /// Writes a first configuration from a bill, with which a close succeeds as it stands.
    Init(InitArguments),
    /// Checks or upgrades a configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Runs a view over a bill and prints a table or CSV; without a name, lists the views.
    Query(query::QueryArguments),
    /// One day: what was spent, what moved, who will overrun, whose spend has no owner; one mail, in the outbox folder.
    ///
    /// Exit codes: 0 done, 2 bad input or configuration, 3 no data of the day yet, 1 a stage failed.
    Daily(daily::DailyArguments),
    /// Lists, confirms or dismisses anomalies.
    #[command(subcommand)]
    Anomalies(anomalies::AnomaliesCommand),
    /// Prints the platform's own five figures and how they were 28 days before.
    Health(health::HealthArguments),
    /// Lists, accepts or rejects suggested owners of untagged resources.
    #[command(subcommand)]
    Suggestions(suggestions::SuggestionsCommand),
    /// Makes the tables of sql/schema in a Trino cluster, or prints their statements for Athena or Trino.
    Schema(schema::SchemaArguments),
    /// Serves Athena's API on this machine over an engine of ours: for AWS_ENDPOINT_URL_ATHENA.
    #[cfg(feature = "aws")]
    Athena(athena_front::FrontArguments),
    /// Approves a close that waits on AWS for a second person, or refuses it.
    ///
    /// Exit codes: 0 answered, 2 nothing waits or this person may not, 1 the gate could not be called.
    #[cfg(feature = "aws")]
    Approve(approve::ApproveArguments),
    /// Writes a sample bill with its organization, invoices, drivers and the truth about it.
    Sample(SampleArguments),
}

#[derive(Args)]
struct CloseArguments {
    /// Billing month, UTC.
    #[arg(long, value_name = "YYYY-MM")]
    period: Period,
    /// A bill file, a folder of them, or a Data Exports folder at or above the export: CUR 2.0, FOCUS 1.0, 1.2 or 1.3.
    #[arg(long, value_name = "PATH")]
    bill: PathBuf,
    /// The configuration folder; `apportion init` writes a first one.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// Where inputs/ and closes/ go: a folder; or s3://bucket/prefix, with another engine than the embedded one.
    #[arg(long, value_name = "PLACE")]
    out: PathBuf,
    /// The organization as JSON: Roots, OrganizationalUnits, Accounts; or a folder of <YYYY-MM-DD>.json, as the daily run keeps in org/.
    /// Without it the snapshots that daily runs kept in OUT/org/.
    #[arg(long, value_name = "PATH")]
    org: Option<PathBuf>,
    /// What `aws invoicing list-invoice-summaries` prints.
    #[arg(long, value_name = "FILE")]
    invoices: Option<PathBuf>,
    /// A folder of Typst files to use instead of the package's own template.
    #[arg(long, value_name = "DIR")]
    template: Option<PathBuf>,
    /// Close although invoices are not final: marked on every page and file, never the period's close.
    #[arg(long)]
    provisional: bool,
    /// Do everything but write: print what a close would give.
    #[arg(long)]
    dry_run: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: engine::EngineArguments,
    /// Calls the functions where `make watch` serves them, instead of in this process; --bill and --out are then their s3:// places.
    #[arg(long, value_name = "URL", conflicts_with_all = ["template", "dry_run", "engine"])]
    invoke: Option<String>,
    /// What the functions' names begin with at --invoke; without it they have the names of their programs, as in `cargo lambda watch`.
    #[arg(long, value_name = "PREFIX", requires = "invoke")]
    functions: Option<String>,
}

#[derive(Args)]
struct VerifyArguments {
    /// The folder of a close: OUT/closes/<period>/<close>.
    close: PathBuf,
    /// The public key (PEM) that must have signed it.
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
    /// SHA-256 of the public key (DER, hex) that must have signed it.
    #[arg(long, value_name = "HEX", conflicts_with = "key")]
    fingerprint: Option<String>,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ExplainArguments {
    /// The folder of a close: OUT/closes/<period>/<close>.
    close: PathBuf,
    /// The unit's id (cost center).
    #[arg(long, value_name = "ID")]
    unit: String,
    /// Only lines of this component: direct, pool, commitment, tax, …
    #[arg(long, value_name = "WORD")]
    component: Option<String>,
    /// Only lines of this service, as the bill names it.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only lines that came through this pool.
    #[arg(long, value_name = "ID")]
    pool: Option<String>,
    /// Only this row of the unit's statement.csv, from 1.
    #[arg(long, value_name = "N")]
    line: Option<usize>,
    /// How many of the largest entries to list at each level; the rest is one entry, so that sums still hold.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Print as JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print bill rows as CSV.
    #[arg(long)]
    csv: bool,
    /// Write to a file that does not exist yet, instead of stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct RenderArguments {
    /// The folder of a close: OUT/closes/<period>/<close>.
    #[arg(long, value_name = "DIR")]
    close: PathBuf,
    /// The unit whose statement to print.
    #[arg(long, value_name = "ID", required_unless_present = "summary", conflicts_with = "summary")]
    unit: Option<String>,
    /// Print the controller's summary.
    #[arg(long)]
    summary: bool,
    /// A folder of Typst files; the template of the close if absent.
    #[arg(long, value_name = "DIR")]
    template: Option<PathBuf>,
    /// The PDF to write; an earlier preview is written over.
    #[arg(long, value_name = "FILE", default_value = "preview.pdf")]
    out: PathBuf,
}

#[derive(Args)]
struct StatusArguments {
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct InitArguments {
    #[arg(long, value_name = "PATH")]
    bill: PathBuf,
    /// The folder to write; it must not exist yet, or be empty.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Reads the folder and prints what each rule and pool comes to.
    Check {
        #[arg(long, value_name = "DIR")]
        config: PathBuf,
        #[arg(long, value_name = "YYYY-MM")]
        period: Period,
    },
    /// Brings the files to the current version.
    Upgrade {
        #[arg(long, value_name = "DIR")]
        config: PathBuf,
    },
}

#[derive(Args)]
struct SampleArguments {
    /// Bill lines in a month, about.
    #[arg(long, default_value_t = 200_000)]
    rows: u64,
    #[arg(long, default_value_t = 40)]
    accounts: u32,
    /// The last month.
    #[arg(long, value_name = "YYYY-MM", default_value = "2026-09")]
    period: Period,
    #[arg(long, default_value_t = 1)]
    months: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder that does not exist yet, or that an earlier `sample` made.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("apportion: the runtime does not start: {error}");
            return ExitCode::from(failure::OTHER);
        }
    };
    let ended = runtime.block_on(run(arguments.command));
    #[cfg(feature = "trino")]
    interrupt::wait_if_ending();
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("apportion: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

/// Progress of long work, on stderr so that stdout stays the result.
fn progress(line: &str) {
    eprintln!("  {line}");
}

async fn run(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Close(arguments) => run_close(arguments).await,
        Command::Verify(arguments) => run_verify(arguments).await,
        Command::Explain(arguments) => run_explain(arguments).await,
        Command::Render(arguments) => run_render(arguments).await,
        Command::Template { out } => print(&render::write_template(&out)?).map(|()| 0),
        Command::Status(arguments) => run_status(arguments).await,
        Command::Init(arguments) => run_init(arguments).await,
        Command::Config(command) => run_config(command),
        Command::Query(arguments) => print(&query::run(&arguments).await?).map(|()| 0),
        Command::Daily(arguments) => daily::run(&arguments, &progress).await,
        Command::Anomalies(command) => print(&anomalies::run(&command).await?).map(|()| 0),
        Command::Health(arguments) => print(&health::run(&arguments).await?).map(|()| 0),
        Command::Suggestions(command) => print(&suggestions::run(&command).await?).map(|()| 0),
        #[cfg(feature = "aws")]
        Command::Athena(arguments) => athena_front::run(arguments).await,
        #[cfg(feature = "aws")]
        Command::Approve(arguments) => print(&approve::run(&arguments).await?).map(|()| 0),
        Command::Sample(arguments) => run_sample(arguments),
        Command::Schema(arguments) => schema::run(&arguments).await.and_then(|text| print(&text)).map(|()| 0),
    }
}

async fn run_close(arguments: CloseArguments) -> Result<u8, Failure> {
    let json = arguments.json;
    let options = close::Options {
        period: arguments.period,
        bill: arguments.bill,
        config: arguments.config,
        out: arguments.out,
        organization: arguments.org,
        invoices: arguments.invoices,
        template: arguments.template,
        provisional: arguments.provisional,
        dry_run: arguments.dry_run,
        engine: arguments.engine,
        invoke: arguments.invoke.map(|url| close::Invoke { url, prefix: arguments.functions }),
    };
    let summaries = close::close(&options, &progress).await?;
    if json {
        // One close is an object; `currencies = "each"` gives a list.
        let text = if let [one] = summaries.as_slice() {
            serde_json::to_string_pretty(one)
        } else {
            serde_json::to_string_pretty(&summaries)
        };
        print(&(text.map_err(Failure::other)? + "\n"))?;
    } else {
        for summary in &summaries {
            print(&report::summary(summary))?;
        }
    }
    Ok(0)
}

/// Writes to stdout; a closed pipe is an error like any other, not a panic.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::other(format!("stdout: {error}")))
}

async fn run_verify(arguments: VerifyArguments) -> Result<u8, Failure> {
    let trust = verify::Trust::of(arguments.key.as_deref(), arguments.fingerprint.as_deref())?;
    let rederive = async |place: verify::Place, manifest: statement_renderer::publish::Manifest| {
        rederive::rederive(&place.out, &place.close, &place.closes_prefix, &manifest.facts).await
    };
    let report = verify::verify(&arguments.close, &trust, rederive).await?;
    if arguments.json {
        print(&(serde_json::to_string_pretty(&report).map_err(Failure::other)? + "\n"))?;
    } else {
        print(&report.text())?;
    }
    Ok(report.exit_code())
}

async fn run_explain(arguments: ExplainArguments) -> Result<u8, Failure> {
    let format = match (arguments.json, arguments.csv) {
        (true, _) => explain::Format::Json,
        (_, true) => explain::Format::Csv,
        _ => explain::Format::Text,
    };
    let options = explain::Options {
        close: arguments.close,
        unit: arguments.unit,
        component: arguments.component,
        service: arguments.service,
        pool: arguments.pool,
        line: arguments.line,
        top: arguments.top,
    };
    let text = explain::explain(&options).await?.write(format)?;
    match &arguments.out {
        Some(path) => write_new(path, &options.close, text.as_bytes())?,
        None => print(&text)?,
    }
    Ok(0)
}

/// Writes a file that is not there yet, and never into a close: an extra file there is one that nobody signed.
fn write_new(path: &Path, close: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::bad_input(format!("--out {}: {error}", path.display()));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if parent.canonicalize().map_err(failed)?.starts_with(close.canonicalize().map_err(failed)?) {
        return Err(Failure::bad_input(format!("--out {}: name a place outside the close, which is signed", path.display())));
    }
    std::fs::File::create_new(path).and_then(|mut file| file.write_all(bytes)).map_err(failed)
}

async fn run_render(arguments: RenderArguments) -> Result<u8, Failure> {
    let page = match arguments.unit {
        Some(unit) => statement_renderer::Page::Unit(unit),
        None => statement_renderer::Page::Summary,
    };
    let options = render::Options { close: arguments.close, page, template: arguments.template, out: arguments.out };
    print(&render::render(&options).await?)?;
    Ok(0)
}

async fn run_status(arguments: StatusArguments) -> Result<u8, Failure> {
    let status = status::status(&arguments.out).await?;
    let text = if arguments.json { serde_json::to_string_pretty(&status).map_err(Failure::other)? + "\n" } else { status.text() };
    print(&text)?;
    Ok(0)
}

async fn run_init(arguments: InitArguments) -> Result<u8, Failure> {
    let written = init_bill::init(&arguments.bill, &arguments.out).await?;
    let mut text = String::new();
    for path in &written.files {
        text.push_str(&format!("wrote {}\n", path.display()));
    }
    text.push_str(&format!(
        "next: apportion close --period {} --bill {} --config {} --out OUT --dry-run\n",
        written.profile.period,
        arguments.bill.display(),
        arguments.out.display()
    ));
    print(&text)?;
    Ok(0)
}

fn run_config(command: ConfigCommand) -> Result<u8, Failure> {
    let text = match command {
        ConfigCommand::Check { config, period } => {
            let loaded = apportion_config::load(&config, period).map_err(Failure::bad_input)?;
            let daily = apportion_config::load_for_day(&config, period).map_err(Failure::bad_input)?;
            apportion_config::check(&loaded, &daily, period).to_string()
        }
        ConfigCommand::Upgrade { config } => apportion_config::upgrade(&config).map_err(Failure::bad_input)?.to_string(),
    };
    print(&text)?;
    Ok(0)
}

fn run_sample(arguments: SampleArguments) -> Result<u8, Failure> {
    let options = sample::SampleOptions {
        rows: arguments.rows,
        accounts: arguments.accounts,
        period: arguments.period,
        months: arguments.months,
        seed: arguments.seed,
        out: arguments.out,
    };
    let report = sample::run(&options, &mut |line| progress(line)).map_err(Failure::bad_input)?;
    print(&report.to_string())?;
    Ok(0)
}
