//! What PostgreSQL did for each statement: the plans that it followed and the rows that every step of them read, from its own log.
//!
//! A plan that is asked for (`EXPLAIN`) is the plan of the statement that a test thinks of; these are those of all statements
//! that were made.

use serde_json::Value;

use crate::postgres::Postgres;

/// Settings with which it writes down every plan.
pub const WRITTEN_DOWN: [&str; 5] = [
    "session_preload_libraries=auto_explain",
    "auto_explain.log_min_duration=0",
    "auto_explain.log_analyze=on",
    "auto_explain.log_timing=off",
    "auto_explain.log_format=json",
];

/// A plan that was followed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The statement.
    pub statement: String,
    /// Where it has read tables.
    pub reads: Vec<Read>,
}

/// A step that has read a table.
#[derive(Clone, Debug)]
pub struct Read {
    /// How: `Seq Scan`, `Index Scan` and so on.
    pub by: String,
    /// The table, or the part of it.
    pub table: String,
    /// By which conditions of the index.
    pub condition: String,
    /// So many rows, those that it has thrown away included.
    pub rows: u64,
}

impl Plan {
    /// Rows that all steps have read.
    pub fn rows(&self) -> u64 {
        self.reads.iter().map(|read| read.rows).sum()
    }
}

/// Reads plans as they come.
#[derive(Debug, Default)]
pub struct Plans {
    read: u64,
}

impl Plans {
    /// The plans that were followed since the last time.
    pub fn since(&mut self, postgres: &Postgres) -> Vec<Plan> {
        let (text, read) = postgres.log_from(self.read);
        self.read = read;
        let mut plans = Vec::new();
        for told in text.split(" plan:\n").skip(1) {
            // What goes on over lines begins with a tab.
            let lines = told.lines().take_while(|line| line.starts_with('\t'));
            let document: String = lines.flat_map(|line| [line, "\n"]).collect();
            let document: Value =
                serde_json::from_str(&document).unwrap_or_else(|error| panic!("{error}: {document}"));
            let mut reads = Vec::new();
            add(&document["Plan"], &mut reads);
            let statement = document["Query Text"].as_str().unwrap_or_default().to_owned();
            plans.push(Plan { statement, reads });
        }
        plans
    }
}

fn add(step: &Value, reads: &mut Vec<Read>) {
    if let Some(table) = step["Relation Name"].as_str() {
        let number = |name: &str| step[name].as_f64().unwrap_or_default();
        let each = number("Actual Rows")
            + number("Rows Removed by Filter")
            + number("Rows Removed by Index Recheck");
        let of_bitmap =
            step["Plans"].as_array().into_iter().flatten().filter_map(|part| part["Index Cond"].as_str());
        let conditions = step["Index Cond"].as_str().into_iter().chain(of_bitmap);
        reads.push(Read {
            by: step["Node Type"].as_str().unwrap_or_default().to_owned(),
            table: table.to_owned(),
            condition: conditions.collect::<Vec<_>>().join(" AND "),
            rows: (each * number("Actual Loops")) as u64,
        });
    }
    step["Plans"].as_array().into_iter().flatten().for_each(|part| add(part, reads));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_those_of_all_loops_with_what_was_thrown_away() {
        let inner = json!({ "Node Type": "Index Scan", "Relation Name": "t", "Index Cond": "(a = 1)", "Actual Rows": 2,
            "Rows Removed by Filter": 3, "Actual Loops": 7 });
        let mut reads = Vec::new();
        add(
            &json!({ "Node Type": "Nested Loop", "Actual Rows": 14, "Actual Loops": 1, "Plans": [inner] }),
            &mut reads,
        );
        assert_eq!(
            (reads.len(), &*reads[0].by, &*reads[0].condition, reads[0].rows),
            (1, "Index Scan", "(a = 1)", 35)
        );
    }
}
