//! The latency curve: an SVG with percentiles to the right and time upwards, both logarithmic,
//! as HDR plots are drawn.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

/// One line of the drawing.
pub struct Curve {
    /// What the legend says.
    pub name: String,
    /// Percentile (0 to 100, below 100) and nanoseconds, both growing.
    points: Vec<(f64, f64)>,
}

/// Size of the drawing and of the plot in it, in pixels.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 540.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 70.0;

/// Nines to the right: the axis ends at 99.999 %.
const NINES: f64 = 5.0;

/// Smallest and largest time of the axis, as powers of ten of nanoseconds: 1 µs to 1 s, and
/// higher where a curve is.
const POWER_LEAST: i32 = 3;
const POWER_MOST: i32 = 8;

/// Colours that stay apart for colour-blind eyes too.
const COLOURS: &[&str] = &["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

impl Curve {
    /// The percentiles of a histogram of nanoseconds.
    pub fn new(name: impl Into<String>, histogram: &Histogram<u64>) -> Self {
        let mut points = Vec::new();
        for step in 0..=200 {
            let nines = NINES * f64::from(step) / 200.0;
            let percentile = 100.0 - 100.0 / 10f64.powf(nines);
            // Beyond this fewer than one value is left, and the line would only repeat the last.
            if (100.0 - percentile) / 100.0 * (histogram.len() as f64) < 1.0 {
                break;
            }
            let value = histogram.value_at_percentile(percentile).max(1);
            points.push((percentile, value as f64));
        }
        Self { name: name.into(), points }
    }
}

/// Draws curves under a title.
pub fn svg(title: &str, curves: &[Curve]) -> String {
    let most = curves.iter().flat_map(|curve| &curve.points).map(|p| p.1).fold(1.0, f64::max);
    let power_most = (most.log10().ceil() as i32).clamp(POWER_LEAST + 1, 11).max(POWER_MOST);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"#333\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"17\">{}</text>\n",
        escaped(title)
    );
    grid(power_most, &mut out);
    for (index, curve) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let mut path = String::new();
        for (percentile, ns) in &curve.points {
            let pen = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{pen}{:.1} {:.1}", across(*percentile), up(*ns, power_most));
        }
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
        let y = TOP + 16.0 + 20.0 * index as f64;
        let _ = writeln!(
            out,
            "<path d=\"M{:.1} {:.1}h24\" stroke=\"{colour}\" stroke-width=\"3\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT + 14.0,
            y - 4.0,
            LEFT + 46.0,
            y,
            escaped(&curve.name)
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Axes, their lines and their names.
fn grid(power_most: i32, out: &mut String) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for power in POWER_LEAST..=power_most {
        let y = up(10f64.powi(power), power_most);
        let name = ["1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"]
            .get(usize::try_from(power - POWER_LEAST).unwrap_or(0))
            .unwrap_or(&"");
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    for percentile in [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999] {
        let x = across(percentile);
        let _ = writeln!(
            out,
            "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{percentile}%</text>",
            bottom + 20.0
        );
    }
    let _ = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\" fill=\"none\" \
         stroke=\"#999\"/>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">percentile (each step a nine)</text>\n\
         <text transform=\"translate(20 {}) rotate(-90)\" text-anchor=\"middle\">latency</text>",
        right - LEFT,
        bottom - TOP,
        (LEFT + right) / 2.0,
        HEIGHT - 20.0,
        (TOP + bottom) / 2.0
    );
}

/// Where a percentile lies on the axis.
fn across(percentile: f64) -> f64 {
    let nines = -((100.0 - percentile) / 100.0).max(1e-9).log10();
    LEFT + (WIDTH - LEFT - RIGHT) * (nines / NINES).clamp(0.0, 1.0)
}

/// Where a time lies on the axis.
fn up(ns: f64, power_most: i32) -> f64 {
    let share =
        (ns.max(1.0).log10() - f64::from(POWER_LEAST)) / f64::from(power_most - POWER_LEAST);
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share.clamp(0.0, 1.0)
}

/// Text for XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_ends_where_its_values_end() {
        let mut histogram = Histogram::new(3).unwrap();
        for value in 1..=1000u64 {
            histogram.record(value * 1000).unwrap();
        }
        let curve = Curve::new("a < b", &histogram);
        let last = curve.points.last().unwrap();
        assert!((99.8..=99.91).contains(&last.0), "{last:?}");
        let drawing = svg("t & u", &[curve]);
        assert!(drawing.contains("a &lt; b") && drawing.contains("t &amp; u"));
        assert!(!drawing.contains("NaN") && !drawing.contains("inf"));
    }

    #[test]
    fn the_axes_hold_their_ends() {
        assert_eq!(across(0.0), LEFT);
        assert!((across(99.999) - (WIDTH - RIGHT)).abs() < 0.1);
        assert_eq!(up(1e3, 9), HEIGHT - BOTTOM);
        assert_eq!(up(1e9, 9), TOP);
    }
}
