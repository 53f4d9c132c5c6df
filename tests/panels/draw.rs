//! The picture: panels where the dashboard has them, in the colours that it says.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::dashboard::{Dashboard, Kind, Panel};
use crate::units;

/// One line of a panel.
pub(crate) struct Curve {
    pub(crate) name: String,
    /// Seconds since 1970 and values.
    pub(crate) points: Vec<(f64, f64)>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// Pixels of a column and of a row of Grafana's grid.
const COLUMN: i32 = 42;
const ROW: i32 = 25;
const GAP: i32 = 4;

const PAGE: RGBColor = RGBColor(0x11, 0x12, 0x17);
const CARD: RGBColor = RGBColor(0x1b, 0x1d, 0x23);
const EDGE: RGBColor = RGBColor(0x2e, 0x31, 0x38);
const TEXT: RGBColor = RGBColor(0xd8, 0xd9, 0xda);
const FAINT: RGBColor = RGBColor(0x9a, 0x9d, 0xa5);

/// Grafana's names and the colours behind them.
const NAMED: &[(&str, RGBColor)] = &[
    ("green", RGBColor(0x73, 0xbf, 0x69)),
    ("yellow", RGBColor(0xf2, 0xcc, 0x0c)),
    ("blue", RGBColor(0x57, 0x94, 0xf2)),
    ("orange", RGBColor(0xff, 0x98, 0x30)),
    ("red", RGBColor(0xf2, 0x49, 0x5c)),
    ("purple", RGBColor(0xb8, 0x77, 0xd9)),
];
/// For series that have none of their own, in turn.
const PALETTE: &[RGBColor] = &[
    NAMED[0].1,
    NAMED[1].1,
    NAMED[2].1,
    NAMED[3].1,
    NAMED[4].1,
    RGBColor(0x8a, 0xb8, 0xff),
    NAMED[5].1,
    RGBColor(0x70, 0xdb, 0xed),
    RGBColor(0xf9, 0xba, 0x8f),
    RGBColor(0xc0, 0xd8, 0xa0),
];

/// Draws all panels into one SVG.
pub(crate) fn draw(to: &Path, dashboard: &Dashboard, curves: &HashMap<u32, Vec<Curve>>, span: (u64, u64)) -> Drawn {
    let bottom = dashboard.panels.iter().map(|panel| panel.grid_pos.y + panel.grid_pos.h).max().unwrap_or(0);
    let (width, height) = (u32::try_from(24 * COLUMN + GAP)?, u32::try_from(bottom * ROW + GAP)?);
    let root = SVGBackend::new(to, (width, height)).into_drawing_area();
    root.fill(&PAGE)?;
    for panel in &dashboard.panels {
        let place = panel.grid_pos;
        let corner = (place.x * COLUMN + GAP, place.y * ROW + GAP);
        let size = (u32::try_from(place.w * COLUMN - GAP)?, u32::try_from(place.h * ROW - GAP)?);
        let area = root.clone().shrink(corner, size);
        let none = Vec::new();
        let curves = curves.get(&panel.id).unwrap_or(&none);
        if panel.kind == Kind::Row {
            text(&area, &panel.title, (4, 14), 15, TEXT, HPos::Left)?;
            continue;
        }
        let corners = [(0, 0), (i32::try_from(size.0)? - 1, i32::try_from(size.1)? - 1)];
        area.draw(&Rectangle::new(corners, CARD.filled()))?;
        area.draw(&Rectangle::new(corners, EDGE))?;
        text(&area, &panel.title, (9, 13), 13, TEXT, HPos::Left)?;
        match panel.kind {
            _ if curves.is_empty() => middle(&area, "no data in this run", 13, FAINT)?,
            Kind::Stat => stat(&area, panel, curves)?,
            Kind::Bargauge => bars(&area, panel, curves)?,
            _ => chart(&area, panel, curves, (span.0 as f64, span.1 as f64))?,
        }
    }
    Ok(root.present()?)
}

/// The last value, large.
fn stat(area: &Area<'_>, panel: &Panel, curves: &[Curve]) -> Drawn {
    let last = curves.first().and_then(|curve| curve.points.last()).map_or(0.0, |point| point.1);
    let colour = panel.colour_at(last).map_or(TEXT, named);
    let (width, height) = area.dim_in_pixel();
    let below = area.clone().shrink((0, 20), (width, height.saturating_sub(22)));
    middle(&below, &written(last, panel)?, 30, colour)
}

/// The last value of each series, as bars.
fn bars(area: &Area<'_>, panel: &Panel, curves: &[Curve]) -> Drawn {
    let last = |curve: &Curve| curve.points.last().map_or(0.0, |point| point.1);
    let most = curves.iter().map(last).fold(1.0, f64::max);
    let width = i32::try_from(area.dim_in_pixel().0)?;
    let (left, right) = (110, width - 60);
    for (row, curve) in (0..).zip(curves) {
        let (value, y) = (last(curve), 44 + row * 40);
        let length = (f64::from(right - left) * (value / most).clamp(0.02, 1.0)) as i32;
        let colour = panel.colour_at(value).map_or(TEXT, named);
        text(area, &curve.name, (left - 10, y), 13, TEXT, HPos::Right)?;
        area.draw(&Rectangle::new([(left, y - 11), (right, y + 11)], EDGE.filled()))?;
        area.draw(&Rectangle::new([(left, y - 11), (left + length, y + 11)], colour.filled()))?;
        text(area, &written(value, panel)?, (right + 10, y), 13, colour, HPos::Left)?;
    }
    Ok(())
}

/// Lines, or areas one on another, over time.
fn chart(area: &Area<'_>, panel: &Panel, curves: &[Curve], span: (f64, f64)) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let legend = legend(panel, curves, i32::try_from(width)? - 20);
    let lines = u32::try_from(legend.iter().map(|item| item.line).max().unwrap_or(0))? + 1;
    let plot = area.clone().shrink((0, 30), (width - 16, height - 34 - lines * 17));
    let stacked = panel.is_stacked();
    let heights = if stacked { stack(curves) } else { curves.iter().map(|curve| curve.points.clone()).collect() };
    let most = heights.iter().flatten().map(|point| point.1).fold(0.0, f64::max);
    let most = panel.field_config.defaults.max.unwrap_or(if most > 0.0 { most * 1.08 } else { 1.0 });
    let mut chart = ChartBuilder::on(&plot)
        .x_label_area_size(20)
        .y_label_area_size(66)
        .build_cartesian_2d(0.0..span.1 - span.0, 0.0..most)?;
    let label = |size: i32| ("sans-serif", size).into_font().color(&FAINT);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(EDGE)
        .axis_style(EDGE)
        .label_style(label(13))
        .x_labels(usize::try_from(width / 70)?)
        .y_labels(4)
        .x_label_formatter(&|seconds| format!("{}:{:02}", *seconds as u64 / 60, *seconds as u64 % 60))
        .y_label_formatter(&|value| units::format(*value, &panel.field_config.defaults.unit).unwrap_or_default())
        .draw()?;
    // What is stacked highest first, so that what is lower covers it.
    for (item, points) in legend.iter().zip(&heights).rev() {
        let points: Vec<(f64, f64)> = points.iter().map(|(at, value)| (at - span.0, value.min(most))).collect();
        if stacked {
            // Opaque, since the ones behind would shine through.
            let (fill, line) = (blend(item.colour, CARD, 0.45), item.colour.stroke_width(1));
            chart.draw_series(AreaSeries::new(points, 0.0, fill).border_style(line))?;
        } else {
            chart.draw_series(AreaSeries::new(points.clone(), 0.0, item.colour.mix(0.07)))?;
            chart.draw_series(LineSeries::new(points, item.colour.stroke_width(2)))?;
        }
    }
    for item in &legend {
        let y = i32::try_from(height)? - 12 - (i32::try_from(lines)? - 1 - item.line) * 17;
        area.draw(&Rectangle::new([(item.x, y - 2), (item.x + 12, y + 1)], item.colour.filled()))?;
        text(area, &item.name, (item.x + 17, y), 12, FAINT, HPos::Left)?;
    }
    Ok(())
}

/// A name below a chart.
struct Item {
    name: String,
    colour: RGBColor,
    x: i32,
    line: i32,
}

/// Names side by side, in as many lines as they need.
fn legend(panel: &Panel, curves: &[Curve], width: i32) -> Vec<Item> {
    let (mut x, mut line) = (10, 0);
    let item = |(at, curve): (usize, &Curve)| {
        let length = 32 + i32::try_from(curve.name.chars().count()).unwrap_or(0) * 7;
        if x > 10 && x + length > width {
            (x, line) = (10, line + 1);
        }
        let colour = panel.colour_of(&curve.name).map_or_else(|| PALETTE[at % PALETTE.len()], named);
        let item = Item { name: curve.name.clone(), colour, x, line };
        x += length;
        item
    };
    curves.iter().enumerate().map(item).collect()
}

/// The sum of each curve and those before it, at every time that one of them has.
fn stack(curves: &[Curve]) -> Vec<Vec<(f64, f64)>> {
    let times = curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.0 as u64));
    let mut sums: BTreeMap<u64, f64> = times.map(|time| (time, 0.0)).collect();
    let add = |curve: &Curve| {
        for (time, value) in &curve.points {
            *sums.entry(*time as u64).or_default() += value;
        }
        sums.iter().map(|(time, sum)| (*time as f64, *sum)).collect()
    };
    curves.iter().map(add).collect()
}

fn written(value: f64, panel: &Panel) -> Result<String, Box<dyn Error>> {
    let unit = &panel.field_config.defaults.unit;
    units::format(value, unit).ok_or_else(|| format!("panel `{}`: the unit `{unit}` cannot be drawn", panel.title).into())
}

fn middle(area: &Area<'_>, words: &str, size: i32, colour: RGBColor) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    text(area, words, (i32::try_from(width)? / 2, i32::try_from(height)? / 2), size, colour, HPos::Center)
}

fn text(area: &Area<'_>, words: &str, at: (i32, i32), size: i32, colour: RGBColor, side: HPos) -> Drawn {
    let style = ("sans-serif", size).into_font().color(&colour).pos(Pos::new(side, VPos::Center));
    Ok(area.draw_text(words, &style, at)?)
}

fn named(name: &str) -> RGBColor {
    let found = NAMED.iter().find(|(own, _)| *own == name);
    found.unwrap_or_else(|| panic!("no colour `{name}` to draw with")).1
}

fn blend(front: RGBColor, back: RGBColor, share: f64) -> RGBColor {
    let mix = |front: u8, back: u8| (f64::from(front) * share + f64::from(back) * (1.0 - share)) as u8;
    RGBColor(mix(front.0, back.0), mix(front.1, back.1), mix(front.2, back.2))
}
