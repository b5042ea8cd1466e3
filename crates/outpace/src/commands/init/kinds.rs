//! Which kind of project a checkout is.

use super::look::Checkout;
use super::project::Project;
use super::{cargo, make, python};

/// Looks at the files that build tools leave, the most certain first.
pub(super) fn of(checkout: &Checkout) -> Project {
    let mut project = cargo::look(checkout)
        .or_else(|| python_or_native(checkout))
        .unwrap_or_else(bare);
    for path in checkout.data() {
        if !project.data.contains(&path) {
            project.data.push(path);
        }
    }
    if !project.data.is_empty() {
        let data = project.data.join(", ");
        project.found.push(format!(
            "{data}: not in git, but training reads it (key `data`)"
        ));
    }
    project
}

/// Where both are there, as in llm.c, the language of most sources decides.
fn python_or_native(checkout: &Checkout) -> Option<Project> {
    let native = make::cmake(checkout).or_else(|| make::make(checkout));
    let (python, native) = match (python::look(checkout), native) {
        (Some(python), Some(native)) => (python, native),
        (one, other) => return one.or(other),
    };
    let of = |ends: &[&str]| {
        let is_one = |path: &&str| {
            path.rsplit_once('.')
                .is_some_and(|(_, end)| ends.contains(&end))
        };
        checkout.files().filter(is_one).count()
    };
    let (mut taken, left) = match of(&make::ENDS) > of(&["py"]) {
        true => (native, python),
        false => (python, native),
    };
    let not_taken = left.found.first().map_or("", String::as_str);
    taken.found.push(format!(
        "{not_taken}: not taken, most sources are of the other kind"
    ));
    Some(taken)
}

fn bare() -> Project {
    Project {
        missing: vec![
            "nothing here says how training is started: set `run`, and `editable`".into(),
        ],
        needs_edit: true,
        run: vec!["./train".into()],
        editable: vec!["src/**".into()],
        ..Project::default()
    }
}
