//! The config: text in, checked values out.
