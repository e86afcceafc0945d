//! Child processes that never outlive this one, write to a log file, and can be stopped, killed and paused.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{LazyLock, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::system;

/// How long a process that is dropped has to end by itself.
const DROP_LIMIT: Duration = Duration::from_secs(5);
/// How often is looked whether a process has ended.
const POLL: Duration = Duration::from_millis(10);

/// What the system does to a child when this process is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnParentDeath {
    /// SIGTERM: it ends in good order.
    Terminate,
    /// SIGKILL: what it does no longer matters to anyone.
    Kill,
}

/// A program to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its variables; they win over inherited ones.
    pub environment: Vec<(String, String)>,
    /// Whether it sees the variables of this process too.
    pub inherit_environment: bool,
    /// The working directory.
    pub folder: PathBuf,
    /// The file that its output is appended to.
    pub log: PathBuf,
    /// What happens to it when this process is gone.
    pub on_parent_death: OnParentDeath,
}

/// A running child process. Dropping it stops it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    on_parent_death: OnParentDeath,
    told_to_stop: bool,
}

/// True if a process with this id exists and `part` stands in its command line.
pub fn is_running(pid: u32, part: &str) -> bool {
    let Some(id) = to_pid(pid) else { return false };
    if test_kill_process(id).is_err() {
        return false;
    }
    command_line(pid).is_some_and(|line| line.contains(part))
}

/// The command line of a process, if it can be found out.
pub fn command_line(pid: u32) -> Option<String> {
    if let Ok(bytes) = fs::read(format!("/proc/{pid}/cmdline")) {
        return Some(String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned());
    }
    let output = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Asks a process that is no child of this one to stop.
pub fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

/// Ends a process that is no child of this one: SIGTERM, and SIGKILL if it is still there after `limit`.
pub fn end_foreign(pid: u32, part: &str, limit: Duration) {
    signal(pid, Signal::TERM);
    let deadline = Instant::now() + limit;
    while is_running(pid, part) {
        if Instant::now() > deadline {
            signal(pid, Signal::KILL);
            thread::sleep(Duration::from_millis(200));
            return;
        }
        thread::sleep(POLL);
    }
}

/// The last lines of a file, or a word about why there are none.
pub fn tail(file: &Path, lines: usize) -> String {
    let Ok(bytes) = fs::read(file) else { return format!("(there is no {})", file.display()) };
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    if all.is_empty() {
        return format!("({} is empty)", file.display());
    }
    all[all.len().saturating_sub(lines)..].join("\n")
}

impl Process {
    /// Starts a program.
    pub fn start(launch: &Launch) -> Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&launch.log)
            .with_context(|| format!("cannot write {}: make its folder writable", launch.log.display()))?;
        let mut command = launch.command();
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir(&launch.folder);
        if !launch.inherit_environment {
            command.env_clear();
        }
        command.envs(launch.environment.iter().map(|(name, value)| (name, value)));
        // Ctrl-C in the terminal reaches this process alone, which then stops its children in the right order.
        command.process_group(0);
        let child = spawn(command)
            .with_context(|| format!("cannot start {}: does it exist and may it run?", launch.program.display()))?;
        Ok(Self { child, log: launch.log.clone(), on_parent_death: launch.on_parent_death, told_to_stop: false })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file with its output.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, or nothing while it runs.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to stop (SIGTERM) and returns at once.
    pub fn terminate(&mut self) {
        if !self.told_to_stop && self.status().is_none() {
            signal(self.pid(), Signal::TERM);
            signal(self.pid(), Signal::CONT);
        }
        self.told_to_stop = true;
    }

    /// Asks it to stop and waits; kills it if it still runs after `limit`.
    pub async fn stop(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.terminate();
        let deadline = Instant::now() + limit;
        while self.status().is_none() && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
        self.kill()
    }

    /// Ends it at once (SIGKILL). Tells how it ended if it had ended before.
    pub fn kill(&mut self) -> Option<ExitStatus> {
        if self.status().is_none() {
            self.child.kill().ok();
        }
        self.child.wait().ok()
    }

    /// Stops it from running on (SIGSTOP): it keeps its connections but answers nothing.
    pub fn pause(&self) {
        signal(self.pid(), Signal::STOP);
    }

    /// Lets a paused process run on (SIGCONT).
    pub fn resume(&self) {
        signal(self.pid(), Signal::CONT);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.on_parent_death == OnParentDeath::Terminate {
            self.terminate();
            let deadline = Instant::now() + DROP_LIMIT;
            while self.status().is_none() && Instant::now() < deadline {
                thread::sleep(POLL);
            }
        }
        self.kill();
    }
}

impl Launch {
    fn command(&self) -> Command {
        let Some(setpriv) = SETPRIV.as_ref() else {
            let mut command = Command::new(&self.program);
            command.args(&self.arguments);
            return command;
        };
        let signal = match self.on_parent_death {
            OnParentDeath::Terminate => "TERM",
            OnParentDeath::Kill => "KILL",
        };
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", signal, "--"]).arg(&self.program).args(&self.arguments);
        command
    }
}

/// `setpriv`, if there is one that knows about the death of parents.
static SETPRIV: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let setpriv = system::find("setpriv")?;
    let mut trial = Command::new(&setpriv);
    trial.args(["--pdeathsig", "TERM", "--", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    trial.status().is_ok_and(|status| status.success()).then_some(setpriv)
});

type Job = (Command, mpsc::Sender<io::Result<Child>>);

/// The signal is sent when the *thread* that started a child ends, and the threads of tests end early. So one thread,
/// which lasts as long as the process, starts them all.
static SPAWNER: LazyLock<Mutex<mpsc::Sender<Job>>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || {
            for (mut command, reply) in jobs {
                reply.send(command.spawn()).ok();
            }
        })
        .expect("a thread can be started");
    Mutex::new(sender)
});

fn spawn(command: Command) -> io::Result<Child> {
    let (reply, answer) = mpsc::channel();
    let spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
    spawner.send((command, reply)).expect("the spawner never ends");
    answer.recv().expect("the spawner answers")
}

fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// A process that has ended meanwhile needs no signal.
fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = to_pid(pid) {
        kill_process(pid, signal).ok();
    }
}
