//! The program as its admin meets it: signals, a second daemon, wrong secrets, a full disk.
