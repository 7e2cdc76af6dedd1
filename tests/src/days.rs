//! A folder in which days of a small FOCUS bill are run, and what a person reads of them.

use crate::month::HEADER;
use crate::{Ran, SmallConfig, apportion, run, text};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// One FOCUS 1.2 line of AWS on a day: account, category, service, cost, cost center (`""`: no tag).
pub fn day_line(day: &str, account: &str, category: &str, service: &str, cost: &str, owner: &str) -> String {
    let month = &day[..7];
    let tags = if owner.is_empty() { "{}".to_owned() } else { format!("{{\"\"CostCenter\"\":\"\"{owner}\"\"}}") };
    format!(
        "AWS,AWS,,100000000001,Payer,{account},name-{account},{month}-01T00:00:00Z,{month}-28T00:00:00Z,{day}T05:00:00Z,{day}T06:00:00Z,{category},,text,Usage-Based,{cost},{cost},{cost},{cost},USD,{service},Compute,,r-{account},,us-east-1,US East,Standard,,,\"{tags}\""
    )
}

const MAIL: &str = "version = 1\nsender = \"finops@example.org\"\nrecipients = [\"cfo@example.org\"]\nallowed_domains = [\"example.org\"]\n\n[run]\norganization_days = 7\n";

/// Account 10 in the OU `Claims`, 11 directly under the root.
const ORGANIZATION: &str = r#"{"Roots":[{"Id":"r-1","Name":"Root"}],
"OrganizationalUnits":[{"Id":"ou-1","Name":"Claims","ParentId":"r-1"}],
"Accounts":[{"Id":"100000000010","Name":"claims, prod","ParentId":"ou-1","State":"ACTIVE"},{"Id":"100000000011","Name":"core","ParentId":"r-1","State":"ACTIVE"}]}"#;

pub struct Days {
    pub folder: tempfile::TempDir,
    pub bill: PathBuf,
    pub config: PathBuf,
    pub organization: PathBuf,
    pub out: PathBuf,
}

impl Days {
    pub fn new() -> Days {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (bill, config, organization, out) = (path("bill"), path("config"), path("organization.json"), path("out"));
        std::fs::create_dir(&bill).unwrap();
        SmallConfig::new(&["A", "B"]).write(&config);
        std::fs::write(config.join("mail.toml"), MAIL).unwrap();
        std::fs::write(&organization, ORGANIZATION).unwrap();
        let days = Days { bill, config, organization, out, folder };
        days.date_organization("2026-09-14");
        days
    }

    /// Replaces a file of the bill.
    pub fn bill(&self, name: &str, lines: &[String]) {
        std::fs::write(self.bill.join(name), format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
    }

    /// Gives the organization file the date of a day, as `touch -d` does.
    pub fn date_organization(&self, day: &str) {
        let seconds = run("date", &["-u", "-d", day, "+%s"], self.folder.path()).expect(0).stdout;
        let time = UNIX_EPOCH + Duration::from_secs(seconds.trim().parse().unwrap());
        std::fs::File::options().write(true).open(&self.organization).unwrap().set_modified(time).unwrap();
    }

    pub fn daily_without_organization(&self, date: &str, more: &[&str]) -> Ran {
        let (bill, config, out) = (text(&self.bill), text(&self.config), text(&self.out));
        let mut arguments = vec!["daily", "--date", date, "--bill", &bill, "--config", &config, "--out", &out];
        arguments.extend(more);
        apportion(self.folder.path(), &arguments)
    }

    pub fn daily(&self, date: &str, more: &[&str]) -> Ran {
        let organization = text(&self.organization);
        self.daily_without_organization(date, &[&["--org", &organization], more].concat())
    }

    /// A command on the out folder.
    pub fn on_out(&self, arguments: &[&str]) -> Ran {
        let out = text(&self.out);
        apportion(self.folder.path(), &[arguments, &["--out", &out]].concat())
    }

    pub fn at(&self, key: &str) -> PathBuf {
        self.out.join(key)
    }

    pub fn read(&self, key: &str) -> String {
        std::fs::read_to_string(self.at(key)).unwrap_or_else(|error| panic!("{key}: {error}"))
    }

    /// The archived CSV of a day of 2026.
    pub fn archive(&self, month: &str, day: &str) -> String {
        self.read(&format!("ou-breakdowns/year=2026/month={month}/day={day}/ou_breakdown.csv"))
    }

    /// The subject and the plain text of a mail, as Python's `email` reads them, in one line: where it wraps does not matter.
    pub fn mail(&self, key: &str) -> String {
        let program = "import sys\nfrom email import policy\nfrom email.parser import BytesParser\nm = BytesParser(policy=policy.default).parse(open(sys.argv[1], 'rb'))\nprint(m['Subject'])\nprint(' '.join(m.get_body(('plain',)).get_content().split()))\n";
        run("python3", &["-c", program, &text(&self.at(key))], self.folder.path()).expect(0).stdout
    }

    /// The mail as `scripts/check_digest.py` checks it, with its attachments.
    #[track_caller]
    pub fn check_mail(&self, key: &str, attachments: &[PathBuf]) {
        let script = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/check_digest.py"));
        let files: Vec<String> =
            std::iter::once(self.at(key)).chain(attachments.iter().cloned()).map(|path| text(&path)).collect();
        let arguments: Vec<&str> = std::iter::once(script.as_str()).chain(files.iter().map(String::as_str)).collect();
        run("python3", &arguments, self.folder.path()).expect(0);
    }
}

impl Default for Days {
    fn default() -> Days {
        Days::new()
    }
}
