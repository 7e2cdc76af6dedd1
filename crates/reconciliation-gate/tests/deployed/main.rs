//! What the gate does on AWS alone, against stand-ins for Step Functions, DynamoDB and Invoicing, with faults between.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod approval;
mod invoices;
mod offer;
mod world;
