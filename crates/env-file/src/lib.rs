//! The `.env` file of the working folder. Docker Compose reads the same file, and shells can: a line means here what it means
//! there, or it is an error. But nothing is expanded: a `$` is a `$`.

use std::{collections::HashMap, fs, io, path::Path};

/// Where it is, from the working folder.
pub const FILE: &str = ".env";

/// A variable and its value.
type Variable = (String, String);

/// The variables of `file`, and what is wrong with its lines; no value stands in that.
pub fn read(file: &Path) -> Result<Vec<Variable>, Vec<String>> {
    match fs::read(file) {
        Ok(bytes) => parse(&bytes).map_err(|faults| {
            faults.into_iter().map(|(line, fault)| format!("{}, line {line}: {fault}", file.display())).collect()
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(vec![format!("{} cannot be read: {error}", file.display())]),
    }
}

/// Makes `variables` those of the process, behind the ones that it has.
pub fn apply(variables: &[Variable]) -> dotenvy::Result<()> {
    // what reads variables by itself (the log's filter, the traces) finds them only there; dotenvy knows how to set one, and
    // these quotes keep it from reading anything into a value
    let quoted = |(name, value): &Variable| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('\n', "\\n");
        format!("{name}=\"{value}\"\n")
    };
    dotenvy::from_read(variables.iter().map(quoted).collect::<String>().as_bytes())
}

fn parse(bytes: &[u8]) -> Result<Vec<Variable>, Vec<(usize, String)>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (mut variables, mut faults) = (Vec::new(), Vec::new());
    let mut lines: HashMap<String, usize> = HashMap::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let read = str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).map_err(|_| "is not UTF-8".to_owned());
        match read.and_then(variable) {
            Ok(None) => {}
            Ok(Some((name, value))) => match lines.insert(name.clone(), number) {
                None => variables.push((name, value)),
                Some(first) => faults.push((number, format!("{name} is set in line {first} already"))),
            },
            Err(fault) => faults.push((number, fault)),
        }
    }
    if faults.is_empty() { Ok(variables) } else { Err(faults) }
}

/// What a line sets; nothing if it is empty or a comment.
fn variable(line: &str) -> Result<Option<Variable>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let Some((name, value)) = line.split_once('=') else {
        return Err("must be NAME=value, or begin with #".to_owned());
    };
    let name = name.trim();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name || name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
        return Err("the name before = must have letters, digits and _ only".to_owned());
    }
    let value = self::value(value.trim()).map_err(|fault| format!("{name} {fault}"))?;
    if value.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        return Err(format!("{name} has a control character in its value"));
    }
    Ok(Some((name.to_owned(), value)))
}

fn value(text: &str) -> Result<String, &'static str> {
    match text.chars().next() {
        Some('\'') => {
            let (value, rest) = text[1..].split_once('\'').ok_or("has a quote that is not closed in its line")?;
            ends(rest)?;
            Ok(value.to_owned())
        }
        Some('"') => double_quoted(&text[1..]),
        _ => bare(text),
    }
}

fn bare(text: &str) -> Result<String, &'static str> {
    // a # within a word belongs to it
    let comment =
        text.char_indices().find(|(at, c)| *c == '#' && (*at == 0 || text[..*at].ends_with(char::is_whitespace)));
    let value = comment.map_or(text, |(at, _)| &text[..at]).trim_end();
    if value.contains(char::is_whitespace) {
        return Err("has a blank in its value: put the value between ' and '");
    }
    Ok(value.to_owned())
}

fn double_quoted(text: &str) -> Result<String, &'static str> {
    let (mut value, mut rest) = (String::new(), text.chars());
    loop {
        match rest.next() {
            None => return Err("has a quote that is not closed in its line"),
            Some('"') => break,
            Some('\\') => value.push(match rest.next() {
                Some(c @ ('\\' | '"' | '$' | '`')) => c,
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                _ => return Err("has a \\ between \" and \" that means nothing: put the value between ' and '"),
            }),
            Some(c) => value.push(c),
        }
    }
    ends(rest.as_str())?;
    Ok(value)
}

/// Behind a closing quote only a comment may stand.
fn ends(rest: &str) -> Result<(), &'static str> {
    let is_comment = rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with('#');
    if rest.trim().is_empty() || is_comment { Ok(()) } else { Err("has something behind its closing quote") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Result<Option<String>, String> {
        variable(line).map(|variable| variable.map(|(_, value)| value))
    }

    #[test]
    fn a_line_sets_a_variable_to_what_stands_there() {
        for (line, value) in [
            ("A=b", "b"),
            ("A=", ""),
            ("A = b ", "b"),
            ("  export A=b", "b"),
            ("A=b # a comment", "b"),
            ("A=# a comment", ""),
            ("A=b#c", "b#c"),
            ("A=b=c==", "b=c=="),
            ("A=pa$word$HOME${HOME}$(id)", "pa$word$HOME${HOME}$(id)"),
            ("A=b\\c", "b\\c"),
            ("A=b'c\"d", "b'c\"d"),
            ("A='b c # d' # e", "b c # d"),
            ("A='$HOME \\n \"'", "$HOME \\n \""),
            ("A=\"b c\"", "b c"),
            ("A=\"\"", ""),
            (r#"A="$HOME \$HOME \\ \" \n \t""#, "$HOME $HOME \\ \" \n \t"),
            ("A=héé", "héé"),
        ] {
            assert_eq!(one(line), Ok(Some(value.to_owned())), "{line}");
        }
        for nothing in ["", "   ", "# A=b", "  # A"] {
            assert_eq!(one(nothing), Ok(None), "{nothing:?}");
        }
    }

    #[test]
    fn a_bad_line_is_named_without_its_value() {
        for (line, fault) in [
            ("A=abcd efgh", "A has a blank"),
            ("A='b", "A has a quote"),
            ("A=\"b", "A has a quote"),
            ("A=\"b\\\"", "A has a quote"),
            ("A='b'c", "A has something behind"),
            ("A='b'#c", "A has something behind"),
            ("A=\"b\" c", "A has something behind"),
            ("A=\"C:\\dir\"", "A has a \\"),
            ("A=b\u{0}", "A has a control character"),
            ("A", "must be NAME=value"),
            ("export A", "must be NAME=value"),
            ("=secret", "the name before ="),
            ("1A=secret", "the name before ="),
            ("A B=secret", "the name before ="),
        ] {
            let found = one(line).unwrap_err();
            assert!(found.starts_with(fault), "{line}: {found}");
            assert!(!found.contains("secret") && !found.contains("efgh"), "{found}");
        }
    }

    #[test]
    fn a_file_is_read_to_its_end_and_all_of_its_bad_lines_are_named() {
        let file = "\u{feff}A=1\r\nB='2'\r\n\r\n# C=3\r\nD=4";
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(parse(file.as_bytes()), Ok(vec![variable("A", "1"), variable("B", "2"), variable("D", "4")]));
        let faults = parse(b"A=1\nB=2 3\nC=4\nA=5\n\xff=6\n").unwrap_err();
        let lines: Vec<usize> = faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 4, 5]);
        assert_eq!(faults[1].1, "A is set in line 1 already");
    }

    #[test]
    fn a_missing_file_sets_nothing_and_one_that_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join(".env")), Ok(Vec::new()));
        assert!(read(folder.path()).unwrap_err()[0].contains("cannot be read"));
    }

    #[test]
    fn values_reach_the_process_as_they_are() {
        let value = "a$HOME ${HOME} \\ \\$ \" ' # \n \\n =";
        apply(&[("DOTENV_TEST_VALUE".to_owned(), value.to_owned()), ("PATH".to_owned(), "elsewhere".to_owned())])
            .unwrap();
        assert_eq!(std::env::var("DOTENV_TEST_VALUE").unwrap(), value);
        assert_ne!(std::env::var("PATH").unwrap(), "elsewhere", "those of the process win");
    }
}
