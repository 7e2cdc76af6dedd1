//! What every engine must do alike, as one suite: each adapter's tests call [`run`] with their engine and expect no failures.
//!
//! The suite proves the subset of SQL that `sql/README.md` lists. Expected values are Trino's: its documentation, and for casts
//! of doubles Python's `decimal` (`Decimal(repr(x)).quantize(Decimal('1e-12'), ROUND_HALF_UP)`).

use crate::catalogue::{self, Value};
use crate::query::{EngineError, ExecutionId, FailureClass, Lookup, Poll, QueryEngine, Row, Statement, Table};
use crate::schema::BillFormat;
use crate::views;
use apportion_core::bill::Family;
use apportion_core::tags::{Dimension, TagColumn, Taxonomy};
use std::collections::BTreeMap;

/// The bill that the suite reads, as FOCUS 1.2 CSV. The caller puts it where its engine finds it and names it in a [`Table`].
pub const BILL: &str = "\
ProviderName,InvoiceIssuerName,InvoiceId,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargeCategory,BilledCost,EffectiveCost,ServiceName,SubAccountId,SubAccountName,Tags
AWS,AWS,INV-1,1,USD,2026-09-01T00:00:00Z,2026-09-01T23:00:00Z,Usage,0.1,0.1,Alpha,11,one,\"{\"\"Team\"\":\"\" pay \"\",\"\"Owner\"\":\"\"x\"\"}\"
AWS,AWS,INV-1,1,USD,2026-09-01T00:00:00Z,2026-09-30T00:00:00Z,Usage,0.2,0.3,Alpha,11,two,\"{\"\"Team\"\":\"\"  \"\",\"\"Owner\"\":\"\"o'k\"\"}\"
AWS,AWS,INV-1,1,USD,2026-09-01T00:00:00Z,2026-09-30T00:00:00Z,Tax,6.123E-7,6.123E-7,Beta,,,{}
AWS,AWS,,1,USD,2026-09-01T00:00:00Z,2026-09-30T00:00:00Z,Credit,-0.0000000000005,-0.0000000000005,Beta,12,,
";

/// Beside the bill: where its accounts sit.
fn lookup() -> Lookup {
    let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
    Lookup {
        name: "account_ou_mapping".to_owned(),
        columns: row(["AccountId", "OUPath"]),
        rows: vec![row(["11", "Workloads/O'K \"=1\", ü"]), row(["12", ""]), row(["13", "Nobody here"])],
    }
}

enum Expected {
    /// Rows, in any order.
    Rows(Vec<Vec<&'static str>>),
    Fails(FailureClass),
}

struct Case {
    name: &'static str,
    sql: String,
    expected: Expected,
}

fn rows(name: &'static str, sql: &str, expected: &[&[&'static str]]) -> Case {
    Case { name, sql: sql.to_owned(), expected: Expected::Rows(expected.iter().map(|row| row.to_vec()).collect()) }
}

fn fails(name: &'static str, sql: &str) -> Case {
    Case { name, sql: sql.to_owned(), expected: Expected::Fails(FailureClass::Statement) }
}

/// A double, as SQL writes it, and its DECIMAL(38,12).
const DOUBLES: [(&str, &str); 22] = [
    ("0e0", "0.000000000000"),
    ("1.5e0", "1.500000000000"),
    ("-1.5e0", "-1.500000000000"),
    ("0.1e0", "0.100000000000"),
    ("0.30000000000000004e0", "0.300000000000"),
    ("5e-13", "0.000000000001"),
    ("-5e-13", "-0.000000000001"),
    ("4.999999999999999e-13", "0.000000000000"),
    ("0.1234567890125e0", "0.123456789013"),
    ("-0.1234567890125e0", "-0.123456789013"),
    ("0.1234567890124999e0", "0.123456789012"),
    ("1.0000000000005e0", "1.000000000001"),
    ("2.0000000000015e0", "2.000000000002"),
    ("8.3000000000025e0", "8.300000000003"),
    ("64.0000000000005e0", "64.000000000001"),
    ("999.9999999999995e0", "1000.000000000000"),
    ("1234.5678901234565e0", "1234.567890123456"),
    ("123456789012.34567e0", "123456789012.345670000000"),
    ("1e-300", "0.000000000000"),
    ("5e-324", "0.000000000000"),
    ("1e15", "1000000000000000.000000000000"),
    ("1e25", "10000000000000000000000000.000000000000"),
];

fn double_cases() -> Vec<Case> {
    let values: Vec<String> = DOUBLES.iter().enumerate().map(|(index, (double, _))| format!("({index}, {double})")).collect();
    let numbers: Vec<String> = (0..DOUBLES.len()).map(|index| index.to_string()).collect();
    let expected =
        numbers.into_iter().zip(DOUBLES).map(|(number, (_, text))| vec![number.leak() as &'static str, text]).collect();
    let from_rows = Case {
        name: "a double becomes its shortest text, half up at the twelfth digit",
        sql: format!("select n, cast(x as decimal(38, 12)) as d from (values {}) as t (n, x)", values.join(", ")),
        expected: Expected::Rows(expected),
    };
    let literals: Vec<String> =
        DOUBLES.iter().enumerate().map(|(index, (double, _))| format!("cast({double} as decimal(38, 12)) as d{index}")).collect();
    let from_literals = Case {
        name: "literals are cast like columns",
        sql: format!("select {}", literals.join(", ")),
        expected: Expected::Rows(vec![DOUBLES.iter().map(|(_, text)| *text).collect()]),
    };
    vec![from_rows, from_literals]
}

fn number_cases() -> Vec<Case> {
    vec![
        rows(
            "text becomes a decimal, exponents included",
            "select cast('6.123E-7' as decimal(38, 12)) as a, cast('-0.0000000000005' as decimal(38, 12)) as b",
            &[&["0.000000612300", "-0.000000000001"]],
        ),
        fails("1e26 does not fit", "select cast(x as decimal(38, 12)) as d from (values (1e26), (1e0)) as t (x)"),
        fails("nor does NaN", "select cast(cast('NaN' as double) as decimal(38, 12)) as d"),
        fails("nor text that is no number", "select cast('3,432,342' as decimal(38, 12)) as d"),
        fails(
            "a sum beyond 38 digits fails and does not wrap",
            "select sum(cast(x as decimal(38, 12))) as s from (values (9e25), (9e25)) as t (x)",
        ),
        fails(
            "also within a group",
            "select n, sum(cast(x as decimal(38, 12))) as s from (values (1, 9e25), (1, 9e25), (2, 1e0)) as t (n, x) group by n",
        ),
        rows(
            "sums are exact",
            "select sum(cast(x as decimal(38, 12))) as s from (values (0.1e0), (0.2e0), (1e15), (-1e15)) as t (x)",
            &[&["0.300000000000"]],
        ),
        rows(
            "decimals add and subtract exactly",
            "select cast(1 as decimal(38, 12)) - cast('0.000000000001' as decimal(38, 12)) as d",
            &[&["0.999999999999"]],
        ),
        rows(
            "digits beyond the twelfth are seen",
            "select n, case when cast(x as decimal(38, 20)) <> cast(x as decimal(38, 12)) then 'lossy' else 'exact' end as s \
             from (values (1, 0.1e0), (2, 0.1234567890123e0), (3, 6.123e-7), (4, 1e-13)) as t (n, x)",
            &[&["1", "exact"], &["2", "lossy"], &["3", "exact"], &["4", "lossy"]],
        ),
        rows(
            "sum and count skip NULL, sum of nothing is NULL",
            "select coalesce(sum(x), 7) as s, count(x) as c, count(*) as n from (values (1, 2), (1, null), (2, null)) as t (n, x) group by n",
            &[&["2", "1", "2"], &["7", "0", "1"]],
        ),
    ]
}

fn text_cases() -> Vec<Case> {
    vec![
        rows("'' is not NULL", "select case when '' is null then 'null' else 'text' end as a", &[&["text"]]),
        rows(
            "nullif and coalesce",
            "select coalesce(nullif('', ''), 'x') as a, coalesce(nullif('a', ''), 'x') as b, coalesce(null, null, 'z') as c",
            &[&["x", "a", "z"]],
        ),
        rows(
            "a condition that is NULL does not hold",
            "select n, case when x = 'a' then 'yes' when x <> 'a' then 'no' else 'neither' end as s \
             from (values (1, 'a'), (2, 'b'), (3, null)) as t (n, x)",
            &[&["1", "yes"], &["2", "no"], &["3", "neither"]],
        ),
        rows(
            "substr counts characters from 1",
            "select substr('2026-09-01', 1, 7) as a, substr('äöü', 2, 1) as b, substr('abc', 2, 10) as c, '[' || substr('abc', 4, 2) || ']' as d",
            &[&["2026-09", "ö", "bc", "[]"]],
        ),
        rows(
            "trim removes what Java calls white space, no no-break space",
            "select n, '[' || trim(x) || ']' as s from (values (1, ' a\tb\n'), (2, '\u{3000}\u{2003}c\u{1f}'), (3, '\u{a0}d\u{a0}'), (4, ' ')) as t (n, x)",
            &[&["1", "[a\tb]"], &["2", "[c]"], &["3", "[\u{a0}d\u{a0}]"], &["4", "[]"]],
        ),
        rows(
            "max of text goes by code point",
            "select n, max(x) as m from (values (1, 'Z'), (1, 'a'), (1, 'ä'), (2, 'b'), (2, null)) as t (n, x) group by n",
            &[&["1", "ä"], &["2", "b"]],
        ),
        rows(
            "text compares by code point, and with NULL not at all",
            "select n from (values (1, '2026-09-01'), (2, '2026-09-02'), (3, 'B'), (4, 'a'), (5, null)) as t (n, x) \
             where not (x < '2026-09-02') and not (x > 'Z')",
            &[&["2"], &["3"]],
        ),
        rows(
            "like and in",
            "select n from (values (1, 'ComputeSavingsPlans'), (2, 'SavingsPlansX'), (3, 'Tax')) as t (n, x) \
             where x like '%SavingsPlans' or x in ('Tax', 'Credit')",
            &[&["1"], &["3"]],
        ),
    ]
}

fn bill_cases() -> Vec<Case> {
    vec![
        rows(
            "element_at gives the value, NULL where the key is absent, the map empty or NULL",
            "select coalesce(element_at(Tags, 'Owner'), '<null>') as t, count(*) as n from bill group by coalesce(element_at(Tags, 'Owner'), '<null>')",
            &[&["x", "1"], &["o'k", "1"], &["<null>", "2"]],
        ),
        rows(
            "keys are case-sensitive",
            "select coalesce(max(element_at(Tags, 'team')), '<null>') as t from bill",
            &[&["<null>"]],
        ),
        rows(
            "an alias chain takes the first value that is not blank",
            "select coalesce(nullif(trim(element_at(Tags, 'Team')), ''), nullif(trim(element_at(Tags, 'Owner')), ''), '') as t, count(*) as n from bill \
             group by coalesce(nullif(trim(element_at(Tags, 'Team')), ''), nullif(trim(element_at(Tags, 'Owner')), ''), '')",
            &[&["pay", "1"], &["o'k", "1"], &["", "2"]],
        ),
        rows(
            "a timestamp as text starts with its day",
            "select substr(cast(ChargePeriodStart as varchar), 1, 10) as d, count(*) as n from bill group by substr(cast(ChargePeriodStart as varchar), 1, 10)",
            &[&["2026-09-01", "1"], &["2026-09-30", "3"]],
        ),
        rows(
            "an absent column is NULL",
            "select coalesce(max(ChargeClass), '<null>') as c, coalesce(sum(cast(ListCost as decimal(38, 12))), cast(0 as decimal(38, 12))) as l from bill",
            &[&["<null>", "0.000000000000"]],
        ),
        rows(
            "amounts sum exactly, half up line by line",
            "select ChargeCategory, sum(cast(BilledCost as decimal(38, 12))) as s from bill group by ChargeCategory",
            &[&["Usage", "0.300000000000"], &["Tax", "0.000000612300"], &["Credit", "-0.000000000001"]],
        ),
        rows(
            "a left join with a small table keeps lines that it lacks, and each once",
            "select coalesce(account_ou_mapping.OUPath, '<null>') as ou, count(*) as n, sum(cast(bill.BilledCost as decimal(38, 12))) as s \
             from bill left join account_ou_mapping on account_ou_mapping.AccountId = bill.SubAccountId \
             group by coalesce(account_ou_mapping.OUPath, '<null>')",
            &[
                &["Workloads/O'K \"=1\", ü", "2", "0.300000000000"],
                &["", "1", "-0.000000000001"],
                &["<null>", "1", "0.000000612300"],
            ],
        ),
        rows(
            "rows are numbered within a group, in the order asked for",
            "select g, n, row_number() over (partition by g order by x desc, n) as place \
             from (values ('a', 1, 5), ('a', 2, 7), ('a', 3, 5), ('b', 4, 1)) as t (g, n, x)",
            &[&["a", "2", "1"], &["a", "1", "2"], &["a", "3", "3"], &["b", "4", "1"]],
        ),
        rows("letters become small", "select lower('CC-1010 ÄÖ') as l", &[&["cc-1010 äö"]]),
        fails("an unknown column is the statement's fault", "select nothing_of_the_kind from bill"),
        fails("so is text that is no SQL", "selekt 1"),
    ]
}

/// Texts that must come back as they went in, through the renderer's literals.
const PAYLOADS: [&str; 6] =
    ["o'k", "'; drop table bill; --", "a\"b\\", "line\nbreak", "{{period}} $1 ? %s", "/* \u{202e}x */ ''"];

async fn execute(engine: &dyn QueryEngine, table: &Table, sql: &str, token: &str) -> Result<(ExecutionId, Poll), EngineError> {
    let statement = Statement {
        name: "conformance".to_owned(),
        sql: sql.to_owned(),
        tables: vec![table.clone()],
        lookups: vec![lookup(), views::owner_spelling(&teams())],
    };
    let id = engine.start(&statement, token).await?;
    loop {
        match engine.poll(&id).await? {
            Poll::Running { .. } => continue,
            done => return Ok((id, done)),
        }
    }
}

async fn fetch(engine: &dyn QueryEngine, table: &Table, sql: &str, token: &str) -> Result<Vec<Row>, EngineError> {
    let (_, mut rows) = fetch_ordered(engine, table, sql, token).await?;
    rows.sort();
    Ok(rows)
}

/// Header and rows in the order in which the engine gives them.
async fn fetch_ordered(
    engine: &dyn QueryEngine,
    table: &Table,
    sql: &str,
    token: &str,
) -> Result<(Vec<String>, Vec<Row>), EngineError> {
    match execute(engine, table, sql, token).await? {
        (_, Poll::Failed { class, message }) => Err(EngineError::Failed { class, message }),
        (id, _) => engine.rows(&id).await?.collect().await,
    }
}

/// Runs everything; each failure is one sentence. `table` names [`BILL`]. Tokens begin with `prefix`, so that an engine
/// that keeps its executions can run the suite again.
pub async fn run(engine: &dyn QueryEngine, table: &Table, prefix: &str) -> Vec<String> {
    let mut failures = Vec::new();
    let mut cases = double_cases();
    cases.extend(number_cases());
    cases.extend(text_cases());
    cases.extend(bill_cases());
    for (number, case) in cases.into_iter().enumerate() {
        let got = fetch(engine, table, &case.sql, &format!("{prefix}-{number}")).await;
        match (case.expected, got) {
            (Expected::Rows(expected), Ok(got)) => {
                let mut expected: Vec<Row> =
                    expected.into_iter().map(|row| row.into_iter().map(|cell| Some(cell.to_owned())).collect()).collect();
                expected.sort();
                if got != expected {
                    failures.push(format!("{}: got {got:?}, expected {expected:?}", case.name));
                }
            }
            (Expected::Fails(class), Err(EngineError::Failed { class: got, .. })) if got == class => {}
            (Expected::Fails(class), got) => failures.push(format!("{}: expected a failure ({class}), got {got:?}", case.name)),
            (Expected::Rows(_), Err(error)) => failures.push(format!("{}: {error}", case.name)),
        }
    }
    failures.extend(literals(engine, table, prefix).await);
    failures.extend(tokens(engine, table, prefix).await);
    failures.extend(every_file(engine, table, prefix).await);
    failures
}

async fn literals(engine: &dyn QueryEngine, table: &Table, prefix: &str) -> Vec<String> {
    let mut failures = Vec::new();
    let taxonomy = Taxonomy { owner: "team".to_owned(), dimensions: vec![] };
    for (number, payload) in PAYLOADS.into_iter().enumerate() {
        let parameters = BTreeMap::from([("payload".to_owned(), Value::Text(payload.to_owned()))]);
        let got = match catalogue::render("select {{payload}} as p", &taxonomy, BillFormat::Focus12, &parameters) {
            Ok(sql) => fetch(engine, table, &sql, &format!("{prefix}-payload-{number}")).await,
            Err(error) => Err(EngineError::Result { statement: "payload".to_owned(), what: error.to_string() }),
        };
        if got != Ok(vec![vec![Some(payload.to_owned())]]) {
            failures.push(format!("a literal is only text: {payload:?} came back as {got:?}"));
        }
    }
    failures
}

async fn tokens(engine: &dyn QueryEngine, table: &Table, prefix: &str) -> Vec<String> {
    let mut failures = Vec::new();
    let statement =
        |sql: &str| Statement { name: "token".to_owned(), sql: sql.to_owned(), tables: vec![table.clone()], lookups: vec![] };
    for (kind, sql) in [("good", "select 1 as a"), ("failing", "select nothing_of_the_kind from bill")] {
        let token = format!("{prefix}-token-{kind}");
        let first = engine.start(&statement(sql), &token).await;
        let second = engine.start(&statement(sql), &token).await;
        if first.is_err() || first != second {
            failures.push(format!("the same token is the same execution ({kind}): {first:?}, {second:?}"));
        }
        if engine.start(&statement("select 2 as a"), &token).await.is_ok() {
            failures.push(format!("a token stands for one statement only ({kind})"));
        }
    }
    if engine.poll(&ExecutionId(format!("{prefix}-never-started"))).await.is_ok() {
        failures.push("an execution that was never started cannot be polled".to_owned());
    }
    failures
}

/// Two teams, of which the bill names one; no blanks in spellings.
fn teams() -> Taxonomy {
    let dimension = |name: &str, keys: &[&str], values: &[&str]| Dimension {
        name: name.to_owned(),
        mandatory: false,
        aliases: BTreeMap::from([(TagColumn::FocusTags, keys.iter().map(|key| (*key).to_owned()).collect())]),
        fold_case: true,
        canonical: values.iter().map(|value| (*value).to_owned()).collect(),
        value_aliases: BTreeMap::new(),
    };
    let dimensions = vec![dimension("team", &["Team", "Owner"], &["PAY", "Other"]), dimension("none", &[], &[])];
    Taxonomy { owner: "team".to_owned(), dimensions }
}

/// What each view gives for [`BILL`], in order, cells joined by `|`: by hand.
fn expected_of(view: &str) -> &'static [&'static str] {
    match view {
        "spend_by_account" => &[
            "2026-09|11|two|USD|0.300000000000|0.400000000000|0.000000000000|2",
            "2026-09|||USD|0.000000612300|0.000000612300|0.000000000000|1",
            "2026-09|12||USD|-0.000000000001|-0.000000000001|0.000000000000|1",
        ],
        "payer_and_linked" => {
            &["2026-09|1|payer|USD|0|0.000000612300|0.000000612300|1", "2026-09|1|linked|USD|2|0.299999999999|0.399999999999|3"]
        }
        "spend_by_ou" => &[
            "2026-09|Workloads/O'K \"=1\", ü|USD|0.300000000000|0.400000000000|2",
            "2026-09|__unknown__|USD|0.000000612300|0.000000612300|1",
            "2026-09||USD|-0.000000000001|-0.000000000001|1",
        ],
        "spend_by_service" => &[
            "2026-09|Alpha|USD|0.300000000000|0.400000000000|0.000000000000|2",
            "2026-09|Beta|USD|0.000000612299|0.000000612299|0.000000000000|2",
        ],
        "spend_by_region" => &["2026-09||USD|0.300000612299|0.400000612299|0.000000000000|4"],
        "trend_by_ou" => &[
            "2026-09-01|Workloads/O'K \"=1\", ü|USD|0.100000000000|0.100000000000|1",
            "2026-09-30||USD|-0.000000000001|-0.000000000001|1",
            "2026-09-30|Workloads/O'K \"=1\", ü|USD|0.200000000000|0.300000000000|1",
            "2026-09-30|__unknown__|USD|0.000000612300|0.000000612300|1",
        ],
        "top_accounts_by_ou" => &[
            "2026-09||USD|1|12||-0.000000000001|-0.000000000001|1",
            "2026-09|Workloads/O'K \"=1\", ü|USD|1|11|two|0.300000000000|0.400000000000|2",
            "2026-09|__unknown__|USD|1|||0.000000612300|0.000000612300|1",
        ],
        "services_by_ou" => &[
            "2026-09||Beta|USD|-0.000000000001|-0.000000000001|1",
            "2026-09|Workloads/O'K \"=1\", ü|Alpha|USD|0.300000000000|0.400000000000|2",
            "2026-09|__unknown__|Beta|USD|0.000000612300|0.000000612300|1",
        ],
        "daily_by_owner" => &[
            "2026-09-01|PAY|USD|0.100000000000|0.100000000000|0|1|0|0",
            "2026-09-30|__unknown__|USD|0.200000000000|0.300000000000|0|1|0|0",
            "2026-09-30|__untagged__|USD|0.000000612299|0.000000612299|0|2|2|0",
        ],
        // No list price in this bill.
        _ => &[],
    }
}

/// Every statement of the catalogue plans and runs, and the alias chains of the rollup give core's values.
async fn every_file(engine: &dyn QueryEngine, table: &Table, prefix: &str) -> Vec<String> {
    let mut failures = Vec::new();
    let taxonomy = teams();
    let days = || {
        let text = |day: &str| Value::Text(day.to_owned());
        BTreeMap::from([("first_day".to_owned(), text("2026-09-01")), ("last_day".to_owned(), text("2026-09-29"))])
    };
    // Four lines that differ in tags, service or invoice; two invoice ids but one profile group; one line of the first 29 days, which
    // names no resource.
    for (path, text, parameters, expected) in [
        ("rollup.sql", catalogue::ROLLUP, BTreeMap::new(), 4),
        ("daily.sql", catalogue::DAILY, BTreeMap::new(), 4),
        ("profile.sql", catalogue::PROFILE, BTreeMap::new(), 1),
        ("family.sql", catalogue::FAMILY, BTreeMap::new(), 3),
        ("hygiene/coverage.sql", catalogue::COVERAGE, days(), 1),
        ("hygiene/conflicts.sql", catalogue::CONFLICTS, days(), 1),
        ("hygiene/resources.sql", catalogue::RESOURCES, days(), 0),
    ] {
        let got = match catalogue::render(text, &taxonomy, table.format, &parameters) {
            Ok(sql) => fetch(engine, table, &sql, &format!("{prefix}-{path}")).await.map(|rows| rows.len()),
            Err(error) => Err(EngineError::Result { statement: path.to_owned(), what: error.to_string() }),
        };
        if got != Ok(expected) {
            failures.push(format!("{path}: {got:?} rows instead of {expected}"));
        }
    }
    for view in views::VIEWS {
        let got = match view.render(&taxonomy, table.format, Family::Unblended) {
            Ok(sql) => fetch_ordered(engine, table, &sql, &format!("{prefix}-{}", view.name)).await,
            Err(error) => Err(EngineError::Result { statement: view.name.to_owned(), what: error.to_string() }),
        };
        let cell =
            |row: &Row| row.iter().map(|cell| cell.clone().unwrap_or_else(|| "<null>".to_owned())).collect::<Vec<_>>().join("|");
        let got = got.map(|(header, rows)| (header, rows.iter().map(cell).collect::<Vec<String>>()));
        let expected = expected_of(view.name);
        match got {
            Ok((header, rows)) if header == view.columns && rows == expected => {}
            other => failures.push(format!("view {}: {other:?} instead of {expected:?}", view.name)),
        }
    }
    let keys = engine.tag_keys(table).await.map(|tags| tags.keys.into_iter().map(|key| key.key).collect::<Vec<_>>());
    if keys.as_ref().map(|keys| keys.iter().map(String::as_str).collect()) != Ok(vec!["Owner", "Team"]) {
        failures.push(format!("the tag keys that have a value: {keys:?}"));
    }
    failures
}
