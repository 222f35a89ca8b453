// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a daemon's refusal means for a command line: its words, every violation, and the exit code.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::exit::{Exit, Failure};

/// The exit code of a status.
fn exit(code: Code) -> Exit {
    match code {
        Code::InvalidArgument | Code::NotFound | Code::OutOfRange => Exit::Usage,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unimplemented => {
            Exit::Unavailable
        }
        _ => Exit::Failed,
    }
}

/// A field of a request (`items[3].real`) by the name the user gave it.
fn named<'a>(field: &'a str, names: &'a [String]) -> &'a str {
    let index = field.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    index.and_then(|(n, _)| names.get(n.parse::<usize>().ok()?)).map_or(field, String::as_str)
}

/// The message, then every violation that it does not say already, one line each.
pub fn failure(status: &Status, names: &[String], server: &str) -> Failure {
    let details = status.get_error_details();
    let mut lines = Vec::new();
    for v in details.bad_request().iter().flat_map(|b| &b.field_violations) {
        lines.push((named(&v.field, names).to_string(), v.description.clone()));
    }
    for v in details.precondition_failure().iter().flat_map(|p| &p.violations) {
        lines.push((v.subject.clone(), v.description.clone()));
    }
    let mut message = match (status.code(), status.message()) {
        (Code::Unimplemented, _) => format!("the daemon at {server} is older than this command"),
        (Code::Unavailable, m) => format!("{server}: {m}"),
        (code, "") => format!("refused: {}", code.description()),
        (_, m) => m.to_string(),
    };
    for (subject, description) in lines {
        if !message.contains(&description) {
            let told = subject.is_empty() || description.contains(&subject);
            let subject = if told { String::new() } else { format!("{subject}: ") };
            message.push_str(&format!("\n  {subject}{description}"));
        }
    }
    Failure::new(exit(status.code()), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn every_violation_is_named_as_the_user_named_it() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("items[1].text", "30 dB is not allowed: -18 dB to 18 dB");
        details.add_bad_request_violation("items[2].text", "eq/frex: no such parameter");
        let status = Status::with_error_details(Code::InvalidArgument, "2 of 3 items are refused", details);
        let names = ["a/b", "eq/gain", "eq/frex"].map(String::from);
        let failure = failure(&status, &names, "here");
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(
            failure.message,
            "2 of 3 items are refused\n  eq/gain: 30 dB is not allowed: -18 dB to 18 dB\n  eq/frex: no such parameter"
        );
    }

    #[test]
    fn codes_end_as_the_manual_says() {
        let ends = |code| failure(&Status::new(code, "no"), &[], "here").exit;
        assert_eq!(ends(Code::FailedPrecondition), Exit::Failed);
        assert_eq!(ends(Code::NotFound), Exit::Usage);
        assert_eq!(ends(Code::Unavailable), Exit::Unavailable);
    }
}
