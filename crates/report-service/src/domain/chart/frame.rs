//! Where things are in a chart.

/// The size of a chart in its own units, which are pixels where it is shown as small as it may be.
pub const WIDTH: i128 = 320;
pub const HEIGHT: i128 = 200;
/// Where the plot is, within that.
pub const LEFT: i128 = 46;
pub const RIGHT: i128 = WIDTH - 10;
pub const TOP: i128 = 40;
pub const BOTTOM: i128 = HEIGHT - 30;
