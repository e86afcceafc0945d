//! The subject line: it shows what the message says, whatever that looks like.

use lettre::message::header::{HeaderName, HeaderValue};

/// Characters of the message that the subject line shows.
const MAX_SUBJECT: usize = 60;
/// Bytes in one encoded word: it has 75 characters at most (RFC 2047), 12 around the text, and three for a byte.
const MAX_PART: usize = 21;

/// The header for a message.
pub fn header(message: &str) -> HeaderValue {
    let (name, text) = (HeaderName::new_from_ascii_str("Subject"), text(message));
    // `=?…?=` is how other characters are written down: text that looks like it must be written down so itself
    if text.is_ascii() && !text.contains("=?") {
        return HeaderValue::new(name, text);
    }
    let words = words(&text);
    HeaderValue::dangerous_new_pre_encoded(name, text, words)
}

/// A message in one line, shortened.
fn text(message: &str) -> String {
    let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= MAX_SUBJECT {
        return format!("Digital Wallet: {line}");
    }
    let start: String = line.chars().take(MAX_SUBJECT).collect();
    format!("Digital Wallet: {}…", start.trim_end())
}

/// Encoded words (RFC 2047, `Q`), one to a line. Readers drop the line breaks between them.
fn words(text: &str) -> String {
    let (mut words, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (part, left) = rest.split_at(rest.floor_char_boundary(MAX_PART));
        let byte = |byte: u8| match byte {
            b' ' => "_".to_owned(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("={byte:02X}"),
        };
        words.push(format!("=?utf-8?q?{}?=", part.bytes().map(byte).collect::<String>()));
        rest = left;
    }
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use lettre::Message;
    use mail_parser::MessageParser;

    use super::*;

    /// The line that goes out, and how readers take it.
    fn through(message: &str) -> (String, String) {
        let mail = Message::builder().from("a@example.com".parse().unwrap()).to("b@example.com".parse().unwrap());
        let mail =
            String::from_utf8(mail.raw_header(header(message)).body(String::new()).unwrap().formatted()).unwrap();
        let begun = mail.find("Subject: ").expect("there is a subject");
        let line: Vec<&str> = mail[begun..].split("\r\n").collect();
        let more = line.iter().skip(1).take_while(|line| line.starts_with(' ')).count();
        let read = MessageParser::default().parse(mail.as_bytes()).unwrap().subject().unwrap_or_default().to_owned();
        (line[..=more].join("\n"), read)
    }

    #[test]
    fn what_looks_like_an_encoded_word_arrives_as_it_was_typed() {
        for message in [
            "=?utf-8?q?=50=61=79?=",
            "Paid =?utf-8?B?UGF5?= twice",
            "é =?utf-8?q?=50?=",
            "=?",
            "a_b =50 ?= =?x",
            "Ümlaut, 10 € und 💸",
        ] {
            let (line, read) = through(message);
            assert_eq!(read, format!("Digital Wallet: {message}"), "{line}");
        }
        assert_eq!(
            through("Top-up Rp 100,000 successful.").0,
            "Subject: Digital Wallet: Top-up Rp 100,000 successful."
        );
    }

    #[test]
    fn a_line_break_becomes_a_blank_and_no_header() {
        let (line, read) = through("One\nBcc: evil@example.com\r\nTwo\u{85}Three");
        assert!(!line.contains("\nBcc"), "{line}");
        assert_eq!(read, "Digital Wallet: One Bcc: evil@example.com  Two Three");
    }

    #[test]
    fn lines_are_as_short_as_they_must_be_and_no_character_is_cut() {
        for message in ["é".repeat(1000), "💸".repeat(60), "=?".repeat(500)] {
            let (line, read) = through(&message);
            assert!(line.lines().all(|line| line.len() <= 76 + "Subject: ".len()), "{line}");
            let start: String = message.chars().take(MAX_SUBJECT).collect();
            assert_eq!(read.trim_end_matches('…'), format!("Digital Wallet: {start}"));
        }
    }
}
