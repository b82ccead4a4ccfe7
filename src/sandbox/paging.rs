//! Lists in pages: by cursor (`page[size]`) or by offset (`page`, `per_page`).
//!
//! Source: <https://developer.zendesk.com/api-reference/introduction/pagination/>.

use serde_json::{Map, Value, json};

use super::code64;
use super::exchange::{Answer, Ask, Lang};

/// Most records on a page, and the number when nothing is asked.
const PAGE: usize = 100;

/// How a list may be paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ways {
    /// Both ways.
    Both,
    /// By offset alone, up to this many records in total, as search does it.
    Offset(usize),
}

/// One page: the ids on it and the JSON around them.
#[derive(Debug)]
pub(super) struct Page {
    pub ids: Vec<u64>,
    pub frame: Map<String, Value>,
}

/// Cuts the page that `ask` wants out of all ids, which stand in the order of the list.
pub(super) fn page(ask: &Ask, url: &str, lang: Lang, all: Vec<u64>, ways: Ways) -> Result<Page, Answer> {
    let by_cursor = ask.query.iter().any(|(name, _)| name.starts_with("page["));
    match ways {
        Ways::Offset(_) if by_cursor => Err(Answer::json(
            400,
            json!({"error": {
                "title": lang.say("Invalid attribute", "Ungültiges Attribut"),
                "message": lang.say("page must be an integer", "page muss eine ganze Zahl sein"),
            }}),
        )),
        Ways::Both if by_cursor => cursor(ask, url, lang, &all),
        Ways::Both => offset(ask, url, lang, &all, None),
        Ways::Offset(most) => offset(ask, url, lang, &all, Some(most)),
    }
}

fn number(ask: &Ask, name: &str, lang: Lang) -> Result<Option<usize>, Answer> {
    let Some(text) = ask.param(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(lang.wrong_type(name, "an integer")),
    }
}

fn offset(ask: &Ask, url: &str, lang: Lang, all: &[u64], most: Option<usize>) -> Result<Page, Answer> {
    let page = number(ask, "page", lang)?.unwrap_or(1);
    // More than 100 are not refused, there just are no more on a page.
    let size = number(ask, "per_page", lang)?.unwrap_or(PAGE).min(PAGE);
    match most {
        Some(most) if page.saturating_mul(size) > most => {
            return Err(lang.shape_a(
                422,
                "invalid",
                "Requested response size was greater than Search Response Limits",
                "Die angeforderte Antwort überschreitet die Grenzen der Suche",
            ));
        }
        None if page > 100 => {
            return Err(lang.bad_paging(
                "InvalidPaginationDepth",
                "Number of pages exceeds the limit: use cursor pagination",
                "Die Zahl der Seiten überschreitet die Grenze",
            ));
        }
        _ => {}
    }
    let begin = (page - 1).saturating_mul(size).min(all.len());
    let end = begin.saturating_add(size).min(all.len());
    let link =
        |page: usize| json!(link(ask, url, &[("page", page.to_string()), ("per_page", size.to_string())]));
    let mut frame = Map::new();
    frame.insert("next_page".to_owned(), if end < all.len() { link(page + 1) } else { Value::Null });
    frame.insert("previous_page".to_owned(), if page > 1 { link(page - 1) } else { Value::Null });
    frame.insert("count".to_owned(), json!(all.len()));
    Ok(Page { ids: all[begin..end].to_vec(), frame })
}

fn cursor(ask: &Ask, url: &str, lang: Lang, all: &[u64]) -> Result<Page, Answer> {
    let size = number(ask, "page[size]", lang)?.unwrap_or(PAGE);
    if size > PAGE {
        return Err(lang.bad_paging(
            "InvalidPaginationParameter",
            "page[size] must be at most 100",
            "page[size] darf höchstens 100 sein",
        ));
    }
    let place = |text: &str| {
        let id = decode(text).ok_or_else(|| {
            lang.bad_paging(
                "InvalidPaginationParameter",
                "The cursor is not valid",
                "Der Cursor ist nicht gültig",
            )
        })?;
        Ok(all.iter().position(|&other| other == id))
    };
    let (begin, end) = if let Some(text) = ask.param("page[before]") {
        let end = place(text)?.unwrap_or(0);
        (end.saturating_sub(size), end)
    } else {
        let begin = match ask.param("page[after]") {
            // A record that is gone meanwhile: go on with the next larger id.
            Some(text) => match place(text)? {
                Some(place) => place + 1,
                None => all.iter().position(|&id| Some(id) > decode(text)).unwrap_or(all.len()),
            },
            None => 0,
        };
        (begin, begin.saturating_add(size).min(all.len()))
    };
    let ids = all[begin..end].to_vec();
    let code = |id: Option<&u64>| id.map(|&id| encode(id));
    let (first, last) = (code(ids.first()), code(ids.last()));
    let size = size.to_string();
    let turn = |way: &str, to: &Option<String>| {
        to.as_ref().map(|to| link(ask, url, &[(way, to.clone()), ("page[size]", size.clone())]))
    };
    let mut frame = Map::new();
    frame.insert(
        "meta".to_owned(),
        json!({"has_more": end < all.len(), "after_cursor": last, "before_cursor": first}),
    );
    // The next link is there on the last page, too: only has_more tells the end.
    frame.insert(
        "links".to_owned(),
        json!({"prev": turn("page[before]", &first), "next": turn("page[after]", &last)}),
    );
    Ok(Page { ids, frame })
}

/// The address of another page: this request's query with the paging replaced.
fn link(ask: &Ask, url: &str, paging: &[(&str, String)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in &ask.query {
        if !name.starts_with("page[") && name != "page" && name != "per_page" {
            query.append_pair(name, value);
        }
    }
    for (name, value) in paging {
        query.append_pair(name, value);
    }
    format!("{url}{}?{}", ask.path, query.finish())
}

fn encode(id: u64) -> String {
    code64::encode(format!("{{\"o\":\"id\",\"v\":\"{id}\"}}").as_bytes())
}

fn decode(text: &str) -> Option<u64> {
    let value: Value = serde_json::from_slice(&code64::decode(text)?).ok()?;
    value["v"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(query: &str) -> Ask {
        Ask {
            method: "GET".to_owned(),
            path: "/api/v2/groups".to_owned(),
            query_text: query.to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: axum::http::HeaderMap::new(),
            body: Vec::new(),
        }
    }

    fn follow(first: &str, next: impl Fn(&Page) -> Option<String>) -> Vec<u64> {
        let all: Vec<u64> = (1..=25).collect();
        let (mut query, mut seen) = (first.to_owned(), Vec::new());
        loop {
            let page = page(&ask(&query), "http://h", Lang::English, all.clone(), Ways::Both).unwrap();
            seen.extend(&page.ids);
            match next(&page) {
                Some(address) => query = address.split_once('?').unwrap().1.to_owned(),
                None => return seen,
            }
        }
    }

    #[test]
    fn following_the_links_gives_every_record_once() {
        let all: Vec<u64> = (1..=25).collect();
        let by_cursor = follow("page[size]=10&sort=id", |page| {
            let more = page.frame["meta"]["has_more"] == true;
            more.then(|| page.frame["links"]["next"].as_str().unwrap().to_owned())
        });
        assert_eq!(by_cursor, all);
        let by_offset = follow("per_page=7", |page| page.frame["next_page"].as_str().map(str::to_owned));
        assert_eq!(by_offset, all);
    }

    #[test]
    fn the_limits_of_paging_have_their_own_refusals() {
        let refused = |query: &str, ways| {
            page(&ask(query), "http://h", Lang::German, vec![1], ways).unwrap_err().status
        };
        assert_eq!(refused("page=101", Ways::Both), 400);
        assert_eq!(refused("page=x", Ways::Both), 400);
        assert_eq!(refused("page[size]=101", Ways::Both), 400);
        assert_eq!(refused("page[after]=abc", Ways::Both), 400);
        assert_eq!(refused("page[size]=5", Ways::Offset(1000)), 400);
        assert_eq!(refused("page=11", Ways::Offset(1000)), 422);
    }
}
