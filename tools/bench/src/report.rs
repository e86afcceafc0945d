//! The results as a person reads them.

use std::fmt::Write;

use super::{
    batches::Batches,
    cpu::PARTS,
    figures::{memory, short, unknown, whole},
    measure::{Measured, Spread, float},
    results::{LongStatement, Results, Schedules, TakenOver},
    verdict::Verdict,
};
use lab::ui;

/// Prints everything.
pub fn print(results: &Results) {
    println!("\n{}\n", setting(results));
    if !results.loads.is_empty() {
        println!("{}\n", loads(&results.loads));
        println!("Processor time of each turn, in microseconds:\n{}\n", profile(&results.loads));
    }
    for (round, Batches { writes, ledger }) in (1..).zip(&results.floor_batches) {
        println!("Batches of the floor, round {round}: {writes} intents and outcomes, {ledger} operations");
    }
    if let Some(drain) = &results.drain {
        println!(
            "Outboxes drained into {} notifications in {:.1} s, {}/s{}",
            whole(float(drain.notifications)),
            drain.seconds,
            whole(float(drain.notifications) / drain.seconds),
            if drain.left > 0 { format!("; {} left", whole(float(drain.left))) } else { String::new() }
        );
    }
    if let Some(sync) = &results.sync {
        println!(
            "POST /sync/all: {} transactions in {:.1} s, {}/s; report-service had at most {} resident",
            whole(float(sync.transactions)),
            sync.seconds,
            whole(float(sync.transactions) / sync.seconds),
            memory(sync.peak_memory)
        );
    }
    if let Some(TakenOver { entries, seconds }) = &results.taken_over {
        let each_second = whole(float(*entries) / seconds);
        println!("{} entries taken over in {seconds:.1} s, {each_second}/s", whole(float(*entries)));
    }
    for LongStatement { entries, format, bytes, first_byte_ms, seconds, memory: more } in &results.long_statements {
        println!(
            "a statement of {} entries as {format}: {}, first byte after {first_byte_ms:.0} ms, {seconds:.1} s, {} above idle",
            whole(float(*entries)),
            memory(Some(*bytes)),
            memory(Some(*more)),
        );
    }
    for Schedules { schedules, killed, seconds } in &results.schedules {
        let killed = killed.map_or_else(String::new, |service| format!(", {service} killed in the middle"));
        println!("{} schedules that were due at once have paid after {seconds:.1} s{killed}", whole(float(*schedules)));
    }
    let mut services = ui::table(&["service", "most memory", "ready after"]);
    for service in &results.services {
        let ready = service.ready_ms.map_or_else(unknown, |ms| format!("{ms} ms"));
        services.add_row(vec![service.name.to_owned(), memory(service.peak_memory), ready]);
    }
    println!("\n{services}\n\n{}", verdicts(&results.targets));
}

/// The line that a scenario leaves while others run.
pub fn line(load: &Measured) -> String {
    format!(
        "{}: {} {}/s, p50 {} ms, p99 {} ms",
        load.name,
        short(load.per_second.median),
        load.unit,
        short(load.p50_ms.median),
        short(load.p99_ms.median)
    )
}

fn setting(results: &Results) -> String {
    let Results { machine, server, .. } = results;
    let mut text = String::new();
    let mut line = |name: &str, what: String| {
        // writing to a String cannot fail
        writeln!(text, "{} {what}", ui::bold(&format!("{name:<9}"))).ok();
    };
    line("Machine", format!("{} × {}, {} of memory", machine.cores, machine.processor, memory(machine.memory)));
    line("System", format!("{}, {}", machine.kernel, machine.file_system.as_deref().unwrap_or("file system unknown")));
    let settings: Vec<String> = server.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    line("Database", format!("{} {}", server.product, server.version));
    line("", settings.join(" "));
    if let Some(milliseconds) = server.away_ms {
        line("", format!("as if it were far away: {milliseconds:.1} ms there and back"));
    }
    if !server.durable {
        line("", "NOT DURABLE: a crash of the machine can lose commits, so these figures count for nothing".to_owned());
    }
    line("Code", format!("{}, release build", results.commit));
    line("Run", format!("{} ({}), figures are medians of rounds", results.effort, results.began));
    text.trim_end().to_owned()
}

fn loads(loads: &[Measured]) -> String {
    let header =
        ["scenario", "each second", "min – max", "p50 ms", "p99 ms", "rounds", "acknowledged", "refused", "backlog"];
    let mut table = ui::table(&header);
    for load in loads {
        table.add_row(vec![
            load.name.clone(),
            format!("{} {}", short(load.per_second.median), load.unit),
            range(load.per_second),
            short(load.p50_ms.median),
            short(load.p99_ms.median),
            format!("{} × {} s", load.rounds, load.seconds),
            whole(float(load.acknowledged)),
            whole(float(load.refused)),
            load.backlog.map_or_else(unknown, |facts| whole(float(facts))),
        ]);
    }
    table.to_string()
}

fn profile(loads: &[Measured]) -> String {
    let mut header = vec!["scenario"];
    header.extend(PARTS);
    header.extend(["together", "cores busy"]);
    let mut table = ui::table(&header);
    for load in loads {
        let micros = |part: &str| load.cpu_micros.get(part).map_or_else(unknown, |micros| short(*micros));
        let mut row = vec![load.name.clone()];
        row.extend(PARTS.map(micros));
        row.extend([short(load.cpu_micros.values().sum()), format!("{:.2}", load.busy_cores)]);
        table.add_row(row);
    }
    table.to_string()
}

fn verdicts(verdicts: &[Verdict]) -> String {
    let mut table = ui::table(&["target", "must be", "is", ""]);
    for Verdict { figure, target, measured, reached } in verdicts {
        let word = match reached {
            Some(true) => "reached",
            Some(false) => "NOT reached",
            None => "not measured",
        };
        table.add_row(vec![
            (*figure).to_owned(),
            target.clone(),
            measured.map_or_else(unknown, short),
            word.to_owned(),
        ]);
    }
    table.to_string()
}

fn range(spread: Spread) -> String {
    format!("{} – {}", short(spread.min), short(spread.max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{results::tests::results, targets};

    #[test]
    fn numbers_have_the_digits_that_they_deserve() {
        assert_eq!(["1,234,567", "999", "0"].map(str::to_owned), [1_234_567.4, 999.2, 0.0].map(whole));
        assert_eq!(["8,123", "42.5", "1.23"].map(str::to_owned), [8123.4, 42.46, 1.234].map(short));
    }

    #[test]
    fn every_scenario_and_every_target_has_a_row() {
        let results = results(&[("transfers-16", 16, 5000), ("transfers-256", 256, 9000)]);
        let table = loads(&results.loads);
        assert!(table.contains("transfers-16") && table.contains("9,000 transfers"), "{table}");
        assert!(profile(&results.loads).contains("database"));
        let table = verdicts(&targets::verdicts(&results));
        assert!(table.contains("reached") && table.contains("not measured"), "{table}");
        assert!(setting(&results).contains("MariaDB 10.11.14"));
    }
}
