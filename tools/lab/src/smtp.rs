//! A mail server: `tools/node/smtp-server.js` as a process that ends with the test.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
    time::Instant,
};

use mail_parser::{Message, MessageParser};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{
    http::eventually,
    node::{node_program, node_tools},
};

/// A running mail server.
pub struct SmtpServer {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    events: Arc<Mutex<Vec<(Instant, Value)>>>,
    process: Child,
    reader: JoinHandle<()>,
}

/// A mail that the server has accepted.
#[derive(Debug, Clone, Deserialize)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Who was logged in.
    pub user: Option<String>,
    /// Whether the connection was encrypted.
    pub tls: bool,
    raw: String,
}

impl Mail {
    /// The mail itself.
    pub fn message(&self) -> Message<'_> {
        MessageParser::default().parse(self.raw.as_bytes()).expect("a mail that can be read")
    }

    /// Its headers and body as they were sent.
    pub fn text(&self) -> &str {
        &self.raw
    }

    /// Its `Message-ID`.
    pub fn id(&self) -> String {
        self.message().message_id().expect("a Message-ID").to_owned()
    }
}

impl SmtpServer {
    /// A server with the options that `smtp-server.js` documents.
    pub async fn start(options: Value) -> Self {
        let (folder, node) = tokio::task::spawn_blocking(|| (node_tools(&|_| {}).unwrap(), node_program().unwrap()))
            .await
            .expect("the Node.js tools can be installed");
        let mut process = Command::new(node)
            .arg(folder.join("smtp-server.js"))
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node can be started");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().expect("the mail server tells its port");
        let first: Value = serde_json::from_str(&first).unwrap();
        let port = first["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");

        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let event = serde_json::from_str(&line).expect("the mail server speaks JSON");
                told.lock().unwrap().push((Instant::now(), event));
            }
        });
        Self { port, events, process, reader }
    }

    /// A server that offers neither encryption nor log-in.
    pub async fn plain() -> Self {
        Self::start(json!({})).await
    }

    /// The variables that make the service use this server.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        Self::variables_of(self.port)
    }

    /// The variables that make the service use a server on this port, which need not run yet.
    pub fn variables_of(port: u16) -> Vec<(&'static str, String)> {
        vec![("SMTP_SERVER", "127.0.0.1".into()), ("SMTP_PORT", port.to_string())]
    }

    /// When each event of a kind happened.
    pub fn times(&self, kind: &str) -> Vec<Instant> {
        self.events.lock().unwrap().iter().filter(|(_, event)| event["event"] == kind).map(|(time, _)| *time).collect()
    }

    /// How often an event of a kind has happened.
    pub fn count(&self, kind: &str) -> usize {
        self.times(kind).len()
    }

    /// The mails that it has accepted.
    pub fn mails(&self) -> Vec<Mail> {
        let events = self.events.lock().unwrap();
        let mails = events.iter().filter(|(_, event)| event["event"] == "mail");
        mails.map(|(_, event)| serde_json::from_value(event.clone()).unwrap()).collect()
    }

    /// Waits until an event of a kind has happened.
    pub async fn saw(&self, kind: &str) {
        eventually(&format!("the mail server to see: {kind}"), async || (self.count(kind) > 0).then_some(())).await;
    }

    /// Waits until it has accepted `count` mails, and returns them; more are a failure.
    pub async fn received(&self, count: usize) -> Vec<Mail> {
        let what = format!("{count} mails");
        let mails = eventually(&what, async || Some(self.mails()).filter(|mails| mails.len() >= count)).await;
        assert_eq!(mails.len(), count, "{mails:?}");
        mails
    }

    /// Ends it, so that connections to its port are refused, and returns the mails that it has accepted.
    pub async fn stop(mut self) -> Vec<Mail> {
        self.process.kill().await.expect("the mail server can be killed");
        // what it said last is still to be read
        (&mut self.reader).await.expect("what the mail server says can be read");
        self.mails()
    }
}
