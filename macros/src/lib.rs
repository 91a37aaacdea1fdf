//! The macros room.
