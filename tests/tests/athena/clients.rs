//! Clients that nobody here wrote: the AWS command line and boto3.

use super::stand_ins::{front, root, s3};
use apportion_tests::front::{Front, aws_environment};
use apportion_tests::{Ran, run};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// A program of `scripts/aws-clients`, which is installed where it is not there yet.
fn program(name: &str) -> PathBuf {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    let folder = INSTALLED.get_or_init(|| {
        run("scripts/aws-clients", &["install"], &root()).expect(0);
        let tools = std::env::var_os("APPORTION_TOOLS").map_or_else(|| root().join("target/tools"), PathBuf::from);
        tools.canonicalize().unwrap().join("aws-clients/bin")
    });
    folder.join(name)
}

fn client(name: &str, front: &Front, arguments: &[&str]) -> Ran {
    let mut command = Command::new(program(name));
    command.args(arguments).envs(aws_environment(&s3())).env("AWS_ENDPOINT_URL_ATHENA", &front.url);
    command.env("AWS_DEFAULT_REGION", "us-east-1");
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_command_line_runs_a_query() {
    let front = front(&["--bytes-cutoff", "20000000"]).await;
    let aws = |arguments: &[&str]| client("aws", &front, &[&["--output", "json", "athena"], arguments].concat());
    let sql = "select * from (values (1, 'a', cast('0.1' as decimal(38, 12))), (2, '', null)) as t (n, s, d) order by n";
    let started = aws(&["start-query-execution", "--query-string", sql, "--work-group", "primary"]);
    let id = started.expect(0).json()["QueryExecutionId"].as_str().unwrap().to_owned();
    let execution = loop {
        let answer = aws(&["get-query-execution", "--query-execution-id", &id]).expect(0).json();
        if answer["QueryExecution"]["Status"]["State"] != "RUNNING" {
            break answer["QueryExecution"].clone();
        }
    };
    assert_eq!(execution["Status"]["State"], "SUCCEEDED", "{execution}");
    assert_eq!(execution["ResultConfiguration"]["OutputLocation"], format!("s3://results/athena/{id}.csv"));
    let results = aws(&["get-query-results", "--query-execution-id", &id]).expect(0).json();
    let cells = |row: usize| {
        let cells = results["ResultSet"]["Rows"][row]["Data"].as_array().unwrap().iter();
        cells.map(|cell| cell["VarCharValue"].as_str()).collect::<Vec<_>>()
    };
    assert_eq!(cells(0), [Some("n"), Some("s"), Some("d")]);
    assert_eq!(cells(1), [Some("1"), Some("a"), Some("0.100000000000")]);
    assert_eq!(cells(2), [Some("2"), Some(""), None]);
    let types = results["ResultSet"]["ResultSetMetadata"]["ColumnInfo"].as_array().unwrap().iter();
    assert_eq!(types.map(|column| column["Type"].as_str().unwrap()).collect::<Vec<_>>(), ["bigint", "varchar", "decimal"]);
    let object = client("aws", &front, &["s3", "cp", &format!("s3://results/athena/{id}.csv"), "-"]).expect(0);
    assert_eq!(object.stdout, "\"n\",\"s\",\"d\"\n\"1\",\"a\",\"0.100000000000\"\n\"2\",\"\",\n");
    let group = aws(&["get-work-group", "--work-group", "primary"]).expect(0).json();
    assert_eq!(group["WorkGroup"]["Configuration"]["BytesScannedCutoffPerQuery"], 20_000_000);
    let unknown = aws(&["get-query-execution", "--query-execution-id", "nothing"]);
    assert!(unknown.code != 0 && unknown.stderr.contains("InvalidRequestException"), "{}", unknown.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_finds_pages_tokens_limits_and_error_shapes() {
    let front = front(&["--concurrency", "1"]).await;
    let script = root().join("tests/tests/athena/boto.py");
    let ran = client("python", &front, &[script.to_str().unwrap()]);
    assert!(ran.expect(0).stdout.contains("all checked"));
}
