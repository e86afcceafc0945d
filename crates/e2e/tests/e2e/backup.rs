//! The drill of `docs/operations.md`: its own commands dump the wallet under load, and bring it back.

use std::{
    fs,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::{Duration, Instant},
};

use lab::{
    admin::Admin,
    clients::client_programs,
    database::temporary_server,
    http::{Reply, eventually},
    server::Purpose,
    wallet::Service,
    workspace_root,
    world::{PASSWORD, User, World, own_routes, payment},
};
use reqwest::{Method, Url};
use serde_json::json;
use tokio::{process::Command, task::spawn_blocking};

/// Payments that are made before the dump begins, at least.
const PAYMENTS: u32 = 30;

/// The commands for a wallet without containers: to dump, and to restore.
fn commands() -> [String; 2] {
    let page = fs::read_to_string(workspace_root().join("docs/operations.md")).unwrap();
    let section = page.split("\n### ").find(|section| section.starts_with("Without containers\n"));
    let section = section.expect("a section on backups without containers");
    let mut blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    let how = blocks.next().expect("how a program is run");
    assert!(how.contains("db()"), "{how}");
    let commands = [blocks.next().expect("a dump"), blocks.next().expect("a restore")];
    assert!(commands[0].contains("mysqldump") && commands[1].contains("DROP DATABASE"), "{commands:?}");
    commands
}

/// Runs `script` in `folder`, with the names of the test's schemas in place of the documented ones.
async fn run(script: &str, folder: &Path, world: &World, admin: &Admin) {
    let programs = spawn_blocking(|| client_programs(&|step| eprintln!("{step}"))).await.unwrap();
    let [mysql, mysqldump] = programs.unwrap();
    let server = Url::parse(&admin.url()).unwrap();
    let statements = fs::read_to_string(workspace_root().join("deploy/database/after-restore.sql")).unwrap();
    fs::create_dir_all(folder.join("deploy/database")).unwrap();
    let mut statements = statements.replace("_restored", "");
    let mut script = script.to_owned();
    // the name of user-service's schema is the beginning of the others'
    for service in Service::ALL.into_iter().rev() {
        for text in [&mut script, &mut statements] {
            *text = text.replace(service.schema(), world.schema(service));
        }
    }
    fs::write(folder.join("deploy/database/after-restore.sql"), statements).unwrap();
    let db = format!(
        "db() {{ case $1 in mysql) p={} ;; mysqldump) p={} ;; esac; shift; \"$p\" \"$@\" --host={} --port={} --user={}; }}",
        mysql.display(),
        mysqldump.display(),
        server.host_str().unwrap(),
        server.port().unwrap(),
        server.username(),
    );
    let output = Command::new("bash")
        .args(["-euc", &format!("{db}\n{script}")])
        .env("MYSQL_PWD", server.password().unwrap_or_default())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_dump_under_load_brings_back_a_whole_wallet() {
    let (server, _folder) = temporary_server(Purpose::Test, &|step| eprintln!("{step}")).await.unwrap();
    let admin = server.admin();
    let mut world = World::start_on(&admin, &[]).await;
    let (payer, payee) = (world.user(1_000_000).await, world.user(0).await);
    let open = world.pay(&payer, &payee, 500).await.expect(201).id();
    let [dump, restore] = commands();
    let folder = tempfile::tempdir().unwrap();

    let (paid, dumped) = (AtomicU32::new(0), AtomicBool::new(false));
    let paying = async {
        let service = world.service(Service::Transaction);
        let mut body = payment(&payer, &payee, 1);
        body["auto_complete"] = true.into();
        while !dumped.load(Ordering::Relaxed) {
            let reply = service.try_send(Method::POST, "/transactions", Some(body.to_string())).await.unwrap();
            let _ = reply.expect(201);
            paid.fetch_add(1, Ordering::Relaxed);
        }
    };
    let dumping = async {
        eventually("payments", async || (paid.load(Ordering::Relaxed) >= PAYMENTS).then_some(())).await;
        let before = paid.load(Ordering::Relaxed);
        run(&dump, folder.path(), &world, &admin).await;
        dumped.store(true, Ordering::Relaxed);
        before
    };
    let ((), before) = tokio::join!(paying, dumping);
    let after = paid.load(Ordering::Relaxed);

    world.wallet.stop().await;
    run(&restore, folder.path(), &world, &admin).await;
    for service in Service::ALL {
        world.wallet.start_again(service).await.unwrap();
    }
    world.assert_ledger_holds().await;
    // what was under way at the moment of the dump comes to its end
    let transactions = world.pool(Service::Transaction);
    eventually("every payment to settle", async || {
        let query = "SELECT COUNT(*) FROM transactions WHERE status = 'processing'";
        let left: i64 = sqlx::query_scalar(query).fetch_one(&transactions).await.ok()?;
        (left == 0).then_some(())
    })
    .await;
    let ((left, held), (received, _)) = (world.balance(&payer).await, world.balance(&payee).await);
    assert_eq!((left + held + received, held), (1_000_000, 500));
    assert!((i64::from(before)..=i64::from(after)).contains(&received), "{before} <= {received} <= {after}");
    let _ = world.decide(open, "completed").await.expect(200);
    world.assert_ledger_holds().await;
    world.assert_everything_told().await;
    let _ = world.service(Service::Report).get(&format!("/summaries/user/{}", payer.id)).await.expect(200);
}

/// How soon every service must know that a backup was restored, even if nobody stopped it meanwhile.
const KNOWN_WITHIN: Duration = Duration::from_mins(1);

/// Somebody who registers with `email`.
async fn register(world: &World, email: &str) -> User {
    let api = world.api(Service::User);
    let account = json!({"full_name": "Somebody", "email": email, "password": PASSWORD});
    let id = api.post("/auth/register", account).await.expect(201).id();
    let mut user = User { id, email: email.to_owned(), token: String::new() };
    log_in(world, &mut user).await;
    user
}

async fn log_in(world: &World, user: &mut User) {
    let login = json!({"email": user.email, "password": PASSWORD});
    let login = world.api(Service::User).post("/auth/login", login).await.expect(200);
    login["access_token"].as_str().expect("a token").clone_into(&mut user.token);
}

/// Ends all tokens of `user`, so many times.
async fn set_password_again(world: &World, user: &User, times: u32) {
    let api = world.service(Service::User);
    for _ in 0..times {
        let _ = api.put(&format!("/users/{}", user.id), json!({"password": PASSWORD})).await.expect(200);
    }
}

#[tokio::test]
async fn a_restored_backup_gives_nobody_the_account_of_another() {
    let (server, _folder) = temporary_server(Purpose::Test, &|step| eprintln!("{step}")).await.unwrap();
    let admin = server.admin();
    let mut world = World::start_on(&admin, &[]).await;
    let mut ani = world.user(100).await;
    let [dump, restore] = commands();
    let folder = tempfile::tempdir().unwrap();
    run(&dump, folder.path(), &world, &admin).await;

    // once as documented, with the services stopped, and once behind their backs
    for stopped in [true, false] {
        let lost = register(&world, &format!("lost-{stopped}@example.com")).await;
        let owner = world.api(Service::User).as_user(&lost.token);
        let _ = owner.put(&format!("/users/{}", lost.id), json!({"full_name": "Lost"})).await.expect(200);
        // two versions of tokens more than there will be after the restore
        set_password_again(&world, &ani, 2).await;
        log_in(&world, &mut ani).await;
        world.assert_works_everywhere(&lost).await;
        world.assert_works_everywhere(&ani).await;

        if stopped {
            world.wallet.stop().await;
        }
        run(&restore, folder.path(), &world, &admin).await;
        let restored = Instant::now();
        if stopped {
            for service in Service::ALL {
                world.wallet.start_again(service).await.unwrap();
            }
        }
        eventually("user-service to find its tables again", async || {
            (world.api(Service::User).get("/users").await.status == 200).then_some(())
        })
        .await;
        let mut next = register(&world, "next@example.com").await;
        while next.id < lost.id {
            next = register(&world, &format!("after-{}@example.com", next.id)).await;
        }
        assert_eq!(next.id, lost.id, "the test needs the same id");
        for (service, path) in own_routes(&next) {
            let stranger = world.api(service).as_user(&lost.token);
            eventually("the lost account's token to end", async || {
                (stranger.get(&path).await.status == 401).then_some(())
            })
            .await;
            assert!(restored.elapsed() < KNOWN_WITHIN, "it took {:?}", restored.elapsed());
            let _ = stranger.get(&path).await.expect_error(401, "token_revoked");
        }
        world.assert_works_everywhere(&next).await;
        // a token from after the backup has ended for good, whatever happens to the password
        let from_the_future = ani.token.clone();
        log_in(&world, &mut ani).await;
        world.assert_works_everywhere(&ani).await;
        set_password_again(&world, &ani, 2).await;
        let future = world.api(Service::User).as_user(&from_the_future);
        let _ = future.get(&format!("/users/{}", ani.id)).await.expect_error(401, "token_revoked");
        log_in(&world, &mut ani).await;
        world.assert_works_everywhere(&ani).await;
        world.assert_works_everywhere(&next).await;
        world.assert_ledger_holds().await;
    }
}

#[tokio::test]
async fn a_new_account_shows_nothing_from_before_it_existed() {
    let world = World::start().await;
    let (ani, budi) = (world.user(1000).await, world.user(0).await);
    let old = world.pay(&ani, &budi, 1).await.expect(201).id();
    world.assert_everything_told().await;
    // as if they had belonged to those who had the numbers of the two before
    for (service, statement) in [
        (Service::Transaction, "UPDATE transactions SET created_at = created_at - INTERVAL 1 HOUR"),
        (Service::Notification, "UPDATE notifications SET created_at = created_at - INTERVAL 1 HOUR"),
    ] {
        sqlx::query(statement).execute(&world.pool(service)).await.unwrap();
    }
    let new = world.pay(&ani, &budi, 2).await.expect(201).id();
    world.assert_everything_told().await;

    let ids = |list: &Reply| -> Vec<i64> {
        list.json.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
    };
    for (user, service, path) in [
        (&ani, Service::Transaction, "/transactions".to_owned()),
        (&ani, Service::Transaction, "/transactions?from=2020-01-01T00:00:00Z".to_owned()),
        (&budi, Service::Transaction, format!("/transactions/user/{}", budi.id)),
    ] {
        let api = world.api(service).as_user(&user.token);
        assert_eq!(ids(&api.get(&path).await.expect(200)), [new], "{path}");
        let all = world.service(service).get(&path).await.expect(200);
        assert_eq!(ids(&all), [new, old], "{path}");
        let _ = api.get(&format!("/transactions/{old}")).await.expect_error(404, "transaction_not_found");
        let cancelled = api.put(&format!("/transactions/{old}"), json!({"status": "cancelled"})).await;
        let _ = cancelled.expect_error(404, "transaction_not_found");
    }
    let (notifications, reader) = (world.api(Service::Notification), world.service(Service::Notification));
    let own = ids(&notifications.as_user(&ani.token).get("/notifications").await.expect(200));
    let all = ids(&reader.get("/notifications").await.expect(200));
    assert!(!own.is_empty() && own.len() < all.len(), "{own:?} of {all:?}");
    let oldest = all.last().expect("a notification");
    let _ = notifications
        .as_user(&ani.token)
        .get(&format!("/notifications/{oldest}"))
        .await
        .expect_error(404, "notification_not_found");
}
