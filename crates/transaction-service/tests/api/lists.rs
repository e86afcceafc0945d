//! Lists: newest first, in pages, filtered.

use common::config::Mode;
use serde_json::json;

use crate::support::{RECEIVER, SENDER, Service, assert_names_field, ids, immediate, payment};

const STRANGER: i64 = 3;

/// All ids of a list, and how many pages they came on.
async fn read_through(service: &Service, first: &str) -> (Vec<i64>, usize) {
    let (mut seen, mut pages, mut next) = (Vec::new(), 0, Some(first.to_owned()));
    while let Some(path) = next {
        let page = service.service.get(&path).await.expect(200);
        seen.extend(ids(&page));
        pages += 1;
        next = page.next();
    }
    (seen, pages)
}

#[tokio::test]
async fn lists_come_newest_first_in_pages() {
    let service = Service::start().await;
    let mut all = Vec::new();
    let mut of_user = Vec::new();
    for n in 0..9 {
        let (sender, receiver) = [(SENDER, 2), (2, SENDER), (2, 3)][n % 3];
        let body = json!({"sender_id": sender, "receiver_id": receiver, "amount": 1});
        let id = service.create(body).await.expect(201).id();
        all.insert(0, id);
        if n % 3 < 2 {
            of_user.insert(0, id);
        }
    }
    assert_eq!(read_through(&service, "/transactions?limit=2").await, (all.clone(), 5));
    assert_eq!(read_through(&service, "/transactions/user/1?limit=2").await, (of_user.clone(), 3));
    assert_eq!(read_through(&service, "/transactions?limit=9").await, (all, 1));
    assert_eq!(read_through(&service, "/transactions/user/1?limit=4&status=pending").await, (of_user, 2));
}

#[tokio::test]
async fn a_page_is_not_disturbed_by_what_is_created_meanwhile() {
    let service = Service::start().await;
    let (one, two, three) = (service.pending().await, service.pending().await, service.pending().await);
    let first = service.anyone.get("/transactions?limit=2").await.expect(200);
    let _ = service.pending().await;
    let second = service.anyone.get(&first.next().expect("a next page")).await.expect(200);
    assert_eq!((ids(&first), ids(&second)), (vec![three, two], vec![one]));
}

#[tokio::test]
async fn a_page_holds_50_items_unless_the_caller_says_otherwise() {
    let service = Service::start().await;
    let mut creations = tokio::task::JoinSet::new();
    for _ in 0..51 {
        let api = service.service.clone();
        creations.spawn(async move { api.post("/transactions", immediate(1)).await.expect(201) });
    }
    creations.join_all().await;
    let page = service.anyone.get("/transactions").await.expect(200);
    assert_eq!(ids(&page).len(), 50);
    assert!(page.next().is_some());
    assert_eq!(ids(&service.anyone.get("/transactions?limit=200").await.expect(200)).len(), 51);
}

#[tokio::test]
async fn lists_are_filtered_by_status_time_and_amount() {
    let service = Service::start().await;
    let mut moments = Vec::new();
    let mut created = Vec::new();
    for (amount, status) in [(100, "pending"), (200, "completed"), (300, "cancelled"), (400, "pending")] {
        let reply = service.create(payment(amount)).await.expect(201);
        if status != "pending" {
            let _ = service.decide(reply.id(), status).await.expect(200);
        }
        created.push(reply.id());
        moments.push(reply["created_at"].as_str().expect("a moment").to_owned());
    }
    let [one, two, three, four] = created[..] else { panic!("four were created") };
    // days of the wallet's time zone; the first transaction tells which one it is
    let day = moments[0].parse::<chrono::DateTime<chrono::Utc>>().unwrap().with_timezone(&chrono_tz::Asia::Jakarta);
    let (today, day) = (day.date_naive(), chrono::Days::new(1));
    let (yesterday, tomorrow) = (today - day, today + day);
    for (query, found) in [
        ("status=pending".to_owned(), vec![four, one]),
        ("status=completed".to_owned(), vec![two]),
        ("status=failed".to_owned(), vec![]),
        ("min_amount=200".to_owned(), vec![four, three, two]),
        ("min_amount=200.01".to_owned(), vec![four, three]),
        ("max_amount=200".to_owned(), vec![two, one]),
        ("min_amount=200&max_amount=300.00".to_owned(), vec![three, two]),
        ("min_amount=300&max_amount=200".to_owned(), vec![]),
        (format!("from={}", moments[1]), vec![four, three, two]),
        (format!("to={}", moments[1]), vec![one]),
        (format!("from={}&to={}", moments[1], moments[2]), vec![two]),
        (format!("from={}&to={}", moments[1], moments[1]), vec![]),
        (format!("from={today}&to={today}"), vec![four, three, two, one]),
        (format!("to={yesterday}"), vec![]),
        (format!("from={tomorrow}"), vec![]),
        ("min_amount=0".to_owned(), vec![four, three, two, one]),
        ("from=2999-01-01T00:00:00Z".to_owned(), vec![]),
        ("to=2020-01-01T00:00:00%2B07:00".to_owned(), vec![]),
        (format!("status=pending&from={}&min_amount=50", moments[1]), vec![four]),
    ] {
        for list in ["/transactions", "/transactions/user/1", "/transactions/user/2"] {
            let path = format!("{list}?{query}");
            assert_eq!(ids(&service.anyone.get(&path).await.expect(200)), found, "{path}");
        }
        let nobody = service.anyone.get(&format!("/transactions/user/9?{query}")).await.expect(200);
        assert_eq!(nobody.json, json!([]));
    }
}

#[tokio::test]
async fn a_filter_goes_on_to_the_next_page() {
    let service = Service::start().await;
    let mut big = Vec::new();
    for amount in [100, 1, 100, 1, 100] {
        let id = service.create(payment(amount)).await.expect(201).id();
        if amount == 100 {
            big.insert(0, id);
        }
    }
    let first = "/transactions?min_amount=50&status=pending&from=2020-01-01T00:00:00%2B00:00&limit=1";
    assert_eq!(read_through(&service, first).await, (big, 3));
}

/// 3,000 transactions that were deleted, every other one sent by the one user and by the other; one in a hundred is not.
const MANY: &str =
    "INSERT INTO transactions (sender_id, receiver_id, amount, description, status, accepted_at, hidden_at,
         request, fingerprint, actor, created_at, updated_at)
     SELECT 1 + n % 2, 2 - n % 2, 1 + n, '', 'completed', NOW(6), IF(n % 100 = 0, NULL, NOW(6)), CONCAT('many:', n),
         REPEAT('0', 32), 'service', NOW(6), NOW(6)
     FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * t.d AS n
           FROM (SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6
                 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) a,
                (SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6
                 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) b,
                (SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6
                 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) c,
                (SELECT 0 d UNION SELECT 1 UNION SELECT 2) t) numbers
     ORDER BY n";

#[tokio::test]
async fn nothing_is_lost_or_doubled_among_many_that_are_not_shown() {
    let service = Service::start().await;
    let oldest = service.pending().await;
    service.run(MANY).await;
    let newest = service.pending().await;
    let (all, _) = read_through(&service, "/transactions?limit=200").await;
    assert_eq!((all.len(), all[0], all[31]), (32, newest, oldest));
    assert!(all.is_sorted_by(|one, next| one > next), "{all:?}");
    for (list, most) in [("/transactions", 40), ("/transactions/user/1", 40), ("/transactions/user/2", 40)] {
        for query in ["limit=1", "limit=2", "limit=7", "limit=50", "limit=200", "limit=3&min_amount=1"] {
            let (seen, pages) = read_through(&service, &format!("{list}?{query}")).await;
            assert_eq!(seen, all, "{list}?{query}");
            assert!(pages <= most, "{list}?{query}: {pages} pages");
        }
        let (seen, _) = read_through(&service, &format!("{list}?status=pending")).await;
        assert_eq!(seen, [newest, oldest], "{list}");
    }
}

#[tokio::test]
async fn a_page_that_has_looked_at_enough_is_empty_and_goes_on() {
    let service = Service::start().await;
    service.run(MANY).await;
    for list in ["/transactions", "/transactions/user/1"] {
        let first = service.anyone.get(&format!("{list}?min_amount=100000")).await.expect(200);
        assert_eq!(first.json, json!([]), "{list}");
        assert!(first.next().is_some_and(|next| next.contains("min_amount=100000")), "{list}");
        let (seen, pages) = read_through(&service, &format!("{list}?min_amount=100000")).await;
        assert!(seen.is_empty() && (2..=4).contains(&pages), "{list}: {pages} pages");
    }
    // open ones, of which there are more than a page looks at
    service
        .run("UPDATE transactions SET status = 'pending', hidden_at = NULL, due_at = NOW(6) + INTERVAL id HOUR")
        .await;
    let (seen, _) = read_through(&service, "/transactions?status=pending&limit=200").await;
    assert!(seen.len() == 3_000 && seen.is_sorted_by(|one, next| one > next));
}

#[tokio::test]
async fn each_wrong_parameter_is_named() {
    let service = Service::start().await;
    for list in ["/transactions", "/transactions/user/1"] {
        for (query, code, field) in [
            ("limit=0", "invalid_value", "limit"),
            ("limit=201", "invalid_value", "limit"),
            ("limit=abc", "invalid_value", "limit"),
            ("limit=", "invalid_value", "limit"),
            ("cursor=abc", "invalid_value", "cursor"),
            ("cursor=-1", "invalid_value", "cursor"),
            ("status=done", "invalid_value", "status"),
            ("status=", "invalid_value", "status"),
            ("from=yesterday", "invalid_value", "from"),
            ("from=2025-11-31", "invalid_value", "from"),
            ("from=2025-11-12T00:00:00+07:00", "invalid_value", "from"),
            ("to=2025-13-01T00:00:00Z", "invalid_value", "to"),
            ("min_amount=abc", "invalid_amount", "min_amount"),
            ("min_amount=-1", "invalid_amount", "min_amount"),
            ("max_amount=0.001", "invalid_amount", "max_amount"),
            ("max_amount=10.000", "invalid_amount", "max_amount"),
            ("max_amount=1e2", "invalid_amount", "max_amount"),
            ("page=2", "unknown_field", "page"),
            ("payer=1", "unknown_field", "payer"),
            ("status=pending&status=failed", "duplicate_field", "status"),
        ] {
            assert_names_field(service.anyone.get(&format!("{list}?{query}")).await, code, field);
        }
        let _ = service.anyone.get(&format!("{list}?limit=200")).await.expect(200);
    }
}

#[tokio::test]
async fn a_users_lists_hold_only_its_own_transactions() {
    let service = Service::start_with(|config| config.service.mode = Mode::Production).await;
    let between = async |sender: i64, receiver: i64| {
        let body = json!({"sender_id": sender, "receiver_id": receiver, "amount": 1});
        service.create(body).await.expect(201).id()
    };
    let (sent, received, foreign) =
        (between(SENDER, RECEIVER).await, between(STRANGER, SENDER).await, between(RECEIVER, STRANGER).await);
    let sender = service.user(SENDER);
    for list in ["/transactions", "/transactions/user/1"] {
        assert_eq!(ids(&sender.get(list).await.expect(200)), [received, sent], "{list}");
    }
    assert_eq!(ids(&service.service.get("/transactions").await.expect(200)), [foreign, received, sent]);
    assert_eq!(ids(&service.service.get("/transactions/user/3").await.expect(200)), [foreign, received]);
    let _ = sender.get("/transactions/user/2").await.expect_error(404, "user_not_found");
}
