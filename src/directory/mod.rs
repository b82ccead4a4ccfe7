//! Who is who: users and agents, groups and groups.
//!
//! `matching` decides, `agents_csv` reads the file of agents, `house` keeps the latest matching and
//! asks the CRM for its part. The house starts whatever is missing: what matches is served, the rest
//! is listed with its reason.

mod agents_csv;
mod house;
mod matching;

pub use agents_csv::{CsvError, read_agents};
pub use house::{DefaultAgent, Directory, House, HouseRules};
pub use matching::{
    MatchedAgent, MatchedGroup, Matching, Problem, Told, ToldBy, WantedGroup, fold, match_house,
};
