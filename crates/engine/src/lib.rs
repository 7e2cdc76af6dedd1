//! placeholder

pub mod profile;
