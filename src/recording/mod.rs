//! Recordings: found on the PBX's disk, kept in the house's own folder, made ready for the ticket, deleted in time.
//!
//! What is sought and when it is attached is decided in [`call`](crate::call); this room only does it. [`keep`] is the
//! way of a file: [`place`] tells where the PBX's folders are seen from here, `whole` whether the file is complete
//! (with [`wav`]), [`shelf`] is our keeping. [`wake`] lets the kernel tell that something changed, [`room`] watches the
//! disks, [`tidy`] deletes. [`prepare`] makes files ready for the ticket, with [`encode`] and [`split`].
//!
//! Deliberately absent: telling the PBX to record. That is the source's, see `pbx/`.

pub mod encode;
pub mod keep;
pub mod place;
pub mod prepare;
pub mod room;
pub mod shelf;
pub mod split;
pub mod tidy;
pub mod wake;
pub mod wav;
mod whole;

pub use encode::{Encoder, Format};
pub use keep::Keeper;
pub use place::Places;
pub use prepare::Sound;
pub use room::Room;
pub use shelf::Shelf;
pub use wake::Wake;
