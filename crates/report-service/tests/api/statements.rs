//! Statements, and the codes that verify them.

use chrono::{Days, NaiveDate};
use lab::{http::Reply, pdf};
use money::time;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::support::{
    service::Service,
    sources::{ANI, BUDI, CITRA, Transaction},
};

/// Tells nobody what is installed.
fn quietly(_: &str) {}

/// Yesterday to tomorrow, so that no midnight is between what happens now and its day.
fn days() -> String {
    let today: NaiveDate = time::now().date_naive();
    format!("from={}&to={}", today - Days::new(2), today + Days::new(2))
}

async fn statement(service: &Service, user: i64, more: &str) -> Reply {
    service.api.get(&format!("/statements/user/{user}?{}{more}", days())).await
}

/// A service in which Ani was paid in, and paid.
async fn with_entries() -> Service {
    let service = Service::start().await;
    service.sources.store([Transaction { texts: Some(("=Lunch", "invoice-17")), ..Transaction::new(10, "completed") }]);
    {
        let ledger = &mut service.sources.known().ledger;
        ledger.post(ANI, ("topup", 500_000), json!({"reference": "bank-1"}));
        ledger.pay(10, ANI, BUDI, 200_000);
    }
    service
}

/// The code on a PDF.
fn code_on(text: &str) -> String {
    let after = text.split("/statements/verify/").nth(1).unwrap_or_else(|| panic!("no code in {text}"));
    after.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn all_forms_of_a_statement_say_the_same() {
    let service = with_entries().await;
    let whole = statement(&service, ANI, "").await.expect(200);
    assert!(whole.header("x-data-as-of").ends_with('Z'));
    assert_eq!(whole.header("content-type"), "application/json");
    let zero_to = json!({"opening_balance": 0, "closing_balance": 300_000, "total_in": 500_000, "total_out": 200_000});
    for (name, value) in zero_to.as_object().unwrap() {
        assert_eq!(whole[name.as_str()], *value, "{name}");
    }
    assert_eq!(whole["timezone"], "Asia/Jakarta");
    assert_eq!((&whole["user_id"], &whole["currency"]), (&json!(ANI), &json!("IDR")));
    let entries = whole["entries"].as_array().unwrap();
    let kinds: Vec<&Value> = entries.iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["topup", "transfer"], "oldest first");
    assert_eq!(entries[1]["description"], "=Lunch");
    assert_eq!(entries[1]["counterparty"]["id"], BUDI);

    let csv = statement(&service, ANI, "&format=csv").await.expect(200);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(csv.header("content-disposition").contains(&format!("filename=\"statement-{ANI}-")));
    let name = entries[1]["counterparty"]["display_name"].as_str().unwrap();
    let rows = [
        "\u{feff}created_at,kind,amount,balance_after,counterparty,transaction_id,reference,description".to_owned(),
        format!("{},topup,500000,500000,,,bank-1,", entries[0]["created_at"].as_str().unwrap()),
        format!("{},transfer,-200000,300000,{name},10,invoice-17,'=Lunch", entries[1]["created_at"].as_str().unwrap()),
    ];
    assert_eq!(csv.text.strip_suffix("\r\n").unwrap().split("\r\n").collect::<Vec<_>>(), rows);

    let path = format!("/statements/user/{ANI}?{}&format=pdf", days());
    let bytes = service.api.get_bytes(&path).await;
    let text = pdf::text(&bytes, &quietly).unwrap();
    for shown in [
        "Account statement",
        whole["name"].as_str().unwrap(),
        "Opening balance",
        "+500,000.00",
        "-200,000.00",
        "300,000.00",
        "Closing balance",
        &format!("Transfer to {name}"),
        "=Lunch",
        "Transaction 10 · Reference invoice-17",
        "Page 1 of 1",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let darkness = pdf::darkness(&bytes, &quietly).unwrap();
    assert!(darkness.len() == 1 && (10..300).contains(&darkness[0]), "{darkness:?}");
}

#[tokio::test]
async fn a_pdf_is_in_the_language_that_is_asked_for() {
    let service = with_entries().await;
    let path = format!("/statements/user/{ANI}?{}&format=pdf", days());
    let indonesian = service.api.clone().with("accept-language", "id-ID,en;q=0.5");
    let text = pdf::text(&indonesian.get_bytes(&path).await, &quietly).unwrap();
    for shown in ["Rekening koran", "Saldo awal", "+500.000,00", "Halaman 1 dari 1"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let english = indonesian.get_bytes(&format!("{path}&lang=en")).await;
    assert!(pdf::text(&english, &quietly).unwrap().contains("Account statement"));
}

#[tokio::test]
async fn what_is_no_statement_is_refused_by_name() {
    let service = with_entries().await;
    for (query, field) in [
        ("from=2026-11-02&to=2026-11-01", "to"),
        ("from=2026-11-01T00:00:01Z&to=2026-11-01T00:00:00Z", "to"),
        ("from=2016-11-01&to=2026-11-01", "to"),
        ("from=9999-01-01&to=9999-12-31&timezone=UTC", "to"),
        ("from=2026-11-01", "to"),
        ("to=2026-11-01", "from"),
        ("from=yesterday&to=2026-11-01", "from"),
        ("from=2026-11-01&to=2026-11-30&format=xml", "format"),
        ("from=2026-11-01&to=2026-11-30&timezone=Asia/Atlantis", "timezone"),
        ("from=2026-11-01&to=2026-11-30&lang=de", "lang"),
        ("from=2026-11-01&to=2026-11-30&page=1", "page"),
    ] {
        let refused = service.api.get(&format!("/statements/user/{ANI}?{query}")).await.expect(400);
        assert!(refused["fields"][field].is_string(), "{query}: {}", refused.text);
    }
    let _ =
        service.api.get("/statements/user/999?from=2026-11-01&to=2026-11-30").await.expect_error(404, "user_not_found");
    let pdf = service.api.clone().with("accept", "application/pdf");
    let path = format!("/statements/user/{ANI}?{}", days());
    let refused = pdf.get(&format!("{path}&format=csv")).await.expect_error(400, "invalid_value");
    assert!(refused["fields"]["format"].is_string());
    assert_eq!(pdf.get(&path).await.expect(200).header("content-type"), "application/pdf");
    let picture = service.api.clone().with("accept", "image/png");
    let _ = picture.get(&path).await.expect_error(406, "not_acceptable");
    let anything = service.api.clone().with("accept", "*/*");
    assert_eq!(anything.get(&path).await.expect(200).header("content-type"), "application/json");
}

#[tokio::test]
async fn a_period_holds_what_happens_in_it_and_ends_with_the_balance_before_its_end() {
    let service = with_entries().await;
    let whole = statement(&service, ANI, "").await.expect(200);
    let second = whole["entries"][1]["created_at"].as_str().unwrap().to_owned();
    let first_part = format!("/statements/user/{ANI}?from=2020-01-01T00:00:00Z&to={second}");
    let first_part = service.api.get(&first_part).await.expect(200);
    assert_eq!(first_part["entries"].as_array().unwrap().len(), 1);
    assert_eq!(first_part["closing_balance"], 500_000);
    assert_eq!(first_part["to"], second.as_str());
    let balance = service.balance(ANI, &format!("?at={second}")).await.expect(200);
    assert_eq!(balance["balance"], first_part["closing_balance"]);
    let rest = format!("/statements/user/{ANI}?from={second}&to=2027-12-31&timezone=UTC");
    let rest = service.api.get(&rest).await.expect(200);
    assert_eq!((&rest["opening_balance"], &rest["closing_balance"]), (&json!(500_000), &json!(300_000)));
    assert_eq!(rest["timezone"], "UTC");
    let empty = service.api.get(&format!("/statements/user/{ANI}?from={second}&to={second}")).await.expect(200);
    assert_eq!(empty["entries"], json!([]));
    assert_eq!((&empty["opening_balance"], &empty["closing_balance"]), (&json!(500_000), &json!(500_000)));
    let nothing = statement(&service, CITRA, "").await.expect(200);
    assert_eq!((&nothing["entries"], &nothing["closing_balance"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn a_statement_of_years_to_come_is_whole_in_each_form() {
    let service = with_entries().await;
    for (period, begins) in [
        ("from=2100-01-01&to=2109-12-31", "2099-12-31T17:00:00.000000Z"),
        ("from=9999-01-01&to=9999-12-31", "9998-12-31T17:00:00.000000Z"),
    ] {
        let path = format!("/statements/user/{ANI}?{period}");
        let whole = service.api.get(&path).await.expect(200);
        assert_eq!((&whole["opening_balance"], &whole["closing_balance"]), (&json!(300_000), &json!(300_000)));
        assert_eq!(whole["from"], begins);
        let bytes = raw(&service, &format!("{path}&format=pdf")).await;
        assert!(bytes.ends_with(b"0\r\n\r\n"), "{period}");
        let text = pdf::text(&service.api.get_bytes(&format!("{path}&format=pdf")).await, &quietly).unwrap();
        let verified = service.api.get(&format!("/statements/verify/{}", code_on(&text))).await.expect(200);
        assert_eq!((&verified["from"], &verified["to"]), (&whole["from"], &whole["to"]));
    }
}

#[tokio::test]
async fn anybody_can_verify_a_pdf_by_its_code_and_tries_few_of_them() {
    let service = with_entries().await;
    let path = format!("/statements/user/{ANI}?{}&format=pdf", days());
    let text = pdf::text(&service.api.get_bytes(&path).await, &quietly).unwrap();
    let code = code_on(&text);
    let verified = service.api.get(&format!("/statements/verify/{code}")).await.expect(200);
    let whole = statement(&service, ANI, "").await.expect(200);
    for name in ["from", "to", "opening_balance", "closing_balance", "total_in", "total_out"] {
        assert_eq!(verified[name], whole[name], "{name}");
    }
    assert_eq!(verified["entries"], 2);
    assert!(verified["issued_at"].is_string() && verified["display_name"].is_string());
    assert!(verified.json.get("user_id").is_none());
    let typed = code.to_lowercase().replace('-', "");
    assert_eq!(service.api.get(&format!("/statements/verify/{typed}")).await.expect(200).json, verified.json);
    for unknown in ["00000-00000-00000-00000", "x", "1"] {
        let path = format!("/statements/verify/{unknown}");
        let _ = service.api.get(&path).await.expect_error(404, "statement_not_found");
    }
    let mut tried = 5;
    while service.api.get("/statements/verify/x").await.status != 429 {
        tried += 1;
        assert!(tried < 40, "nobody may try that many");
    }
    let late = service.api.get(&format!("/statements/verify/{code}")).await.expect_error(429, "rate_limited");
    assert!(!late.header("retry-after").is_empty());
}

/// What comes over the wire until the connection ends.
async fn raw(service: &Service, path: &str) -> Vec<u8> {
    let address = service.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok();
    bytes
}

/// Ani has so many entries more, of 3 each.
fn ani_tops_up(service: &Service, times: usize) {
    let ledger = &mut service.sources.known().ledger;
    for _ in 0..times {
        ledger.post(ANI, ("topup", 3), json!({}));
    }
}

#[tokio::test]
async fn a_long_statement_adds_up_and_one_that_does_not_breaks_off() {
    let service = Service::start().await;
    ani_tops_up(&service, 2_500);
    // a request takes over for a while, however much there is
    let whole = lab::http::eventually("all entries are taken over", async || {
        let whole = statement(&service, ANI, "").await.expect(200);
        (whole["closing_balance"] == 7_500).then_some(whole)
    })
    .await;
    let entries = whole["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2_500);
    let sums: Vec<i64> = entries.iter().map(|entry| entry["balance_after"].as_i64().unwrap()).collect();
    assert_eq!(sums, (1..=2_500).map(|count| count * 3).collect::<Vec<_>>());
    for format in ["json", "csv", "pdf"] {
        let bytes = raw(&service, &format!("/statements/user/{ANI}?{}&format={format}", days())).await;
        assert!(bytes.ends_with(b"0\r\n\r\n"), "{format} is whole");
    }

    service.sql("UPDATE entries SET balance_after = balance_after + 1 WHERE balance_after = 6000").await;
    for format in ["json", "csv", "pdf"] {
        let bytes = raw(&service, &format!("/statements/user/{ANI}?{}&format={format}", days())).await;
        assert!(bytes.starts_with(b"HTTP/1.1 200 OK") && bytes.len() > 1_000, "{format} has begun");
        assert!(!bytes.ends_with(b"0\r\n\r\n"), "{format} breaks off");
    }
    let kept = service.stored("SELECT CAST(COUNT(*) AS SIGNED INTEGER) FROM statements").await;
    assert_eq!(kept, 1, "of the one that was whole");
}

/// A client that has got the first bytes of an answer, and takes no more.
async fn stalled(service: &Service, path: &str) -> TcpStream {
    let address = service.base.strip_prefix("http://").unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn a_user_who_takes_nothing_of_several_statements_gets_no_more_of_them() {
    let service = Service::start().await;
    ani_tops_up(&service, 12_000);
    let _ = service.sync().await.expect(200);
    // more than the sockets of both sides take
    service.sql("UPDATE entries SET reference = REPEAT('x', 255)").await;
    let path = format!("/statements/user/{ANI}?{}", days());
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(stalled(&service, &path).await);
    }
    let refused = service.api.get(&path).await.expect_error(503, "overloaded");
    assert!(!refused.header("retry-after").is_empty());
    let _ = statement(&service, BUDI, "").await.expect(200);
    drop(clients.pop());
    let whole = service.api.get(&path).await.expect(200);
    assert_eq!(whole["entries"].as_array().unwrap().len(), 12_000);
}
