//! References and metadata, and lists that are narrowed to them, to a party, or to words.

use serde_json::{Value, json};

use crate::peers::Reaction;
use crate::support::{RECEIVER, SENDER, Service, assert_names_field, ids};

const STRANGER: i64 = 3;

fn labelled(sender: i64, receiver: i64, labels: &Value) -> Value {
    let mut body = json!({"sender_id": sender, "receiver_id": receiver, "amount": 10});
    let labels = labels.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(labels);
    body
}

async fn found(service: &Service, list: &str, query: &str) -> Vec<i64> {
    ids(&service.anyone.get(&format!("{list}?{query}")).await.expect(200))
}

#[tokio::test]
async fn labels_are_answered_and_seen_by_both_parties() {
    let service = Service::start().await;
    let labels = json!({"reference": "INV-7/2026", "metadata": {"order": "A-1042", "shop": "Toko \"Ani\" & co"}});
    let made = service.create(labelled(SENDER, RECEIVER, &labels)).await.expect(201);
    assert_eq!((&made["reference"], &made["metadata"]), (&labels["reference"], &labels["metadata"]));
    for user in [SENDER, RECEIVER] {
        let shown = service.user(user).get(&format!("/transactions/{}", made.id())).await.expect(200);
        assert_eq!((&shown["reference"], &shown["metadata"]), (&labels["reference"], &labels["metadata"]));
    }
    let bare = service.create(labelled(SENDER, RECEIVER, &json!({}))).await.expect(201);
    assert!(bare.json.get("reference").is_none() && bare.json.get("metadata").is_none(), "{}", bare.text);
    let empty =
        service.create(labelled(SENDER, RECEIVER, &json!({"metadata": {}, "reference": null}))).await.expect(201);
    assert!(empty.json.get("metadata").is_none(), "{}", empty.text);
    // a refund has labels of its own
    let paid = service.decide(made.id(), "completed").await.expect(200);
    let path = format!("/transactions/{}/refunds", paid.id());
    let back =
        service.service.post(&path, json!({"reference": "R-1", "metadata": {"order": "A-1042"}})).await.expect(201);
    assert_eq!(back["reference"], "R-1");
    assert_eq!(found(&service, "/transactions", "metadata[order]=A-1042").await, [back.id(), made.id()]);
}

#[tokio::test]
async fn lists_find_exactly_what_was_written() {
    let service = Service::start().await;
    let make = async |sender, receiver, labels: Value| {
        service.create(labelled(sender, receiver, &labels)).await.expect(201).id()
    };
    let one = make(SENDER, RECEIVER, json!({"reference": "A-1", "metadata": {"order": "1", "kind": "food"}})).await;
    let two = make(SENDER, STRANGER, json!({"reference": "A-1", "metadata": {"order": "2", "kind": "food"}})).await;
    let three = make(RECEIVER, SENDER, json!({"reference": "a-1", "metadata": {"Order": "1", "kind": "Food "}})).await;
    let four =
        make(STRANGER, RECEIVER, json!({"reference": "日本 100%", "metadata": {"emoji": "😀", "empty": ""}})).await;
    for (query, of_all, of_sender) in [
        ("reference=A-1", vec![two, one], vec![two, one]),
        ("reference=a-1", vec![three], vec![three]),
        ("reference=%20A-1%20", vec![two, one], vec![two, one]),
        ("reference=A", vec![], vec![]),
        ("reference=%E6%97%A5%E6%9C%AC%20100%25", vec![four], vec![]),
        ("metadata[order]=1", vec![one], vec![one]),
        ("metadata%5Border%5D=1", vec![one], vec![one]),
        ("metadata[Order]=1", vec![three], vec![three]),
        ("metadata[kind]=food", vec![two, one], vec![two, one]),
        ("metadata[kind]=Food%20", vec![three], vec![three]),
        ("metadata[kind]=food&metadata[order]=2", vec![two], vec![two]),
        ("metadata[kind]=food&reference=A-1&metadata[order]=3", vec![], vec![]),
        ("metadata[emoji]=%F0%9F%98%80", vec![four], vec![]),
        ("metadata[empty]=", vec![four], vec![]),
        ("metadata[kind]=food&status=pending&min_amount=10", vec![two, one], vec![two, one]),
        ("metadata[kind]=food&status=failed", vec![], vec![]),
        ("metadata[kind]=food&receiver_id=3", vec![two], vec![two]),
    ] {
        assert_eq!(found(&service, "/transactions", query).await, of_all, "{query}");
        assert_eq!(found(&service, "/transactions/user/1", query).await, of_sender, "{query}");
    }
}

#[tokio::test]
async fn lists_are_narrowed_to_a_party_a_direction_and_words() {
    let service = Service::start().await;
    let make = async |sender, receiver, description: &str| {
        service.create(labelled(sender, receiver, &json!({"description": description}))).await.expect(201).id()
    };
    let out = make(SENDER, RECEIVER, "Makan siang 50% off_now!").await;
    let back = make(RECEIVER, SENDER, "Makan malam").await;
    let other = make(SENDER, STRANGER, "Crème brûlée").await;
    let foreign = make(RECEIVER, STRANGER, "Makan").await;
    for (list, query, expected) in [
        ("/transactions", "sender_id=1", vec![other, out]),
        ("/transactions", "receiver_id=3", vec![foreign, other]),
        ("/transactions", "sender_id=1&receiver_id=3", vec![other]),
        ("/transactions", "sender_id=3", vec![]),
        ("/transactions/user/1", "direction=out", vec![other, out]),
        ("/transactions/user/1", "direction=in", vec![back]),
        ("/transactions/user/1", "sender_id=1", vec![other, out]),
        ("/transactions/user/1", "sender_id=2", vec![back]),
        ("/transactions/user/1", "receiver_id=2", vec![out]),
        ("/transactions/user/1", "direction=in&receiver_id=2", vec![]),
        ("/transactions/user/1", "direction=in&sender_id=2", vec![back]),
        ("/transactions/user/1", "q=makan", vec![back, out]),
        ("/transactions/user/1", "q=siang+MAKAN", vec![out]),
        ("/transactions/user/1", "q=50%25", vec![out]),
        ("/transactions/user/1", "q=off_n", vec![out]),
        ("/transactions/user/1", "q=off-n", vec![]),
        ("/transactions/user/1", "q=now!", vec![out]),
        ("/transactions/user/1", "q=creme", vec![other]),
        ("/transactions/user/1", "q=makan&direction=in", vec![back]),
        ("/transactions/user/3", "q=makan", vec![foreign]),
    ] {
        assert_eq!(found(&service, list, query).await, expected, "{list}?{query}");
    }
    let sender = service.user(SENDER);
    assert_eq!(ids(&sender.get("/transactions?direction=in&q=makan").await.expect(200)), [back]);
}

#[tokio::test]
async fn a_party_finds_by_labels_what_it_sees_and_nothing_else() {
    let service = Service::start().await;
    let body = labelled(SENDER, RECEIVER, &json!({"reference": "shared"}));
    let seen = service.create(body.clone()).await.expect(201).id();
    let foreign = service.create(labelled(SENDER, STRANGER, &json!({"reference": "shared"}))).await.expect(201).id();
    service.users.on("hold", Reaction::Refuses("insufficient_balance"));
    let refused = service.create(body).await.expect_error(400, "insufficient_balance");
    let refused = refused["transaction_id"].as_i64().expect("its number");
    assert_eq!(found(&service, "/transactions/user/1", "reference=shared").await, [refused, foreign, seen]);
    assert_eq!(found(&service, "/transactions/user/2", "reference=shared").await, [seen], "never accepted: not its");
    let _ = service.decide(seen, "completed").await.expect(200);
    let _ = service.user(RECEIVER).delete(&format!("/transactions/{seen}")).await.expect(200);
    assert_eq!(found(&service, "/transactions/user/2", "reference=shared").await, [] as [i64; 0]);
    assert_eq!(
        found(&service, "/transactions/user/1", "reference=shared&direction=out").await,
        [refused, foreign, seen]
    );
}

#[tokio::test]
async fn what_is_found_comes_in_pages() {
    let service = Service::start().await;
    let mut all = Vec::new();
    for n in 0..7 {
        let labels = json!({"metadata": {"run": "1", "n": n.to_string()}});
        all.insert(0, service.create(labelled(SENDER, RECEIVER, &labels)).await.expect(201).id());
    }
    for list in ["/transactions", "/transactions/user/2"] {
        let (mut seen, mut next) = (Vec::new(), Some(format!("{list}?metadata[run]=1&limit=3")));
        while let Some(path) = next {
            let page = service.anyone.get(&path).await.expect(200);
            seen.extend(ids(&page));
            next = page.next();
        }
        assert_eq!(seen, all, "{list}");
    }
}

#[tokio::test]
async fn a_request_with_other_labels_is_another_request() {
    let service = Service::start().await;
    let keyed = service.service.keyed("label-key");
    let body = |reference: &str| labelled(SENDER, RECEIVER, &json!({"reference": reference}));
    let first = keyed.post("/transactions", body("one")).await.expect(201);
    let again = keyed.post("/transactions", body("one")).await.expect(201);
    assert_eq!((first.id(), &first["reference"]), (again.id(), &again["reference"]));
    assert_eq!(found(&service, "/transactions", "reference=one").await, [first.id()]);
    let _ = keyed.post("/transactions", body("two")).await.expect_error(422, "idempotency_key_reused");
    assert_eq!(found(&service, "/transactions", "reference=two").await, [] as [i64; 0]);
}

#[tokio::test]
async fn each_wrong_label_and_filter_is_named() {
    let service = Service::start().await;
    let many: serde_json::Map<_, _> = (0..21).map(|n| (format!("k{n}"), json!("v"))).collect();
    for (labels, field) in [
        (json!({"reference": ""}), "reference"),
        (json!({"reference": "r".repeat(101)}), "reference"),
        (json!({"reference": "a\nb"}), "reference"),
        (json!({"reference": 7}), "reference"),
        (json!({"metadata": many}), "metadata"),
        (json!({"metadata": {"a b": "v"}}), "metadata"),
        (json!({"metadata": {"a": 1}}), "metadata.a"),
        (json!({"metadata": {"a": "v".repeat(4096)}}), "metadata"),
        (json!({"metadata": ["a"]}), "metadata"),
        (json!({"metadata": "a"}), "metadata"),
    ] {
        let refused = service.create(labelled(SENDER, RECEIVER, &labels)).await;
        assert_names_field(refused, "invalid_value", field);
    }
    for (list, query, code, field) in [
        ("/transactions", "q=makan", "invalid_value", "q"),
        ("/transactions", "direction=in", "invalid_value", "direction"),
        ("/transactions/user/1", "direction=both", "invalid_value", "direction"),
        ("/transactions/user/1", "q=", "invalid_value", "q"),
        ("/transactions/user/1", "q=a+b+c+d+e+f+g+h+i+j+k", "invalid_value", "q"),
        ("/transactions/user/1", "sender_id=x", "invalid_value", "sender_id"),
        ("/transactions/user/1", "reference=", "invalid_value", "reference"),
        ("/transactions/user/1", "metadata=a", "invalid_value", "metadata"),
        ("/transactions/user/1", "metadata[]=a", "invalid_value", "metadata"),
        ("/transactions/user/1", "metadata[a]=1&metadata[a]=1", "invalid_value", "metadata"),
        ("/transactions/user/1", "order[a]=1", "unknown_field", "order[a]"),
    ] {
        assert_names_field(service.anyone.get(&format!("{list}?{query}")).await, code, field);
    }
}
