//! Why a mail was not taken, in our own words. What a mail server says is never repeated: it likes to quote the address,
//! in any spelling. Of its answer only the codes count (RFC 5321, RFC 3463).

use std::{error::Error, io};

use common::error::error_chain;
use lettre::transport::smtp;

use super::fault::{Fault, SendError};

/// Replies to a wrong or missing login (RFC 4954): the configuration is at fault, not the mail.
const LOGIN_REPLIES: [u16; 4] = [530, 534, 535, 538];

/// What the mail server has answered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// That we are there, and who we are.
    Login,
    /// From whom a mail is.
    Sender,
    /// To whom it is.
    Recipient,
    /// The mail itself.
    Content,
}

/// What an error of the mail server, or on the way to it, means for the mail to `address`.
pub fn reason(error: &smtp::Error, step: Step, address: &str) -> SendError {
    let Some(code) = error.status().map(u16::from) else {
        let (fault, reason) = on_the_way(error);
        return SendError::new(fault, reason);
    };
    let answer = error.source().map(ToString::to_string).unwrap_or_default();
    let enhanced = enhanced(&answer, address);
    let sentence = enhanced.and_then(by_status).unwrap_or_else(|| by_reply(code));
    let reason = match enhanced {
        Some(status) => format!("{sentence} ({code} {status})"),
        None => format!("{sentence} ({code})"),
    };
    SendError::new(meaning(code, enhanced, step), reason)
}

/// The same of an error after the mail itself was sent: where there is no answer, its recipient may get it all the same.
pub fn of_sent(error: &smtp::Error, address: &str) -> SendError {
    if error.status().is_some() {
        return reason(error, Step::Content, address);
    }
    SendError::new(Fault::Unanswered, "the connection to the mail server broke before it had answered the mail")
}

/// What an answer means: whether it is about the mail or about us, for now or for good.
fn meaning(code: u16, enhanced: Option<&str>, step: Step) -> Fault {
    let status = enhanced.and_then(|status| status.split_once('.')).map_or("", |(_, status)| status);
    let (subject, _) = status.split_once('.').unwrap_or_default();
    match (code, subject, status) {
        (code, ..) if LOGIN_REPLIES.contains(&code) => Fault::Barred,
        (.., "7.8" | "7.9" | "7.11") => Fault::Barred,
        // without a word about why, and to a recipient: its mailbox has no room
        (452, "", _) if step == Step::Recipient => Fault::Deferred,
        // out of service, no room, no TLS or login at the moment, too many mails of ours
        (421 | 454, ..) | (452, "", _) | (400..500, "3", _) | (.., "7.28") => Fault::Away,
        // before it knows of any mail
        (400..500, ..) if step == Step::Login => Fault::Away,
        _ if step == Step::Login => Fault::Barred,
        (400..500, ..) => Fault::Deferred,
        // our own address
        (.., "1.7" | "1.8" | "1.9") => Fault::Doubtful,
        (_, "1" | "2", _) => Fault::NoMailbox,
        (_, "6", _) | (.., "3.4") => Fault::Refused,
        (_, "3" | "4" | "5" | "7", _) => Fault::Doubtful,
        // without a word about why: a mailbox, its domain, or the mail
        (550..=553 | 555 | 556, ..) if step == Step::Recipient => Fault::NoMailbox,
        (550..=553 | 555 | 556, ..) if step == Step::Content => Fault::Refused,
        _ => Fault::Doubtful,
    }
}

/// The enhanced status code with which an answer begins, for example `5.1.1`. One that is a part of the address is none.
fn enhanced<'a>(answer: &'a str, address: &str) -> Option<&'a str> {
    let word = answer.split_whitespace().next()?;
    let parts: Vec<&str> = word.split('.').collect();
    let digits = |part: &str, most| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts[..] {
        [class @ ("4" | "5"), subject, detail]
            if class.len() == 1 && digits(subject, 1) && digits(detail, 3) && !address.contains(word) =>
        {
            Some(word)
        }
        _ => None,
    }
}

/// What the common enhanced status codes mean, whether for now or for good.
fn by_status(status: &str) -> Option<&'static str> {
    let (_, status) = status.split_once('.')?;
    Some(match status {
        "1.1" => "the mail server refused the recipient: there is no such mailbox",
        "1.2" | "1.10" => "the mail server refused the recipient: its domain takes no mail",
        "1.3" => "the mail server refused the recipient: it is no address",
        "1.6" => "the mail server refused the recipient: the mailbox has moved",
        "1.0" | "1.4" | "1.5" => "the mail server refused the recipient",
        "1.7" | "1.8" | "1.9" => "the mail server refused the sender: check SENDER_EMAIL",
        "2.0" | "2.4" => "the mailbox takes no mail",
        "2.1" => "the mailbox is disabled",
        "2.2" => "the mailbox is full",
        "2.3" | "3.4" => "the mail is too large for the mail server",
        "3.0" | "3.1" | "3.2" | "3.3" | "3.5" => "the mail server has a problem of its own",
        "4.0" | "4.1" | "4.2" | "4.3" | "4.4" | "4.5" | "4.6" | "4.7" => {
            "the mail server cannot reach the recipient's server"
        }
        "7.8" | "7.9" | "7.11" => "the mail server refused the login: check SMTP_USER and SMTP_PASSWORD",
        "7.20" | "7.21" | "7.22" | "7.23" | "7.24" | "7.25" | "7.26" | "7.27" | "7.29" => {
            "the mail server does not trust the sender's domain: check SPF, DKIM, DMARC and reverse DNS"
        }
        "7.28" => "the mail server got too many mails",
        "7.0" | "7.1" | "7.2" => "the mail server's policy refused the mail",
        _ => return None,
    })
}

/// What a reply without an enhanced status code means.
fn by_reply(code: u16) -> &'static str {
    match code {
        530 | 534 | 535 | 538 => "the mail server refused the login: check SMTP_USER and SMTP_PASSWORD",
        421 => "the mail server takes no mail at the moment",
        450 => "the mailbox is busy",
        452 => "the mail server has no room at the moment",
        400..=499 => "the mail server deferred the mail",
        552 => "the mail is too large, or the mailbox full",
        _ => "the mail server refused the mail or its recipient",
    }
}

/// What went wrong before the mail server said anything about the mail. The library's words only tell the cases apart.
fn on_the_way(error: &smtp::Error) -> (Fault, &'static str) {
    use Fault::{Away, Barred, Unclear};
    let words = error_chain(error).to_lowercase();
    let says = |word: &str| words.contains(word);
    if error.is_timeout() {
        (Away, "SMTP_SERVER does not answer at SMTP_PORT: is a firewall between?")
    } else if says("starttls") {
        (Barred, "the mail server offers no STARTTLS, and a password never goes unencrypted")
    } else if says("certificate") && says("expired") {
        (Barred, "the mail server's certificate has expired")
    } else if says("certificate") && says("name") {
        (Barred, "the mail server's certificate is for another name than SMTP_SERVER")
    } else if says("causedasendentity") {
        (Barred, "the mail server's certificate is one of an authority: make one with basicConstraints=CA:FALSE")
    } else if says("certificate") {
        (Barred, "the mail server's certificate is not trusted: put that of its authority into SMTP_CA_FILE")
    } else if error.is_tls() {
        (Barred, "the connection to the mail server could not be encrypted: does SMTP_PORT speak TLS?")
    } else if says("authentication mechanism") {
        (Barred, "the mail server offers no login of a known kind")
    } else if error.is_response() {
        (Unclear, "the mail server's answer could not be understood")
    } else {
        match io_kind(error) {
            Some(io::ErrorKind::ConnectionRefused) => (Away, "nothing listens at SMTP_SERVER and SMTP_PORT"),
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                (Away, "SMTP_SERVER cannot be reached")
            }
            _ if says("lookup") => (Away, "the name of SMTP_SERVER cannot be resolved"),
            _ => (Unclear, "the connection to the mail server broke"),
        }
    }
}

fn io_kind(error: &smtp::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_only_an_enhanced_status_code_counts() {
        let status = |answer| enhanced(answer, "5.1.2@example.com");
        assert_eq!(status("5.1.1 <5.1.2@example.com>: unknown"), Some("5.1.1"));
        assert_eq!(status("4.7.999 try again"), Some("4.7.999"));
        for answer in [
            "",
            "5.1.2 is unknown here",
            "5.1.2@example.com is unknown",
            "2.1.5 fine",
            "5.10.1 x",
            "5.1.1234 x",
            "5.1",
            "5.1.1.1 x",
            "<ani@example.com> 5.1.1",
            "5.a.1 x",
        ] {
            assert_eq!(status(answer), None, "{answer:?}");
        }
    }

    #[test]
    fn an_answer_is_about_the_mail_or_about_us() {
        use Fault::{Away, Barred, Deferred, Doubtful, NoMailbox, Refused};
        for (code, status, fault) in [
            (535, Some("5.7.8"), Barred),
            (530, None, Barred),
            (554, Some("5.7.1"), Doubtful),
            (554, None, Doubtful),
            (550, Some("5.7.26"), Doubtful),
            (553, Some("5.1.8"), Doubtful),
            (521, None, Doubtful),
            (550, Some("5.1.1"), NoMailbox),
            (550, Some("5.2.1"), NoMailbox),
            (550, Some("5.9.99"), NoMailbox),
            (550, None, NoMailbox),
            (553, None, NoMailbox),
            (552, Some("5.3.4"), Refused),
            (450, None, Deferred),
            (451, Some("4.7.1"), Deferred),
            (452, Some("4.2.2"), Deferred),
            (452, None, Deferred),
            (452, Some("4.3.1"), Away),
            (454, Some("4.7.0"), Away),
            (421, None, Away),
            (450, Some("4.7.28"), Away),
        ] {
            assert_eq!(meaning(code, status, Step::Recipient), fault, "{code} {status:?}");
        }
    }

    #[test]
    fn what_an_answer_is_about_depends_on_what_it_answers() {
        use Fault::{Away, Barred, Deferred, Doubtful, NoMailbox, Refused};
        let meanings =
            |code, status| [Step::Login, Step::Sender, Step::Content].map(|step| meaning(code, status, step));
        assert_eq!(meanings(550, None), [Barred, Doubtful, Refused]);
        assert_eq!(meanings(554, Some("5.7.1")), [Barred, Doubtful, Doubtful]);
        assert_eq!(meanings(550, Some("5.1.1")), [Barred, NoMailbox, NoMailbox]);
        assert_eq!(meanings(451, None), [Away, Deferred, Deferred]);
        assert_eq!(meanings(452, None), [Away, Away, Away]);
    }

    #[test]
    fn an_enhanced_status_code_says_more_than_the_reply() {
        assert_eq!(by_status("5.2.2"), Some("the mailbox is full"));
        assert_eq!(by_status("4.2.2"), by_status("5.2.2"));
        assert_eq!(by_status("5.6.7"), None);
        assert_eq!(by_reply(451), "the mail server deferred the mail");
        assert_eq!(by_reply(550), "the mail server refused the mail or its recipient");
    }
}
