//! What to say of a name that is not known: the nearest known one, or all of them.

/// "did you mean `build`?" where a known name is near, else "available: build, run".
///
/// Near means at most a third of the letters wrong, but two in short names.
pub fn suggestion<S: AsRef<str>>(wrong: &str, known: &[S]) -> String {
    let distance = |name: &&S| strsim::damerau_levenshtein(wrong, name.as_ref());
    match known.iter().min_by_key(distance) {
        Some(best) if distance(&best) <= (wrong.chars().count() / 3).max(2) => {
            format!("did you mean `{}`?", best.as_ref())
        }
        _ => {
            let names: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            format!("available: {}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_listed() {
        let known = ["build", "run", "build_timeout"];
        for (wrong, expect) in [
            ("bulid", "did you mean `build`?"),
            ("rnu", "did you mean `run`?"),
            ("biuldtimeot", "did you mean `build_timeout`?"),
            ("nonsense", "available: build, run, build_timeout"),
        ] {
            assert_eq!(suggestion(wrong, &known), expect, "{wrong}");
        }
        assert_eq!(suggestion::<&str>("x", &[]), "available: ");
    }
}
