//! The table.

use crate::bench::Figures;
use crate::cli::{Case, Direction, Framing, Kind, Options};
use crate::load::Measured;
use crate::subject::Server;

/// The forwarder is the limit only below this share of coturn's cost, at this size, one way: else it is badly made itself.
const LIMIT_SHARE: f64 = 0.7;
const LIMIT_SIZE: u16 = 172;
/// Where a server should be: at most this much above the limit.
const MARK: f64 = 1.3;

/// All figures of one server.
#[derive(Debug)]
pub(crate) struct Column {
    kind: Kind,
    label: String,
    rows: Vec<Vec<Figures>>,
}

impl Column {
    pub(crate) fn new(server: &Server, rows: usize) -> Self {
        Self { kind: server.kind, label: server.label.clone(), rows: vec![Vec::new(); rows] }
    }

    pub(crate) fn push(&mut self, row: usize, measured: Measured) {
        self.rows[row].push(measured.into());
    }

    fn median(&self, row: usize, figure: impl Fn(&Figures) -> f64) -> f64 {
        let sorted = self.sorted(row, figure);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
    }

    fn sorted(&self, row: usize, figure: impl Fn(&Figures) -> f64) -> Vec<f64> {
        let mut values: Vec<_> = self.rows[row].iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn cost(&self, row: usize) -> f64 {
        self.median(row, |figures| figures.cost)
    }
}

/// Prints costs, ratios to the raw forwarder, and whether that forwarder is good enough to be called the limit.
pub(crate) fn print(options: &Options, columns: &[Column]) {
    println!(
        "Microseconds of server CPU per delivered packet: medians of {} rounds of {} ms; {} allocations, {} packets in flight",
        options.counted_rounds(),
        options.window().as_millis(),
        options.allocations,
        options.in_flight,
    );
    if options.run > 1 {
        println!("Runs of {} packets per allocation", options.run);
    }
    let raw = columns.iter().find(|column| column.kind == Kind::Raw);
    print!("\n{:<16}", "");
    for column in columns {
        let ratio = if raw.is_some() { "   /raw" } else { "" };
        print!(" {:>9}{ratio}", column.label);
    }
    println!();
    let cases = options.cases();
    for (row, case) in cases.iter().enumerate() {
        print!("{:<16}", case.to_string());
        for column in columns {
            print!(" {:>9.2}", column.cost(row));
            if let Some(raw) = raw {
                print!("{:>7.2}", column.cost(row) / raw.cost(row));
            }
        }
        println!();
    }
    if options.indications && raw.is_some() {
        println!("(The raw forwarder knows only channels: its figures beside indications are those.)");
    }
    if options.verbose {
        print_details(&cases, columns);
    }
    println!();
    if let Some(raw) = raw {
        print_marks(&cases, columns, raw);
    }
}

fn print_details(cases: &[Case], columns: &[Column]) {
    println!(
        "\n{:<16} {:<9} {:>13} {:>9} {:>7} {:>7} {:>6}",
        "", "", "min-max us", "packets/s", "loss", "server", "load"
    );
    for (row, case) in cases.iter().enumerate() {
        for column in columns {
            let costs = column.sorted(row, |figures| figures.cost);
            println!(
                "{:<16} {:<9} {:>13} {:>9.0} {:>6.2}% {:>6.0}% {:>5.0}%",
                case.to_string(),
                column.label,
                format!("{:.2}-{:.2}", costs[0], costs[costs.len() - 1]),
                column.median(row, |figures| figures.rate),
                column.median(row, |figures| figures.loss) * 100.0,
                column.median(row, |figures| figures.server_busy) * 100.0,
                column.median(row, |figures| figures.load_busy) * 100.0,
            );
        }
    }
}

fn print_marks(cases: &[Case], columns: &[Column], raw: &Column) {
    let coturn = columns.iter().find(|column| column.kind == Kind::Coturn);
    if let Some(coturn) = coturn {
        let one_way = |case: &Case| {
            case.framing == Framing::Channel && case.size == LIMIT_SIZE && case.direction != Direction::Both
        };
        for (row, case) in cases.iter().enumerate().filter(|(_, case)| one_way(case)) {
            let share = raw.cost(row) / coturn.cost(row);
            let verdict = if share <= LIMIT_SHARE { "counts as the limit" } else { "does NOT count as the limit" };
            println!("{case}: raw forwarder costs {share:.2} of coturn (at most {LIMIT_SHARE}): {verdict}");
        }
    }
    for column in columns.iter().filter(|column| column.kind == Kind::Stunnerd) {
        let channel_rows = || (0..cases.len()).filter(|&row| cases[row].framing == Framing::Channel);
        let worst = channel_rows().map(|row| column.cost(row) / raw.cost(row)).fold(0.0, f64::max);
        let verdict = if worst <= MARK { "within" } else { "NOT within" };
        println!("{}: at most {worst:.2} of the raw forwarder: {verdict} {MARK}", column.label);
        if let Some(coturn) = coturn {
            let worst = channel_rows().map(|row| column.cost(row) / coturn.cost(row)).fold(0.0, f64::max);
            let verdict = if worst < 1.0 { "cheaper" } else { "NOT cheaper everywhere" };
            println!("{}: at most {worst:.2} of coturn: {verdict}", column.label);
        }
    }
}
