//! The manifests in `deploy/kubernetes`: built by kubectl, checked against the schemas of Kubernetes, and held to our own
//! rules. Without a cluster: nothing here says that they run.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use lab::{python, wallet::Service, workspace_root};
use serde_json::Value;

use lab::ui::Step;

use crate::tidy;

/// What is built, and whether it is complete: the base lacks what depends on where it runs.
const BUILDS: [(&str, bool); 2] = [("base", false), ("overlays/production", true)];
/// The oldest Kubernetes that the manifests are for, and the newest that is known.
const VERSIONS: [&str; 2] = ["1.30", "1.37"];
/// How kubernetes-validate speaks of the one kind whose schema it does not have.
const FOREIGN_KIND: &str = "for kind ServiceMonitor ";
/// The port of the first service; the others follow.
const FIRST_PORT: usize = 5001;
/// How many connections `docs/scaling.md` asks the database server to allow.
const MAX_CONNECTIONS: u64 = 400;

/// What each Deployment says: a place in it, and its value.
const SETTINGS: &[(&str, &str)] = &[
    ("/spec/strategy/rollingUpdate/maxUnavailable", "0"),
    ("/spec/strategy/rollingUpdate/maxSurge", "1"),
    ("/spec/template/spec/automountServiceAccountToken", "false"),
    ("/spec/template/spec/enableServiceLinks", "false"),
    ("/spec/template/spec/securityContext/runAsNonRoot", "true"),
    ("/spec/template/spec/securityContext/runAsUser", "10001"),
    ("/spec/template/spec/securityContext/seccompProfile/type", "\"RuntimeDefault\""),
    ("/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation", "false"),
    ("/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem", "true"),
    ("/spec/template/spec/containers/0/securityContext/capabilities/drop", "[\"ALL\"]"),
    ("/spec/template/spec/containers/0/startupProbe/httpGet/path", "\"/health\""),
    ("/spec/template/spec/containers/0/livenessProbe/httpGet/path", "\"/health\""),
    ("/spec/template/spec/containers/0/readinessProbe/httpGet/path", "\"/ready\""),
    ("/spec/template/spec/containers/0/ports/0/name", "\"http\""),
];

/// What each Deployment says something about.
const PRESENT: &[&str] = &[
    "/spec/template/spec/topologySpreadConstraints/0",
    "/spec/template/spec/containers/0/resources/requests/cpu",
    "/spec/template/spec/containers/0/resources/requests/memory",
    "/spec/template/spec/containers/0/resources/limits/cpu",
    "/spec/template/spec/containers/0/resources/limits/memory",
];

/// Seconds in which a service lets running requests end (`common::server`).
const DRAIN_SECONDS: u64 = 30;

/// The objects of a build.
struct Objects(Vec<Value>);

/// Builds each variant and fails with a list of what is wrong with it.
pub fn check() -> Result<()> {
    let step = Step::start("Preparing kubectl and kubernetes-validate");
    let tools = python::python_tools(&|text| step.note(text))?;
    let [kubectl, validate, python] = ["kubectl", "kubernetes-validate", "python"].map(|name| tools.join(name));
    step.done("kubectl and kubernetes-validate are installed");
    let root = workspace_root();
    let folder = root.join("deploy/kubernetes");
    let example = fs::read_to_string(root.join(".env.example"))?;
    let mut problems = unused_files(&folder)?;
    for (name, complete) in BUILDS {
        let built = build(&kubectl, &folder.join(name))?;
        for version in VERSIONS {
            let arguments = ["--strict", "--quiet", "--kubernetes-version", version];
            let said = output(Command::new(&validate).args(arguments).arg(&built))?;
            let known = said.lines().filter(|line| !line.contains(FOREIGN_KIND));
            problems.extend(known.map(|line| format!("{name}, Kubernetes {version}: {line}")));
        }
        let objects = read(&python, &built)?;
        let mut broken = objects.broken(&example);
        if complete {
            broken.extend(objects.incomplete(&root)?);
        }
        problems.extend(broken.into_iter().map(|what| format!("{name}: {what}")));
    }
    ensure!(problems.is_empty(), "{} problem(s) in deploy/kubernetes:\n  {}", problems.len(), problems.join("\n  "));
    Ok(())
}

/// What kubectl makes of a folder, as a file: a path that is missing and a word that kustomize does not know are errors.
fn build(kubectl: &Path, folder: &Path) -> Result<PathBuf> {
    let manifests = output(Command::new(kubectl).arg("kustomize").arg(folder))?;
    let target = workspace_root().join("target/kubernetes");
    fs::create_dir_all(&target)?;
    let file = target.join(folder.file_name().unwrap_or_default()).with_extension("yaml");
    fs::write(&file, manifests)?;
    Ok(file)
}

/// Reads YAML with the library that kubernetes-validate brings.
fn read(python: &Path, manifests: &Path) -> Result<Objects> {
    let program = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";
    let json = output(Command::new(python).args(["-c", program]).arg(manifests))?;
    Ok(Objects(serde_json::from_str(&json)?))
}

/// What a program writes; its complaints, if it fails.
fn output(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{program} cannot be started"))?;
    let said = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        bail!("{program} failed:\n{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}

/// Files that the kustomization of their folder does not name.
fn unused_files(folder: &Path) -> Result<Vec<String>> {
    let mut unused = Vec::new();
    let kustomization = fs::read_to_string(folder.join("kustomization.yaml")).unwrap_or_default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            unused.extend(unused_files(&path)?);
        } else if !matches!(&*name, "kustomization.yaml" | "README.md") && !kustomization.contains(&*name) {
            unused.push(format!("{} is not used", path.strip_prefix(workspace_root()).unwrap_or(&path).display()));
        }
    }
    Ok(unused)
}

impl Objects {
    fn all<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.all(kind).find(|object| object["metadata"]["name"] == name)
    }

    /// What breaks the rules that hold everywhere.
    fn broken(&self, example: &str) -> Vec<String> {
        let mut problems = Vec::new();
        for (index, service) in Service::ALL.into_iter().enumerate() {
            let name = service.name();
            for kind in ["Deployment", "Service", "ServiceAccount", "PodDisruptionBudget"] {
                if self.find(kind, name).is_none() {
                    problems.push(format!("{name} has no {kind}"));
                }
            }
            if !self.all("NetworkPolicy").any(|policy| lets_in(policy, name)) {
                problems.push(format!("no NetworkPolicy lets anybody in to {name}"));
            }
            let port = FIRST_PORT + index;
            if self.find("Service", name).is_some_and(|service| service["spec"]["ports"][0]["port"] != port) {
                problems.push(format!("the Service {name} is not on port {port}"));
            }
            let variable = format!("{}_URL", name.to_uppercase().replace('-', "_"));
            let expected = format!("http://{name}:{port}");
            if self.setting(&variable).is_some_and(|url| url != expected) {
                problems.push(format!("{variable} is not {expected}"));
            }
            if let Some(deployment) = self.find("Deployment", name) {
                problems.extend(broken_deployment(deployment, port).into_iter().map(|what| format!("{name}: {what}")));
            }
        }
        let deny_all = |policy: &Value| {
            let spec = &policy["spec"];
            spec["podSelector"] == serde_json::json!({}) && spec["ingress"].is_null() && spec["egress"].is_null()
        };
        if !self.all("NetworkPolicy").any(deny_all) {
            problems.push("no NetworkPolicy forbids what the others do not allow".to_owned());
        }
        if self.all("Secret").next().is_some() {
            problems.push("a Secret: they come from elsewhere".to_owned());
        }
        let unknown = self.variables().filter(|variable| !tidy::is_listed(example, variable));
        problems.extend(unknown.map(|variable| format!(".env.example does not list {variable}")));
        problems
    }

    /// The names of all variables that containers are given, other than by Secrets.
    fn variables(&self) -> impl Iterator<Item = &str> {
        let settings = self.all("ConfigMap").filter_map(|map| map["data"].as_object());
        let deployed = self.all("Deployment").map(|it| &it["spec"]);
        let pods = deployed.chain(self.all("CronJob").map(|it| &it["spec"]["jobTemplate"]["spec"]));
        let containers = pods.flat_map(|it| array(&it["template"]["spec"]["containers"]));
        let own = containers.flat_map(|container| array(&container["env"])).filter_map(|one| one["name"].as_str());
        let names = settings.flat_map(|data| data.keys().map(String::as_str));
        names.filter(|name| !name.contains('.')).chain(own) // with a dot it is a file
    }

    fn setting(&self, variable: &str) -> Option<&str> {
        self.all("ConfigMap").find_map(|map| map["data"][variable].as_str())
    }

    /// What a place to run at must add, and does not.
    fn incomplete(&self, root: &Path) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        for service in Service::ALL {
            let name = service.name();
            if self.find("HorizontalPodAutoscaler", name).is_none() {
                problems.push(format!("{name} has no HorizontalPodAutoscaler"));
            }
            let router = fs::read_to_string(root.join("crates").join(name).join("src/router.rs"))?;
            let (routed, public) = (self.routed_to(name), public_paths(&router));
            if routed != public {
                problems.push(format!("the Ingress leads {routed:?} to {name}, whose public paths are {public:?}"));
            }
        }
        if self.all("Ingress").any(|ingress| ingress["spec"]["tls"][0]["secretName"].is_null()) {
            problems.push("the Ingress has no TLS".to_owned());
        }
        for name in ["DB_HOST", "SMTP_SERVER", "TRUSTED_PROXIES"] {
            if self.setting(name).is_none() {
                problems.push(format!("{name} is not set"));
            }
        }
        let mut pool = 0;
        for name in ["DB_POOL_SIZE", "DB_READ_POOL_SIZE"] {
            pool += self.setting(name).with_context(|| format!("{name} is not set"))?.parse::<u64>()?;
        }
        // one more of each service while it is being replaced
        let instances = |scaler: &Value| scaler["spec"]["maxReplicas"].as_u64().unwrap_or_default() + 1;
        let connections = self.all("HorizontalPodAutoscaler").map(instances).sum::<u64>() * pool;
        if connections > MAX_CONNECTIONS {
            problems.push(format!("{connections} connections to the database, more than {MAX_CONNECTIONS}"));
        }
        Ok(problems)
    }

    fn routed_to(&self, service: &str) -> BTreeSet<String> {
        let rules = self.all("Ingress").flat_map(|ingress| array(&ingress["spec"]["rules"]));
        let paths = rules.flat_map(|rule| array(&rule["http"]["paths"]));
        let to_it = paths.filter(|path| path["backend"]["service"]["name"] == service);
        to_it.filter_map(|path| path["path"].as_str().map(str::to_owned)).collect()
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// True if `policy` is about the pods of `service`, and lets somebody in.
fn lets_in(policy: &Value, service: &str) -> bool {
    let selected = &policy["spec"]["podSelector"]["matchLabels"];
    let is_about = selected["app.kubernetes.io/name"] == service || selected["app.kubernetes.io/part-of"].is_string();
    is_about && policy["spec"]["ingress"].is_array()
}

fn broken_deployment(deployment: &Value, port: usize) -> Vec<String> {
    let mut problems = Vec::new();
    for (place, expected) in SETTINGS {
        let found = deployment.pointer(place).map(Value::to_string).unwrap_or_default();
        if found != *expected {
            problems.push(format!("{place} is {found:?} in place of {expected}"));
        }
    }
    let absent = PRESENT.iter().filter(|place| deployment.pointer(place).is_none());
    problems.extend(absent.map(|place| format!("{place} is not set")));
    let pod = &deployment["spec"]["template"]["spec"];
    let (containers, container) = (array(&pod["containers"]), &pod["containers"][0]);
    if containers.len() != 1 {
        problems.push(format!("{} containers: these rules are about one", containers.len()));
    }
    if container["ports"][0]["containerPort"] != port {
        problems.push(format!("its container does not listen on port {port}"));
    }
    let seconds = |value: &Value| value.as_u64().unwrap_or_default();
    let sleep = seconds(&container["lifecycle"]["preStop"]["sleep"]["seconds"]);
    if sleep == 0 || seconds(&pod["terminationGracePeriodSeconds"]) <= sleep + DRAIN_SECONDS {
        problems.push(format!("it is killed before a pause and {DRAIN_SECONDS} s of draining are over"));
    }
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|name| name.split_once(':'));
    if tag.is_none_or(|(_, tag)| tag.is_empty() || tag == "latest") {
        problems.push(format!("{image:?} names no version"));
    }
    problems
}

/// The first parts of the paths that a service's router has for people.
fn public_paths(router: &str) -> BTreeSet<String> {
    let paths = router.split("\"/").skip(1).filter_map(|rest| rest.split(['/', '"']).next());
    paths.filter(|first| *first != "internal").map(|first| format!("/{first}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn public_paths_are_those_of_the_router_that_are_not_internal() {
        let router = r#".api_route("/users", a).api_route("/users/{id}", b).api_route("/internal/users", c).api_route(
            "/auth/login", d)"#;
        assert_eq!(public_paths(router).into_iter().collect::<Vec<_>>(), ["/auth", "/users"]);
    }

    #[test]
    fn a_deployment_that_says_nothing_breaks_every_rule() {
        let found = broken_deployment(&json!({"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}), 5001);
        assert_eq!(found.len(), SETTINGS.len() + PRESENT.len() + 3, "{found:?}");
    }

    #[test]
    fn an_image_names_its_version() {
        let broken = |image: &str| {
            let deployment = json!({"spec": {"template": {"spec": {"containers": [{"image": image}]}}}});
            broken_deployment(&deployment, 5001).iter().any(|what| what.contains("names no version"))
        };
        assert!(broken("x") && broken("x:latest") && broken("registry.example.com:5000/x"));
        assert!(!broken("registry.example.com:5000/x:0.1.0") && !broken("x@sha256:0"));
    }

    #[test]
    fn secrets_and_unlisted_variables_are_found() {
        let objects = Objects(vec![
            json!({"kind": "Secret"}),
            json!({"kind": "ConfigMap", "data": {"PORT": "1", "NO_SUCH": "2"}}),
        ]);
        let broken = objects.broken("# PORT=5001");
        let count = |word: &str| broken.iter().filter(|what| what.contains(word)).count();
        assert_eq!((count("Secret:"), count("NO_SUCH"), count("PORT")), (1, 1, 0), "{broken:?}");
        assert_eq!(count("has no Deployment"), Service::ALL.len());
    }

    #[test]
    fn the_ingress_leads_to_public_paths_only() {
        let to = |path: &str| json!({"path": path, "backend": {"service": {"name": "user-service"}}});
        let ingress =
            json!({"kind": "Ingress", "spec": {"rules": [{"http": {"paths": [to("/users"), to("/internal")]}}]}});
        let routed = Objects(vec![ingress]).routed_to("user-service");
        assert_ne!(routed, public_paths(r#""/users/{id}" "/internal/users""#));
    }
}
