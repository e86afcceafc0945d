//! The failpoints that the code has, found by reading it.

use std::{fs, path::Path};

use lab::{sources::rust_files, wallet::Service, workspace_root};

/// A commit or a call in a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Index of its service.
    service: usize,
    /// Its name there.
    pub name: String,
}

impl Point {
    /// The point `name` of `service`.
    pub fn new(service: Service, name: &str) -> Self {
        Self { service: service as usize, name: name.to_owned() }
    }

    /// Which service has it.
    pub fn service(&self) -> Service {
        Service::ALL[self.service]
    }
}

/// Which services reach a point that stands in a crate that several of them use.
fn reached_by(name: &str) -> &'static [Service] {
    match name {
        "lease.hold" => &[Service::User, Service::Transaction, Service::Report],
        "lease.release" => &[Service::Report],
        "call.accounts" | "revocations" => &[Service::Transaction, Service::Notification, Service::Report],
        name if name.starts_with("outbox.") => &[Service::User, Service::Transaction],
        _ => panic!("{name} stands in a shared crate: say here which services reach it"),
    }
}

/// Every point of every service.
///
/// # Panics
/// If the sources cannot be read, or if a service has two points of one name.
pub fn points() -> Vec<Point> {
    let crates = workspace_root().join("crates");
    let mut points = Vec::new();
    for shared in ["common/src", "mysql/src"] {
        for name in named_in(&crates.join(shared)) {
            points.extend(reached_by(&name).iter().map(|service| Point::new(*service, &name)));
        }
    }
    for service in Service::ALL {
        let folder = crates.join(service.name()).join("src");
        points.extend(named_in(&folder).iter().map(|name| Point::new(service, name)));
    }
    points.sort();
    for pair in points.windows(2) {
        assert_ne!(pair[0], pair[1], "two failpoints of one service have one name");
    }
    points
}

fn named_in(folder: &Path) -> Vec<String> {
    let mut named = Vec::new();
    for file in rust_files(folder).expect("the sources can be read") {
        let text = fs::read_to_string(&file).expect("a source file can be read");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for after in line.split("point!(\"").skip(1) {
                named.extend(after.split('"').next().map(str::to_owned));
            }
        }
    }
    named
}
