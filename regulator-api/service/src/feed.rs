//! Lists as they grow, and whole ranges of them: piece by piece, in constant memory. Before each piece its reader is judged
//! anew, and what the piece shows is on the log before it is sent.

use std::time::{Duration, Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Bytes, Data},
};
use concordat_sql::{
    export::Sheet,
    read::{Entry, List, Page, Position, Wanted},
};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    answer::Ask,
    params::Parameters,
    problem::{Kind, Problem},
    service::{Service, now_ms},
    tls::Shown,
    token::Claims,
};

/// Rows of a piece.
const ROWS: i64 = 500;

/// How long it rests where nothing is new.
const POLL: Duration = Duration::from_millis(200);

/// A silent connection is told that it is alive after this time.
const BEAT: Duration = Duration::from_secs(10);

/// The media type of Parquet, as it is registered with IANA.
pub(crate) const PARQUET: &str = "application/vnd.apache.parquet";

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Server-Sent Events.
    Events,
    /// One JSON document a line.
    Lines,
    /// One file in Parquet, of an export alone.
    Columns,
}

impl Form {
    /// What a request accepts. A stream is of events where nothing is said.
    pub(crate) fn of(request: &HttpRequest, is_stream: bool) -> Self {
        let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let accepts = accepts.unwrap_or_default();
        match is_stream {
            true if !accepts.contains("ndjson") => Self::Events,
            false if accepts.contains(PARQUET) => Self::Columns,
            _ => Self::Lines,
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
            Self::Columns => PARQUET,
        }
    }

    /// A row, with the place from which to go on.
    fn row(self, list: &List, place: &str, row: &Value) -> String {
        match self {
            Self::Events => format!("id: {place}\nevent: {}\ndata: {row}\n\n", list.name),
            Self::Lines => format!("{}\n", json!({ "id": place, "row": row })),
            Self::Columns => String::new(),
        }
    }

    /// The last word: why it ends, or that it is whole.
    fn last(self, name: &str, document: &Value) -> String {
        match self {
            Self::Events => format!("event: {name}\ndata: {document}\n\n"),
            Self::Lines => format!("{}\n", json!({ name: document })),
            Self::Columns => String::new(),
        }
    }

    /// A sign of life, which is no event and no document.
    const fn beat(self) -> &'static str {
        match self {
            Self::Events => ": alive\n\n",
            Self::Lines => "\n",
            Self::Columns => "",
        }
    }
}

/// What a feed is opened with.
pub(crate) struct Opening {
    pub(crate) service: Data<Service>,
    pub(crate) shown: Shown,
    pub(crate) claims: Claims,
    pub(crate) form: Form,
    /// The place that an interrupted stream had reached.
    pub(crate) last: Option<String>,
}

/// A feed.
pub(crate) struct Feed {
    opening: Opening,
    list: &'static List,
    wanted: Wanted,
    /// Where an export ends; none: it goes on as the chain does.
    end: Option<i64>,
    entry: Entry,
    rows: u64,
    beat: Instant,
    done: bool,
    /// What an export in Parquet is written into.
    sheet: Option<Sheet>,
    _permit: OwnedSemaphorePermit,
}

impl Opening {
    /// Opens one.
    pub(crate) async fn open(
        mut self,
        list: &'static List,
        ask: Ask<'_>,
        entry: Entry,
    ) -> Result<Feed, Problem> {
        let service = self.service.clone();
        let tip = &ask.admitted.tip;
        let is_export = matches!(ask.found.endpoint, crate::routes::Endpoint::Export(_));
        let mut parameters = ask.parameters;
        let after = parameters.take("after").or_else(|| self.last.take());
        let history = !list.is_journal();
        let (from, to) = parameters.period(&service.reader, tip).await?;
        if to.is_some_and(|to| to > tip.height) {
            return Err(Problem::new(Kind::Ahead, format!("the newest block is {}", tip.height)));
        }
        // A stream that says nothing begins with what comes next.
        let from = match (from, &after) {
            (None, None) if !is_export => Some(tip.height.saturating_add(1)),
            (from, _) => from,
        };
        let end = if is_export { Some(to.unwrap_or(tip.height)) } else { to };
        let filters = filters(&parameters, list)?;
        let after = after.map(|place| place_of(&place, list, history)).transpose()?;
        let all = Wanted::newest(tip.height, ask.admitted.caller.scope.clone());
        let wanted =
            Wanted { from, to: end, filters, newest_first: false, history, after, limit: ROWS, ..all };
        let busy =
            |_| Problem::new(Kind::TooMany, "too many streams and exports are open; wait for one to end");
        let sheet = match self.form {
            Form::Columns => Some(Sheet::begin(list).map_err(unwritable)?),
            Form::Events | Form::Lines => None,
        };
        let permit = service.streams.clone().try_acquire_owned().map_err(busy)?;
        Ok(Feed {
            opening: self,
            list,
            wanted,
            end,
            entry,
            rows: 0,
            beat: Instant::now(),
            done: false,
            sheet,
            _permit: permit,
        })
    }
}

fn unwritable(error: concordat_sql::export::SheetError) -> Problem {
    Problem::internal("an export cannot be written", error)
}

/// A file in Parquet that ends before its end: the connection is cut, since a file has no room for a reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(String);

fn filters(
    parameters: &Parameters,
    list: &'static List,
) -> Result<Vec<concordat_sql::read::Chosen>, Problem> {
    let chosen = parameters.all().iter().map(|(name, text)| list.choose(name, text));
    Ok(chosen.collect::<Result<_, _>>()?)
}

/// Reads a place, `height:transaction:log` of a list of logs: numbers, as many as it has.
fn place_of(text: &str, list: &List, history: bool) -> Result<Position, Problem> {
    let parts: Vec<String> = text.split(':').map(ToOwned::to_owned).collect();
    let numbers = parts.iter().all(|part| part.parse::<i64>().is_ok_and(|number| number >= 0));
    if numbers && parts.len() == list.place_length(history) {
        return Ok(parts);
    }
    Err(Problem::new(Kind::Malformed, "after is the id of a row of this stream, such as 12:0:3"))
}

impl Feed {
    /// The answer.
    pub(crate) fn response(self: Box<Self>) -> HttpResponse {
        let form = self.opening.form;
        let body = stream::unfold(self, |mut feed| async move {
            let piece = feed.next().await?;
            Some((piece.map(Bytes::from), feed))
        });
        HttpResponse::Ok()
            .content_type(form.content_type())
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .streaming(body)
    }

    /// The next piece; none once it has ended.
    async fn next(&mut self) -> Option<Result<Vec<u8>, Broken>> {
        while !self.done {
            match self.piece().await {
                Ok(Some(piece)) => return Some(Ok(piece)),
                Ok(None) => {}
                Err(problem) => {
                    let last = self.fail(&problem).await;
                    return Some(match self.opening.form {
                        Form::Events | Form::Lines => Ok(last.into_bytes()),
                        Form::Columns => Err(Broken(problem.detail)),
                    });
                }
            }
        }
        None
    }

    /// A piece, if there is anything to say.
    async fn piece(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let service = self.opening.service.clone();
        if service.is_ending() {
            return Err(Problem::new(Kind::Ending, "go on from the last id, with another service or later"));
        }
        let admitted = service.admit_with(&self.opening.shown, &self.opening.claims).await?;
        self.wanted.as_of = admitted.tip.height;
        self.wanted.scope = admitted.caller.scope;
        let page = service.reader.page(self.list, &self.wanted).await?;
        if !page.rows.is_empty() {
            return self.show(page).await;
        }
        // What was looked at had nothing to show, and there is more.
        if page.next.is_some() {
            self.wanted.after = page.next;
            return Ok(self.sign_of_life());
        }
        if let Some(end) = self.end.filter(|end| admitted.tip.height >= *end) {
            self.done = true;
            if let Some(sheet) = self.sheet.take() {
                return sheet.finish().map(Some).map_err(unwritable);
            }
            let document = json!({ "rows": self.rows, "through": end });
            return Ok(Some(self.opening.form.last("end", &document).into_bytes()));
        }
        tokio::time::sleep(POLL).await;
        Ok(self.sign_of_life())
    }

    /// What tells a reader who has got nothing for a while that there is somebody.
    fn sign_of_life(&mut self) -> Option<Vec<u8>> {
        if self.beat.elapsed() < BEAT {
            return None;
        }
        self.beat = Instant::now();
        Some(self.opening.form.beat().to_owned().into_bytes())
    }

    /// Puts a page on the log; then what is to be sent of it, if anything is yet.
    async fn show(&mut self, page: Page) -> Result<Option<Vec<u8>>, Problem> {
        let rows = i64::try_from(page.rows.len()).unwrap_or(i64::MAX);
        let as_of = Some(self.wanted.as_of);
        let entry = Entry { time_ms: now_ms(), status: 200, rows, as_of, ..self.entry.clone() };
        self.opening.service.journal.add(entry).await?;
        let sent = self.written(&page)?;
        self.rows = self.rows.saturating_add(u64::try_from(rows).unwrap_or_default());
        self.beat = Instant::now();
        self.wanted.after = page.next.or_else(|| page.places.into_iter().next_back());
        Ok(Some(sent).filter(|sent| !sent.is_empty()))
    }

    /// A page as the form has it. What Parquet holds back comes with its row group.
    fn written(&mut self, page: &Page) -> Result<Vec<u8>, Problem> {
        if let Some(sheet) = &mut self.sheet {
            page.rows.iter().try_for_each(|row| sheet.add(row)).map_err(unwritable)?;
            return sheet.take().map_err(unwritable);
        }
        let form = self.opening.form;
        let rows = page.rows.iter().zip(&page.places);
        let text: String = rows.map(|(row, place)| form.row(self.list, &place.join(":"), row)).collect();
        Ok(text.into_bytes())
    }

    /// The end by a problem, with the place from which to go on.
    async fn fail(&mut self, problem: &Problem) -> String {
        self.done = true;
        let status = i64::from(problem.kind.status());
        let entry = Entry { time_ms: now_ms(), status, rows: 0, ..self.entry.clone() };
        // It ends in any case; what it has shown is on the log.
        let _ = self.opening.service.journal.add(entry).await;
        let mut document = problem.document();
        if let (Value::Object(fields), Some(after)) = (&mut document, &self.wanted.after) {
            fields.insert("after".into(), after.join(":").into());
        }
        self.opening.form.last("problem", &document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_as_each_form_has_them() {
        let list = List::named("events").unwrap();
        let row = json!({ "height": 12 });
        assert_eq!(
            Form::Events.row(list, "12:0:3", &row),
            "id: 12:0:3\nevent: events\ndata: {\"height\":12}\n\n"
        );
        assert_eq!(Form::Lines.row(list, "12:0:3", &row), "{\"id\":\"12:0:3\",\"row\":{\"height\":12}}\n");
    }

    #[test]
    fn a_place_has_as_many_numbers_as_its_list() {
        let (events, accounts) = (List::named("events").unwrap(), List::named("accounts").unwrap());
        assert_eq!(place_of("12:0:3", events, false).unwrap(), ["12", "0", "3"]);
        assert!(place_of("12:3", accounts, true).is_ok());
        for text in ["", "12", "12:0:x", "12:0:-1", "12:0:3:4", "1;DROP:0:0"] {
            assert_eq!(place_of(text, events, false).unwrap_err().kind, Kind::Malformed, "{text}");
        }
    }
}
