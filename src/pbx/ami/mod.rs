//! Asterisk Manager Interface.
