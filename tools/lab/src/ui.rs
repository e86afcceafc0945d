//! What a person sees: steps with a spinner, or plain lines when nobody watches; tables; colours that honour `NO_COLOR`.

use std::{
    env,
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::{OwoColorize, Stream};

/// How fast the spinner turns.
const TICK: Duration = Duration::from_millis(100);
/// Terminals that are narrower get tables that are wider than they are.
const MIN_COLUMNS: u16 = 60;

/// A step that takes a while. Progress goes to standard error, results go to standard output.
pub struct Step {
    bar: Option<ProgressBar>,
    since: Instant,
}

impl Step {
    /// Begins a step.
    pub fn start(title: &str) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is right");
            let bar = ProgressBar::new_spinner().with_style(style).with_message(title.to_owned());
            bar.enable_steady_tick(TICK);
            bar
        });
        if bar.is_none() {
            eprintln!("- {title}");
        }
        Self { bar, since: Instant::now() }
    }

    /// Tells what the step is doing now.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => eprintln!("  {text}"),
        }
    }

    /// Ends the step well.
    pub fn done(self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let (mark, seconds) = ("✓", format!("{:.1} s", self.since.elapsed().as_secs_f32()));
        eprintln!(
            "{} {text} {}",
            mark.if_supports_color(Stream::Stderr, |mark| mark.green()),
            seconds.if_supports_color(Stream::Stderr, |seconds| seconds.dimmed())
        );
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Begins a part of a long run, whose own output follows.
pub fn heading(text: &str) {
    eprintln!("\n{}", text.if_supports_color(Stream::Stderr, |text| text.bold()));
}

/// A sentence about what went wrong.
pub fn error(text: &str) {
    let word = "error:";
    eprintln!("{} {text}", word.if_supports_color(Stream::Stderr, |word| word.red()));
}

/// An error with its causes, without those that only repeat what stands before them.
pub fn with_causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match text.as_str() {
            "" => cause,
            known if known.contains(&cause) => text,
            _ => format!("{text}: {cause}"),
        }
    })
}

/// Emphasis in a result.
pub fn bold(text: &str) -> String {
    text.if_supports_color(Stream::Stdout, |text| text.bold()).to_string()
}

/// An empty table.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // Some terminals do not know their width, and none is worth wrapping after a few letters.
    if table.width().is_some_and(|columns| columns >= MIN_COLUMNS) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let cell = |name: &&str| if plain { Cell::new(name) } else { Cell::new(name).add_attribute(Attribute::Bold) };
    table.set_header(header.iter().map(cell).collect::<Vec<_>>());
    table
}
