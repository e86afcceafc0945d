use super::*;

fn env(variables: &'static [(&str, &str)]) -> Env {
    Env::new(move |name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
}

fn problems(variables: &'static [(&str, &str)]) -> Vec<String> {
    let mut env = env(variables);
    let config = env.service("user-service", 5001, "digital_wallet");
    env.finish(config).map_or_else(|e| e.0, |_| Vec::new())
}

#[test]
fn development_runs_without_any_variable() {
    assert_eq!(problems(&[("APP_ENV", "development")]), Vec::<String>::new());
    assert_eq!(problems(&[("FLASK_ENV", "development")]), Vec::<String>::new());
}

#[test]
fn production_is_the_default_and_refuses_placeholders() {
    let found = problems(&[("SERVICE_TOKEN", "service_shared_secret_change_this"), ("JWT_SECRET", "short")]);
    let named = |name: &str| found.iter().any(|p| p.starts_with(name));
    assert!(named("SERVICE_TOKEN") && named("JWT_SECRET") && named("DB_PASSWORD"), "{found:?}");
    assert_eq!(found.len(), 3);
}

#[test]
fn production_refuses_what_is_no_secret_and_shows_none() {
    const TOKEN: &str = "e1c7a1d94f0b6c3d58a2b7f0914ec6d3";
    const SECRET: &str = "9b2f63c84d1a70e5f38c6b91d2a4e0f7";
    let sound = [("SERVICE_TOKEN", TOKEN), ("JWT_SECRET", SECRET), ("DB_PASSWORD", "horse battery")];
    let with = |changed: &[(&'static str, &'static str)]| {
        let mut variables = sound.to_vec();
        variables.retain(|(name, _)| changed.iter().all(|(other, _)| other != name));
        variables.extend(changed);
        problems(variables.leak())
    };
    assert_eq!(with(&[]), Vec::<String>::new());
    for (changed, named) in [
        (&[("JWT_SECRET", "your_jwt_secret_key_change_this\r")][..], "JWT_SECRET"),
        (&[("SERVICE_TOKEN", "service_shared_secret_change_this ")], "SERVICE_TOKEN"),
        (&[("SERVICE_TOKEN", "SERVICE_SHARED_SECRET_CHANGE_THIS")], "SERVICE_TOKEN"),
        (&[("SERVICE_TOKEN", "e1c7a1d94f0b6c3d58a2b7f0914ec6d3\n")], "SERVICE_TOKEN"),
        (&[("JWT_SECRET", TOKEN)], "JWT_SECRET"),
        (&[("METRICS_TOKEN", TOKEN)], "METRICS_TOKEN"),
        (&[("METRICS_TOKEN", "xyzzy")], "METRICS_TOKEN"),
        (&[("SERVICE_TOKEN_ALSO", SECRET)], "JWT_SECRET"),
        (&[("JWT_SECRET_ALSO", "old")], "JWT_SECRET_ALSO"),
        (&[("JWT_SECRET_ALSO", SECRET)], "JWT_SECRET_ALSO"),
        (&[("DB_PASSWORD", TOKEN)], "SERVICE_TOKEN"),
        (&[("DB_PASSWORD", "wallet_development\r")], "DB_PASSWORD"),
    ] {
        let found = with(changed);
        let all = found.join("\n");
        assert!(found.iter().any(|problem| problem.starts_with(named)), "{changed:?}: {all}");
        let mut values = sound.iter().chain(changed).map(|(_, value)| value.trim()).filter(|value| value.len() > 3);
        assert!(!values.any(|value| all.contains(value)), "{all} shows one");
    }
    let all = with(&[("SERVICE_TOKEN", "a b"), ("JWT_SECRET", "a b"), ("METRICS_TOKEN", "x")]);
    assert!(
        ["SERVICE_TOKEN", "JWT_SECRET", "METRICS_TOKEN"].iter().all(|name| all.iter().any(|p| p.starts_with(name)))
    );
}

#[test]
fn a_secret_that_no_header_can_carry_is_refused_in_development_too() {
    for secret in ["x ", "x y", "x\n"] {
        let variables = vec![("APP_ENV", "development"), ("SERVICE_TOKEN", secret)];
        assert_eq!(problems(variables.leak()).len(), 1, "{secret:?}");
    }
}

#[test]
fn production_with_real_secrets_runs() {
    let found = problems(&[
        ("SERVICE_TOKEN", "5a0f9c7e31d84b26a7c3e9f10b6d2485"),
        ("JWT_SECRET", "c81d3f6ab05e4729d6f08b3a1e97c452"),
        ("DB_PASSWORD", "horse battery"),
    ]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn lists_name_origins_and_networks() {
    let mut env = env(&[
        ("APP_ENV", "development"),
        ("CORS_ORIGINS", "https://app.example.com, http://localhost:3000"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,::1/128"),
    ]);
    let http = env.service("user-service", 5001, "digital_wallet").http;
    assert_eq!(http.cors_origins, ["https://app.example.com", "http://localhost:3000"]);
    assert_eq!(http.trusted_proxies.len(), 2);
    assert_eq!(http.rate_limit, None, "development has no limit unless it asks for one");
    assert_eq!(problems(&[("APP_ENV", "development"), ("CORS_ORIGINS", "*")]).len(), 1);
    assert_eq!(problems(&[("APP_ENV", "development"), ("CORS_ORIGINS", "https://a.example/")]).len(), 1);
    assert_eq!(problems(&[("APP_ENV", "development"), ("TRUSTED_PROXIES", "proxy")]).len(), 1);
    assert_eq!(problems(&[("APP_ENV", "development"), ("TRUSTED_PROXIES", "10.0.0.0/8,0.0.0.0/0")]).len(), 1);
    assert_eq!(problems(&[("APP_ENV", "development"), ("RATE_LIMIT", "0")]).len(), 1);
}

#[test]
fn port_0_is_none() {
    let found = problems(&[
        ("APP_ENV", "development"),
        ("PORT", "0"),
        ("DB_PORT", "0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:0"),
    ]);
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_host_is_an_address_or_this_machine() {
    let host = |text: &str| text.parse::<ListenHost>().map(|host| host.to_string());
    assert_eq!(host("localhost").unwrap(), "127.0.0.1 and ::1");
    assert_eq!(host("::").unwrap(), "::");
    assert!(host("example.com").is_err());
}

#[test]
fn all_problems_are_reported_at_once_with_an_example() {
    let found = problems(&[("APP_ENV", "staging"), ("PORT", "x"), ("DB_PORT", "70000"), ("CURRENCY", "rupiah")]);
    for expected in ["APP_ENV", "PORT", "DB_PORT", "CURRENCY", "JWT_SECRET", "SERVICE_TOKEN", "DB_PASSWORD"] {
        assert!(found.iter().any(|p| p.starts_with(expected) && p.contains("for example")), "{expected}: {found:?}");
    }
}
