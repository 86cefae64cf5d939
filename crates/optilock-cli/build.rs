//! Packs the addresses that the loader fixes at the start, where its C library can read them so.
//!
//! A position-independent program has tens of thousands of them, in tables: 24 bytes each, all read at each
//! start, and so in memory. Packed (`DT_RELR`, in glibc since 2.36) they take a fiftieth of that.

use std::env;
use std::process::Command;

/// The first glibc whose loader reads them.
const SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    let gnu = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    // What another machine has isn't known here.
    let here = env::var("HOST").is_ok_and(|host| is("TARGET", &host));
    if gnu && here && glibc().is_some_and(|version| version >= SINCE) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this machine's glibc; none where there is another C library, or where nobody knows.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = String::from_utf8(output.ok()?.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
