//! One broken configuration for each kind of error, and the whole message that a person gets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_config::load_files;
use std::collections::BTreeMap;

const TAXONOMY: &str = r#"version = 1
owner = "cost_center"

[[dimension]]
name = "cost_center"
mandatory = true
fold_case = true
[dimension.keys]
cur2_resource_tags = ["user_cost_center"]

[[dimension]]
name = "environment"
fold_case = true
[dimension.keys]
cur2_resource_tags = ["user_env"]
focus_tags = ["env"]
[dimension.values]
prod = ["production"]
test = []
"#;

const UNITS: &str = r#"version = 1

[[unit]]
id = "CC-1"
name = "Claims"
business_unit = "Care"
owners = ["claims@example.org"]
also = ["one"]

[[unit]]
id = "CC-2"
name = "Portal"
business_unit = "Members"
"#;

const RULES: &str = r#"version = 1
[close]
currency = "USD"

[drivers]
gb = "GB"

[[rule]]
id = "hub"
assign = "pool:network"
when = { accounts = ["100000000002"] }

[special]
commitment = { method = "follow", fallback = "pool:untagged" }
unused = { method = "assign", assign = "pool:untagged" }
upfront = { method = "assign", assign = "CC-1" }
discount = { method = "follow", fallback = "pool:untagged" }
tax = { method = "follow", fallback = "pool:untagged" }
support = { method = "owner" }
marketplace = { method = "owner" }
credit = { method = "owner" }
refund = { method = "owner" }
rounding = { method = "owner" }
adjustment = { method = "owner" }
unclassified = { method = "owner" }

[[pool]]
id = "network"
name = "Network"
key = "usage"
driver = "gb"
targets = ["CC-1", "CC-2"]
fallback = "even"

[[pool]]
id = "untagged"
name = "Untagged"
key = "proportional"
targets = "all"
fallback = "even"
"#;

const GB: &str = "target,value\nCC-1,10\nCC-2,2.5\n";

fn base() -> BTreeMap<String, Vec<u8>> {
    [("taxonomy.toml", TAXONOMY), ("units.toml", UNITS), ("rules.toml", RULES), ("drivers/2026-09/gb.csv", GB)]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
        .collect()
}

/// The message after `from` became `to` in one file.
fn message(file: &str, from: &str, to: &str) -> String {
    let mut files = base();
    let text = String::from_utf8(files[file].clone()).unwrap();
    assert_eq!(text.matches(from).count(), 1, "`{from}` must stand once in {file}");
    files.insert(file.to_owned(), text.replace(from, to).into_bytes());
    match load_files(&files, "2026-09".parse().unwrap()) {
        Ok(_) => "(no error)".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_base_of_these_tests_holds() {
    let loaded = load_files(&base(), "2026-09".parse().unwrap()).unwrap();
    // Python's hashlib over the sorted lines `sha256 path` of the four files.
    assert_eq!(loaded.digest, "5ef9a63120d9f63425048bbc57596bd02310ff3072d1a0e3c293752281251cc1");
}

#[test]
fn every_broken_configuration_says_where_what_and_what_to_do() {
    let mut wrong = Vec::new();
    for (file, from, to, expected) in CASES {
        let found = message(file, from, to);
        if found != *expected {
            wrong.push(format!("{file}: `{from}` -> `{to}`\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// File, text, what it becomes, the message.
const CASES: &[(&str, &str, &str, &str)] = &[
    // The files as such.
    (
        "units.toml",
        "version = 1\n",
        "version = 2\n",
        "units.toml:1: version 2 is newer than this program, which reads version 1 — use the version of apportion that wrote the file",
    ),
    (
        "units.toml",
        "version = 1\n",
        "version = 0\n",
        "units.toml:1: there has never been such a version of this file — write `version = 1`",
    ),
    (
        "units.toml",
        "version = 1\n",
        "version = \"1\"\n",
        "units.toml:1: there has never been such a version of this file — write `version = 1`",
    ),
    (
        "units.toml",
        "version = 1\n",
        "\n",
        "units.toml:1: the file does not say its version — let it start with the line `version = 1`",
    ),
    (
        "units.toml",
        "name = \"Claims\"",
        "name = \"Claims",
        "units.toml:5:15: this is not TOML: invalid basic string, expected `\"` — correct the line; every text stands in double quotes, every list in brackets",
    ),
    (
        "units.toml",
        "name = \"Claims\"",
        "nam = \"Claims\"",
        "units.toml:5: unknown key `nam` — correct or remove it; the keys known here are `id`, `name`, `business_unit`, `owners`, `also`",
    ),
    (
        "units.toml",
        "name = \"Claims\"",
        "",
        "units.toml:3: the key `name` is missing — add it; docs/configuration.md shows an example",
    ),
    (
        "units.toml",
        "name = \"Claims\"",
        "name = 7",
        "units.toml:5: found integer `7` where a text belongs — write it in quotes: \"7\"",
    ),
    (
        "units.toml",
        "name = \"Claims\"",
        "name = \"Claims\"\nname = \"Claims\"",
        "units.toml:6: the key `name` stands twice in one table — keep one of the two",
    ),
    (
        "units.toml",
        "owners = [\"claims@example.org\"]",
        "owners = \"claims@example.org\"",
        "units.toml:7: found string \"claims@example.org\" where a list belongs — write a list in brackets, for example [\"CC-1010\"]",
    ),
    (
        "taxonomy.toml",
        "mandatory = true",
        "mandatory = \"yes\"",
        "taxonomy.toml:6: found string \"yes\" where true or false belongs — write true or false, without quotes",
    ),
    (
        "rules.toml",
        "[close]",
        "[clsoe]",
        "rules.toml:2: unknown key `clsoe` — correct or remove it; the keys known here are `version`, `close`, `organization`, `drivers`, `rule`, `special`, `pool`",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { account = [\"100000000002\"] }",
        "rules.toml:11: unknown key `account` — correct or remove it; the keys known here are `accounts`, `ou_paths`, `services`, `charge_types`, `components`, `providers`, `issuers`, `tags`",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { accounts = [100000000002] }",
        "rules.toml:11: found integer `100000000002` where a text belongs — write it in quotes: \"100000000002\"",
    ),
    (
        "rules.toml",
        "support = { method = \"owner\" }",
        "support = { metod = \"owner\" }",
        "rules.toml:19: unknown key `metod` — correct or remove it; the keys known here are `method`, `assign`, `fallback`",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = 1",
        "rules.toml:39: found integer `1`, which cannot stand here — write \"all\", or a list such as [\"CC-1010\", \"pool:network\"]",
    ),
    (
        "rules.toml",
        "targets = \"all\"\nfallback = \"even\"",
        "targets = \"all\"\nfallback = { kye = \"even\" }",
        "rules.toml:40: unknown key `kye` — correct or remove it; the keys known here are `key`, `driver`, `percents`, `weights`",
    ),
    // Units.
    (
        "units.toml",
        "id = \"CC-2\"",
        "id = \"CC-1\"",
        "units.toml:11: the unit id `CC-1` stands on line 4 too — give each unit its own",
    ),
    (
        "units.toml",
        "id = \"CC-2\"",
        "id = \"cc_1\"",
        "units.toml:11: the unit id `cc_1` is the same as `CC-1` of line 4 once case, accents' encoding, punctuation and look-alike letters are set aside — make the two differ in a letter or digit: files and pages are named after them",
    ),
    (
        "units.toml",
        "id = \"CC-2\"",
        "id = \"ＣＣ－１\"",
        "units.toml:11: the unit id `ＣＣ－１` is the same as `CC-1` of line 4 once case, accents' encoding, punctuation and look-alike letters are set aside — make the two differ in a letter or digit: files and pages are named after them",
    ),
    (
        "units.toml",
        "id = \"CC-2\"",
        "id = \"\u{421}\u{421}-1\"",
        "units.toml:11: the unit id `\u{421}\u{421}-1` is the same as `CC-1` of line 4 once case, accents' encoding, punctuation and look-alike letters are set aside — make the two differ in a letter or digit: files and pages are named after them",
    ),
    ("units.toml", "id = \"CC-2\"", "id = \"\"", "units.toml:11: the unit id \"\" is empty — type it anew, in plain characters"),
    (
        "units.toml",
        "id = \"CC-2\"",
        "id = \" CC-2\"",
        "units.toml:11: the unit id \" CC-2\" starts or ends with a blank — type it anew, in plain characters",
    ),
    (
        "units.toml",
        "id = \"CC-2\"",
        "id = \"pool:x\"",
        "units.toml:11: the unit id \"pool:x\" starts with `pool:` or `__`, which have a meaning of their own — type it anew, in plain characters",
    ),
    (
        "units.toml",
        "id = \"CC-2\"",
        "id = \"С\u{421}-C2\"",
        "units.toml:11: the unit id \"СС-C2\" mixes letters of several scripts: Cyrillic (U+0421), Latin (U+0043) — type it anew in one script; look-alike letters make two names that nobody can tell apart",
    ),
    (
        "units.toml",
        "id = \"CC-2\"",
        "id = \"CC-\u{202e}2\"",
        "units.toml:11: the unit id \"CC-\\u{202e}2\" holds a character that reorders text (U+202E) — type it anew, in plain characters",
    ),
    (
        "units.toml",
        "name = \"Portal\"",
        "name = \"P\u{43e}rtal\"",
        "units.toml:12: the unit name \"Pоrtal\" mixes letters of several scripts: Latin (U+0050), Cyrillic (U+043E) — type it anew in one script; look-alike letters make two names that nobody can tell apart",
    ),
    (
        "units.toml",
        "name = \"Portal\"",
        "name = \"CLAIMS\"",
        "units.toml:12: the unit name `CLAIMS` is the same as `Claims` of line 5 once case, accents' encoding, punctuation and look-alike letters are set aside — make the two differ in a letter or digit: files and pages are named after them",
    ),
    (
        "units.toml",
        "name = \"Portal\"",
        "name = \"Por\\ntal\"",
        "units.toml:12: the unit name \"Por\\ntal\" holds a line break (U+000A) — type it anew, in plain characters",
    ),
    (
        "units.toml",
        "name = \"Portal\"",
        "name = \"Por\\u0000tal\"",
        "units.toml:12: the unit name \"Por\\0tal\" holds a control character (U+0000) — type it anew, in plain characters",
    ),
    (
        "units.toml",
        "business_unit = \"Members\"",
        "business_unit = \"care\"",
        "units.toml:13: the business unit `care` differs from `Care` of line 6 in spelling only — write it in one way",
    ),
    (
        "units.toml",
        "claims@example.org",
        "claims@example.org\\r\\nBcc: x@example.org",
        "units.toml:7: the mail address \"claims@example.org\\r\\nBcc: x@example.org\" holds a line break (U+000D) — write one plain address such as \"claims.lead@example.org\"",
    ),
    (
        "units.toml",
        "claims@example.org",
        "claims.example.org",
        "units.toml:7: the mail address \"claims.example.org\" has no @ — write one plain address such as \"claims.lead@example.org\"",
    ),
    (
        "units.toml",
        "claims@example.org",
        "Claims <claims@example.org>",
        "units.toml:7: the mail address \"Claims <claims@example.org>\" holds ' ' — write one plain address such as \"claims.lead@example.org\"",
    ),
    (
        "units.toml",
        "claims@example.org",
        "claims@example",
        "units.toml:7: the mail address \"claims@example\" is not of the form name@domain — write one plain address such as \"claims.lead@example.org\"",
    ),
    (
        "units.toml",
        "also = [\"one\"]",
        "also = [\"one\", \" One\"]",
        "units.toml:8: the tag value \" One\" starts or ends with a blank — write it without: values are trimmed before they are compared",
    ),
    (
        "units.toml",
        "also = [\"one\"]",
        "also = [\"one\", \"ONE\"]",
        "units.toml:8: the spelling `ONE` of the dimension `cost_center` stands on line 8 already (values of this dimension compare without case) — keep one of the two",
    ),
    (
        "units.toml",
        "also = [\"one\"]",
        "also = [\"cc-1\"]",
        "units.toml:8: `cc-1` is the id of the unit itself — remove it: values are trimmed and compared without case before `also` is looked at",
    ),
    (
        "units.toml",
        "also = [\"one\"]",
        "also = [\"cc-2\"]",
        "units.toml:8: `cc-2` of the unit `CC-1` is the id of the unit `CC-2` — remove it: values are trimmed and compared without case before `also` is looked at",
    ),
    // Taxonomy.
    (
        "taxonomy.toml",
        "owner = \"cost_center\"",
        "owner = \"team\"",
        "taxonomy.toml:2: the owning dimension `team` is not among the dimensions — add a [[dimension]] of that name, or name one of the others as owner",
    ),
    (
        "taxonomy.toml",
        "name = \"environment\"",
        "name = \"cost_center\"",
        "taxonomy.toml:12: the dimension `cost_center` stands on line 5 too — put all its keys into one [[dimension]]",
    ),
    (
        "taxonomy.toml",
        "name = \"environment\"",
        "name = \"Environment\"",
        "taxonomy.toml:12: `Environment` cannot name a dimension — use small letters, digits and _, starting with a letter, for example cost_center",
    ),
    (
        "taxonomy.toml",
        "[\"user_env\"]",
        "[\"user_env\", \"user_env\"]",
        "taxonomy.toml:15: the tag key `user_env` is listed twice (first on line 15) — keep the first: keys are tried in order",
    ),
    (
        "taxonomy.toml",
        "[\"user_env\"]",
        "[\"user_cost_center\"]",
        "taxonomy.toml:15: the tag key `user_cost_center` belongs to the dimension `cost_center` already (line 9) — let one dimension have it",
    ),
    (
        "taxonomy.toml",
        "cur2_resource_tags = [\"user_cost_center\"]",
        "",
        "taxonomy.toml:8: the dimension `cost_center` has no tag key — list the keys that name it, for example cur2_resource_tags = [\"user_cost_center\"]",
    ),
    (
        "taxonomy.toml",
        "test = []",
        "test = [\"Production\"]",
        "taxonomy.toml:19: the spelling `Production` of the dimension `environment` stands on line 18 already (values of this dimension compare without case) — keep one of the two",
    ),
    (
        "taxonomy.toml",
        "test = []",
        "PROD = []",
        "taxonomy.toml:19: the spelling `PROD` of the dimension `environment` stands on line 18 already (values of this dimension compare without case) — keep one of the two",
    ),
    (
        "taxonomy.toml",
        "test = []",
        "test = [\" \"]",
        "taxonomy.toml:19: a tag value is blank — a blank value means untagged; remove it",
    ),
    (
        "taxonomy.toml",
        "cur2_resource_tags = [\"user_cost_center\"]",
        "cur2_resource_tags = [\"user_cost_center\"]\n[dimension.values]\nCC-1 = [\"one\"]",
        "taxonomy.toml:11: `cost_center` is the owning dimension: its values are the units — write other spellings of a unit in units.toml, as `also` of that unit",
    ),
    // Settings and drivers.
    (
        "rules.toml",
        "currency = \"USD\"",
        "currency = \"usd\"",
        "rules.toml:3: \"usd\" is not a currency code — write the three capital letters of ISO 4217, for example \"USD\"",
    ),
    (
        "rules.toml",
        "currency = \"USD\"",
        "currency = \"USD\"\ncurrencies = \"all\"",
        "rules.toml:4: `currencies` cannot be \"all\" — write \"each\" for one close per currency, or remove the key: a bill in another currency is then refused",
    ),
    (
        "rules.toml",
        "currency = \"USD\"",
        "currency = \"USD\"\n\n[organization]\nas_of = \"month_end\"",
        "rules.toml:6: `as_of` cannot be \"month_end\" — write \"period_end\" (every line goes by the tree of the month's end) or \"usage_day\" (each by the tree of its day)",
    ),
    (
        "rules.toml",
        "currency = \"USD\"",
        "currency = \"USD\"\ntolerance = \"-1\"",
        "rules.toml:4: `tolerance` is negative: -1 — write zero or more",
    ),
    (
        "rules.toml",
        "currency = \"USD\"",
        "currency = \"USD\"\ntolerance = \"1,50\"",
        "rules.toml:4: `tolerance`: `1,50` is not a decimal number (digits, one point, an optional exponent such as 6.1E-7) — write an exact amount in quotes, for example \"250.00\"",
    ),
    (
        "rules.toml",
        "currency = \"USD\"",
        "currency = \"USD\"\ntolerance = 1.5",
        "rules.toml:4: found floating point `1.5` where a text belongs — write it in quotes: \"1.5\"",
    ),
    (
        "rules.toml",
        "currency = \"USD\"",
        "currency = \"USD\"\ntax_tolerance = \"1000.00\"",
        "rules.toml:4: `tax_tolerance` is 1000.00, beyond any ceiling — the tolerance of an invoice is the larger of 100 cents and half a cent times the root of its rows; a configuration can only lower it",
    ),
    (
        "rules.toml",
        "gb = \"GB\"",
        "GB = \"GB\"",
        "rules.toml:6: \"GB\" cannot be the id of a driver — use small letters, digits, - and _: it is the name of a file",
    ),
    (
        "rules.toml",
        "gb = \"GB\"",
        "tb = \"TB\"",
        "rules.toml:31: there is no driver `gb` — declare it under [drivers] with what one counts, for example gb = \"GB\"",
    ),
    // Line rules.
    (
        "rules.toml",
        "id = \"hub\"",
        "id = \"Hub 1\"",
        "rules.toml:9: \"Hub 1\" cannot be the id of a rule — use small letters, digits, - and _, at most 60",
    ),
    (
        "rules.toml",
        "assign = \"pool:network\"",
        "assign = \"network\"",
        "rules.toml:10: units.toml has no unit `network` — write \"pool:network\" for the pool of that id",
    ),
    (
        "rules.toml",
        "assign = \"pool:network\"",
        "assign = \"pool:net\"",
        "rules.toml:10: there is no pool `net` — correct the id or add a [[pool]]; the pools are network, untagged",
    ),
    (
        "rules.toml",
        "assign = \"pool:network\"",
        "assign = \"CC-9\"",
        "rules.toml:10: units.toml has no unit `CC-9` — correct the id, or add the unit to units.toml; a pool is written \"pool:ID\"",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = {}",
        "rules.toml:11: the rule has no condition, so it would take every line — state at least one of accounts, ou_paths, services, charge_types, components, providers, issuers, tags",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { accounts = [] }",
        "rules.toml:11: `accounts` is an empty list, which would match everything — name at least one, or remove the key",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { accounts = [\"1\", \"1\"] }",
        "rules.toml:11: `accounts` names `1` twice — keep one",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { ou_paths = [\"/Shared\"] }",
        "rules.toml:11: \"/Shared\" is not an OU path — write the names of the OUs from the root, for example \"Workloads/Claims\", with no / at either end",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { components = [\"pool\"] }",
        "rules.toml:11: `pool` is not a component of a bill — write one of direct, commitment, unused, upfront, discount, tax, support, marketplace, credit, refund, rounding, adjustment, unclassified",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { tags = { team = [\"a\"] } }",
        "rules.toml:11: taxonomy.toml has no dimension `team` — correct the name; the dimensions are cost_center, environment",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { tags = { environment = [\"production\"] } }",
        "rules.toml:11: \"production\" never appears after normalisation — write \"prod\", the value that this spelling stands for",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { tags = { environment = [\" \"] } }",
        "rules.toml:11: \" \" never appears after normalisation — write \"__untagged__\" for lines without a value",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { accounts = [\"1\"] }\nfrom = \"2026-13\"",
        "rules.toml:12: `from` is \"2026-13\", which is no billing month — write YYYY-MM, for example \"2026-09\"",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { accounts = [\"1\"] }\nfrom = \"2026-03\"\nto = \"2026-02\"",
        "rules.toml:13: `to` 2026-02 lies before `from` 2026-03 — swap them; both months are included",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { accounts = [\"1\"] }\n[[rule]]\nid = \"hub\"\nassign = \"CC-1\"\nwhen = { accounts = [\"2\"] }",
        "rules.toml:13: the rule `hub` stands on line 9 too — give it another id, or give each a `from` and a `to`",
    ),
    (
        "rules.toml",
        "when = { accounts = [\"100000000002\"] }",
        "when = { accounts = [\"1\"] }\nto = \"2026-06\"\n[[rule]]\nid = \"hub\"\nassign = \"CC-1\"\nwhen = { accounts = [\"2\"] }\nfrom = \"2026-06\"",
        "rules.toml:14: the rule `hub` holds in 2026-06 and later, which overlaps 2026-06 and earlier of line 9 — let one version end (`to`) in the month before the next begins (`from`)",
    ),
    // Special rules.
    (
        "rules.toml",
        "refund = { method = \"owner\" }\n",
        "",
        "rules.toml:13: there is no rule for the component `refund` — add [special.refund] with a method: nothing is guessed",
    ),
    (
        "rules.toml",
        "refund = { method = \"owner\" }",
        "refnd = { method = \"owner\" }",
        "rules.toml:22: `special.refnd` is not a component with a rule of its own — write one of commitment, unused, upfront, discount, tax, support, marketplace, credit, refund, rounding, adjustment, unclassified",
    ),
    (
        "rules.toml",
        "refund = { method = \"owner\" }",
        "refund = { method = \"even\" }",
        "rules.toml:22: \"even\" is not a method — write \"owner\" (like any line), \"follow\" (in proportion to what it belongs to) or \"assign\" (to one unit or pool)",
    ),
    (
        "rules.toml",
        "refund = { method = \"owner\" }",
        "refund = { method = \"follow\" }",
        "rules.toml:22: special.refund has the method \"follow\" and no `fallback` — add fallback = \"pool:ID\" or a unit id",
    ),
    (
        "rules.toml",
        "refund = { method = \"owner\" }",
        "refund = { method = \"assign\" }",
        "rules.toml:22: special.refund has the method \"assign\" and no `assign` — add assign = \"pool:ID\" or a unit id",
    ),
    (
        "rules.toml",
        "refund = { method = \"owner\" }",
        "refund = { method = \"owner\", fallback = \"CC-1\" }",
        "rules.toml:22: `fallback` has no effect with the method \"owner\" — remove it, or change the method",
    ),
    (
        "rules.toml",
        "refund = { method = \"owner\" }",
        "refund = { method = \"assign\", assign = \"pool:nowhere\" }",
        "rules.toml:22: there is no pool `nowhere` — correct the id or add a [[pool]]; the pools are network, untagged",
    ),
    // Pools.
    (
        "rules.toml",
        "id = \"untagged\"",
        "id = \"shared\"",
        "rules.toml:41: there is no pool `untagged` — add a [[pool]] with id = \"untagged\": it takes what has no owner",
    ),
    (
        "rules.toml",
        "id = \"network\"",
        "id = \"untagged\"",
        "rules.toml:10: there is no pool `network` — correct the id or add a [[pool]]; the pools are untagged",
    ),
    (
        "rules.toml",
        "key = \"proportional\"",
        "key = \"fair\"",
        "rules.toml:38: \"fair\" is not a key — write \"proportional\", \"even\", \"fixed\", \"headcount\" or \"usage\"",
    ),
    (
        "rules.toml",
        "key = \"proportional\"",
        "key = \"even\"\nbase = \"effective_direct\"",
        "rules.toml:39: `base` has no effect with the key \"even\" — remove it, or change the key",
    ),
    (
        "rules.toml",
        "key = \"proportional\"",
        "key = \"proportional\"\nbase = \"cash\"",
        "rules.toml:39: \"cash\" is not a base — write \"effective_direct\" or \"effective_direct+earlier_pools\"",
    ),
    (
        "rules.toml",
        "key = \"proportional\"",
        "key = \"proportional\"\ndriver = \"gb\"",
        "rules.toml:39: `driver` has no effect with the key \"proportional\" — remove it, or change the key",
    ),
    (
        "rules.toml",
        "driver = \"gb\"\n",
        "",
        "rules.toml:30: the pool `network` has the key \"usage\" and no `driver` — add driver = \"…\", one of those that [drivers] declares",
    ),
    (
        "rules.toml",
        "driver = \"gb\"",
        "driver = \"tb\"",
        "rules.toml:31: there is no driver `tb` — declare it under [drivers] with what one counts, for example tb = \"GB\"",
    ),
    (
        "rules.toml",
        "driver = \"gb\"",
        "driver = \"headcount\"",
        "rules.toml:31: `headcount` is a key of its own — write key = \"headcount\" without a driver",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = \"everyone\"",
        "rules.toml:39: `targets` cannot be \"everyone\" — write \"all\" for every unit, or a list such as [\"CC-1010\"]",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = []",
        "rules.toml:39: `targets` is an empty list — name at least one unit or pool, or write \"all\"",
    ),
    ("rules.toml", "targets = \"all\"", "targets = [\"CC-1\", \"CC-1\"]", "rules.toml:39: `CC-1` is a target twice — keep one"),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = [\"CC-3\"]",
        "rules.toml:39: units.toml has no unit `CC-3` — correct the id, or add the unit to units.toml; a pool is written \"pool:ID\"",
    ),
    (
        "rules.toml",
        "targets = \"all\"\n",
        "",
        "rules.toml:36: the pool `untagged` does not say who shares it — add targets = \"all\", targets = [\"CC-1010\", …] or business_units = [\"…\"]",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = \"all\"\nbusiness_units = [\"Care\"]",
        "rules.toml:40: the pool has both `targets` and `business_units` — keep one of the two",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "business_units = [\"care\"]",
        "rules.toml:39: no unit belongs to the business unit `care` — correct the name; the business units are Care, Members",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = [\"CC-1\"]\nexclude = [\"CC-1\"]",
        "rules.toml:36: every target of the pool `untagged` is excluded — leave at least one that bears the cost",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = \"all\"\nexclude = [\"pool:network\"]",
        "rules.toml:40: `pool:network` stands where only a unit can — name a unit of units.toml",
    ),
    (
        "rules.toml",
        "targets = \"all\"\nfallback = \"even\"",
        "targets = \"all\"",
        "rules.toml:36: the pool `untagged` has no fallback — add one, for example fallback = \"even\": it splits the pool when no target has a positive weight",
    ),
    (
        "rules.toml",
        "targets = \"all\"\nfallback = \"even\"",
        "targets = \"all\"\nfallback = \"proportional\"",
        "rules.toml:40: the fallback of the pool `untagged` is proportional, which can fail in the same way — write \"even\", \"fixed\", \"headcount\" or \"usage\"",
    ),
    (
        "rules.toml",
        "targets = \"all\"\nfallback = \"even\"",
        "targets = \"all\"\nfallback = { key = \"proportional\" }",
        "rules.toml:40: the fallback of the pool `untagged` is proportional, which can fail in the same way — write \"even\", \"fixed\", \"headcount\" or \"usage\"",
    ),
    (
        "rules.toml",
        "targets = \"all\"\nfallback = \"even\"",
        "targets = [\"CC-1\"]\nfallback = { key = \"fixed\", percents = { CC-2 = 100 } }",
        "rules.toml:40: the fallback gives a share to `CC-2`, which is no target of the pool `untagged` — let a fallback name targets of the pool only",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = \"all\"\nminimum = \"10\"\ncap = \"9.99\"",
        "rules.toml:40: in the pool `untagged` the unit `CC-1` bears at least 10 and at most 9.99 — lower the minimum or raise the cap",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = \"all\"\nminimum = \"-10\"",
        "rules.toml:40: `minimum` is negative: -10 — write zero or more",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = \"all\"\ncap = \"-0.01\"",
        "rules.toml:40: `cap` is negative: -0.01 — write zero or more",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = \"all\"\ncap = \"0.0000000000001\"",
        "rules.toml:40: `cap` has more than twelve decimals — write at most twelve",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = \"all\"\ncap = \"5\"\nminimums = { CC-2 = \"6\" }",
        "rules.toml:41: in the pool `untagged` the unit `CC-2` bears at least 6 and at most 5 — lower the minimum or raise the cap",
    ),
    (
        "rules.toml",
        "targets = \"all\"",
        "targets = [\"CC-1\"]\ncaps = { CC-2 = \"6\" }",
        "rules.toml:40: `caps` names `CC-2`, which does not share the pool `untagged` — remove it, or make the unit a target",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"fixed\"",
        "rules.toml:38: the pool `untagged` has the key \"fixed\" and no shares — add `percents` that sum to 100, or `weights` as ratios",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"fixed\"\npercents = { CC-1 = \"33.3\", CC-2 = \"66.6\" }",
        "rules.toml:39: the percents of the pool `untagged` sum to 99.9, not to 100 — correct them, or call them `weights` if they are ratios",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"fixed\"\npercents = { CC-1 = 33.5, CC-2 = 66.5 }",
        "rules.toml:39: found floating point `33.5`, which cannot stand here — write a whole number, or a decimal in quotes such as \"33.5\"",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"fixed\"\npercents = { CC-1 = 101, CC-2 = -1 }",
        "rules.toml:39: the share of `CC-2` is -1 — write zero or more, with at most twelve decimals",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"fixed\"\nweights = { CC-1 = 0 }",
        "rules.toml:39: no share of the pool `untagged` is positive — give at least one target a share",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"fixed\"\nweights = { CC-1 = 1 }\npercents = { CC-1 = 100 }",
        "rules.toml:39: the pool has both `percents` and `weights` — keep one of the two",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"fixed\"\nweights = { CC-1 = 1 }\ntargets = \"all\"",
        "rules.toml:40: a fixed pool goes to those that have a share — remove `targets` and `business_units` here",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"fixed\"\nweights = { CC-1 = 1, CC-2 = 1 }\nexclude = [\"CC-2\"]",
        "rules.toml:40: `CC-2` has a share of the pool `untagged` and is excluded from it — remove one of the two",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"proportional\"\ntargets = [\"pool:network\"]",
        "rules.toml:39: the pool `untagged` is proportional and `pool:network` is a pool, which has no cost of its own to weigh — name units only, or use the key \"fixed\", \"even\" or \"usage\"",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"even\"\ntargets = [\"CC-1\", \"pool:untagged\"]",
        "rules.toml:39: pools feed each other in a circle: untagged -> untagged — take one of the arrows out: what goes round would never reach a unit",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "key = \"even\"\ntargets = [\"CC-1\", \"pool:network\"]",
        "rules.toml:39: the pool `untagged` feeds `network`, which is split before it — move the [[pool]] `network` below `untagged`: pools are split in the order of the file",
    ),
    (
        "rules.toml",
        "key = \"usage\"\ndriver = \"gb\"\ntargets = [\"CC-1\", \"CC-2\"]\nfallback = \"even\"",
        "key = \"even\"\ntargets = [\"pool:c\"]\nfallback = \"even\"\n[[pool]]\nid = \"c\"\nname = \"C\"\nkey = \"fixed\"\nweights = { \"pool:network\" = 1 }\nfallback = \"even\"",
        "rules.toml:37: pools feed each other in a circle: c -> network -> c — take one of the arrows out: what goes round would never reach a unit",
    ),
    (
        "rules.toml",
        "key = \"proportional\"\ntargets = \"all\"",
        "from = \"2026-10\"\nkey = \"proportional\"\ntargets = \"all\"",
        "rules.toml:14: special.commitment gives to the pool `untagged`, which is not in force in 2026-09 (it is in 2026-10 and later) — widen the pool's `from` or `to`, or end the rule with it",
    ),
    (
        "rules.toml",
        "driver = \"gb\"",
        "driver = \"gb\"\nto = \"2026-08\"",
        "rules.toml:10: the rule `hub` gives to the pool `network`, which is not in force in 2026-09 (it is in 2026-08 and earlier) — widen the pool's `from` or `to`, or end the rule with it",
    ),
    // Drivers.
    (
        "rules.toml",
        "key = \"proportional\"",
        "key = \"headcount\"",
        "drivers/2026-09/headcount.csv: the file is missing — create it: the pool `untagged` is split by it in 2026-09; the first line is `target,value`, then one line for each unit",
    ),
    (
        "drivers/2026-09/gb.csv",
        "target,value\nCC-1,10\nCC-2,2.5\n",
        "",
        "drivers/2026-09/gb.csv:1: the file is empty — write the header `target,value` and a line for each unit",
    ),
    (
        "drivers/2026-09/gb.csv",
        "CC-1,10\nCC-2,2.5\n",
        "",
        "drivers/2026-09/gb.csv:1: the file has a header and nothing else — write a line for each unit",
    ),
    (
        "drivers/2026-09/gb.csv",
        "target,value",
        "unit,value",
        "drivers/2026-09/gb.csv:1: the header is \"unit,value\" — let the first line be `target,value`",
    ),
    (
        "drivers/2026-09/gb.csv",
        "target,value",
        "target;value",
        "drivers/2026-09/gb.csv:1: the header is \"target;value\" — save the file with commas: the first line is `target,value`",
    ),
    (
        "drivers/2026-09/gb.csv",
        "CC-2,2.5\n",
        "",
        "drivers/2026-09/gb.csv:1: there is no line for CC-2 — add one for each target of the pool `network`; zero is a value",
    ),
    (
        "drivers/2026-09/gb.csv",
        "CC-2,2.5\n",
        "CC-1,2.5\n",
        "drivers/2026-09/gb.csv:3: `CC-1` stands on line 2 too — keep one of the two",
    ),
    (
        "drivers/2026-09/gb.csv",
        "CC-2,2.5\n",
        "CC-9,2.5\n",
        "drivers/2026-09/gb.csv:3: units.toml has no unit `CC-9` — correct the id, or add the unit to units.toml",
    ),
    (
        "drivers/2026-09/gb.csv",
        "CC-2,2.5\n",
        "pool:x,2.5\n",
        "drivers/2026-09/gb.csv:3: rules.toml has no pool `x` — correct the id, or add the pool to rules.toml",
    ),
    (
        "drivers/2026-09/gb.csv",
        "CC-2,2.5\n",
        ",2.5\n",
        "drivers/2026-09/gb.csv:3: the line names no target — write a unit id, or remove the line",
    ),
    (
        "drivers/2026-09/gb.csv",
        "CC-2,2.5\n",
        "CC-2,-2.5\n",
        "drivers/2026-09/gb.csv:3: `-2.5` is negative — a driver is zero or more; zero means that the target bears nothing",
    ),
    (
        "drivers/2026-09/gb.csv",
        "CC-2,2.5\n",
        "CC-2,many\n",
        "drivers/2026-09/gb.csv:3: `many` is not a decimal number (digits, one point, an optional exponent such as 6.1E-7) — write a plain number such as 12 or 1234.5",
    ),
    (
        "drivers/2026-09/gb.csv",
        "CC-2,2.5\n",
        "CC-2,1,500\n",
        "drivers/2026-09/gb.csv:3: the line has 3 fields where 2 fields belong — write `target,value`; a number has no thousands separator",
    ),
    (
        "drivers/2026-09/gb.csv",
        "CC-2,2.5\n",
        "CC-2\n",
        "drivers/2026-09/gb.csv:3: the line has 1 field where 2 fields belong — write `target,value`; a number has no thousands separator",
    ),
];
