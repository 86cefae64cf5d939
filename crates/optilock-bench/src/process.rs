//! What processes take of the machine.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// How long a tick of the processor's clock is, in which Linux counts.
const TICK: Duration = Duration::from_millis(10);

/// The processor time that processes have taken so far.
pub(crate) fn processor_time(pids: &[u32]) -> Result<Duration> {
    let mut ticks = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        ticks += ticks_of(&stat).with_context(|| format!("{path} says {stat:?}"))?;
    }
    Ok(TICK * ticks)
}

/// The resident memory of processes, in megabytes.
pub(crate) fn resident(pids: &[u32]) -> Result<f64> {
    let mut kibibytes = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        kibibytes += resident_of(&status).with_context(|| format!("{path} has no VmRSS"))?;
    }
    Ok(f64::from(kibibytes) * 1024.0 / 1e6)
}

/// From `/proc/PID/status`, in KiB.
fn resident_of(status: &str) -> Option<u32> {
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// From `/proc/PID/stat`, in user and in kernel mode.
fn ticks_of(stat: &str) -> Option<u32> {
    // The name of the program, in parentheses, may have spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_is_resident() {
        assert_eq!(resident_of("VmHWM:\t 9 kB\nVmRSS:\t 8 kB\n"), Some(8));
        assert_eq!(resident_of("Name:\tx\n"), None);
    }

    #[test]
    fn both_modes_count() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 1 0 0 0 30 12 0 0 20 0 1 0 5";
        assert_eq!(ticks_of(stat), Some(42));
        assert_eq!(ticks_of("7"), None);
    }
}
