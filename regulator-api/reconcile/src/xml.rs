//! XML as small trees, within bounds: no document type, no entities of its own, no processing instructions.

use quick_xml::{
    NsReader,
    events::{BytesRef, BytesStart, Event},
    name::{Namespace, ResolveResult},
};

use crate::{BooksError, books::MAX_FIELD};

/// How deep elements may be within one another.
const MAX_DEPTH: usize = 32;

/// How many elements a tree may have.
const MAX_ELEMENTS: usize = 500_000;

/// An element: its name without a prefix, its currency where it has one, its text, what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) currency: Option<String>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first element at a path below this one.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        self.children.iter().filter(|child| child.name == *first).find_map(|child| child.at(rest))
    }

    /// The text at a path, if there is any.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(|found| found.text.trim()).filter(|text| !text.is_empty())
    }

    /// The elements of a name right below this one.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Reads elements into trees: `wanted` are handed over one by one, what is outside of them is passed over. `namespaces` are
/// those that the root may be of.
pub(crate) fn read(
    text: &str,
    namespaces: &[&str],
    wanted: &[&str],
    take: &mut dyn FnMut(Element) -> Result<(), BooksError>,
) -> Result<(), BooksError> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut tree = Tree { open: Vec::new(), depth: 0, elements: 0, wanted };
    loop {
        let (namespace, event) =
            reader.read_resolved_event().map_err(|error| tree.wrong(error.to_string()))?;
        match event {
            Event::Start(start) => {
                if tree.depth == 0 {
                    check_root(&namespace, &start, namespaces)?;
                }
                tree.start(&start)?;
            }
            Event::End(_) => {
                if let Some(done) = tree.end() {
                    take(done)?;
                }
            }
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character = resolved(&reference).ok_or_else(|| {
                    tree.wrong("it has an entity of its own, which is refused: write the text itself")
                })?;
                tree.text(character.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(tree.wrong("a document type is refused: leave <!DOCTYPE out")),
            Event::PI(_) => return Err(tree.wrong("processing instructions are refused: leave them out")),
            Event::Decl(decl) => {
                let encoding = decl.encoding().and_then(Result::ok);
                if encoding.is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) {
                    return Err(tree.wrong("its encoding is not UTF-8: save it as UTF-8"));
                }
            }
            Event::Empty(_) | Event::Comment(_) => {}
            Event::Eof if tree.depth == 0 && tree.elements > 0 => return Ok(()),
            Event::Eof => return Err(tree.wrong("the document ends before its last element does")),
        }
    }
}

fn check_root(
    namespace: &ResolveResult<'_>,
    start: &BytesStart<'_>,
    known: &[&str],
) -> Result<(), BooksError> {
    if matches!(namespace, ResolveResult::Bound(Namespace(name)) if known.contains(name)) {
        return Ok(());
    }
    let what = format!("the document is of none of the namespaces {}", known.join(", "));
    Err(BooksError::new("document", start.local_name().into_inner(), what))
}

/// The five entities that XML has, and characters by their numbers.
fn resolved(reference: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character);
    }
    match &*reference.xml10_content() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

/// Trees under construction.
struct Tree<'a> {
    /// The wanted element and those that are open within it.
    open: Vec<Element>,
    depth: usize,
    elements: usize,
    wanted: &'a [&'a str],
}

impl Tree<'_> {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), BooksError> {
        let name = start.local_name().into_inner().to_owned();
        self.depth = self.depth.saturating_add(1);
        self.elements = self.elements.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(self.wrong(format!("elements are more than {MAX_DEPTH} deep")));
        }
        if self.open.is_empty() {
            if !self.wanted.contains(&name.as_str()) {
                return Ok(());
            }
            self.elements = 1;
        }
        if self.elements > MAX_ELEMENTS {
            return Err(self.wrong(format!("it has more than {MAX_ELEMENTS} elements: split the statement")));
        }
        let currency = start.try_get_attribute("Ccy").map_err(|error| self.wrong(error.to_string()))?;
        let currency = currency.map(|attribute| attribute.value.into_owned());
        self.open.push(Element { name, currency, ..Element::default() });
        Ok(())
    }

    /// The wanted element, if it ends here.
    fn end(&mut self) -> Option<Element> {
        self.depth = self.depth.saturating_sub(1);
        let done = self.open.pop()?;
        match self.open.last_mut() {
            None => Some(done),
            Some(parent) => {
                parent.children.push(done);
                None
            }
        }
    }

    fn text(&mut self, text: &str) -> Result<(), BooksError> {
        let Some(element) = self.open.last_mut() else { return Ok(()) };
        // White space between elements is no text of theirs.
        if element.text.len().saturating_add(text.trim().len()) > MAX_FIELD {
            return Err(self.wrong(format!("its text is longer than {MAX_FIELD} bytes")));
        }
        element.text.push_str(if element.text.is_empty() { text.trim_start() } else { text });
        Ok(())
    }

    fn wrong(&self, what: impl Into<String>) -> BooksError {
        let path: Vec<&str> = self.open.iter().map(|element| element.name.as_str()).collect();
        let path = if path.is_empty() { "document".to_owned() } else { path.join("/") };
        BooksError::new(path, format!("depth {}", self.depth), what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> Result<Vec<Element>, String> {
        let mut all = Vec::new();
        let mut take = |element| {
            all.push(element);
            Ok(())
        };
        read(text, &["urn:x"], &["Ntry"], &mut take).map_err(|error| error.to_string())?;
        Ok(all)
    }

    #[test]
    fn wanted_elements_become_trees() {
        let found = taken(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><d:Doc xmlns:d=\"urn:x\"><d:Other>o</d:Other><!-- c -->\
             <d:Ntry><d:Amt Ccy=\"EUR\">1.00</d:Amt><d:Nm>A &amp; B&#33;<![CDATA[<]]></d:Nm><d:E/></d:Ntry></d:Doc>",
        )
        .unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].at(&["Amt"]).unwrap().currency.as_deref(), Some("EUR"));
        assert_eq!(found[0].text_at(&["Nm"]), Some("A & B!<"));
        assert_eq!((found[0].text_at(&["E"]), found[0].at(&["No", "Such"])), (None, None));
    }

    #[test]
    fn what_strangers_use_to_do_harm_is_refused() {
        let bomb = "<!DOCTYPE d [<!ENTITY a \"b\">]><Doc xmlns=\"urn:x\"/>";
        assert!(taken(bomb).unwrap_err().contains("document type"));
        let entity = "<Doc xmlns=\"urn:x\"><Ntry>&xxe;</Ntry></Doc>";
        assert!(taken(entity).unwrap_err().contains("entity"));
        assert!(taken("<Doc xmlns=\"urn:x\"><?php x?></Doc>").unwrap_err().contains("instructions"));
        let deep = format!("<Doc xmlns=\"urn:x\">{}", "<a>".repeat(40));
        assert!(taken(&deep).unwrap_err().contains("deep"));
        let long = format!("<Doc xmlns=\"urn:x\"><Ntry>{}</Ntry></Doc>", "x".repeat(5000));
        assert!(taken(&long).unwrap_err().contains("longer"));
        assert!(taken("<Doc xmlns=\"urn:y\"/>").unwrap_err().contains("none of the namespaces"));
        assert!(taken("<Doc/>").unwrap_err().contains("none of the namespaces"));
        assert!(taken("<Doc xmlns=\"urn:x\"><Ntry>").unwrap_err().contains("ends before"));
        assert!(taken("<Doc xmlns=\"urn:x\"><Ntry></Doc>").is_err());
        assert!(taken("").is_err() && taken("text").is_err());
        let latin = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Doc xmlns=\"urn:x\"/>";
        assert!(taken(latin).unwrap_err().contains("UTF-8"));
    }
}
