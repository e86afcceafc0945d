//! Who used how much processor time and memory, from `/proc`. Where there is no `/proc` there are no such figures.

use std::{
    fs,
    ops::AddAssign,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Whose processor time is taken, in the order of [`CpuUse`].
pub const PARTS: [&str; 6] = ["database", "user", "transaction", "notification", "report", "load"];

/// Processor time of each of [`PARTS`]; `None` if it cannot be found out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuUse(pub [Option<Duration>; PARTS.len()]);

/// The processes of [`PARTS`], without the load, which is the thread that asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watched(pub [Option<u32>; PARTS.len() - 1]);

impl AddAssign for CpuUse {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.zip(more).map(|(sum, more)| sum + more);
        }
    }
}

impl CpuUse {
    /// The sum of several; none of nothing.
    pub fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        let mut all = all.into_iter();
        let mut sum = all.next().unwrap_or_default();
        all.for_each(|more| sum += more);
        sum
    }

    /// What all parts used together.
    pub fn total(&self) -> Duration {
        self.0.iter().flatten().sum()
    }
}

impl Watched {
    /// The processor time that is used between two moments. The calling thread is the load.
    pub async fn over(self, (start, end): (Instant, Instant)) -> Result<CpuUse> {
        tokio::time::sleep_until(start.into()).await;
        let before = self.so_far();
        tokio::time::sleep_until(end.into()).await;
        let mut used = self.so_far();
        for (used, before) in used.0.iter_mut().zip(before.0) {
            *used = used.zip(before).map(|(used, before)| used.saturating_sub(before));
        }
        Ok(used)
    }

    fn so_far(&self) -> CpuUse {
        let mut parts = [None; PARTS.len()];
        for (part, pid) in parts.iter_mut().zip(self.0) {
            *part = pid.and_then(|pid| cpu_time(Path::new(&format!("/proc/{pid}/stat"))));
        }
        parts[PARTS.len() - 1] = cpu_time(Path::new("/proc/thread-self/stat"));
        CpuUse(parts)
    }
}

fn cpu_time(stat: &Path) -> Option<Duration> {
    let ticks = ticks(&fs::read_to_string(stat).ok()?)?;
    Some(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// `utime` and `stime` of a `/proc/…/stat`, the 14th and 15th field. The second, a name, may hold anything, even `)`.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// The most memory that a process ever had resident, in bytes.
pub fn peak_memory(pid: u32) -> Option<u64> {
    in_bytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:")
}

/// The memory that a process has resident now, in bytes.
pub fn memory(pid: u32) -> Option<u64> {
    in_bytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

/// A line `Name:   123 kB` of a file in `/proc`.
pub fn in_bytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_look_like_fields() {
        let stat = "812 (a) 1 b) S 1 812 812 0 -1 4194560 9 0 0 0 250 31 0 0 20 0 5 0 100 0 0";
        assert_eq!(ticks(stat), Some(281));
        assert_eq!(ticks("812 (x) S 1"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tuser-service\nVmPeak:\t  999 kB\nVmHWM:\t   20480 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(in_bytes(status, "VmHWM:"), Some(20 * 1024 * 1024));
        assert_eq!(in_bytes(status, "VmSwap:"), None);
    }

    #[test]
    fn a_part_that_is_unknown_once_is_unknown_in_the_sum() {
        let second = Some(Duration::from_secs(1));
        let a = CpuUse([second, None, second, second, second, second]);
        let b = CpuUse([second; 6]);
        let sum = CpuUse::sum([a, b]);
        assert_eq!((sum.0[0], sum.0[1]), (Some(Duration::from_secs(2)), None));
        assert_eq!(sum.total(), Duration::from_secs(10));
    }
}
