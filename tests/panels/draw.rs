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
    RGBColor(0xff, 0xa6, 0xb0),
    RGBColor(0xa3, 0x52, 0xcc),
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
    let legend = legend(panel, curves, area.dim_in_pixel())?;
    let plot = area.clone().shrink((0, 30), legend.left);
    let (unit, stacked) = (&*panel.field_config.defaults.unit, panel.is_stacked());
    let (minutes, step) = (|at: f64| (at - span.0) / 60.0, step(unit));
    let scaled = |(at, value): &(f64, f64)| (minutes(*at), value / step);
    let heights = if stacked { stack(curves) } else { curves.iter().map(|curve| curve.points.clone()).collect() };
    let heights: Vec<Vec<_>> = heights.iter().map(|points| points.iter().map(scaled).collect()).collect();
    let most = heights.iter().flatten().map(|point: &(f64, f64)| point.1).fold(0.0, f64::max);
    let most = panel.field_config.defaults.max.unwrap_or(if most > 0.0 { most * 1.08 } else { 1.0 });
    let mut chart = ChartBuilder::on(&plot)
        .x_label_area_size(20)
        .y_label_area_size(66)
        .build_cartesian_2d(0.0..minutes(span.1), 0.0..most)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(EDGE)
        .axis_style(EDGE)
        .label_style(("sans-serif", 13).into_font().color(&FAINT))
        .x_labels(usize::try_from(legend.left.0 / 70)?)
        .y_labels(4)
        .x_label_formatter(&|minutes| format!("{minutes} min"))
        .y_label_formatter(&|value| units::format(*value * step, unit).unwrap_or_default())
        .draw()?;
    // What is stacked highest first, so that what is lower covers it.
    for (item, points) in legend.items.iter().zip(heights).rev() {
        if stacked {
            // Opaque, since the ones behind would shine through.
            let (fill, line) = (blend(item.colour, CARD, 0.45), item.colour.stroke_width(1));
            chart.draw_series(AreaSeries::new(points, 0.0, fill).border_style(line))?;
        } else {
            chart.draw_series(AreaSeries::new(points.iter().copied(), 0.0, item.colour.mix(0.07)))?;
            chart.draw_series(LineSeries::new(points, item.colour.stroke_width(2)))?;
        }
    }
    for Item { name, colour, at: (x, y) } in &legend.items {
        area.draw(&Rectangle::new([(*x, y - 2), (x + 12, y + 1)], colour.filled()))?;
        text(area, name, (x + 17, *y), 12, FAINT, HPos::Left)?;
    }
    Ok(())
}

/// The names of a chart's series, and the size of what they leave for the chart.
struct Legend {
    items: Vec<Item>,
    left: (u32, u32),
}

struct Item {
    name: String,
    colour: RGBColor,
    at: (i32, i32),
}

/// Names beside the chart, one a line, or below it, in as many lines as they need.
fn legend(panel: &Panel, curves: &[Curve], size: (u32, u32)) -> Result<Legend, Box<dyn Error>> {
    const LINE: i32 = 17;
    let (width, height) = (i32::try_from(size.0)?, i32::try_from(size.1)?);
    let length = |curve: &Curve| 32 + i32::try_from(curve.name.chars().count()).unwrap_or(0) * 7;
    let mut places: Vec<(i32, i32)> = Vec::new();
    let left = if panel.is_named_beside() {
        let side = width - curves.iter().map(length).max().unwrap_or(0);
        let line_height = LINE.min((height - 40) / i32::try_from(curves.len().max(1))?);
        places.extend((0..).map(|line| (side, 34 + line * line_height)).take(curves.len()));
        (side - 16, height - 34)
    } else {
        let mut end = (10, 0);
        for curve in curves {
            let is_full = end.0 > 10 && end.0 + length(curve) > width - 20;
            let place = if is_full { (10, end.1 + LINE) } else { end };
            places.push(place);
            end = (place.0 + length(curve), place.1);
        }
        // From the bottom up.
        places.iter_mut().for_each(|place| place.1 += height - 12 - end.1);
        (width - 16, height - 51 - end.1)
    };
    let colour = |at: usize, curve: &Curve| panel.colour_of(&curve.name).map_or(PALETTE[at % PALETTE.len()], named);
    let items = curves.iter().zip(places).enumerate();
    let items = items.map(|(at, (curve, place))| Item { name: curve.name.clone(), colour: colour(at, curve), at: place });
    Ok(Legend { items: items.collect(), left: (u32::try_from(left.0)?, u32::try_from(left.1)?) })
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

/// What the steps of an axis are round numbers of.
fn step(unit: &str) -> f64 {
    if unit == "bytes" { 1_048_576.0 } else { 1.0 }
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
