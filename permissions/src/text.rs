//! What a policy's text may look like, checked before any parser sees it.
//!
//! The parser, the validator and the evaluator of Cedar call themselves for what lies within something else. Since
//! a stack that ran out would stop a node, or make two nodes decide differently, the nesting is bounded here,
//! from the text alone.

use crate::{
    enacted::{MAX_TEXT_BYTES, PolicyId},
    error::PolicyError,
};

/// The most operators and brackets that may lie within one another.
pub const MAX_NESTING: usize = 100;

/// The most `if` of a policy. Cedar's check of how far a policy reaches looks at the chosen branch of an `if` whose
/// condition is known twice, hence at one in n others 2ⁿ times.
pub const MAX_IFS: usize = 8;

/// Refuses texts that are too long, deceptive, too deep or too branched.
pub(crate) fn check(id: &PolicyId, text: &str) -> Result<(), PolicyError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(PolicyError::TooLong { id: id.clone(), have: text.len() });
    }
    if let Some((line, character)) = deceptive(text) {
        return Err(PolicyError::Character { id: id.clone(), line, character });
    }
    let Nesting { most: (line, have), ifs, .. } = nesting(text);
    if have > MAX_NESTING {
        return Err(PolicyError::Nesting { id: id.clone(), line, have });
    }
    if ifs > MAX_IFS { Err(PolicyError::Branches { id: id.clone(), have: ifs }) } else { Ok(()) }
}

/// The first character that people do not see, or that makes them see others in another order, and its line.
fn deceptive(text: &str) -> Option<(usize, char)> {
    let lines = (1..).zip(text.split('\n'));
    lines.flat_map(|(line, text)| text.chars().map(move |c| (line, c))).find(|(_, c)| misleads(*c))
}

/// Whether a character is a control character other than a tab, a separator of lines, or an invisible one.
fn misleads(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The part of a text between two brackets.
#[derive(Default)]
struct Group {
    /// Operators since the last comma.
    operators: usize,
    /// The deepest group since the last comma.
    within: usize,
    /// The deepest part before it.
    before: usize,
}

impl Group {
    fn depth(&self) -> usize {
        self.before.max(self.operators.saturating_add(self.within))
    }

    fn end_part(&mut self) {
        *self = Self { before: self.depth(), ..Self::default() };
    }
}

/// Counts what lies within what. Every operator of a part may nest in every other one, hence they are added up.
#[derive(Default)]
struct Nesting {
    outer: Vec<Group>,
    group: Group,
    /// The line where most lies within one another so far, and how much.
    most: (usize, usize),
    /// How many times `if` was said.
    ifs: usize,
}

impl Nesting {
    fn operator(&mut self) {
        self.group.operators = self.group.operators.saturating_add(1);
    }

    fn open(&mut self) {
        self.outer.push(std::mem::take(&mut self.group));
    }

    fn close(&mut self) {
        let depth = self.group.depth().saturating_add(1);
        // One bracket too many: the parser will say so.
        self.group = self.outer.pop().unwrap_or_default();
        self.group.within = self.group.within.max(depth);
    }

    fn note(&mut self, line: usize) {
        let have = self.outer.len().saturating_add(self.group.depth());
        if have > self.most.1 {
            self.most = (line, have);
        }
    }
}

/// Where the scanner is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    Comment,
    Text { escaped: bool },
}

/// What lies within what in a text.
fn nesting(text: &str) -> Nesting {
    let (mut nesting, mut place, mut line) = (Nesting::default(), Place::Code, 1_usize);
    let (mut previous, mut word) = ('\n', String::new());
    for c in text.chars().chain(['\n']) {
        place = match place {
            Place::Comment if c == '\n' => Place::Code,
            Place::Comment => Place::Comment,
            Place::Text { escaped: true } => Place::Text { escaped: false },
            Place::Text { escaped: false } if c == '"' => Place::Code,
            Place::Text { escaped: false } => Place::Text { escaped: c == '\\' },
            Place::Code => {
                in_code(&mut nesting, &mut word, previous, c);
                match c {
                    '"' => Place::Text { escaped: false },
                    '/' if previous == '/' => Place::Comment,
                    _ => Place::Code,
                }
            }
        };
        nesting.note(line);
        line = if c == '\n' { line.saturating_add(1) } else { line };
        previous = c;
    }
    nesting
}

/// Counts a character that stands in code.
fn in_code(nesting: &mut Nesting, word: &mut String, previous: char, c: char) {
    if c.is_ascii_alphanumeric() || c == '_' {
        word.push(c);
        return;
    }
    if matches!(word.as_str(), "if" | "has" | "in" | "is" | "like" | "when" | "unless") {
        nesting.operator();
    }
    if word == "if" {
        nesting.ifs = nesting.ifs.saturating_add(1);
    }
    word.clear();
    let comparing = |c: char| matches!(c, '=' | '<' | '>' | '&' | '|');
    match c {
        '(' | '[' | '{' => nesting.open(),
        ')' | ']' | '}' => nesting.close(),
        ',' | ';' => nesting.group.end_part(),
        '.' | '+' | '-' | '*' | '!' => nesting.operator(),
        // `&&` and the like are one operator of two characters.
        c if comparing(c) && !comparing(previous) => nesting.operator(),
        _ => {}
    }
}

/// The line of the first place where a text says something.
pub(crate) fn line_of(text: &str, what: &str) -> usize {
    text.find(what).map_or(1, |at| line_at(text, at))
}

/// The line of a byte.
pub(crate) fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deepest(text: &str) -> (usize, usize) {
        nesting(text).most
    }

    fn depth(text: &str) -> usize {
        deepest(text).1
    }

    #[test]
    fn what_lies_within_something_else_is_added_up() {
        assert_eq!(depth(""), 0);
        assert_eq!(depth("permit (principal, action, resource);"), 1);
        assert_eq!(depth("((()))"), 3);
        assert_eq!(depth("a && b && c"), 2);
        assert_eq!(depth("(a && b) || c.d == e"), 5);
        assert_eq!(depth("[a.b, c.d, e.f]"), 2);
        assert_eq!(depth("if a then b else if c then d else e"), 2);
        assert_eq!(depth("!!a != b"), 4);
    }

    #[test]
    fn comments_and_texts_count_nothing_and_their_ends_are_found() {
        assert_eq!(depth("// ((( && \"\n(a)"), 1);
        assert_eq!(depth(r#""((( && " == a"#), 1);
        assert_eq!(depth(r#""\"(((" == (a)"#), 2);
        assert_eq!(depth(r#""\\" == (a)"#), 2);
        assert_eq!(depth(r#""//" == ((a))"#), 3);
    }

    #[test]
    fn depth_is_noted_before_brackets_close_and_with_its_line() {
        assert_eq!(deepest(&format!("a\n{}", "(".repeat(500))), (2, 500));
        assert_eq!(deepest(&format!("{}\n", "a&&".repeat(500))), (1, 500));
        assert_eq!(deepest("a\nb && (c\n&& d)"), (3, 3));
    }

    #[test]
    fn characters_that_mislead_are_refused_with_their_line() {
        let id: PolicyId = "office-hours".parse().unwrap();
        for c in ['\r', '\0', '\u{200b}', '\u{202e}', '\u{2028}', '\u{feff}', '\u{7f}'] {
            let error = check(&id, &format!("// a\n// b{c}")).unwrap_err();
            assert_eq!(error, PolicyError::Character { id: id.clone(), line: 2, character: c });
        }
        assert_eq!(check(&id, "// Büro:\tgeöffnet\n"), Ok(()));
    }

    #[test]
    fn texts_that_are_too_long_or_too_deep_are_refused() {
        let id: PolicyId = "office-hours".parse().unwrap();
        let long = "/".repeat(MAX_TEXT_BYTES + 1);
        assert_eq!(check(&id, &long), Err(PolicyError::TooLong { id: id.clone(), have: 8_193 }));
        assert_eq!(check(&id, &"/".repeat(MAX_TEXT_BYTES)), Ok(()));
        let deep = "[".repeat(MAX_NESTING + 1);
        assert_eq!(check(&id, &deep), Err(PolicyError::Nesting { id: id.clone(), line: 1, have: 101 }));
        assert_eq!(check(&id, &"[".repeat(MAX_NESTING)), Ok(()));
        let branched = "if a then b else c; // if\n \"if\"; ifs;".repeat(9);
        assert_eq!(check(&id, &branched), Err(PolicyError::Branches { id: id.clone(), have: 9 }));
        assert_eq!(check(&id, &"if a then b else c;".repeat(MAX_IFS)), Ok(()));
    }
}
