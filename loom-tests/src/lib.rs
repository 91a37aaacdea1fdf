//! The loom-tests room.
