//! The `optilock` command.

fn main() {}
