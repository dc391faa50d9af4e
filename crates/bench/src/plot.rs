//! The plot: bars, as SVG.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const LABEL: f64 = 170.0;
const BAR: f64 = 22.0;
const GAP: f64 = 8.0;

/// Bars of one kind.
pub struct Panel<'a> {
    pub title: &'a str,
    pub unit: &'a str,
    pub bars: &'a [(String, f64)],
}

/// Draws the panels one below the other. The first bar of each is ours.
pub fn svg(panels: &[Panel<'_>]) -> String {
    let mut body = String::new();
    let mut y = 10.0;
    for panel in panels {
        y += 22.0;
        let _ = writeln!(
            body,
            "<text x=\"10\" y=\"{y:.0}\" class=\"title\">{}</text>",
            panel.title
        );
        y += 14.0;
        let most = panel
            .bars
            .iter()
            .map(|(_, value)| *value)
            .fold(f64::MIN_POSITIVE, f64::max);
        for (number, (name, value)) in panel.bars.iter().enumerate() {
            let length = ((WIDTH - LABEL - 110.0) * value / most).max(1.0);
            let class = if number == 0 { "ours" } else { "peer" };
            let middle = y + BAR * 0.7;
            let _ = writeln!(
                body,
                "<text x=\"{:.0}\" y=\"{middle:.0}\" class=\"name\">{name}</text>\
                 <rect x=\"{LABEL:.0}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"{BAR:.0}\" rx=\"2\" class=\"{class}\"/>\
                 <text x=\"{:.1}\" y=\"{middle:.0}\">{} {}</text>",
                LABEL - 10.0,
                LABEL + length + 8.0,
                digits(*value),
                panel.unit,
            );
            y += BAR + GAP;
        }
        y += 12.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {y:.0}\" width=\"{WIDTH:.0}\" height=\"{y:.0}\" role=\"img\">\n\
         <style>text{{font:14px system-ui,sans-serif;fill:#1f2328}}.title{{font-weight:600}}.name{{text-anchor:end}}\
         .ours{{fill:#0b6e4f}}.peer{{fill:#9aa4ad}}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

fn digits(value: f64) -> String {
    if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}
