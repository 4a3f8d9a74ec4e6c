//! The failure truth table as a page: what an operator reads is what the program does.

use super::*;

const DOING: [Doing; 4] = [Doing::Reading, Doing::Changing, Doing::Removing, Doing::Granting];

/// What RingCX can answer, in words and on the wire.
const ANSWERS: [(&str, u16, &str, &str); 18] = [
    ("400 with a reason", 400, "application/json", r#"{"generalMessage":"The supplied data is not valid"}"#),
    (
        "400 with `validationErrors` on the login name",
        400,
        "application/json",
        r#"{"validationErrors":[{"attributeName":"username","message":"is already in use"}]}"#,
    ),
    ("401", 401, "text/plain", "Jwt is expired"),
    (
        "403",
        403,
        "application/json",
        r#"{"generalMessage":"You do not have permission to access this resource"}"#,
    ),
    (
        "404",
        404,
        "application/json",
        r#"{"generalMessage":"The resource you have requested does not exist"}"#,
    ),
    ("408", 408, "text/plain", ""),
    ("409", 409, "application/json", r#"{"generalMessage":"It exists already"}"#),
    (
        "409 that names the login name",
        409,
        "application/json",
        r#"{"generalMessage":"A user with this username exists"}"#,
    ),
    ("429 with `Retry-After: 7`", 429, "text/plain", "rate"),
    ("500", 500, "application/json", r#"{"generalMessage":"An Internal Server Error occurred"}"#),
    (
        "500 that names the login name",
        500,
        "application/json",
        r#"{"details":"Duplicate entry for key 'username'"}"#,
    ),
    ("502, 503, 504", 503, "text/html", "<html>down</html>"),
    ("302", 302, "text/html", ""),
    ("200 with HTML", 200, "text/html", "<html></html>"),
    ("200 with text where JSON was due", 200, "text/plain", "done"),
    ("200 with `false`", 200, "application/json", "false"),
    ("201 without the new id", 201, "application/json", "{}"),
    ("any other 4xx", 422, "application/json", r#"{"generalMessage":"no"}"#),
];

/// What can happen instead of an answer.
fn silences(changes: bool) -> [(&'static str, upstream::Error); 3] {
    let unavailable = |maybe_applied, message: &str| upstream::Error::Unavailable {
        maybe_applied,
        message: message.to_owned(),
    };
    [
        ("no connection", unavailable(false, "RingCX could not be reached.")),
        ("no answer in time", unavailable(changes, "RingCX did not answer in time.")),
        ("the connection breaks", unavailable(changes, "The connection to RingCX broke.")),
    ]
}

fn cell(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Refused(error) => {
            let kind = error.scim_type.map(|kind| format!(" `{}`", kind.as_str())).unwrap_or_default();
            format!("{}{kind}, final", error.status)
        }
        Trouble::Limited(_) => "429, again when RingCX says".to_owned(),
        Trouble::Unavailable(..) => "503, again".to_owned(),
        Trouble::Lost(_) => "503, looked up, then again".to_owned(),
        Trouble::Outdated | Trouble::Held(_) | Trouble::Parked(_) | Trouble::Store(_) => "never".to_owned(),
    }
}

fn text(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Refused(error) => error.detail.clone(),
        Trouble::Limited(_) => "RingCX is rate limiting".to_owned(),
        Trouble::Unavailable(_, why) | Trouble::Lost(why) | Trouble::Held(why) | Trouble::Parked(why) => {
            why.clone()
        }
        Trouble::Outdated => "never".to_owned(),
        Trouble::Store(error) => error.to_string(),
    }
}

fn page() -> String {
    let mut page = String::from(
        "# What RingCX answers, and what becomes of it\n\n\
         Printed by a test from the table in `src/reconcile/trouble.rs`; `UPDATE_DOCS=1 cargo test failure_table` writes it anew.\n\n\
         A status is what the identity provider gets when it waits for the answer. \"Again\" means that the intent is kept and \
         tried with growing pauses (1 s to 5 minutes) until it is done; \"looked up\" that nothing is sent before the bridge has \
         seen whether the call was carried out after all. A 401 is answered by one renewal of the token first, and reads are \
         tried three times before any of this counts. Deleting what is not there, giving what is held and taking what is not \
         held are successes.\n\n\
         | RingCX | Reading | Creating or changing | Taking access away | Giving a role or document | `lastError` of a change |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut row = |label: &str, error: &dyn Fn(bool) -> upstream::Error| {
        let troubles = DOING.map(|doing| Trouble::of(doing, "the agent", &error(doing != Doing::Reading)));
        let cells: Vec<String> = troubles.iter().map(cell).collect();
        let said = text(&Trouble::of(Doing::Changing, "the agent", &error(true)));
        page.push_str(&["| ", label, " | ", &cells.join(" | "), " | ", &said, " |\n"].concat());
    };
    for (label, status, kind, body) in ANSWERS {
        row(label, &|changes| {
            let answer =
                upstream::Error::of_answer(status, kind, body, Some(Duration::from_secs(7)), changes);
            answer.unwrap_or_else(|| upstream::Error::Garbled {
                maybe_applied: changes,
                message: "a new agent without its id".to_owned(),
            })
        });
    }
    for (at, (label, _)) in silences(true).into_iter().enumerate() {
        row(label, &|changes| silences(changes)[at].1.clone());
    }
    page
}

#[test]
fn the_failure_table_is_the_page_in_the_docs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/failures.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap_or_default(),
        page,
        "run UPDATE_DOCS=1 cargo test failure_table"
    );
}

#[test]
fn what_can_be_done_about_a_taken_name_fits_whose_name_it_is() {
    let taken = upstream::Error::Conflict("A user with this userName exists".to_owned());
    let of_agent = text(&Trouble::of(Doing::Changing, "the agent", &taken));
    let of_admin = text(&Trouble::of(Doing::Changing, ADMINISTRATOR, &taken));
    assert!(
        of_agent.contains("exists. If the login name") && of_agent.contains("username_template"),
        "{of_agent}"
    );
    assert!(
        of_admin.contains("exists. If the login name") && !of_admin.contains("username_template"),
        "{of_admin}"
    );
}

#[test]
fn taking_access_away_takes_no_for_no_answer() {
    for (class, verdicts) in TABLE {
        assert!(
            !matches!(verdicts[Doing::Removing as usize], Verdict::Invalid | Verdict::Taken),
            "{class:?}"
        );
        assert!(!matches!(verdicts[Doing::Reading as usize], Verdict::Invalid | Verdict::Taken), "{class:?}");
    }
    for (_, status, kind, body) in ANSWERS {
        let Some(error) = upstream::Error::of_answer(status, kind, body, None, true) else { continue };
        let insistent = Trouble::of(Doing::Changing, "the agent", &error).insistent();
        assert_eq!(cell(&insistent), cell(&Trouble::of(Doing::Removing, "the agent", &error)), "{status}");
    }
}
