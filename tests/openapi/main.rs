//! The sandbox held against the official OpenAPI file, in both directions.
//!
//! Every answer must be what the file promises; where recordings of real accounts contradict the
//! file, the recording wins and stands in `RECORDED_NULLS` or `RECORDED_KEYS`. Every request
//! that the file does not allow must be refused, or its key dropped with a warning.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]
mod answers;
mod file;
mod inspector;
mod requests;

const ANNA: u64 = 9_300_000_001_201;
const SUPPORT: u64 = 9_300_000_000_101;
const PETRA: u64 = 9_007_199_254_743_101;
const OUTCOME: u64 = 9_300_000_004_008;
const APP: u64 = 9_300_000_005_001;
