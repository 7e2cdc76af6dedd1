//! Pages to look at: with `APPORTION_GALLERY=DIR` each kind of statement is written there;
//! `APPORTION_TEMPLATE=DIR` prints them with another template.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Sample, meridian, sample, unit};
use statement_renderer::{Rendered, Renderer, Template, render_unit, statement_csv};

fn print(name: &str, sample: &Sample, unit_id: &str) {
    let close = sample.close();
    let unit = close.units().into_iter().find(|unit| unit.id == unit_id).expect("the unit");
    let renderer = Renderer::new(&template()).expect("a renderer");
    let csv = statement_csv(&close, &unit).expect("a CSV");
    let statement = close.statement(unit_id).expect("a statement");
    let started = std::time::Instant::now();
    let rendered = render_unit(&renderer, &statement, csv).unwrap_or_else(|error| panic!("{name}: {error}"));
    eprintln!("{name}: {} bytes, {:?}", rendered.pdf.len(), started.elapsed());
    keep(name, &rendered);
}

fn template() -> Template {
    match std::env::var("APPORTION_TEMPLATE") {
        Ok(folder) => Template::from_folder(std::path::Path::new(&folder)).expect("a template"),
        Err(_) => Template::builtin(),
    }
}

fn keep(name: &str, rendered: &Rendered) {
    assert!(rendered.pdf.starts_with(b"%PDF-"));
    if let Ok(folder) = std::env::var("APPORTION_GALLERY") {
        std::fs::create_dir_all(&folder).expect("the folder");
        std::fs::write(format!("{folder}/{name}.pdf"), &rendered.pdf).expect("the file");
        std::fs::write(format!("{folder}/{name}.csv"), &rendered.csv).expect("the file");
    }
}

#[test]
fn a_usual_statement_prints() {
    print("usual", &sample(meridian(), 30, true), "CC-1010");
}

#[test]
fn a_first_statement_prints() {
    print("first", &sample(meridian(), 12, false), "CC-2010");
}

#[test]
fn a_statement_of_one_line_prints() {
    print("one-line", &sample(vec![unit("CC-9", "Small", "Claims")], 1, false), "CC-9");
}

#[test]
fn a_statement_of_500_lines_prints() {
    print("long", &sample(meridian(), 500, true), "CC-1010");
}

#[test]
fn a_provisional_statement_prints() {
    let mut provisional = sample(meridian(), 30, true);
    provisional.provisional = true;
    print("provisional", &provisional, "CC-1010");
}

#[test]
fn a_summary_prints() {
    let sample = sample(meridian(), 30, true);
    let close = sample.close();
    let renderer = Renderer::new(&template()).expect("a renderer");
    let rendered = statement_renderer::render_summary(&renderer, &close).unwrap_or_else(|error| panic!("{error}"));
    keep("summary", &Rendered { pdf: rendered.pdf, csv: rendered.csv });
}

#[test]
fn a_statement_of_hostile_names_prints() {
    let mut sample = sample(vec![unit("CC-1010", &common::hostile_names()[16], "数据平台"), unit("CC-2", "Other", "x")], 4, true);
    for (index, name) in common::hostile_names().iter().enumerate() {
        let account = format!("3000000{index:05}");
        let mut row = common::direct("CC-1010", &account, name, 100_000 - 1000 * index as i128);
        row.key.charge_type = name.into();
        row.key.rule_id = name.into();
        row.key.ou_path = name.into();
        sample.names.insert(account, name.clone());
        sample.rows.push(row);
    }
    sample.rows.sort();
    sample.controls = common::controls(&sample.rows);
    print("hostile", &sample, "CC-1010");
}

/// `cargo test --release -p statement-renderer --test gallery -- --ignored --nocapture thousand`
#[test]
#[ignore = "a measurement, for an optimised build"]
fn a_thousand_statements() {
    let count = std::env::var("APPORTION_STATEMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let units: Vec<_> = (0..count).map(|index| unit(&format!("CC-{index:04}"), &format!("Unit {index}"), "Claims")).collect();
    let sample = sample(units, 500, true);
    let close = sample.close();
    let units = close.units();
    let renderer = Renderer::new(&template()).expect("a renderer");
    let started = std::time::Instant::now();
    let mut bytes = 0;
    for shard in units.chunks(10) {
        let rendered =
            statement_renderer::render_units(&close, &renderer, &shard.iter().collect::<Vec<_>>()).expect("statements");
        bytes += rendered.iter().map(|rendered| rendered.pdf.len() + rendered.csv.len()).sum::<usize>();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown").to_owned();
    println!("{count} statements: {:?}, {} MB written, {peak}", started.elapsed(), bytes / 1_000_000);
}
