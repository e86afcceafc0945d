//! The drill of `docs/operations.md`: its own commands dump the wallet under load, and bring it back.

use std::{
    fs,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use e2e::{World, payment};
use harness::{
    clients::client_programs,
    database::{Admin, temporary_server},
    http::eventually,
    server::Purpose,
    wallet::Service,
    workspace_root,
};
use reqwest::{Method, Url};
use tokio::{process::Command, task::spawn_blocking};

/// Payments that are made before the dump begins, at least.
const PAYMENTS: u32 = 30;

/// The commands of the section on backups: to dump, and to restore.
fn commands() -> [String; 2] {
    let page = fs::read_to_string(workspace_root().join("docs/operations.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Backup\n")).expect("a section on backups");
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
    let mut script = script.to_owned();
    // the name of user-service's schema is the beginning of the others'
    for service in Service::ALL.into_iter().rev() {
        script = script.replace(service.schema(), world.schema(service));
    }
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
