//! A picture as data, and as SVG: lines, dots and bars on axes that say what they show and in which unit.

use std::fmt::Write;

use crate::output::table::thousands;

/// Width of every picture in its own units. At this width text stays readable on a phone, where a unit is a pixel less
/// a little; wide screens show pictures side by side.
const WIDTH: f64 = 400.0;
/// Height of the area within the axes.
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 26.0;
/// Of a bar and the gap below it.
const BAR: f64 = 22.0;
/// Of a line of text.
const LINE: f64 = 17.0;
/// About how wide a character is.
const GLYPH: f64 = 7.2;

/// How something looks; the colours are the style sheet's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// One of the colours, from 1 on.
    Series(usize),
    /// The same, dashed.
    Dashed(usize),
    /// One of the steps from much to little, from 1 on.
    Step(usize),
    /// What is there for comparison.
    Other,
}

impl Ink {
    fn class(self) -> String {
        match self {
            Self::Series(n) => format!("series{n}"),
            Self::Dashed(n) => format!("series{n} dashed"),
            Self::Step(n) => format!("series-step{n}"),
            Self::Other => "other".into(),
        }
    }
}

/// How many colours there are.
pub const INKS: usize = 6;
/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// Where it begins and ends.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// What stands where.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From 0, or the least value if that is below, to the greatest one, with round numbers.
    pub fn of(label: String, values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = values.fold((0f64, 0f64), |(a, b), x| (a.min(x), b.max(x)));
        Self::between(label, least, most, 0.0)
    }

    /// The same for lines, which need not stand on 0: where they move little, their own range, so that it is seen. Counts
    /// are `whole`.
    pub fn along(label: String, values: impl Iterator<Item = f64> + Clone, whole: bool) -> Self {
        let (least, most) = values.clone().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)));
        let from = if least > 0.6 * most && most > least { least } else { least.min(0.0) };
        Self::between(label, from, most.max(0.0), if whole { 1.0 } else { 0.0 })
    }

    fn between(label: String, least: f64, most: f64, least_step: f64) -> Self {
        // Beyond this no number is told from others on an axis.
        let (least, most) = (least.clamp(-1e300, 1e300), most.clamp(-1e300, 1e300));
        let span = if most - least > 1e-300 { most - least } else { 1.0 };
        let rough = (span / 4.0).max(least_step);
        let power = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|x| x * power);
        let step = steps.filter(|x| least_step == 0.0 || x.fract() == 0.0).find(|&x| x >= rough * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let (first, last) = ((least / step).floor(), ((least + span) / step - 1e-9).ceil());
        let decimals = (0..9)
            .find(|&d| {
                ((step * 10f64.powi(d)).fract()).abs() < 1e-6 || (step * 10f64.powi(d)).fract() > 1.0 - 1e-6
            })
            .unwrap_or(9);
        let ticks = (0..=(last - first) as usize).map(|i| {
            let x = (first + i as f64) * step;
            (x, number(x, decimals as usize))
        });
        Self { label, from: first * step, to: last * step, ticks: ticks.collect() }
    }

    /// Shares from 0 to 100 %.
    pub fn shares(label: &str) -> Self {
        let ticks = (0..=4).map(|i| (f64::from(i) / 4.0, format!("{} %", 25 * i)));
        Self { label: label.into(), from: 0.0, to: 1.0, ticks: ticks.collect() }
    }

    fn place(&self, x: f64, length: f64) -> f64 {
        (x - self.from) / (self.to - self.from) * length
    }
}

/// `1,500`, `12 k`, `0.25`.
fn number(x: f64, decimals: usize) -> String {
    if x.abs() >= 1e15 {
        return format!("{x:.0e}");
    }
    // Thousands are written out up to ten of them.
    let units = [(1e12, 1e12, " T"), (1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")];
    match units.into_iter().find(|(from, _, _)| x.abs() >= *from) {
        Some((_, unit, suffix)) => {
            let text = format!("{:.2}", x / unit);
            format!("{}{suffix}", text.trim_end_matches('0').trim_end_matches('.'))
        }
        None if x.abs() >= 1000.0 => {
            format!("{}{}", if x < 0.0 { "-" } else { "" }, thousands(&format!("{:.0}", x.abs())))
        }
        None => format!("{x:.decimals$}"),
    }
}

/// A line, or dots along it.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// How it looks.
    pub ink: Ink,
    /// Its points; a gap where one is absent.
    pub points: Vec<Option<(f64, f64)>>,
    /// What a pointer is told at each point; of none or of all.
    pub told: Vec<String>,
    /// Dots instead of a line.
    pub dots: bool,
}

/// A bar of parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What it is of.
    pub label: String,
    /// How long each part is, how it looks, and what a pointer is told.
    pub parts: Vec<(f64, Ink, String)>,
}

/// What a picture shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Lines or dots on two axes.
    Lines {
        /// To the right.
        x: Axis,
        /// Up.
        y: Axis,
        /// Those of comparison first.
        lines: Vec<Line>,
        /// A dotted line from corner to corner, and what it means.
        diagonal: Option<&'static str>,
    },
    /// Bars below each other.
    Bars {
        /// To the right.
        x: Axis,
        /// From the top.
        bars: Vec<Bar>,
    },
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// Its name for `--plot`.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What there is to see, in a sentence or two, for those who cannot.
    pub summary: String,
    /// What it shows.
    pub shape: Shape,
    /// What each colour means.
    pub legend: Vec<(Ink, String)>,
}

impl Plot {
    /// The picture as an SVG element; one of its own, with its title and colours in it, where `style` is given.
    pub fn svg(&self, style: Option<&str>) -> String {
        let head = if style.is_some() { 30.0 } else { 0.0 };
        let (body, bottom) = match &self.shape {
            Shape::Lines { x, y, lines, diagonal } => graph(x, y, lines, diagonal.is_some()),
            Shape::Bars { x, bars } => rows(x, bars),
        };
        let (legend, bottom) = self.legend(bottom);
        let height = bottom + head + 6.0;
        let mut svg = String::new();
        let name = &escape(&self.name);
        let size =
            if style.is_some() { format!(r#" width="{WIDTH}" height="{height:.0}""#) } else { String::new() };
        let _ = write!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}"{size} role="img" aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{}</title><desc id="{name}-desc">{}</desc>"#,
            escape(&self.title),
            escape(&self.summary),
        );
        if let Some(style) = style {
            let _ = write!(
                svg,
                r#"<style>{style}</style><rect class="paper" width="100%" height="100%"/><text class="title" x="8" y="20">{}</text>"#,
                escape(&clipped(&self.title, 52)),
            );
        }
        let _ = write!(svg, r#"<g transform="translate(0 {head})">{body}{legend}</g></svg>"#);
        svg
    }

    /// The legend below a picture that ends at `top`, and where it ends itself.
    fn legend(&self, top: f64) -> (String, f64) {
        let mut svg = String::new();
        let mut entries: Vec<(String, &str)> = vec![];
        if let Shape::Lines { diagonal: Some(meaning), .. } = &self.shape {
            entries.push(("diagonal".into(), meaning));
        }
        entries.extend(self.legend.iter().map(|(ink, meaning)| (ink.class(), meaning.as_str())));
        if entries.is_empty() {
            return (svg, top);
        }
        let is_line = matches!(self.shape, Shape::Lines { .. });
        let are_dots =
            matches!(&self.shape, Shape::Lines { lines, .. } if lines.iter().all(|line| line.dots));
        let columns = if entries.iter().all(|(_, text)| text.chars().count() <= 23) { 2 } else { 1 };
        let wide = (WIDTH - 16.0) / columns as f64;
        for (i, (class, text)) in entries.iter().enumerate() {
            let (x, y) = (8.0 + (i % columns) as f64 * wide, top + (i / columns + 1) as f64 * LINE);
            let _ = if are_dots && class != "diagonal" {
                write!(svg, r#"<circle class="{class} dot" cx="{}" cy="{}" r="4"/>"#, x + 10.0, y - 4.0)
            } else if is_line {
                let y = y - 4.0;
                write!(svg, r#"<line class="{class} line" x1="{x}" y1="{y}" x2="{}" y2="{y}"/>"#, x + 20.0)
            } else {
                write!(svg, r#"<rect class="{class} bar" x="{x}" y="{}" width="14" height="10"/>"#, y - 9.0)
            };
            let room = ((wide - 28.0) / GLYPH) as usize;
            let _ = write!(
                svg,
                r#"<text class="key" x="{}" y="{y}">{}</text>"#,
                x + 26.0,
                escape(&clipped(text, room))
            );
        }
        (svg, top + entries.len().div_ceil(columns) as f64 * LINE + 4.0)
    }
}

/// Lines on two axes, and where they end below.
fn graph(x: &Axis, y: &Axis, lines: &[Line], diagonal: bool) -> (String, f64) {
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT);
    let px = |at: f64| LEFT + x.place(at, width);
    let py = |at: f64| TOP + height - y.place(at, height);
    let mut svg = String::new();
    let _ = write!(svg, r#"<text class="label" x="4" y="12">{}</text><g>"#, escape(&clipped(&y.label, 60)));
    for (at, text) in &y.ticks {
        let at = py(*at);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" y1="{at:.1}" x2="{}" y2="{at:.1}"/><text class="tick y" x="{}" y="{:.1}">{}</text>"#,
            LEFT + width,
            LEFT - 5.0,
            at + 4.0,
            escape(text),
        );
    }
    svg.push_str("</g>");
    let base = TOP + height;
    svg.push_str(&below(x, base, px));
    if diagonal {
        let _ = write!(
            svg,
            r#"<line class="diagonal line" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"#,
            px(x.from),
            py(y.from),
            px(x.to.min(y.to)),
            py(x.to.min(y.to)),
        );
    }
    for line in lines {
        svg.push_str(&mark(line, px, py));
    }
    (svg, base + 2.0 * LINE + 8.0)
}

/// A line and its points.
fn mark(line: &Line, px: impl Fn(f64) -> f64, py: impl Fn(f64) -> f64) -> String {
    let mut svg = String::new();
    let class = line.ink.class();
    if !line.dots {
        let mut path = String::new();
        let mut gap = true;
        for point in &line.points {
            if let Some((a, b)) = point {
                let _ = write!(path, "{}{:.1} {:.1}", if gap { "M" } else { "L" }, px(*a), py(*b));
            }
            gap = point.is_none();
        }
        let _ = write!(svg, r#"<path class="{class} line" d="{path}"/>"#);
    }
    let alone = line.points.iter().flatten().count() == 1;
    for (i, point) in line.points.iter().enumerate() {
        let Some((a, b)) = point else { continue };
        let told = line.told.get(i);
        if !line.dots && !alone && told.is_none() {
            continue;
        }
        let title = told.map(|text| format!("<title>{}</title>", escape(text))).unwrap_or_default();
        let (class, r) =
            if line.dots || alone { (format!("{class} dot"), 3.0) } else { ("touch".into(), 5.0) };
        let _ = write!(
            svg,
            r#"<circle class="{class}" cx="{:.1}" cy="{:.1}" r="{r}">{title}</circle>"#,
            px(*a),
            py(*b)
        );
    }
    svg
}

/// Bars below each other, and where they end.
fn rows(x: &Axis, bars: &[Bar]) -> (String, f64) {
    let longest = bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0).min(22);
    let left = if longest == 0 { 8.0 } else { 12.0 + longest as f64 * GLYPH };
    let width = WIDTH - left - RIGHT - 4.0;
    let px = |at: f64| left + x.place(at, width);
    let base = 8.0 + bars.len() as f64 * BAR;
    let mut svg = String::new();
    for (at, _) in &x.ticks {
        let at = px(*at);
        let _ = write!(svg, r#"<line class="grid" x1="{at:.1}" y1="4" x2="{at:.1}" y2="{base}"/>"#);
    }
    svg.push_str("<g>");
    for (i, bar) in bars.iter().enumerate() {
        let y = 8.0 + i as f64 * BAR;
        let _ = write!(
            svg,
            r#"<text class="tick y" x="{:.1}" y="{:.1}">{}</text>"#,
            left - 6.0,
            y + 12.0,
            escape(&clipped(&bar.label, longest)),
        );
    }
    svg.push_str("</g>");
    for (i, bar) in bars.iter().enumerate() {
        let y = 8.0 + i as f64 * BAR;
        let mut from = 0.0;
        for (length, ink, told) in &bar.parts {
            let (a, b) = (px(from), px(from + length));
            let (start, long) = (a.min(b), (b - a).abs());
            // A gap between parts where there is room for one.
            let gap = if long > 3.0 { 1.0 } else { 0.0 };
            let _ = write!(
                svg,
                r#"<rect class="{} bar" x="{start:.1}" y="{y}" width="{:.1}" height="{}"><title>{}</title></rect>"#,
                ink.class(),
                long - gap,
                BAR - 6.0,
                escape(told),
            );
            from += length;
        }
    }
    svg.push_str(&below(x, base, px));
    (svg, base + 2.0 * LINE + 8.0)
}

/// The axis to the right, below a picture that ends at `base`.
fn below(x: &Axis, base: f64, px: impl Fn(f64) -> f64) -> String {
    let mut svg = String::from("<g>");
    for (at, text) in &x.ticks {
        let at = px(*at);
        let half = text.chars().count() as f64 * GLYPH / 2.0;
        // Text at the ends stays within the picture.
        let middle = at.min(WIDTH - 3.0 - half).max(3.0 + half);
        let y = base + LINE + 3.0;
        let _ = write!(
            svg,
            r#"<line class="notch" x1="{at:.1}" y1="{base}" x2="{at:.1}" y2="{}"/><text class="tick x" x="{middle:.1}" y="{y}">{}</text>"#,
            base + 4.0,
            escape(text),
        );
    }
    let _ = write!(
        svg,
        r#"</g><text class="label end" x="{}" y="{}">{}</text>"#,
        WIDTH - RIGHT,
        base + 2.0 * LINE + 4.0,
        escape(&clipped(&x.label, 58)),
    );
    svg
}

/// Text of at most so many characters.
pub fn clipped(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Text as it stands in HTML, attributes included.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No document may hold these.
            c if (c.is_control() && c != '\n' && c != '\t') || ['\u{fffe}', '\u{ffff}'].contains(&c) => {
                out.extend(c.escape_default());
            }
            c => out.push(c),
        }
    }
    out
}

/// Some of the values along an axis from the first to the last, no more than have room beside each other.
pub fn sparse(values: &[(f64, String)]) -> Vec<(f64, String)> {
    let longest =
        values.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(1) as f64 * GLYPH + 24.0;
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return vec![] };
    let share = longest / (WIDTH - LEFT - RIGHT);
    let place = |x: f64| if last.0 > first.0 { (x - first.0) / (last.0 - first.0) } else { 0.0 };
    let room = ((1.0 / share) as usize).clamp(1, 6);
    let mut kept: Vec<(f64, String)> = vec![first.clone()];
    for i in 1..=room {
        let wanted = i as f64 / room as f64;
        let off = |value: &&(f64, String)| (place(value.0) - wanted).abs();
        let nearest = values.iter().min_by(|a, b| off(a).total_cmp(&off(b)));
        let apart = |at: f64, kept: &[(f64, String)]| {
            kept.iter().all(|(x, _)| place((at - x).abs() + first.0) >= share)
        };
        if let Some(value) = nearest.filter(|value| apart(value.0, &kept)) {
            kept.push(value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        let ticks = |values: &[f64]| -> Vec<String> {
            Axis::of(String::new(), values.iter().copied()).ticks.into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(ticks(&[0.31, 0.8677]), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(ticks(&[92.0, 257.0]), ["0", "100", "200", "300"]);
        assert_eq!(ticks(&[-0.2, 0.3]), ["-0.2", "0.0", "0.2", "0.4"]);
        assert_eq!(ticks(&[0.0]), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(ticks(&[48_000.0]), ["0", "20 k", "40 k", "60 k"]);
    }

    #[test]
    fn nothing_of_the_data_is_markup() {
        let plot = Plot {
            name: "p".into(),
            title: "<script>".into(),
            summary: "a & b".into(),
            shape: Shape::Bars {
                x: Axis::shares("share"),
                bars: vec![Bar { label: "<b>".into(), parts: vec![(1.0, Ink::Series(1), "\"".into())] }],
            },
            legend: vec![(Ink::Series(1), "<i>".into())],
        };
        let svg = plot.svg(None);
        assert!(!svg.contains("<script") && !svg.contains("<b>") && !svg.contains("<i>"), "{svg}");
        assert!(svg.contains("&lt;script&gt;") && svg.contains("a &amp; b"));
    }

    #[test]
    fn ticks_have_room() {
        let days: Vec<(f64, String)> = (0..97).map(|i| (f64::from(i), format!("2025-01-{i:02}"))).collect();
        let some = sparse(&days);
        assert_eq!((some[0].0, some.last().unwrap().0), (0.0, 96.0));
        assert!(some.len() >= 3 && some.len() <= 5, "{some:?}");
    }
}
