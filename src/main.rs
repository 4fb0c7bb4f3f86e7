//! The `bitting` program.

fn main() {}
