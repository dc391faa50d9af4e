//! `GET /api/{collection}/{name}?{member}=1,2,3`: for each of the ids, how many records have it
//! in the member, and the last of them. 200 with an array, 304.

use std::collections::HashSet;

use axum::http::{Uri, request::Parts};
use common::{Key, Model, Problem};
use serde::{Serialize, Serializer, ser::SerializeMap};
use store::{Digest, Filter, Tally};

use super::{Answer, conditional};
use crate::{
    api::{
        entity_tag,
        query::{self, ids},
    },
    app::App,
    problem::ProblemDetails,
};

/// What a summary can be asked for, and what it calls the numbers.
pub(crate) struct Summary {
    /// The members whose ids it can be asked for, and the numbers of their indexes.
    members: Vec<(&'static str, usize)>,
    called: Names,
}

/// The names of the numbers in a summary.
pub(crate) struct Names {
    /// How many records there are: `posts`.
    pub count: &'static str,
    /// The id of the last one: `lastPost`.
    pub last: String,
    /// When the last one was created: `lastPostAt`.
    pub last_at: String,
}

/// The numbers for one id.
struct Row<'a> {
    summary: &'a Summary,
    member: &'static str,
    id: u64,
    tally: Tally,
}

impl Names {
    /// The names for the records of a model.
    pub fn of<M: Model>() -> Self {
        let (initial, rest) = M::SINGULAR.split_at(1);
        let last = format!("last{}{rest}", initial.to_ascii_uppercase());
        Self {
            count: M::COLLECTION,
            last_at: format!("{last}At"),
            last,
        }
    }
}

impl Summary {
    /// A summary by any one of these members, which have indexes of ids with these numbers.
    pub fn new<M: Model>(members: Vec<(&'static str, usize)>) -> Self {
        let called = Names::of::<M>();
        Self { members, called }
    }

    /// Answers `GET`.
    pub async fn answer<M: Model>(&self, app: &App<M>, request: &Parts) -> Answer {
        let (member, index, ids) = self.parse(&request.uri)?;
        let filters: Vec<_> = ids
            .iter()
            .map(|id| Filter {
                index,
                key: Key::Id(*id),
            })
            .collect();
        let tallies = app.store()?.tally(&filters).await?;
        let rows = ids.into_iter().zip(tallies);
        let rows: Vec<_> = rows
            .map(|(id, tally)| Row {
                summary: self,
                member,
                id,
                tally,
            })
            .collect();
        let json = serde_json::to_vec(&rows).map_err(|_| ProblemDetails::internal())?;
        let etag = entity_tag::etag(Digest::of(&json));
        Ok(conditional(app, request, etag, || json.into()))
    }

    /// Reads the query: a member, the number of its index, and the ids, each once and in the
    /// order in which they were asked for.
    fn parse(&self, uri: &Uri) -> Result<(&'static str, usize, Vec<u64>), ProblemDetails> {
        let mut asked = None;
        let mut ids = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            let mut members = self.members.iter();
            let Some((member, index)) = members.find(|(member, _)| *member == name) else {
                return Err(query::unknown(&name, self.names()));
            };
            let (first, _) = *asked.get_or_insert((*member, *index));
            if first != *member {
                let expected = format!("expected without {first}: one of them in a request");
                return Err(query::invalid(&name, &expected));
            }
            let read = ids::read(&value, &mut ids);
            read.map_err(|expected| query::invalid(&name, &expected))?;
        }
        let Some((member, index)) = asked else {
            let known = self.names().collect::<Vec<_>>().join(" or ");
            return Err(ProblemDetails::new(
                Problem::InvalidParameter,
                format!("expected the query parameter {known}, with ids as in 3,7,12"),
            ));
        };
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(*id));
        Ok((member, index, ids))
    }

    /// The names of the parameters.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.members.iter().map(|(member, _)| *member)
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = &self.summary.called;
        let mut row = serializer.serialize_map(None)?;
        row.serialize_entry(self.member, &self.id)?;
        row.serialize_entry(names.count, &self.tally.count)?;
        if let Some(last) = &self.tally.last {
            row.serialize_entry(&names.last, &last.id)?;
            if let Some(created_at) = &last.created_at {
                row.serialize_entry(&names.last_at, created_at)?;
            }
        }
        row.end()
    }
}
