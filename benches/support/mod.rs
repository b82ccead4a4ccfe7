//! The peers and the tools of the benches.

pub mod crm;
pub mod floor;
pub mod house;
pub mod pbx;
pub mod process;
pub mod report;
pub mod sample;
pub mod stream;

use std::path::PathBuf;

/// A new folder on the disk where the program is built: a real one, not memory.
pub fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder beside the build");
    folder
}
