use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::*;

fn reply(status: u16, retry_after: Option<&str>, body: &str) -> Reply {
    let mut headers = HeaderMap::new();
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, seconds.parse().unwrap());
    }
    Reply { status, headers, body: body.as_bytes().to_vec() }
}

fn sorted(status: u16, retry_after: Option<&str>, body: &str, writes: bool) -> String {
    let now = jiff::Timestamp::from_second(1_795_000_000).unwrap();
    match Answer::sort(reply(status, retry_after, body), writes, now) {
        Ok(answer) => format!("answer: {}", answer.reason()),
        Err(failure) => match failure.owed("x", false) {
            DeliveryError::Retry { unclear, source, .. } => format!("retry unclear={unclear}: {source}"),
            DeliveryError::Wait(wait) | DeliveryError::NotYet(wait) => format!("wait {}", wait.as_secs()),
            DeliveryError::Refused { reason } => format!("refused: {reason}"),
        },
    }
}

#[test]
fn each_answer_means_what_the_plan_says() {
    let html = "<html><body>502 Bad Gateway</body></html>";
    let conflict = r#"{"error":"DatabaseConflict","description":"Datenbankkonflikt"}"#;
    let busy = r#"{"error":"IdempotentRequestInProgress"}"#;
    let table = [
        (200, None, "{}", true, "answer: answered 200"),
        (429, Some("7"), "Number of allowed API requests per minute exceeded", true, "wait 7"),
        (429, None, "", true, "wait 10"),
        (429, Some("900000"), "", true, "wait 3600"),
        (429, Some("0"), "", true, "wait 1"),
        (503, Some("30"), "", true, "wait 30"),
        (503, None, "", true, "retry unclear=true: answered 503"),
        (503, None, "", false, "retry unclear=false: answered 503"),
        (500, None, "", true, "retry unclear=true: answered 500"),
        (502, None, html, true, "retry unclear=true: answered 502"),
        (504, Some("3"), "", false, "retry unclear=false: answered 504"),
        (408, None, "", true, "retry unclear=true: answered 408"),
        (409, None, conflict, true, "retry unclear=false: answered 409 DatabaseConflict"),
        (409, None, busy, true, "retry unclear=true: answered 409 IdempotentRequestInProgress"),
        (
            301,
            None,
            "",
            true,
            "retry unclear=false: answered 301, a redirect: check the address of the account",
        ),
        (401, None, r#"{"error":"Couldn't authenticate you"}"#, true, "answer: answered 401"),
        (
            403,
            None,
            r#"{"error":{"title":"Forbidden","message":"…"}}"#,
            true,
            "answer: answered 403 Forbidden",
        ),
        (404, None, "", true, "answer: answered 404"),
        (422, None, "", true, "answer: answered 422"),
    ];
    for (status, retry_after, body, writes, expected) in table {
        assert_eq!(sorted(status, retry_after, body, writes), expected, "{status} {body}");
    }
}

#[test]
fn all_shapes_of_error_bodies_are_read_and_nothing_of_their_texts_is_kept() {
    let complaint = |code: Option<&str>, fields: &[&str], details: &[&str]| Complaint {
        code: code.map(str::to_owned),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        details: details.iter().map(|detail| (*detail).to_owned()).collect(),
        field_ids: Vec::new(),
    };
    let table = [
        (
            r#"{"error":"RecordNotFound","description":"Not found"}"#,
            complaint(Some("RecordNotFound"), &[], &[]),
        ),
        (r#"{"error":{"title":"Forbidden","message":"no"}}"#, complaint(Some("Forbidden"), &[], &[])),
        (r#"{"error":{"title":"Kein Zugriff","message":"no"}}"#, complaint(None, &[], &[])),
        (
            r#"{"errors":[{"code":"InvalidPaginationDepth","title":"x"}]}"#,
            complaint(Some("InvalidPaginationDepth"), &[], &[]),
        ),
        (
            r#"{"error":"RecordInvalid","details":{"email":[{"description":"+4930 belegt","error":"DuplicateValue"}],"base":[{"description":"x","error":null}]}}"#,
            complaint(Some("RecordInvalid"), &["base", "email"], &["DuplicateValue"]),
        ),
        (
            r#"{"error":"RecordInvalid","details":{"name":"short","+493023125111":[]}}"#,
            complaint(Some("RecordInvalid"), &["name"], &[]),
        ),
        (
            r#"{"error":"RecordInvalid","details":{"base":[{"description":"x","ticket_field_id":9300000004008}]}}"#,
            Complaint {
                field_ids: vec![9_300_000_004_008],
                ..complaint(Some("RecordInvalid"), &["base"], &[])
            },
        ),
        ("", Complaint::default()),
        ("null", Complaint::default()),
        ("[1]", Complaint::default()),
        ("<html>", Complaint::default()),
        (r#"{"error":17,"errors":{},"details":[]}"#, Complaint::default()),
        (r#"{"error":"Wir kennen 030 23125111 nicht"}"#, Complaint::default()),
    ];
    for (body, mut expected) in table {
        let mut found = Complaint::read(body.as_bytes());
        found.fields.sort();
        expected.fields.sort();
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn a_field_is_meant_with_and_without_its_id() {
    let complaint = Complaint::read(br#"{"details":{"requester_id":[{}]}}"#);
    assert!(complaint.about("requester") && !complaint.about("request"));
    assert_eq!(complaint.fields, ["requester_id"]);
    assert!(Complaint::read(br#"{"details":{"external_id":[{}]}}"#).about("external_id"));
}

#[test]
fn a_success_that_cannot_be_read_is_unclear_and_not_quoted() {
    let answer =
        Answer { status: 201, body: b"{\"ticket\":{\"id\":\"+493023125111\"}}".to_vec(), writes: true };
    #[derive(Debug, serde::Deserialize)]
    struct Id {
        #[expect(dead_code, reason = "only read")]
        id: u64,
    }
    #[derive(Debug, serde::Deserialize)]
    struct One {
        #[expect(dead_code, reason = "only read")]
        ticket: Id,
    }
    let failure = answer.read::<One>().unwrap_err();
    assert!(failure.unclear());
    assert!(!format!("{failure:?}").contains("493023125111"), "{failure:?}");
}

#[test]
fn an_earlier_doubt_outlives_a_failure_that_is_clear() {
    let DeliveryError::Retry { unclear, .. } = Failure::away(false, "x").owed("y", true) else {
        panic!("retry")
    };
    assert!(unclear);
}
