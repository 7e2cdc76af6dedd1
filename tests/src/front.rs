//! Athena's API on this machine: `apportion athena`, as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A front that serves until the value is dropped.
pub struct Front {
    process: Child,
    pub url: String,
}

impl Front {
    /// With S3 at an address, results in its bucket `results`, and what else is given.
    pub fn start(s3: &str, arguments: &[&str]) -> Front {
        let mut command = Command::new(crate::binary());
        command.args(["athena", "--port", "0", "--results", "s3://results/athena/"]).args(arguments).stdout(Stdio::piped());
        let mut process = command.envs(aws_environment(s3)).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("http://127.0.0.1:"), "the front says `{line}`");
        Front { process, url: line.trim().to_owned() }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a client of a stand-in for AWS at an address finds in its environment.
pub fn aws_environment(url: &str) -> [(&str, &str); 4] {
    [("AWS_ENDPOINT_URL", url), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")]
}
