//! The real-time half.
