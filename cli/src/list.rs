//! What all lists of the program have in common: an order, pages, and one form for people and one for machines.
//!
//! A list is in the order of its entries' keys, which each line begins with. A page ends after `--limit` entries; the next
//! one begins after the last key of the one before (`--after`). Filters are applied before pages are cut. Machines
//! get an array: a page with fewer entries than the limit is the last one.

use clap::Args;
use eyre::{Result, eyre};
use serde_json::Value;

use crate::output;

/// The most entries of a page.
const MAX_PAGE: u32 = 10_000;

/// Which page of a list.
#[derive(Args, Clone, Debug)]
pub struct PageArgs {
    /// At most so many entries.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PAGE)))]
    limit: u32,
    /// Only entries after this one, which is named as the list begins its line: the last one of the page before.
    #[arg(long, value_name = "ENTRY")]
    after: Option<String>,
}

/// An entry of a list.
#[derive(Clone, Debug)]
pub struct Entry {
    /// By which it is known, and which its line begins with.
    pub key: String,
    /// For machines.
    pub said: Value,
    /// For people.
    pub line: String,
}

/// Part of a list.
#[derive(Debug, Default)]
pub struct Page {
    entries: Vec<Entry>,
    more: bool,
}

impl PageArgs {
    /// How many entries a page has at most.
    pub fn limit(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    /// The key after which it begins, where keys are of this type.
    pub fn after<T: std::str::FromStr<Err: std::fmt::Display>>(&self) -> Result<Option<T>> {
        let parse = |text: &String| {
            text.parse().map_err(|error| eyre!("--after {text:?} is no entry of this list: {error}"))
        };
        self.after.as_ref().map(parse).transpose()
    }

    /// The page of a list that is at hand as a whole: `all` of it in order, each with its key, of which `entry` makes what
    /// is shown, or nothing of what is not wanted.
    pub fn cut<T>(
        &self,
        all: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
        mut entry: impl FnMut(&T) -> Option<Entry>,
    ) -> Result<Page> {
        let mut all = all.into_iter();
        if let Some(after) = &self.after
            && !all.any(|one| key(&one).eq_ignore_ascii_case(after))
        {
            return Err(eyre!("--after {after:?} is no entry of this list; begin without it"));
        }
        let mut page = Page::default();
        for entry in all.filter_map(|one| entry(&one)) {
            if !page.push(entry, self) {
                break;
            }
        }
        Ok(page)
    }
}

impl Page {
    /// Takes an entry in, if there is still room; otherwise notes that there are more.
    pub fn push(&mut self, entry: Entry, args: &PageArgs) -> bool {
        self.more = self.entries.len() >= args.limit();
        if !self.more {
            self.entries.push(entry);
        }
        !self.more
    }

    /// For machines.
    pub fn said(&self) -> Value {
        self.entries.iter().map(|entry| entry.said.clone()).collect()
    }

    /// Shows it; `none` where it is empty.
    pub fn show(&self, json: bool, none: &str) -> Result<()> {
        self.show_as(json, &self.said(), none)
    }

    /// Shows it to people, and to machines the document that it is a part of.
    pub fn show_as(&self, json: bool, said: &Value, none: &str) -> Result<()> {
        output::show(json, said, |_| match self.entries.is_empty() {
            true => none.to_owned(),
            false => self.entries.iter().map(|entry| entry.line.as_str()).collect::<Vec<_>>().join("\n"),
        })?;
        if let Some(last) = self.entries.last().filter(|_| self.more) {
            output::progress(json, format!("there are more: --after {}", last.key));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(limit: u32, after: Option<&str>) -> Result<(Vec<String>, bool)> {
        let args = PageArgs { limit, after: after.map(str::to_owned) };
        let entry = |number: &u32| {
            let key = number.to_string();
            number.is_multiple_of(2).then(|| Entry { line: key.clone(), said: json!(number), key })
        };
        let page = args.cut(1..=6, ToString::to_string, entry)?;
        Ok((page.entries.into_iter().map(|entry| entry.key).collect(), page.more))
    }

    #[test]
    fn pages_follow_each_other_and_the_last_one_says_so() {
        let told = |keys: &[&str], more| (keys.iter().map(ToString::to_string).collect::<Vec<_>>(), more);
        assert_eq!(page(2, None).unwrap(), told(&["2", "4"], true));
        assert_eq!(page(2, Some("4")).unwrap(), told(&["6"], false));
        assert_eq!(page(3, None).unwrap(), told(&["2", "4", "6"], false));
        assert_eq!(page(3, Some("6")).unwrap(), told(&[], false));
    }

    #[test]
    fn a_page_after_what_is_not_in_the_list_is_refused() {
        assert!(page(2, Some("7")).unwrap_err().to_string().contains("--after \"7\" is no entry"));
        let args = PageArgs { limit: 1, after: Some("seven".into()) };
        assert!(args.after::<u64>().unwrap_err().to_string().contains("\"seven\" is no entry"));
    }
}
