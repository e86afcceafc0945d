//! How an account is shown to somebody who is to confirm whom to pay. Pure.

/// The first word of a name and the initial of its last one, as in `Jane D.`: enough to confirm an acquaintance, and less than who
/// it is. A name of one word is that word.
pub fn display_name(full_name: &str) -> String {
    let mut words = full_name.split_whitespace();
    let first = words.next().unwrap_or_default();
    match words.next_back().and_then(|last| last.chars().next()) {
        Some(initial) => format!("{first} {initial}."),
        None => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_its_first_word_and_the_initial_of_its_last() {
        for (name, shown) in [
            ("Jane Doe", "Jane D."),
            ("Jane van der Doe", "Jane D."),
            ("Jane", "Jane"),
            ("  Jane   Doe ", "Jane D."),
            ("Øyvind Ågård", "Øyvind Å."),
            ("山田 太郎", "山田 太."),
            ("", ""),
        ] {
            assert_eq!(display_name(name), shown, "{name:?}");
        }
    }
}
