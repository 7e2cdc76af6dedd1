//! Pages to look at: with `APPORTION_GALLERY=DIR` each kind of statement is written there;
//! `APPORTION_TEMPLATE=DIR` prints them with another template.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Sample, meridian, sample, unit};
use statement_renderer::{Renderer, Template, render_unit, statement_csv};

fn print(name: &str, sample: &Sample, unit_id: &str) {
    let close = sample.close();
    let unit = close.units().into_iter().find(|unit| unit.id == unit_id).expect("the unit");
    let template = match std::env::var("APPORTION_TEMPLATE") {
        Ok(folder) => Template::from_folder(std::path::Path::new(&folder)).expect("a template"),
        Err(_) => Template::builtin(),
    };
    let renderer = Renderer::new(&template).expect("a renderer");
    let csv = statement_csv(&close, &unit).expect("a CSV");
    let statement = close.statement(unit_id).expect("a statement");
    let started = std::time::Instant::now();
    let rendered = render_unit(&renderer, &statement, csv).unwrap_or_else(|error| panic!("{name}: {error}"));
    eprintln!("{name}: {} bytes, {:?}", rendered.pdf.len(), started.elapsed());
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
