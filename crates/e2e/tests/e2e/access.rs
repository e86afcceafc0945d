//! Who may call what, as a table of every route: the requests are the examples of the routes' own descriptions, and every
//! answer must be as described.

mod table;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicI64, Ordering},
    time::SystemTime,
};

use common::caller::{MAX_TOKEN_SECONDS, use_hmac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto};
use lab::{
    document::{Document, Operation, documents, fill},
    http::{Api, Reply, eventually},
    server::Purpose,
    wallet::Service,
    world::{PASSWORD, PRODUCTION_JWT_SECRET, User, World},
};
use reqwest::Method;
use serde_json::{Map, Value, json};

use table::TABLE;

/// Signs tokens that were not made by the wallet.
const ANOTHER_SECRET: &str = "another secret, as long as a real one";
/// An id that no resource has.
const NOTHING: i64 = i64::MAX;

#[derive(Clone, Copy)]
enum Mode {
    Development,
    Production,
}

/// What a row of the table expects in one mode.
struct Row {
    route: String,
    nobody: u16,
    owner: u16,
    receiver: u16,
    stranger: u16,
    service: u16,
    leaked: u16,
}

impl Row {
    /// True if the route is for anyone, who may know from its answers what there is.
    fn is_open(&self) -> bool {
        self.nobody == 200 && self.leaked == 200
    }
}

fn rows(mode: Mode) -> Vec<Row> {
    let lines = TABLE.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = |cells: Vec<&str>| {
        let cell = |n: usize| {
            let (development, production) = cells[n].split_once('/').unwrap_or((cells[n], cells[n]));
            let status = if matches!(mode, Mode::Development) { development } else { production };
            status.parse().unwrap_or_else(|_| panic!("{cells:?}"))
        };
        Row {
            route: format!("{} {}", cells[0], cells[1]),
            nobody: cell(2),
            owner: cell(3),
            receiver: cell(4),
            stranger: cell(5),
            service: cell(6),
            leaked: cell(7),
        }
    };
    lines.filter(|cells| cells.first().is_some_and(|first| *first != "route")).map(row).collect()
}

/// The people of the table, beside the owner.
struct Cast {
    world: World,
    receiver: User,
    stranger: User,
    /// A token that has ended, because its user has gone.
    ended: String,
    jwt_secret: &'static str,
    numbers: AtomicI64,
}

/// What a request is about.
struct Subject {
    owner: User,
    transaction: i64,
    schedule: i64,
    notification: i64,
    /// The id of a payment request of the owner, which names the receiver as its payer.
    payment_request: String,
    /// A batch that the owner has made.
    batch: i64,
    /// A file that was compared with the wallet.
    reconciliation: i64,
}

impl Cast {
    async fn of(world: World, jwt_secret: &'static str) -> Self {
        let (receiver, stranger, gone) = (world.user(1_000).await, world.user(0).await, world.user(0).await);
        let path = format!("/users/{}", gone.id);
        let _ = world.api(Service::User).as_user(&gone.token).delete(&path).await.expect(200);
        for service in Service::ALL {
            let api = world.api(service).as_user(&gone.token);
            let path = probe(service, &gone);
            eventually("the token to end", async || (api.get(&path).await.status == 401).then_some(())).await;
        }
        Self { world, receiver, stranger, ended: gone.token, jwt_secret, numbers: AtomicI64::new(1_000_000) }
    }

    /// A new owner with all that belongs to it, as `route` needs it.
    async fn subject(&self, route: &str) -> Subject {
        let owner = self.world.user(1_000_000).await;
        let transaction = self.world.pay(&owner, &self.receiver, 1).await.expect(201).id();
        let notifications = self.world.service(Service::Notification);
        let told = json!({"user_id": owner.id, "message": "Hello."});
        let notification = notifications.post("/notifications", told).await.expect(201).id();
        let asked = json!({"payee_id": owner.id, "amount": 1, "payer_email": self.receiver.email});
        let asked = self.world.service(Service::Transaction).post("/payment-requests", asked).await.expect(201);
        let payment_request = asked["id"].as_str().expect("an id").to_owned();
        let own = json!({"sender_id": owner.id, "receiver_id": owner.id, "amount": 1});
        let transactions = self.world.api(Service::Transaction).as_user(&owner.token);
        let batch = transactions.post("/transactions/batch", json!({"transactions": [own]})).await.expect(201).id();
        let reports = self.world.service(Service::Report).with("content-type", "text/csv");
        let file = "date,amount,reference\n2026-11-26,1,nobody's\n";
        let reconciliation = reports.post_text("/reconciliations", file).await.expect(201).id();
        if route.ends_with("/resend") {
            let failed =
                notifications.put(&format!("/notifications/{notification}"), json!({"status": "failed"})).await;
            let _ = failed.expect(200);
        }
        if route.ends_with("/refunds") {
            let _ = self.world.decide(transaction, "completed").await.expect(200);
        }
        if route == "DELETE /users/{id}" {
            let _ = self.world.decide(transaction, "cancelled").await.expect(200);
        }
        let payment = json!({"sender_id": owner.id, "receiver_id": self.receiver.id, "amount": 1});
        let monthly = json!({"transaction": payment, "every": "month", "start": "2099-12-31"});
        let schedule = self.world.service(Service::Transaction).post("/schedules", monthly).await.expect(201).id();
        Subject { owner, transaction, schedule, notification, payment_request, batch, reconciliation }
    }

    /// Sends the example of `operation` as somebody.
    async fn ask(&self, api: &Api, operation: &Operation<'_>, subject: &Subject) -> Reply {
        let reply = self.ask_about(api, operation, subject, None).await;
        operation.assert_allows(&reply);
        assert_eq!(reply.header("www-authenticate"), if reply.status == 401 { "Bearer" } else { "" });
        reply
    }

    async fn ask_about(&self, api: &Api, operation: &Operation<'_>, subject: &Subject, id: Option<i64>) -> Reply {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let own = match operation.path {
            path if path.contains("/transactions") => subject.transaction,
            path if path.contains("/schedules") => subject.schedule,
            path if path.contains("/notifications") => subject.notification,
            path if path.contains("/batches") => subject.batch,
            path if path.contains("/reconciliations") => subject.reconciliation,
            _ => subject.owner.id,
        };
        let own = match (id, operation.path.starts_with("/payment-requests")) {
            (Some(id), true) => format!("{id:032x}"),
            (None, true) => subject.payment_request.clone(),
            (id, false) => id.unwrap_or(own).to_string(),
        };
        let path = operation.path.replace("{id}", &own);
        let path = path.replace("{user_id}", &id.unwrap_or(subject.owner.id).to_string());
        let is_step = operation.path == "/internal/operations";
        let is_login = operation.path == "/auth/login";
        let is_about_transaction = operation.path.starts_with("/transactions/{id}/");
        let values: Map<String, Value> = [
            ("user_id", json!(subject.owner.id)),
            ("sender_id", json!(subject.owner.id)),
            ("receiver_id", json!(self.receiver.id)),
            ("payee_id", json!(subject.owner.id)),
            ("payer_id", json!(self.receiver.id)),
            ("transaction_id", json!(if is_step { number } else { subject.transaction })),
            ("email", if is_login { json!(subject.owner.email) } else { json!(format!("new{number}@example.com")) }),
            ("password", json!(PASSWORD)),
            ("id", json!(format!("fact:{number}"))),
        ]
        .into_iter()
        .chain(is_about_transaction.then(|| ("amount", json!(1))))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        if let Some(csv) = operation.csv_example() {
            return api.clone().with("content-type", "text/csv").post_text(&path, csv).await;
        }
        let body = operation.example().map(|mut body| {
            fill(&mut body, &values);
            assert_eq!(operation.fault_of_request(&body), None, "{}", operation.name());
            body.to_string()
        });
        let query = match operation.path {
            "/users/lookup" => format!("email={}", subject.owner.email),
            _ => operation.needed_query(),
        };
        let path = if query.is_empty() { path } else { format!("{path}?{query}") };
        api.send(operation.method.clone(), &path, body).await
    }

    /// The owner by a token made here, and callers whose credential is no longer valid or never was, each with the code that
    /// it must get: but for what they are named for, their tokens are made like the owner's.
    fn leaked(&self, api: &Api, owner: &User) -> (Api, Vec<(&'static str, Api, &'static str)>) {
        let key = DecodingKey::from_secret(self.jwt_secret.as_bytes());
        use_hmac();
        let own = jsonwebtoken::decode::<Value>(&owner.token, &key, &Validation::new(Algorithm::HS256)).unwrap().claims;
        let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let claims = |iss: &str, exp: i64| json!({"sub": owner.id.to_string(), "iss": iss, "iat": now - 60, "exp": exp, "key": own["key"]});
        let sound = claims("digital-wallet", now + 600);
        let hs256 = |secret: &str, claims: &Value| {
            let key = EncodingKey::from_secret(secret.as_bytes());
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
        };
        let claim = |token: &str, header: Value| {
            let unsigned = hs256("", &header).split('.').nth(1).unwrap().to_owned();
            format!("{unsigned}.{}", token.split('.').nth(1).unwrap())
        };
        // signed with the right secret under a header that names another algorithm
        let confused = {
            let message = claim(&hs256(self.jwt_secret, &sound), json!({"alg": "RS256", "typ": "JWT"}));
            let key = EncodingKey::from_secret(self.jwt_secret.as_bytes());
            format!("{message}.{}", crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap())
        };
        let unsigned = format!("{}.", claim(&hs256("", &sound), json!({"alg": "none", "typ": "JWT"})));
        let with = |name: &str, value: Value| {
            let mut claims = sound.clone();
            claims[name] = value;
            hs256(self.jwt_secret, &claims)
        };
        let without_end = json!({"sub": owner.id.to_string(), "iss": "digital-wallet", "iat": now});
        let user = |token: &str| api.as_user(token);
        let leaked = vec![
            ("a wrong service token", api.clone().with("x-service-token", "wrong"), "invalid_service_token"),
            ("no service token", api.clone().with("x-service-token", ""), "invalid_service_token"),
            ("a token of a user who has gone", user(&self.ended), "token_revoked"),
            ("an expired token", user(&hs256(self.jwt_secret, &claims("digital-wallet", now - 10))), "token_expired"),
            ("a token of somebody else's making", user(&hs256(ANOTHER_SECRET, &sound)), "invalid_token"),
            (
                "a token of another issuer",
                user(&hs256(self.jwt_secret, &claims("another", now + 600))),
                "invalid_token",
            ),
            ("a token that never ends", user(&hs256(self.jwt_secret, &without_end)), "invalid_token"),
            ("a token without a signature", user(&unsigned), "invalid_token"),
            ("a token of another algorithm", user(&confused), "invalid_token"),
            ("a token for too long", user(&with("exp", json!(now + MAX_TOKEN_SECONDS))), "invalid_token"),
            ("a token of another account with this id", user(&with("key", json!(1))), "token_revoked"),
            ("a password", api.clone().with("authorization", "Basic dXNlcjpwYXNzd29yZA=="), "invalid_token"),
        ];
        (user(&hs256(self.jwt_secret, &sound)), leaked)
    }
}

/// A route of `service` that `user` may ask for.
fn probe(service: Service, user: &User) -> String {
    match service {
        Service::User => format!("/users/{}", user.id),
        Service::Transaction => "/transactions".to_owned(),
        Service::Notification => "/notifications".to_owned(),
        Service::Report => format!("/summaries/user/{}", user.id),
    }
}

/// What tells answers apart, but for what tells every request from every other.
fn told(reply: &Reply) -> (u16, Value) {
    let mut body = reply.json.clone();
    if let Some(members) = body.as_object_mut() {
        members.remove("request_id");
    }
    (reply.status.as_u16(), body)
}

async fn walk(cast: &Cast, documents: &[(Service, Document)], mode: Mode) {
    let rows = rows(mode);
    let all = documents.iter().flat_map(|(_, document)| document.operations());
    let described: BTreeSet<String> = all.map(|operation| operation.name()).collect();
    let listed: BTreeSet<String> = rows.iter().map(|row| row.route.clone()).collect();
    assert_eq!(described, listed, "the table and the routes differ");

    let untouched = cast.subject("").await;
    for (service, document) in documents {
        for operation in document.operations() {
            let row = rows.iter().find(|row| row.route == operation.name()).expect("the table has every route");
            check(cast, *service, &operation, row, mode, &untouched).await;
        }
    }
    assert_eq!(cast.world.balance(&untouched.owner).await, (999_999, 1), "what was refused changed something");
    assert_eq!(cast.world.status(untouched.transaction).await, "pending");
    let path = format!("/notifications/{}", untouched.notification);
    assert_eq!(cast.world.service(Service::Notification).get(&path).await.expect(200)["status"], "pending");
}

async fn check(cast: &Cast, service: Service, operation: &Operation<'_>, row: &Row, mode: Mode, untouched: &Subject) {
    let api = cast.world.api(service);
    let (sound, leaked) = cast.leaked(&api, &untouched.owner);
    if operation.method == Method::GET {
        let reply = cast.ask(&sound, operation, untouched).await;
        assert_eq!(reply.status, row.owner, "{} with a sound token: {}", row.route, reply.text);
    }
    for (credential, caller, code) in leaked {
        let reply = cast.ask(&caller, operation, untouched).await;
        assert_eq!(reply.status, row.leaked, "{} with {credential}: {}", row.route, reply.text);
        assert!(row.leaked != 401 || reply["code"] == code, "{} with {credential}: {}", row.route, reply.text);
    }
    let callers = [
        ("nobody", row.nobody),
        ("owner", row.owner),
        ("receiver", row.receiver),
        ("stranger", row.stranger),
        ("service", row.service),
    ];
    for (name, expected) in callers {
        let changed;
        let subject = if expected < 300 && operation.method != Method::GET {
            changed = cast.subject(&row.route).await;
            &changed
        } else {
            untouched
        };
        let caller = match name {
            "nobody" => api.clone(),
            "owner" => api.as_user(&subject.owner.token),
            "receiver" => api.as_user(&cast.receiver.token),
            "stranger" => api.as_user(&cast.stranger.token),
            _ => cast.world.service(service),
        };
        let reply = cast.ask(&caller, operation, subject).await;
        assert_eq!(reply.status, expected, "{} as {name}: {}", row.route, reply.text);
        let is_hidden = matches!(mode, Mode::Production) && operation.path.contains('{') && !row.is_open();
        if name == "stranger" && is_hidden {
            let nothing = cast.ask_about(&caller, operation, subject, Some(NOTHING)).await;
            assert_eq!(told(&reply), told(&nothing), "{} tells what there is", row.route);
        }
    }
}

async fn every_caller_is_answered_as_the_table_says(world: World, jwt_secret: &'static str, mode: Mode) {
    let documents = documents(|service| world.api(service)).await;
    let cast = Cast::of(world, jwt_secret).await;
    walk(&cast, &documents, mode).await;
}

#[tokio::test]
async fn in_development_what_is_documented_without_a_header_is_open() {
    let world = World::start_with(&[(Service::Notification, "NOTIFICATION_AUTO_SEND", "false")]).await;
    every_caller_is_answered_as_the_table_says(world, "your_jwt_secret_key_change_this", Mode::Development).await;
}

#[tokio::test]
async fn in_production_nobody_sees_what_is_not_theirs_or_whether_it_exists() {
    let world = World::in_production(Purpose::Use, &[(Service::Notification, "NOTIFICATION_AUTO_SEND", "false")]).await;
    every_caller_is_answered_as_the_table_says(world, PRODUCTION_JWT_SECRET, Mode::Production).await;
}
