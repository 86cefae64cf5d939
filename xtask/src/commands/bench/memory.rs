//! The memory that a process takes.

use std::fs;
use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context, Result};

/// Resident memory of a process, in bytes.
pub(super) fn resident(pid: i32) -> Result<u64> {
    let kibibytes = match fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => from_status(&status),
        Err(error) if error.kind() == ErrorKind::NotFound => from_ps(pid)?,
        Err(error) => return Err(error).with_context(|| format!("looking at process {pid}")),
    };
    let kibibytes = kibibytes.with_context(|| format!("process {pid} has no resident memory"))?;
    Ok(kibibytes * 1024)
}

/// From Linux's `/proc/PID/status`, in KiB.
fn from_status(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Where there is no `/proc`, in KiB.
fn from_ps(pid: i32) -> Result<Option<u64>> {
    let output = Command::new("ps")
        .args(["-o", "rss=", "-p", &pid.to_string()])
        .output()
        .context("running ps")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_read_from_the_status() {
        let status = "VmHWM:\t    9000 kB\nVmRSS:\t    8123 kB\nRssAnon:\t 1 kB\n";
        assert_eq!(from_status(status), Some(8123));
        assert_eq!(from_status("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_takes_some() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(resident(pid).unwrap() > 1024 * 1024);
    }
}
