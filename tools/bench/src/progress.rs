//! What a person sees while a benchmark runs: a bar over the scenarios, and a line for each that is done.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::{OwoColorize, Stream};

/// How fast the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// The progress of a run. On standard error; without a terminal it is lines only.
pub struct Progress {
    bar: Option<ProgressBar>,
}

/// The progress of one long step, in rows.
pub struct Rows(Option<ProgressBar>);

impl Progress {
    /// Nothing of `scenarios` done yet.
    pub fn new(scenarios: usize) -> Self {
        let template = "{spinner} [{bar:24}] {pos}/{len} {elapsed_precise} {msg}";
        Self { bar: bar(scenarios as u64, template) }
    }

    /// What is done now.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => eprintln!("  {text}"),
        }
    }

    /// The same for what changes all the time: it makes no lines.
    pub fn tick(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// One scenario is done.
    pub fn done(&self, text: &str) {
        let line = format!("{} {text}", "✓".if_supports_color(Stream::Stderr, |mark| mark.green()));
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                bar.suspend(|| eprintln!("{line}"));
            }
            None => eprintln!("{line}"),
        }
    }

    /// A step of `rows` rows.
    pub fn rows(&self, rows: u64, what: &str) -> Rows {
        self.note(what);
        let template = "{spinner} [{bar:24}] {human_pos}/{human_len} {eta} {msg}";
        Rows(bar(rows, template).inspect(|bar| bar.set_message(what.to_owned())))
    }
}

impl Rows {
    /// So many more are done.
    pub fn advance(&self, rows: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(rows);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        clear(self.bar.as_ref());
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        clear(self.0.as_ref());
    }
}

fn bar(length: u64, template: &str) -> Option<ProgressBar> {
    stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template(template).expect("the template is right");
        let bar = ProgressBar::new(length).with_style(style);
        bar.enable_steady_tick(TICK);
        bar
    })
}

fn clear(bar: Option<&ProgressBar>) {
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}
