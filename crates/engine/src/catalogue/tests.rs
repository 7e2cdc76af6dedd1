use super::*;

fn dimension(name: &str, aliases: &[(TagColumn, &[&str])]) -> Dimension {
    Dimension {
        name: name.to_owned(),
        mandatory: false,
        aliases: aliases.iter().map(|(column, keys)| (*column, keys.iter().map(|k| (*k).to_owned()).collect())).collect(),
        fold_case: true,
        canonical: vec![],
        value_aliases: BTreeMap::new(),
    }
}

fn taxonomy(dimensions: Vec<Dimension>) -> Taxonomy {
    Taxonomy { owner: "cost_center".to_owned(), dimensions }
}

#[test]
fn an_alias_chain_keeps_its_order_and_doubles_quotes() {
    let chain = dimension(
        "team",
        &[(TagColumn::Cur2Tags, &["resourceTags/Team"]), (TagColumn::Cur2ResourceTags, &["user_team", "user_o'wner"])],
    );
    let sql = render("select 1{{tag_columns}}", &taxonomy(vec![chain]), BillFormat::Cur2, &BTreeMap::new()).unwrap();
    assert_eq!(
        sql,
        "select 1,\n        coalesce(nullif(trim(element_at(resource_tags, 'user_team')), ''), \
         nullif(trim(element_at(resource_tags, 'user_o''wner')), ''), \
         nullif(trim(element_at(tags, 'resourceTags/Team')), ''), '') as tag_team"
    );
}

#[test]
fn a_dimension_without_an_alias_in_this_format_is_empty_text() {
    let chain = dimension("team", &[(TagColumn::FocusTags, &["Team"])]);
    let sql = render("select 1{{tag_columns}}", &taxonomy(vec![chain]), BillFormat::Cur2, &BTreeMap::new()).unwrap();
    assert_eq!(sql, "select 1,\n        '' as tag_team");
}

#[test]
fn literals_are_typed_and_are_not_rendered_again() {
    let parameters = BTreeMap::from([
        ("account".to_owned(), Value::Text("x'; drop table bill --{{period}}".to_owned())),
        ("period".to_owned(), Value::Period("2026-09".parse().unwrap())),
        ("least".to_owned(), Value::Money("-1.5".parse().unwrap())),
        ("count".to_owned(), Value::Integer(-3)),
    ]);
    let sql = render("{{account}} {{period}} {{ least }} {{count}}", &taxonomy(vec![]), BillFormat::Focus12, &parameters);
    assert_eq!(sql.unwrap(), "'x''; drop table bill --{{period}}' '2026-09' cast('-1.500000000000' as decimal(38, 12)) -3");
}

#[test]
fn what_is_unknown_is_refused() {
    let none = BTreeMap::new();
    let empty = taxonomy(vec![]);
    let unknown = render("select {{x}}", &empty, BillFormat::Cur2, &none);
    assert_eq!(unknown, Err(CatalogueError::UnknownPlaceholder("x".to_owned())));
    assert_eq!(render("select {{x", &empty, BillFormat::Cur2, &none), Err(CatalogueError::OpenPlaceholder));
    let extra = BTreeMap::from([("y".to_owned(), Value::Integer(1))]);
    let extra = render("select 1", &empty, BillFormat::Cur2, &extra);
    assert_eq!(extra, Err(CatalogueError::UnknownParameter("y".to_owned())));
    let bad = taxonomy(vec![dimension("a b", &[])]);
    assert_eq!(render("", &bad, BillFormat::Cur2, &none), Err(CatalogueError::BadDimension("a b".to_owned())));
    let twice = taxonomy(vec![dimension("a", &[]), dimension("a", &[])]);
    assert_eq!(render("", &twice, BillFormat::Cur2, &none), Err(CatalogueError::DuplicateDimension("a".to_owned())));
}

#[test]
fn every_file_renders_for_every_format() {
    let taxonomy = taxonomy(vec![dimension("team", &[(TagColumn::FocusTags, &["Team"])])]);
    for format in BillFormat::ALL {
        for text in [ROLLUP, PROFILE] {
            let sql = render(text, &taxonomy, format, &BTreeMap::new()).unwrap();
            assert!(!sql.contains("{{") && sql.contains("from bill"), "{sql}");
        }
        assert!(!source(format).is_empty());
    }
}

#[test]
fn bill_rows_are_told_apart_in_every_format_and_their_sql_is_no_part_of_a_close() {
    let taxonomy = taxonomy(vec![dimension("cost_center", &[(TagColumn::FocusTags, &["CostCenter"])])]);
    let names = ["invoices", "accounts", "services", "charge_types", "commitments", "owner_values"];
    let texts = Value::Texts(["it's".to_owned(), "b".to_owned()].into());
    let mut parameters: BTreeMap<String, Value> = names.map(|name| (name.to_owned(), texts.clone())).into();
    parameters.insert("period".to_owned(), Value::Period("2026-09".parse().unwrap()));
    parameters.insert("currency".to_owned(), Value::Text("USD".to_owned()));
    for format in BillFormat::ALL {
        let sql = render_bill_rows(&taxonomy, format, &parameters, &[]).unwrap();
        assert!(sql.contains("and tag_cost_center in ('b', 'it''s')") && sql.contains("bill_row,"), "{sql}");
        assert!(!sql.contains("{{"), "{sql}");
    }
    assert!(FILES.iter().all(|(_, text)| *text != BILL_ROWS));
}

#[test]
fn sql_files_keep_to_the_rules() {
    for (path, text) in FILES.into_iter().chain([("bill_rows.sql", BILL_ROWS)]) {
        for part in ["-- grain:", "-- input:", "-- output:"] {
            assert!(text.contains(part), "{path} lacks a header line `{part}`");
        }
        let code: String = text.lines().map(|line| line.split("--").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
        assert!(!code.contains("select *") && !code.contains(" / ") && !code.contains("round("), "{path} breaks sql/README.md");
        for keyword in ["SELECT", "FROM", "WHERE", "CASE ", "COALESCE", "GROUP BY"] {
            assert!(!code.contains(keyword), "{path}: keywords are lower case ({keyword})");
        }
    }
}

#[test]
fn a_release_with_the_package_s_files_is_the_package_s_catalogue() {
    let builtin = Catalogue::builtin();
    let mut files: BTreeMap<String, Vec<u8>> =
        builtin.files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
    files.insert("README.md".to_owned(), b"not SQL".to_vec());
    assert_eq!(Catalogue::from_files(&files).unwrap(), builtin);
    let of_close: Vec<(&str, &str)> = builtin.of_close().collect();
    assert_eq!(of_close, FILES, "what a close id counts");
    let taxonomy = taxonomy(vec![]);
    for format in BillFormat::ALL {
        let sql = builtin.render(Query::Rollup, &taxonomy, format, &BTreeMap::new()).unwrap();
        assert_eq!(sql, render(ROLLUP, &taxonomy, format, &BTreeMap::new()).unwrap());
    }
    files.insert("source/cur2.sql".to_owned(), b"select other".to_vec());
    let other = Catalogue::from_files(&files).unwrap();
    let sql = other.render(Query::Rollup, &taxonomy, BillFormat::Cur2, &BTreeMap::new()).unwrap();
    assert!(sql.contains("select other"), "the source is the release's too");
    files.remove("hygiene/coverage.sql");
    assert_eq!(Catalogue::from_files(&files), Err(CatalogueError::Missing("hygiene/coverage.sql".to_owned())));
    files.insert("hygiene/coverage.sql".to_owned(), vec![0xff]);
    assert_eq!(Catalogue::from_files(&files), Err(CatalogueError::NotText("hygiene/coverage.sql".to_owned())));
}
