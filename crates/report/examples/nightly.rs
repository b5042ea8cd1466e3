//! Writes the nightly page of a made-up night into the folder that is named: what `ci/page/` opens
//! in a browser.

#[path = "../tests/report/night.rs"]
mod night;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).ok_or("usage: nightly FOLDER")?;
    for path in outpace_report::write_nightly(dir.as_ref(), &night::night())? {
        println!("{}", path.display());
    }
    Ok(())
}
