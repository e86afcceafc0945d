//! Throughput and latency over the number of connections, as SVG files for the documentation. Their background is white,
//! so that they read the same in light and dark.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;

use super::{
    figures,
    measure::{Measured, Spread, float},
    results::Results,
};

const SIZE: (u32, u32) = (720, 420);
const FONT: &str = "sans-serif";
const BLUE_LINE: RGBColor = RGBColor(31, 111, 235);
const RED_LINE: RGBColor = RGBColor(207, 34, 46);
const GRAY: RGBColor = RGBColor(87, 96, 106);

/// A line of a chart: its name, its colour, and a spread for each number of connections.
struct Line {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, Spread)>,
}

/// Writes both charts into `folder` and returns where they are; nothing if there are not two points to connect.
pub fn save(results: &Results, folder: &Path) -> Result<Vec<PathBuf>> {
    let loads: Vec<&Measured> = results.loads.iter().filter(|load| load.name.starts_with("transfers-")).collect();
    if loads.len() < 2 {
        return Ok(Vec::new());
    }
    let product = format!("{} {}", results.server.product, results.server.version);
    let line = |name, color, figure: fn(&Measured) -> Spread| Line {
        name,
        color,
        points: loads.iter().map(|load| (float(load.connections as u64), figure(load))).collect(),
    };
    let throughput = chart(
        &format!("Durable transfers per second, {product}"),
        &[line("transfers/s", BLUE_LINE, |load| load.per_second)],
    );
    let latency = chart(
        &format!("Latency of a transfer in ms, {product}"),
        &[line("p50", BLUE_LINE, |load| load.p50_ms), line("p99", RED_LINE, |load| load.p99_ms)],
    );
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut files = Vec::new();
    for (what, svg) in [("throughput", throughput), ("latency", latency)] {
        let svg = svg.map_err(|error| anyhow!("the chart of the {what} cannot be drawn: {error}"))?;
        let file = folder.join(format!("{}-{what}.svg", results.server.product.to_lowercase()));
        fs::write(&file, svg).with_context(|| format!("cannot write {}", file.display()))?;
        files.push(file);
    }
    Ok(files)
}

/// One chart. Connections double from grid line to grid line; bars show the least and the greatest round.
fn chart(title: &str, lines: &[Line]) -> Result<String, Box<dyn std::error::Error>> {
    let spreads = || lines.iter().flat_map(|line| &line.points);
    let top = spreads().map(|(_, spread)| spread.max).fold(0.0, f64::max) * 1.1;
    let doublings = spreads().map(|(connections, _)| connections.log2()).fold(1.0, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, (FONT, 22).into_font().color(&BLACK))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(-0.2..doublings + 0.2, 0.0..top)?;
        chart
            .configure_mesh()
            .x_labels(6)
            .x_label_formatter(&|doublings| figures::whole(doublings.exp2()))
            .y_label_formatter(&|value| if top < 10.0 { format!("{value:.1}") } else { figures::whole(*value) })
            .x_desc("connections")
            .axis_style(GRAY)
            .bold_line_style(GRAY.mix(0.25))
            .light_line_style(TRANSPARENT)
            .label_style((FONT, 16).into_font().color(&BLACK))
            .draw()?;
        for Line { name, color, points } in lines {
            let at = |(connections, spread): &(f64, Spread)| (connections.log2(), spread.median);
            let bar = |(connections, spread): &(f64, Spread)| {
                let x = connections.log2();
                PathElement::new(vec![(x, spread.min), (x, spread.max)], color.stroke_width(1))
            };
            let color = *color;
            chart
                .draw_series(LineSeries::new(points.iter().map(at), color.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(2)));
            chart.draw_series(points.iter().map(bar))?;
            chart.draw_series(points.iter().map(|point| Circle::new(at(point), 4, color.filled())))?;
        }
        if lines.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE)
                .border_style(GRAY)
                .label_font((FONT, 16).into_font().color(&BLACK))
                .draw()?;
        }
        area.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::results;

    #[test]
    fn the_charts_show_every_series_on_a_background() {
        let results = results(&[("transfers-1", 1, 400), ("transfers-16", 16, 3000), ("transfers-1024", 1024, 10_000)]);
        let folder = tempfile::tempdir().unwrap();
        let files = save(&results, folder.path()).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["mariadb-throughput.svg", "mariadb-latency.svg"]);
        let latency = fs::read_to_string(&files[1]).unwrap();
        for part in ["<svg", "p50", "p99", "connections", "1,024", "#FFFFFF"] {
            assert!(latency.contains(part), "{part} is not in the chart");
        }
        assert_eq!(latency.matches("<circle").count(), 6, "a point for each series and number of connections");
    }

    #[test]
    fn one_point_is_no_chart() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(save(&results(&[("transfers-16", 16, 3000)]), folder.path()).unwrap(), Vec::<PathBuf>::new());
    }
}
