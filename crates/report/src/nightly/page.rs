//! The outer parts that the index and the pages of series share.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use outpace_record::record_id;
use outpace_text::plain;

use super::Night;
use super::base64::{base64, from_hex};
use crate::html::STYLE;
use crate::text::TITLE;

const NIGHTLY_STYLE: &str = include_str!("nightly.css");

/// A whole page.
///
/// Nothing may be loaded or sent, and of all scripts only this one may run: the policy names its
/// hash.
pub(super) fn page(night: &Night, title: &str, script: &str, body: &Markup) -> String {
    let hash = base64(&from_hex(&record_id(script.as_bytes())));
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{hash}'; \
         base-uri 'none'; form-action 'none'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content="outpace";
                link rel="icon" href="data:,";
                title { (plain(title, TITLE)) }
                style { (PreEscaped(STYLE)) (PreEscaped(NIGHTLY_STYLE)) }
            }
            body {
                (body)
                footer { p { "Made by outpace, " (night.generated.minute()) " UTC. This page loads nothing." } }
                script { (PreEscaped(script)) }
            }
        }
    };
    page.into_string()
}
