//! What the named errors of month end mean to those who wait for the close, and what they can do.

use crate::notice::Ending;

/// Sentences; `todo` in the order in which to do it.
pub(crate) struct Remedy {
    pub meaning: &'static str,
    pub todo: &'static [&'static str],
}

const AGAIN: &str = "Month end then starts again by itself with its next daily offer; on one machine, run apportion close again.";

pub(crate) fn of(error: &str, ending: Ending) -> Remedy {
    let (meaning, todo): (&str, &[&str]) = match error {
        "DoesNotReconcile" => (
            "The bill, or what was made of it, does not equal the invoices.",
            &[
                "Compare each invoice named above with the one that AWS sent: is its amount right, and of this month?",
                "If it is, the bill is not whole: have the export delivered again, or wait for the delivery that completes it.",
                "If the bill has the right sum, look for a credit memo or another invoice that the list of invoices lacks.",
                AGAIN,
            ],
        ),
        "BadBill" => (
            "The delivered bill cannot be read or cannot be trusted.",
            &["Mend what the sentence above names, or have the export delivered again.", AGAIN],
        ),
        "BadInvoices" => (
            "The list of invoices cannot be read or contradicts itself.",
            &["Mend what the sentence above names in the list of invoices.", AGAIN],
        ),
        "BadConfiguration" => (
            "A file of the configuration does not hold.",
            &["Correct the file and line that the sentence above names, and deploy the configuration.", AGAIN],
        ),
        "BadOrganization" => {
            ("The organization's tree of accounts cannot be used.", &["Mend what the sentence above names.", AGAIN])
        }
        "BadPeriod" => (
            "A later month is closed already, and months are closed in their order.",
            &["Leave the month as it is; what belongs to it is charged in the month that is open now."],
        ),
        "ApprovalRefused" => (
            "The second person did not approve it.",
            &["Speak with that person; the reason stands above.", "Correct what was found.", AGAIN],
        ),
        "ApprovalTimedOut" => ("Nobody approved it within two days.", &["Find who is to approve the close this month.", AGAIN]),
        "States.Timeout" | "Sandbox.Timedout" => (
            "A step took longer than it may.",
            &[
                "Nothing yet: month end starts again by itself with its next daily offer; on one machine, run apportion close again.",
                "If this mail comes a second time, give it to the platform's engineers: the log lines of the run say which step it was.",
            ],
        ),
        _ => match ending {
            Ending::Refused => ("Something must be mended first.", &["Mend what the sentence above names.", AGAIN]),
            Ending::Failed => (
                "A step failed, and not for what is in the bill or the invoices.",
                &[
                    "Nothing yet: month end starts again by itself with its next daily offer; on one machine, run apportion close again.",
                    "If this mail comes a second time, give it to the platform's engineers: the sentence above and the run's name are what they need.",
                ],
            ),
        },
    };
    Remedy { meaning, todo }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the machine leads to TellRefusal, by its own text.
    #[test]
    fn every_error_that_month_end_refuses_by_has_words_of_its_own() {
        let text = include_str!("../../../statemachine/month_end.asl.json");
        let machine: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut named = vec!["DoesNotReconcile".to_owned(), "ApprovalTimedOut".to_owned()];
        for state in machine["States"].as_object().unwrap().values() {
            for catcher in state["Catch"].as_array().into_iter().flatten().filter(|one| one["Next"] == "TellRefusal") {
                named.extend(catcher["ErrorEquals"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()));
            }
        }
        assert!(named.len() > 5, "{named:?}");
        let unknown = of("NoSuchError", Ending::Refused).meaning;
        for name in named {
            assert_ne!(of(&name, Ending::Refused).meaning, unknown, "{name}");
        }
    }
}
