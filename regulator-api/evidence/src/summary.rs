//! The summary for people: one page that needs nothing from elsewhere and prints on paper.
//!
//! Everything in it comes through [`escaped`]: names and references are what others chose.

use concordat_sql::{Row, Table};
use concordat_types::activity::{Seen, roles};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{activity::Checked, case::Case, records::Tables};

/// How it looks, on screens and on paper.
const STYLE: &str = "body{font:11pt/1.4 Georgia,serif;margin:2em auto;max-width:60em;padding:0 1em;color:#111}\
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:1.6em}table{border-collapse:collapse;width:100%;font-size:.85em}\
th,td{border:1px solid #999;padding:.25em .4em;text-align:left;vertical-align:top;word-break:break-all}\
th{background:#eee}caption{text-align:left;font-style:italic;padding:.3em 0}\
@media print{body{margin:0;max-width:none}thead{display:table-header-group}tr{break-inside:avoid}}";

/// The page.
pub(crate) fn render(case: &Case, checked: &Checked, tables: &Tables) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n\
         <body>\n<h1>{title}</h1>\n",
        title = escaped(&format!("Evidence: case {}", case.case)),
    );
    page.push_str(&facts(case));
    page.push_str(&transactions(&checked.seen));
    for (table, rows) in
        tables.iter().filter(|(table, rows)| **table != Table::Transactions && !rows.is_empty())
    {
        page.push_str(&records(*table, rows));
    }
    page.push_str("</body></html>\n");
    page
}

fn facts(case: &Case) -> String {
    let Case { chain_id, genesis_hash, subject, from, to, transactions, signed_by, .. } = case;
    let facts = [
        ("Chain", chain_id.clone()),
        ("Hash of its genesis document", genesis_hash.to_string()),
        ("About", subject.to_string()),
        ("Blocks", format!("{from} to {to}")),
        ("Transactions", format!("{transactions}, and no other in these blocks")),
        ("Block that this rests on", format!("{} {}", signed_by.height, signed_by.hash)),
        ("Its time", moment(signed_by.time_secs)),
        ("Digest of the database", case.database_digest.clone().unwrap_or_else(|| "none".to_owned())),
        ("Made by", case.made_by.clone()),
    ];
    let rows = facts
        .map(|(name, value)| format!("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(&value)));
    format!(
        "<table>{}</table>\n<p>That no transaction is missing is proven by the validators' signatures; README.txt says how to \
         check that with programs of others. Tables below that are about accounts, balances and members are what the \
         database of the signer says.</p>\n",
        rows.concat()
    )
}

fn transactions(seen: &[Seen]) -> String {
    let mut all: Vec<&Seen> = seen.iter().collect();
    all.sort_by_key(|seen| (seen.block.0, seen.part.index));
    let row = |seen: &&Seen| {
        vec![
            seen.block.0.to_string(),
            moment(seen.block.1),
            seen.part.index.to_string(),
            seen.receipt.tx_hash.to_string(),
            seen.receipt.sender.to_string(),
            roles::describe(seen.part.roles),
            seen.receipt.outcome.describe().to_owned(),
        ]
    };
    let head = ["block", "time", "place", "hash", "sender", "the subject's part", "outcome"];
    table("Transactions", &head, all.iter().map(row))
}

fn records(of: Table, rows: &[Row]) -> String {
    let head: Vec<&str> = of.columns().iter().map(|column| column.name).collect();
    let cells = |row: &Row| row.iter().map(concordat_sql::Cell::show).collect();
    table(&of.name().replace('_', " "), &head, rows.iter().map(cells))
}

fn table(title: &str, head: &[&str], rows: impl ExactSizeIterator<Item = Vec<String>>) -> String {
    let mut out =
        format!("<h2>{}</h2>\n<table><caption>{} rows</caption><thead><tr>", escaped(title), rows.len());
    head.iter().for_each(|name| out.push_str(&format!("<th>{}</th>", escaped(name))));
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| out.push_str(&format!("<td>{}</td>", escaped(cell))));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
    out
}

/// A time in UTC; the number where it is beyond the calendar.
fn moment(secs: u64) -> String {
    let time = i64::try_from(secs).ok().and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| secs.to_string())
}

/// Text that no browser takes for anything else.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Marks that turn the direction of writing hide what stands where.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            other if other.is_control() && other != '\n' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_chose_becomes_a_part_of_the_page() {
        let page =
            table("<b>", &["a\"b"], [vec!["<script>alert('x')</script>\u{202e}&\0".to_owned()]].into_iter());
        assert!(
            page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\u{fffd}&amp;\u{fffd}"),
            "{page}"
        );
        assert!(page.contains("<h2>&lt;b&gt;</h2>") && page.contains("a&quot;b"), "{page}");
        assert!(!page.contains("<script"));
    }

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(moment(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(moment(u64::MAX), u64::MAX.to_string());
    }
}
