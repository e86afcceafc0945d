//! Opening, reading and changing accounts.

use common::config::Mode;
use lab::http::Reply;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Service, User, assert_documented, assert_names_field, registration};

#[tokio::test]
async fn the_documented_requests_about_accounts_get_the_documented_answers() {
    let service = Service::start().await;
    let john = json!({"full_name": "John Doe", "email": "john@example.com", "password": "password123"});
    let registered = service.anyone.post("/auth/register", john).await.expect(201);
    let id = registered.id();
    assert_documented(&registered, &json!({"full_name": "John Doe", "email": "john@example.com", "balance": 0}));

    let jane = json!({"full_name": "Jane Doe", "email": "jane@example.com", "password": "mypassword"});
    let created = service.anyone.post("/users", jane).await.expect(201);
    assert_documented(&created, &json!({"full_name": "Jane Doe", "email": "jane@example.com"}));

    let shown = service.anyone.get(&format!("/users/{id}")).await.expect(200);
    let john = json!({"id": id, "full_name": "John Doe", "email": "john@example.com", "balance": 0, "state": "active"});
    assert_documented(&shown, &john);

    let all = service.anyone.get("/users").await.expect(200);
    let jane = json!({"id": created.id(), "full_name": "Jane Doe", "email": "jane@example.com", "balance": 0, "state": "active"});
    assert_eq!(all.json, json!([john, jane]));

    let internal = service.service.get(&format!("/internal/users/{id}")).await.expect(200);
    assert_documented(&internal, &json!({"id": id, "full_name": "John Doe", "email": "john@example.com"}));

    let owner = service.anyone.as_user(&service.token("john@example.com", "password123").await);
    let renamed = owner.put(&format!("/users/{id}"), json!({"full_name": "John D. Doe"})).await.expect(200);
    assert_documented(&renamed, &json!({"id": id, "full_name": "John D. Doe", "email": "john@example.com"}));

    let deleted = owner.delete(&format!("/users/{id}")).await.expect(200);
    assert_eq!(deleted.json, json!({"message": "User deleted successfully", "paid_out": 0}));
}

#[tokio::test]
async fn what_is_answered_never_holds_a_password_or_its_hash() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    for path in [user.path(""), "/users".to_owned(), format!("/internal{}", user.path(""))] {
        let text = service.service.get(&path).await.expect(200).text;
        assert!(!text.contains("password") && !text.contains("argon2"), "{path}: {text}");
    }
}

#[tokio::test]
async fn each_wrong_field_of_a_registration_is_named() {
    let service = Service::start().await;
    let name_of = |length| json!("n".repeat(length));
    for (field, value) in [
        ("full_name", json!("")),
        ("full_name", json!("   ")),
        ("full_name", name_of(101)),
        ("full_name", json!("John\u{0}Doe")),
        ("full_name", json!("John\r\nBcc: everybody@example.com")),
        ("full_name", json!("John\u{7f}Doe")),
        ("full_name", json!(7)),
        ("full_name", Value::Null),
        ("full_name", json!(["John"])),
        ("email", json!("")),
        ("email", json!("john")),
        ("email", json!("john@")),
        ("email", json!("@example.com")),
        ("email", json!("john doe@example.com")),
        ("email", json!("john@example.com\nBcc: everybody@example.com")),
        ("email", json!("John <john@example.com>")),
        ("email", json!(format!("{}@example.com", "j".repeat(243)))),
        ("email", json!(true)),
        ("email", Value::Null),
        ("password", json!("")),
        ("password", json!("seven77")),
        ("password", json!("p".repeat(129))),
        ("password", json!("pass\u{1}word")),
        ("password", json!(12_345_678)),
        ("password", Value::Null),
    ] {
        let mut body = registration("john@example.com");
        body[field] = value;
        assert_names_field(service.anyone.post("/auth/register", body.clone()).await, "invalid_value", field);
        // where the password may be absent, none is a missing one
        let code = if body["password"].is_null() { "missing_field" } else { "invalid_value" };
        assert_names_field(service.anyone.post("/users", body).await, code, field);
    }
    assert_eq!(service.anyone.get("/users").await.expect(200).json, json!([]));
}

#[tokio::test]
async fn a_control_character_at_the_edge_of_a_text_is_refused_like_one_inside() {
    let service = Service::start().await;
    for (field, value) in [("full_name", "John Doe\n"), ("full_name", "\tJohn Doe"), ("email", "john@example.com\r\n")]
    {
        let mut body = registration("john@example.com");
        body[field] = json!(value);
        assert_names_field(service.anyone.post("/auth/register", body).await, "invalid_value", field);
    }
}

#[tokio::test]
async fn missing_unknown_and_repeated_fields_are_named() {
    let service = Service::start().await;
    for field in ["full_name", "email", "password"] {
        let mut body = registration("john@example.com");
        body.as_object_mut().expect("an object").remove(field);
        assert_names_field(service.anyone.post("/auth/register", body).await, "missing_field", field);
    }
    let mut body = registration("john@example.com");
    body["balance"] = json!(1_000_000);
    assert_names_field(service.anyone.post("/auth/register", body).await, "unknown_field", "balance");
    let twice = r#"{"full_name":"John","email":"a@example.com","email":"b@example.com","password":"password123"}"#;
    assert_names_field(service.anyone.post_text("/auth/register", twice).await, "duplicate_field", "email");
    assert_eq!(service.anyone.get("/users").await.expect(200).json, json!([]));
}

#[tokio::test]
async fn the_longest_and_shortest_fields_are_accepted_and_come_back_unchanged() {
    let service = Service::start().await;
    let longest_email = format!("{}@{}.example.com", "j".repeat(64), ["d".repeat(58).as_str(); 3].join("."));
    assert!((245..=254).contains(&longest_email.len()));
    for (name, email, password) in [
        ("J".to_owned(), "a@b.co".to_owned(), "eight888".to_owned()),
        ("\u{e9}".repeat(100), longest_email, "\u{e9}".repeat(128)),
        (
            "Zo\u{eb} \u{1f980} \u{674e}".to_owned(),
            "john.o'neill+tag@example.com".to_owned(),
            "p\u{e4}ssw\u{f6}rt".to_owned(),
        ),
    ] {
        let body = json!({"full_name": name, "email": email, "password": password});
        let id = service.anyone.post("/auth/register", body).await.expect(201).id();
        let shown = service.anyone.get(&format!("/users/{id}")).await.expect(200);
        assert_documented(&shown, &json!({"full_name": name, "email": email}));
        let _ = service.login(&email, &password).await.expect(200);
    }
}

#[tokio::test]
async fn an_address_is_trimmed_and_lower_cased_wherever_it_is_given() {
    let service = Service::start().await;
    let registered = service.anyone.post("/auth/register", registration("  John@Example.COM ")).await.expect(201);
    assert_eq!(registered["email"], "john@example.com");
    let owner = service.anyone.as_user(&service.token(" JOHN@example.com ", PASSWORD).await);
    let path = format!("/users/{}", registered.id());
    let changed =
        owner.put(&path, json!({"email": " Johnny@EXAMPLE.com", "current_password": PASSWORD})).await.expect(200);
    assert_eq!(changed["email"], "johnny@example.com");
}

#[tokio::test]
async fn an_address_belongs_to_one_account() {
    let service = Service::start().await;
    let (john, jane) = (service.user("john", 0).await, service.user("jane", 0).await);
    for route in ["/auth/register", "/users"] {
        let refused =
            service.anyone.post(route, registration("JOHN@example.com")).await.expect_error(409, "email_taken");
        assert!(refused["fields"]["email"].is_string(), "{}", refused.text);
    }
    let to_johns = json!({"email": john.email, "current_password": PASSWORD});
    let _ = jane.api.put(&jane.path(""), to_johns.clone()).await.expect_error(409, "email_taken");
    assert_eq!(service.anyone.get(&jane.path("")).await.expect(200)["email"], "jane@example.com");
    let _ = john.api.put(&john.path(""), to_johns).await.expect(200);
}

#[tokio::test]
async fn of_parallel_registrations_of_one_address_one_succeeds() {
    let service = Service::start().await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let api = service.anyone.clone();
        racers.spawn(async move { api.post("/auth/register", registration("john@example.com")).await.status.as_u16() });
    }
    let mut statuses = racers.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let service = Service::start().await;
    let user = service.user("john", 100).await;
    let new = json!({"password": "another-password", "current_password": PASSWORD});
    let _ = user.api.put(&user.path(""), new).await.expect(200);
    let _ = service.login(&user.email, PASSWORD).await.expect_error(401, "invalid_credentials");
    let _ = service.login(&user.email, "another-password").await.expect(200);
    let current = "another-password";
    let body = json!({"full_name": " Johnny ", "email": "johnny@example.com", "current_password": current});
    let changed = user.api.put(&user.path(""), body).await.expect(200);
    let now = json!({"id": user.id, "full_name": "Johnny", "email": "johnny@example.com", "balance": 100});
    assert_documented(&changed, &now);
    assert_documented(&service.anyone.get(&user.path("")).await.expect(200), &now);
    let _ = service.login("johnny@example.com", "another-password").await.expect(200);
}

#[tokio::test]
async fn a_user_shows_its_password_for_a_new_one_or_another_address_and_a_service_does_not() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let path = user.path("");
    for mut body in [json!({"email": "thief@example.com"}), json!({"password": "another-password", "full_name": "X"})] {
        let refused = user.api.put(&path, body.clone()).await.expect_error(400, "missing_field");
        assert!(refused["fields"]["current_password"].is_string(), "{}", refused.text);
        body["current_password"] = json!(null);
        let _ = user.api.put(&path, body.clone()).await.expect_error(400, "missing_field");
        for wrong in ["", "wrong-password", "another-password"] {
            body["current_password"] = json!(wrong);
            let _ = user.api.put(&path, body.clone()).await.expect_error(403, "wrong_password");
        }
    }
    // whoever shows one is believed only if it is right
    let renamed = json!({"full_name": "X", "current_password": "wrong-password"});
    for api in [&user.api, &service.service] {
        let _ = api.put(&path, renamed.clone()).await.expect_error(403, "wrong_password");
    }
    let _ = user.api.put(&path, json!({"current_password": PASSWORD})).await.expect_error(400, "nothing_to_change");
    let now = service.service.get(&path).await.expect(200);
    assert_eq!((&now["full_name"], &now["email"]), (&json!("John Doe"), &json!(user.email)));
    let _ = service.login(&user.email, PASSWORD).await.expect(200);

    let _ = user.api.put(&path, json!({"full_name": "Johnny"})).await.expect(200);
    let both = json!({"email": "new@example.com", "password": "another-password", "current_password": PASSWORD});
    let _ = user.api.put(&path, both).await.expect(200);
    let by_service = json!({"email": "newer@example.com", "password": "a-third-password"});
    let _ = service.service.put(&path, by_service).await.expect(200);
    let _ = service.login("newer@example.com", "a-third-password").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_of_a_password_at_once_one_is_made() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let mut racers = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (api, path) = (user.api.clone(), user.path(""));
        let body = json!({"password": format!("another-password-{n}"), "current_password": PASSWORD});
        racers.spawn(async move { api.put(&path, body).await });
    }
    let mut statuses: Vec<u16> = racers.join_all().await.iter().map(|reply| reply.status.as_u16()).collect();
    statuses.sort_unstable();
    // whoever comes later has shown a password that is none any more, or a token that has ended with it
    assert!(statuses[0] == 200 && statuses[1..].iter().all(|status| [401, 403].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn each_wrong_field_of_an_update_is_named_and_nothing_changes() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    for (body, code, field) in [
        (json!({"full_name": "New", "email": "nonsense"}), "invalid_value", "email"),
        (json!({"full_name": ""}), "invalid_value", "full_name"),
        (json!({"full_name": "New", "password": "short"}), "invalid_value", "password"),
        (json!({"full_name": "New", "balance": 5}), "unknown_field", "balance"),
        (json!({"full_name": "New", "id": 5}), "unknown_field", "id"),
    ] {
        assert_names_field(user.api.put(&user.path(""), body).await, code, field);
    }
    let _ = user.api.put(&user.path(""), json!({})).await.expect_error(400, "nothing_to_change");
    assert_eq!(service.anyone.get(&user.path("")).await.expect(200)["full_name"], "John Doe");
}

#[tokio::test]
async fn lists_of_users_come_in_pages_by_id() {
    let service = Service::start().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let registered = service.anyone.post("/users", registration(&format!("{name}@example.com"))).await.expect(201);
        ids.push(registered.id());
    }
    for list in ["/users", "/internal/users"] {
        let mut seen = Vec::new();
        let mut pages = 0;
        let mut next = Some(format!("{list}?limit=2"));
        while let Some(path) = next {
            let page = service.service.get(&path).await.expect(200);
            let users = page.json.as_array().expect("a bare array");
            assert!(users.len() <= 2, "{}", page.text);
            seen.extend(users.iter().map(|user| user["id"].as_i64().expect("an id")));
            pages += 1;
            next = page.next();
        }
        assert_eq!((&seen, pages), (&ids, 3), "{list}");
    }
    assert_eq!(service.anyone.get("/users?limit=5").await.expect(200).next(), None, "a full last page has no next one");
}

#[tokio::test]
async fn closed_accounts_are_passed_over_page_by_page() {
    let service = Service::start().await;
    let first = service.user("first", 0).await.id;
    let closed = vec!["('', NOW(6), NOW(6), NOW(6))"; 2_500].join(", ");
    service.run(&format!("INSERT INTO users (full_name, closed_at, created_at, updated_at) VALUES {closed}")).await;
    service
        .run("INSERT INTO accounts (user_id, state) SELECT id, 'closed' FROM users WHERE closed_at IS NOT NULL")
        .await;
    let last = service.user("last", 0).await.id;
    let (mut seen, mut pages, mut next) = (Vec::new(), 0, Some("/users?limit=2".to_owned()));
    while let Some(path) = next {
        let page = service.service.get(&path).await.expect(200);
        seen.extend(page.json.as_array().expect("a list").iter().map(|user| user["id"].as_i64().expect("an id")));
        (next, pages) = (page.next(), pages + 1);
    }
    assert_eq!(seen, [first, last]);
    assert!((3..=4).contains(&pages), "{pages} pages");
    // those who read all accounts for a copy take an empty page for the end
    let behind = service.service.get(&format!("/internal/users?limit=2&cursor={first}")).await.expect(200);
    assert_eq!((behind.json[0]["id"].as_i64(), behind.next()), (Some(last), None));
}

#[tokio::test]
async fn a_list_takes_nothing_but_a_page() {
    let service = Service::start().await;
    for list in ["/users", "/internal/users"] {
        for (query, code, field) in [
            ("limit=0", "invalid_value", "limit"),
            ("limit=201", "invalid_value", "limit"),
            ("limit=-1", "invalid_value", "limit"),
            ("limit=abc", "invalid_value", "limit"),
            ("cursor=abc", "invalid_value", "cursor"),
            ("cursor=0", "invalid_value", "cursor"),
            ("email=john@example.com", "unknown_field", "email"),
        ] {
            assert_names_field(service.service.get(&format!("{list}?{query}")).await, code, field);
        }
        let _ = service.service.get(&format!("{list}?limit=200")).await.expect(200);
    }
}

#[tokio::test]
async fn services_find_accounts_by_their_numbers_all_at_once() {
    let service = Service::start().await;
    let (john, jane, closed) =
        (service.user("john", 5).await, service.user("jane", 0).await, service.user("closed", 0).await);
    let _ = closed.api.delete(&closed.path("")).await.expect(200);
    let ids = format!("{},{},{},999999,{}", jane.id, closed.id, john.id, john.id);
    let found = service.service.get(&format!("/internal/users?ids={ids}")).await.expect(200);
    let shown = |user: &User, balance: i64| json!({"id": user.id, "full_name": "John Doe", "email": user.email, "balance": balance, "state": "active"});
    let (john, jane) = (shown(&john, 5), shown(&jane, 0));
    assert_eq!(found.json, json!([john, jane]), "whoever has no account is left out");
    let most = |count: i64| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let found = service.service.get(&format!("/internal/users?ids={}", most(200))).await.expect(200);
    assert_eq!((found.json, found.headers.get("link")), (json!([john, jane]), None));

    let (long, longest) = (most(201), "1,".repeat(15_000));
    for ids in ["", ",", "1,", "0", "-1", "%2B1", "1.5", "a", "1 ,2", "1;2", &long, &longest] {
        assert_names_field(service.service.get(&format!("/internal/users?ids={ids}")).await, "invalid_value", "ids");
    }
    for with in ["limit=1", "cursor=1"] {
        assert_names_field(service.service.get(&format!("/internal/users?ids=1&{with}")).await, "invalid_value", "ids");
    }
    assert_names_field(service.service.get("/users?ids=1").await, "unknown_field", "ids");
}

#[tokio::test]
async fn an_id_is_a_positive_whole_number() {
    let service = Service::start().await;
    for id in ["0", "-1", "abc", "1.0", "9223372036854775808"] {
        for path in [format!("/users/{id}"), format!("/users/{id}/balance"), format!("/internal/users/{id}")] {
            assert_names_field(service.service.get(&path).await, "invalid_value", "id");
        }
    }
}

#[tokio::test]
async fn an_id_has_no_sign() {
    let service = Service::start().await;
    for path in ["/users/%2B1", "/users/%2B1/balance", "/internal/users/%2B1"] {
        assert_names_field(service.service.get(path).await, "invalid_value", "id");
    }
}

#[tokio::test]
async fn an_account_that_is_not_there_is_404_on_every_route() {
    let service = Service::start().await;
    let amount = || json!({"amount": 1});
    for reply in [
        service.anyone.get("/users/999999").await,
        service.anyone.get("/users/999999/balance").await,
        service.service.get("/internal/users/999999").await,
        service.service.put("/users/999999", json!({"full_name": "Nobody"})).await,
        service.service.delete("/users/999999").await,
        service.service.post("/users/999999/topup", amount()).await,
        service.service.post("/users/999999/debit", amount()).await,
        service.service.put("/internal/users/999999/balance", json!({"action": "credit", "amount": 1})).await,
    ] {
        let _ = reply.expect_error(404, "user_not_found");
    }
}

#[tokio::test]
async fn in_production_a_list_holds_only_oneself() {
    let service = Service::start_with(|config| config.service.mode = Mode::Production).await;
    let (one, two) = (service.user("one", 0).await, service.user("two", 0).await);
    let ids = |reply: Reply| -> Vec<Value> {
        reply.expect(200).json.as_array().expect("a list").iter().map(|user| user["id"].clone()).collect()
    };
    let _ = service.anyone.get("/users").await.expect_error(401, "missing_token");
    assert_eq!(ids(one.api.get("/users").await), [one.id]);
    assert_eq!(ids(two.api.get("/users?limit=1").await), [two.id]);
    assert_eq!(ids(service.service.get("/users").await), [one.id, two.id]);
}

#[tokio::test]
async fn production_takes_no_password_that_is_guessed_first() {
    let service = Service::start_with(|config| config.service.mode = Mode::Production).await;
    for password in ["password123", "mypassword", "in John's hands", "JOHN@EXAMPLE.COM"] {
        let body = json!({"full_name": "John Doe", "email": "john@example.com", "password": password});
        assert_names_field(service.anyone.post("/auth/register", body).await, "invalid_value", "password");
    }
    let ani = service.user("ani.lestari", 0).await;
    for password in ["password123", "ani.lestari & friends"] {
        let change = json!({"password": password, "current_password": PASSWORD});
        assert_names_field(ani.api.put(&format!("/users/{}", ani.id), change).await, "invalid_value", "password");
    }
    let change = json!({"password": "sepeda biru di hujan", "current_password": PASSWORD});
    let _ = ani.api.put(&format!("/users/{}", ani.id), change).await.expect(200);
}
