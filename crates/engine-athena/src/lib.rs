//! Amazon Athena as a query engine.
