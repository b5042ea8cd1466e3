//! `outpace schema`.

use anyhow::Result;
use outpace_record::{SCHEMAS, json_schema};

use crate::exit::{OK, usage};

/// Print the JSON Schema of a document; without a name, the names.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  outpace schema verdict > verdict.schema.json")]
pub(crate) struct Args {
    /// Name of the document, such as `verdict`.
    name: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let Some(name) = &args.name else {
        crate::out!("{}", SCHEMAS.join("\n"));
        return Ok(OK);
    };
    let schema = json_schema(name.trim_start_matches("outpace.").trim_end_matches("/1"))
        .ok_or_else(|| {
            usage(format!(
                "there is no document `{name}`. Hint: one of {}",
                SCHEMAS.join(", ")
            ))
        })?;
    crate::out!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(OK)
}
