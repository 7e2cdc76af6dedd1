//! The daily digest.
