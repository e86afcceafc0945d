//! What the figures were measured on.

use std::{fs, path::Path, process::Command, thread};

use lab::workspace_root;
use serde::Serialize;

use super::cpu;

/// A machine, as far as it says what it is.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many processors this process may use.
    pub cores: usize,
    /// In bytes.
    pub memory: Option<u64>,
    /// The system and its kernel.
    pub kernel: String,
    /// The file system of the benchmark's folder.
    pub file_system: Option<String>,
}

impl Machine {
    /// This one; `folder` is where the database is.
    pub fn find(folder: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let release = read("/proc/sys/kernel/osrelease");
        Self {
            processor: processor(&read("/proc/cpuinfo")).unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory: cpu::in_bytes(&read("/proc/meminfo"), "MemTotal:"),
            kernel: format!("{} {}", std::env::consts::OS, release.trim()).trim().to_owned(),
            file_system: file_system(&read("/proc/self/mountinfo"), folder),
        }
    }
}

/// The commit that is checked out, with a word if files differ from it.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(workspace_root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain"]).is_some_and(|files| !files.is_empty());
    if changed { format!("{commit}, with changes") } else { commit }
}

fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The type of the file system whose mount point is the nearest above `folder`.
fn file_system(mountinfo: &str, folder: &Path) -> Option<String> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        folder.starts_with(point).then(|| (point.len(), kind.split(' ').next().unwrap_or_default().to_owned()))
    });
    // of two on the same point, the later one is on top
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_tells_the_file_system() {
        let mounts = "22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                      30 22 0:25 / /home rw shared:2 - xfs /dev/vdb rw\n\
                      31 22 0:26 / /home/me rw - tmpfs tmpfs rw\n";
        let of = |folder| file_system(mounts, Path::new(folder));
        assert_eq!(of("/var/x").as_deref(), Some("ext4"));
        assert_eq!(of("/home/you").as_deref(), Some("xfs"));
        assert_eq!(of("/home/me/x").as_deref(), Some("tmpfs"));
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn the_processor_has_a_name() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: AMD EPYC\n").as_deref(), Some("AMD EPYC"));
    }
}
