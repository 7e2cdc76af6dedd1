//! What is printed is what was computed: PDF text against CSV, hostile names, the same bytes everywhere, wrong templates.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use apportion_core::ledger::Component;
use apportion_core::money::Money;
use common::{Sample, configuration, controls, direct, hostile_names, meridian, pooled, sample, unit};
use statement_renderer::{Rendered, Renderer, Statement, Template, render_unit, render_units, statement_csv};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

fn renderer() -> Renderer {
    Renderer::new(&Template::builtin()).expect("a renderer")
}

fn print(sample: &Sample, unit_id: &str) -> (Statement, Rendered) {
    let close = sample.close();
    let unit = close.units().into_iter().find(|unit| unit.id == unit_id).expect("the unit");
    let csv = statement_csv(&close, &unit).expect("a CSV");
    let statement = close.statement(unit_id).expect("a statement");
    let rendered = render_unit(&renderer(), &statement, csv).unwrap_or_else(|error| panic!("{error}"));
    (statement, rendered)
}

/// Text of a PDF by poppler, another implementation than ours. `None`, said aloud, where it is not installed; a failure under CI.
fn text_of(pdf: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.pdf");
    std::fs::write(&path, pdf).expect("the file");
    match Command::new("pdftotext").args(["-layout", "-enc", "UTF-8"]).arg(&path).arg("-").output() {
        Ok(output) => {
            assert!(output.status.success(), "pdftotext: {}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).expect("UTF-8"))
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "pdftotext (poppler-utils) must be installed: {error}");
            println!("SKIPPED text of the PDF: pdftotext (poppler-utils) is not installed");
            None
        }
    }
}

/// The statement's figures as people read them: no spaces, plain minus.
fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| if character == '−' { '-' } else { character })
        .collect()
}

fn grouped(cents: i128) -> String {
    let plain = Money::minor_to_string(cents, 2);
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').expect("a point");
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}.{fraction}")
}

/// Rows of a CSV by Python's own reader, another implementation than ours.
fn csv_rows(csv: &[u8]) -> Option<Vec<BTreeMap<String, String>>> {
    let script = "import csv,json,sys,io\nt=io.TextIOWrapper(sys.stdin.buffer,encoding='utf-8',newline='')\nprint(json.dumps(list(csv.DictReader(t))))";
    let child = Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var_os("CI").is_none(), "python3 must be installed");
        println!("SKIPPED reading of the CSV: python3 is not installed");
        return None;
    };
    let mut input = child.stdin.take().expect("a pipe");
    let csv = csv.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&csv));
    let output = child.wait_with_output().expect("python3");
    writer.join().expect("the writer").expect("the pipe");
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn check_against_csv(rendered: &Rendered, statement: &Statement) {
    let (Some(text), Some(rows)) = (text_of(&rendered.pdf), csv_rows(&rendered.csv)) else { return };
    let text = squeezed(&text);
    let mut total = 0i128;
    let mut pools: BTreeMap<String, i128> = BTreeMap::new();
    let mut components: BTreeMap<String, i128> = BTreeMap::new();
    let mut services: BTreeMap<String, i128> = BTreeMap::new();
    let mut invoices: BTreeMap<String, i128> = BTreeMap::new();
    for row in &rows {
        let cents: i128 = row["cents"].parse().expect("an integer");
        assert_eq!(row["charged"], Money::minor_to_string(cents, 2));
        total += cents;
        *components.entry(row["component"].clone()).or_default() += cents;
        *invoices.entry(row["invoice_id"].clone()).or_default() += cents;
        if !row["pool_id"].is_empty() {
            *pools.entry(row["pool_id"].clone()).or_default() += cents;
        } else if row["component"] == "direct" {
            *services.entry(row["service"].clone()).or_default() += cents;
        }
        assert!(text.contains(&grouped(cents)), "the annex lacks {}", grouped(cents));
    }
    assert_eq!(total, i128::from(statement.total));
    assert!(text.contains(&format!("USD{}", grouped(total))), "the page lacks the total {}", grouped(total));
    let largest = |sums: BTreeMap<String, i128>, count: usize| {
        let mut sums: Vec<(String, i128)> = sums.into_iter().collect();
        sums.sort_by_key(|(_, cents)| std::cmp::Reverse(cents.abs()));
        sums.truncate(count);
        sums
    };
    for (name, cents) in largest(services, 8) {
        assert!(text.contains(&grouped(cents)), "the page lacks {name} with {}", grouped(cents));
    }
    for (name, cents) in largest(pools, 100).into_iter().chain(largest(components, 100)).chain(largest(invoices, 100)) {
        assert!(text.contains(&grouped(cents)), "the page lacks {name} with {}", grouped(cents));
    }
}

#[test]
fn the_page_says_what_the_csv_sums_to() {
    for (lines, previous) in [(1, false), (30, true), (120, true)] {
        let sample = sample(meridian(), lines, previous);
        for unit_id in ["CC-1010", "CC-5030"] {
            let (statement, rendered) = print(&sample, unit_id);
            check_against_csv(&rendered, &statement);
        }
    }
}

/// Every cent of the summary's CSV and JSON, by Python's readers, on the page.
#[test]
fn the_summary_says_what_its_csv_sums_to() {
    let sample = sample(meridian(), 12, true);
    let close = sample.close();
    let rendered = statement_renderer::render_summary(&renderer(), &close).expect("a summary");
    let (Some(text), Some(rows)) = (text_of(&rendered.pdf), csv_rows(&rendered.csv)) else { return };
    let text = squeezed(&text);
    let mut sums: [BTreeMap<String, i128>; 4] = Default::default();
    let mut total = 0i128;
    for row in &rows {
        let cents: i128 = row["cents"].parse().expect("an integer");
        assert_eq!(row["charged"], Money::minor_to_string(cents, 2));
        total += cents;
        for (sum, column) in sums.iter_mut().zip(["unit_id", "business_unit", "component", "invoice_id"]) {
            *sum.entry(row[column].clone()).or_default() += cents;
        }
        assert!(text.contains(&grouped(cents)), "{row:?}");
    }
    assert!(text.contains(&format!("USD{}", grouped(total))));
    for (name, cents) in sums.iter().flatten() {
        assert!(text.contains(&grouped(*cents)), "{name}: {}", grouped(*cents));
    }
    let json: serde_json::Value = serde_json::from_slice(&rendered.json).expect("JSON");
    assert_eq!(json["total"].as_i64().map(i128::from), Some(total));
    let before: i128 = sample.year.as_ref().expect("a year").charged.values().sum();
    assert_eq!(json["year"]["total"].as_i64().map(i128::from), Some(before + total));
    assert_eq!((json["year"]["closes"].as_u64(), json["year"]["first"]["month"].as_u64()), (Some(3), Some(7)));
    let mut shown = 0;
    for (list, fields) in [
        ("units", &["charged", "year_to_date", "direct", "pools", "other"][..]),
        ("business_units", &["charged", "year_to_date"]),
        ("components", &["charged", "year_to_date"]),
        ("pools", &["charged", "year_to_date"]),
        ("commitments", &["upfront", "amortised", "recurring", "effective", "unused"]),
        ("exceptions", &["amount"]),
    ] {
        for line in json[list].as_array().expect(list) {
            for field in fields {
                let cents = line[field].as_i64().expect(field);
                assert!(text.contains(&grouped(cents.into())), "{list} {}: {field} {cents}", line["id"]);
                shown += 1;
            }
        }
    }
    assert!(shown > 100, "{shown}");
    // By hand, from the bridge of the sample: prepaid 45,000.00, amortised 3,750.00 and 3,000.00, recurring 6,000.00.
    for amount in ["45,000.00", "3,750.00", "3,000.00", "6,000.00"] {
        assert!(text.contains(amount), "{amount}");
    }
    for kind in ["Effectivecostthatdoesnotbridgetocash", "Accountthattheorganizationlacks", "Ownertagthatnamesnounit"] {
        assert!(text.contains(kind), "{kind}");
    }
}

/// FinOps Foundation, "A Guide to Spreading Out Shared Cloud Costs": 12,000 of support over 50,000, 30,000 and 20,000.
#[test]
fn the_published_example_of_a_pool_reads_as_a_sentence() {
    let weights =
        [("Engineering", 2_000_000), ("QA", 3_000_000), ("Sales", 5_000_000)].map(|(unit, cents)| (unit.to_owned(), cents));
    let mut rows: Vec<_> = weights.iter().map(|(unit, cents)| direct(unit, "1", "AmazonEC2", *cents)).collect();
    rows.extend(pooled("support", Component::Support, "effective_direct", 1_200_000, &weights, true));
    rows.sort();
    let units = weights.iter().map(|(id, _)| unit(id, id, "Company")).collect();
    let sample = Sample {
        period: "2026-09".parse().unwrap(),
        provisional: false,
        configuration: configuration(units),
        names: BTreeMap::new(),
        controls: controls(&rows),
        rows,
        sources: vec![],
        before: None,
        year: None,
        bridge: vec![],
        notes: vec![],
    };
    let (statement, rendered) = print(&sample, "Sales");
    assert_eq!((statement.total, statement.summary.direct, statement.summary.pools), (5_600_000, 5_000_000, 600_000));
    if let Some(text) = text_of(&rendered.pdf) {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let sentence =
            "12,000.00 in all, shared by effective direct cost: yours is 50,000.00 of 100,000.00 = 50.0 %, so you pay 6,000.00.";
        assert!(words.contains(sentence), "{words}");
        assert!(words.contains("56,000.00"));
    }
}

#[test]
fn every_hostile_name_prints_and_none_is_interpreted() {
    let names = hostile_names();
    let mut sample = sample(vec![unit("CC-1010", "Claims", "Claims"), unit("CC-2", "Other", "Claims")], 4, false);
    for (index, name) in names.iter().enumerate() {
        let account = format!("3000000{index:05}");
        let mut row = direct("CC-1010", &account, name, 100 + index as i128);
        row.key.charge_type = name.clone().into();
        row.key.rule_id = name.clone().into();
        row.key.ou_path = name.clone().into();
        sample.names.insert(account, name.clone());
        sample.rows.push(row);
    }
    sample.rows.sort();
    sample.controls = controls(&sample.rows);
    let (statement, rendered) = print(&sample, "CC-1010");
    check_against_csv(&rendered, &statement);
    let Some(text) = text_of(&rendered.pdf) else { return };
    let text = squeezed(&text);
    for literal in
        ["#read(\"/etc/passwd\")", "#eval(\"1+1\")", "*bold*_emph_`code`$x^2$", "⟨U+202E⟩gnp.exe", "⟨U+0000⟩nulin⟨U+0000⟩side"]
    {
        assert!(text.contains(&squeezed(literal)) || text.contains(&literal.replace(' ', "")[..12]), "the page lacks {literal}");
    }
    if let Some(rows) = csv_rows(&rendered.csv) {
        for row in rows {
            for column in ["account_name", "service", "charge_type", "rule_id", "ou_path"] {
                assert!(!row[column].starts_with(['=', '+', '-', '@', '\t', '\r', '\0']), "{column}: {:?}", row[column]);
            }
        }
    }
}

#[test]
fn a_unit_or_pool_of_any_name_prints() {
    for (index, name) in hostile_names().into_iter().enumerate().filter(|(index, _)| index % 6 == 0) {
        let mut sample = sample(vec![unit(&format!("CC-{index}"), &name, &name), unit("CC-B", "Other", "x")], 3, false);
        for pool in &mut sample.configuration.pools {
            pool.name.clone_from(&name);
        }
        let (_, rendered) = print(&sample, &format!("CC-{index}"));
        assert!(rendered.pdf.starts_with(b"%PDF-"));
    }
}

#[test]
fn a_provisional_statement_says_so_on_every_page_and_row() {
    let mut sample = sample(meridian(), 120, true);
    sample.provisional = true;
    let (_, rendered) = print(&sample, "CC-1010");
    let csv = String::from_utf8(rendered.csv.clone()).unwrap();
    assert!(csv.lines().skip(1).all(|line| line.contains(",PROVISIONAL,")));
    if let Some(text) = text_of(&rendered.pdf) {
        let pages: Vec<&str> = text.split('\u{c}').filter(|page| !page.trim().is_empty()).collect();
        assert!(pages.len() > 2);
        for (index, page) in pages.iter().enumerate() {
            assert!(page.contains("PROVISIONAL"), "page {}", index + 1);
            assert!(page.contains(&format!("Page {} of {}", index + 1, pages.len())), "page {}", index + 1);
        }
    }
}

#[test]
fn threads_do_not_change_a_byte() {
    let sample = sample(meridian(), 20, true);
    let close = sample.close();
    let units = close.units();
    let renderer = renderer();
    let forwards = render_units(&close, &renderer, &units.iter().collect::<Vec<_>>()).expect("statements");
    let mut backwards = render_units(&close, &renderer, &units.iter().rev().collect::<Vec<_>>()).expect("statements");
    backwards.reverse();
    assert_eq!(forwards, backwards);
    let alone = print(&sample, &units[3].id).1;
    assert_eq!(alone, forwards[3]);
}

/// Run by the test below in a process of its own, with other settings of the machine.
#[test]
#[ignore = "prints a digest for another test"]
fn print_a_digest() {
    use sha2::Digest;
    let (_, rendered) = print(&sample(meridian(), 20, true), "CC-1010");
    println!("digest {:x?}", sha2::Sha256::digest(&rendered.pdf).to_vec());
}

#[test]
fn time_zone_locale_and_cores_do_not_change_a_byte() {
    let digest = |zone: &str, locale: &str, threads: &str| {
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args(["--ignored", "--exact", "print_a_digest", "--nocapture"])
            .envs([("TZ", zone), ("LANG", locale), ("LC_ALL", locale), ("RAYON_NUM_THREADS", threads)])
            .output()
            .expect("a process");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().find_map(|line| line.split_once("digest ").map(|(_, digest)| digest.to_owned())).expect("a digest")
    };
    let first = digest("UTC", "C", "1");
    assert_eq!(first, digest("Pacific/Kiritimati", "de_DE.UTF-8", "4"));
    assert_eq!(first, digest("America/St_Johns", "ar_EG.UTF-8", "2"));
}

#[test]
fn the_csv_is_attached_byte_for_byte() {
    let (_, rendered) = print(&sample(meridian(), 12, true), "CC-1010");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.pdf");
    std::fs::write(&path, &rendered.pdf).expect("the file");
    match Command::new("pdfdetach").arg("-saveall").arg("-o").arg(folder.path()).arg(&path).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(std::fs::read(folder.path().join("data.csv")).expect("the attachment"), rendered.csv);
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "pdfdetach (poppler-utils) must be installed: {error}");
            println!("SKIPPED the attachment: pdfdetach (poppler-utils) is not installed");
        }
    }
}

fn with_file(name: &str, text: &str) -> Template {
    let mut files = Template::builtin().files().clone();
    files.insert(name.to_owned(), text.as_bytes().to_vec());
    Template::from_files(files).expect("a template")
}

fn refusal(template: &Template) -> String {
    let sample = sample(meridian(), 3, false);
    let close = sample.close();
    let statement = close.statement("CC-1010").expect("a statement");
    let renderer = Renderer::new(template).expect("a renderer");
    render_unit(&renderer, &statement, vec![]).expect_err("a refusal").to_string()
}

#[test]
fn a_wrong_template_is_named_by_file_line_and_column() {
    let unknown = refusal(&with_file("statement.typ", "#let data = json(\"data.json\")\n\n#data.unitt.name\n"));
    assert!(unknown.contains("statement.typ:3:7") && unknown.contains("unitt"), "{unknown}");
    let syntax = refusal(&with_file("lib.typ", "#let x = (1,\n"));
    assert!(syntax.contains("lib.typ:1:"), "{syntax}");
    let picture = refusal(&with_file("settings.typ", "#let logo = image(\n  \"logo.svg\")\n"));
    assert!(picture.contains("settings.typ:2:3: file not found"), "{picture}");
}

#[test]
fn a_template_reads_nothing_but_itself() {
    for (code, expected) in [
        ("#read(\"/etc/passwd\")", "statement.typ:1:7: file not found"),
        ("#read(\"../../Cargo.toml\")", "statement.typ:1:7"),
        ("#import \"@preview/tablex:0.0.8\": tablex", "cannot load packages"),
    ] {
        let message = refusal(&with_file("statement.typ", code));
        assert!(message.contains(expected), "{code}: {message}");
    }
}

/// Every code point that there is, in names of forty: none makes Typst refuse a page, so none falls back to code points throughout.
#[test]
#[ignore = "a million characters: for an optimised build"]
fn every_character_prints() {
    let all: Vec<char> = (0..=0x10ffffu32).filter_map(char::from_u32).collect();
    let mut refused = Vec::new();
    let mut shown = 0usize;
    for block in all.chunks(40 * 1200) {
        let mut sample = sample(vec![unit("CC-1", "Größe", "x")], 1, false);
        for (index, name) in block.chunks(40).enumerate() {
            let name: String = name.iter().collect();
            let mut row = direct("CC-1", &format!("{index:012}"), "S", 1);
            row.key.charge_type = "Usage".into();
            row.key.service = name.into();
            sample.rows.push(row);
        }
        sample.rows.sort();
        sample.controls = controls(&sample.rows);
        let (_, rendered) = print(&sample, "CC-1");
        let Some(text) = text_of(&rendered.pdf) else { return };
        shown += text.chars().filter(|character| !character.is_ascii()).count();
        if !text.contains("Größe") {
            refused.push(format!("U+{:04X}..", block[0] as u32));
        }
    }
    println!("{} characters tried, {shown} beyond ASCII printed", all.len());
    assert!(refused.is_empty(), "printed as code points throughout: {refused:?}");
}
