//! What Terraform has deployed, run as it runs on AWS: events start state machines, which call the functions' own binaries, over S3 with
//! Object Lock, DynamoDB, KMS, Organizations in pages, Invoicing, SES and Athena's front. `make test-deployed` brings it up, and down.
#![allow(clippy::unwrap_used)]

mod between;
mod crashes;
mod day;
mod month;
mod sweep;
mod world;
