//! The workbench: what an author of workflows does, offline and with the daemon, by the program itself.

use std::path::Path;

use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::path::Operation;
use tenantry_protocol::permission::Role;
use tenantry_protocol::workflow::{Applied, WorkflowFile, WorkflowSet, WorkflowSetApplied};
use tenantry_tests::daemon::TestDaemon;
use tenantry_tests::tenant::TestTenant;

use crate::cli::Shell;
use crate::refused;

fn source(name: &str, path: &str) -> String {
    format!(
        "name: {name}\non:\n  webhook: {{ path: {path}, verify: {{ scheme: github, secret: \"${{{{ secrets.HOOK }}}}\" }} }}\n  manual:\nsteps:\n  - {{ id: a, jq: \"1\" }}\n"
    )
}

fn set(files: &[(&str, String)], prune: &[&str]) -> WorkflowSet {
    let file = |(name, source): &(&str, String)| WorkflowFile {
        file: format!("{name}.yaml"),
        source: source.clone(),
    };
    WorkflowSet {
        files: files.iter().map(file).collect(),
        prune: prune.iter().map(|name| (*name).to_owned()).collect(),
        dry_run: false,
    }
}

async fn names(daemon: &TestDaemon, tenant: &str) -> Vec<String> {
    let page: Value = daemon.client().get(Operation::WorkflowList, &[tenant], &()).await.unwrap();
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_set_is_applied_as_a_whole_or_not_at_all() {
    let daemon = TestDaemon::start().await.unwrap();
    TestTenant::start(&daemon, "acme").await.unwrap();
    let apply = async |set: WorkflowSet| {
        daemon.client().send::<WorkflowSetApplied>(Operation::WorkflowApplySet, &["acme"], &set).await
    };
    // One that is not valid, one name twice, one path twice: nothing is there afterwards.
    let broken = "name: broken\non: { manual: }\nsteps: []\n".to_owned();
    assert_eq!(
        refused(apply(set(&[("a", source("a", "a")), ("b", broken)], &[])).await),
        ErrorCode::InvalidWorkflow
    );
    assert_eq!(
        refused(apply(set(&[("a", source("a", "a")), ("b", source("a", "b"))], &[])).await),
        ErrorCode::InvalidWorkflow
    );
    assert_eq!(
        refused(apply(set(&[("a", source("a", "same")), ("b", source("b", "same"))], &[])).await),
        ErrorCode::Conflict
    );
    assert_eq!(names(&daemon, "acme").await, Vec::<String>::new());
    let applied = apply(set(&[("a", source("a", "one")), ("b", source("b", "two"))], &[])).await.unwrap();
    let words: Vec<_> = applied.workflows.iter().map(|item| (item.applied, item.revision)).collect();
    assert_eq!(words, [(Applied::Created, Some(1)), (Applied::Created, Some(1))]);
    // A dry run tells the same and changes nothing; a path may move from one to the other; `a` stays as it is.
    let moved = || set(&[("a", source("a", "two")), ("c", source("c", "one"))], &["b"]);
    let wanted = [Applied::Updated, Applied::Created, Applied::Pruned];
    for dry_run in [true, false] {
        let applied = apply(WorkflowSet { dry_run, ..moved() }).await.unwrap();
        assert_eq!(applied.workflows.iter().map(|item| item.applied).collect::<Vec<_>>(), wanted);
        let there = names(&daemon, "acme").await;
        assert_eq!(there, if dry_run { ["a", "b"] } else { ["a", "c"] });
    }
    let again = apply(set(&[("a", source("a", "two"))], &[])).await.unwrap();
    assert_eq!(again.workflows[0].applied, Applied::Unchanged);
    // What is gone already, or applied at the same time, cannot be pruned.
    assert_eq!(refused(apply(moved()).await), ErrorCode::Conflict);
    assert_eq!(refused(apply(set(&[("a", source("a", "two"))], &["a"])).await), ErrorCode::BadRequest);
    assert_eq!(names(&daemon, "acme").await, ["a", "c"]);
}

#[tokio::test]
async fn a_set_needs_the_permission_to_edit_and_is_audited() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    for (role, may) in [(Role::Viewer, false), (Role::Operator, false), (Role::Editor, true)] {
        let (client, _) = acme.member(&daemon, role).await.unwrap();
        let body = set(&[("a", source("a", "one"))], &[]);
        let answer = client.send::<WorkflowSetApplied>(Operation::WorkflowApplySet, &["acme"], &body).await;
        match (may, answer) {
            (true, answer) => drop(answer.unwrap()),
            (false, answer) => assert_eq!(refused(answer), ErrorCode::PermissionDenied, "{role}"),
        }
    }
    let body = set(&[], &["a"]);
    daemon.client().send::<Value>(Operation::WorkflowApplySet, &["acme"], &body).await.unwrap();
    let page: Value = daemon.client().get(Operation::AuditList, &["acme"], &()).await.unwrap();
    for verb in ["workflow.apply", "workflow.delete"] {
        assert!(page.to_string().contains(verb), "{verb} is not in {page}");
    }
}

/// A folder with workflow files.
fn folder(daemon: &TestDaemon, files: &[(&str, &str)]) -> String {
    let folder = daemon.home().path().join("workflows");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_new_to_run_in_five_commands() {
    let daemon = TestDaemon::start().await.unwrap();
    TestTenant::start(&daemon, "acme").await.unwrap();
    let shell = Shell { daemon: &daemon };
    let folder = folder(&daemon, &[]);
    let file = |name: &str| Path::new(&folder).join(name).to_str().unwrap().to_owned();
    let (_, err) = shell.ends(0, &["workflow", "new", "hello", "--to", &folder]);
    assert!(err.contains("workflow check"), "{err}");
    shell.ends(6, &["workflow", "new", "hello", "--to", &folder]);
    shell.ends(0, &["workflow", "check", &folder]);
    shell.ends(0, &["workflow", "fmt", "--check", &folder]);
    let (out, _) = shell.ends(0, &["workflow", "test", &folder]);
    assert!(out.contains("2 passed"), "{out}");
    let (out, _) = shell.ends(0, &["workflow", "plan", &file("hello.yaml"), "-t", "acme"]);
    assert!(out.contains("+ hello  is created") && out.contains("1 to create"), "{out}");
    shell.ends(8, &["workflow", "plan", &folder, "--exit-code", "-t", "acme"]);
    let (out, _) = shell.ends(0, &["workflow", "apply", &folder, "-t", "acme"]);
    assert_eq!(out, "hello created (revision 1)\n");
    shell.ends(0, &["workflow", "plan", &folder, "--exit-code", "-t", "acme"]);
    shell.ends(0, &["workflow", "run", "hello", "-i", "name=Ada", "--wait", "-t", "acme"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_what_the_tenant_lacks() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let shell = Shell { daemon: &daemon };
    let text = "name: job
on: { manual: }
steps:
  - { id: a, http: { url: \"https://${{ vars.HOST }}/${{ vars.PATH }}\", bearer: \"${{ secrets.KEY }}\" } }
notify: { on: failure, channel: desk, message: x }
";
    let folder = folder(&daemon, &[("job.yaml", text)]);
    let plan = |more: &[&'static str]| {
        shell.ends(0, &[&["workflow", "plan", folder.as_str(), "-t", "acme"], more].concat()).0
    };
    let missing = || {
        let plan: Value = serde_json::from_str(&plan(&["-o", "json"])).unwrap();
        plan["workflows"][0]["missing"].clone()
    };
    assert_eq!(missing(), json!(["secret KEY", "variable HOST", "variable PATH", "channel desk"]));
    assert!(plan(&[]).contains("variable HOST"));
    acme.secret("KEY", "k-of-eight").await.unwrap();
    shell.ends(0, &["var", "set", "HOST", "a.example", "-t", "acme"]);
    assert_eq!(missing(), json!(["variable PATH", "channel desk"]));
    shell.ends(0, &["var", "set", "PATH", "x", "-t", "acme"]);
    shell.ends(0, &["channel", "set", "desk", "inbox", "-t", "acme"]);
    assert!(missing().as_array().is_none_or(Vec::is_empty), "{}", plan(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_are_compared_and_brought_back() {
    let daemon = TestDaemon::start().await.unwrap();
    TestTenant::start(&daemon, "acme").await.unwrap();
    let shell = Shell { daemon: &daemon };
    let text =
        |step: &str| format!("name: job\non: {{ manual: }}\nsteps:\n  - {{ id: a, jq: \"{step}\" }}\n");
    let folder = folder(&daemon, &[("job.yaml", &text("1"))]);
    let file = Path::new(&folder).join("job.yaml");
    let path = file.to_str().unwrap();
    let on_acme = |args: &[&'static str]| [args, &["-t", "acme"]].concat();
    shell.ends(0, &["workflow", "apply", path, "-t", "acme"]);
    shell.ends(6, &on_acme(&["workflow", "diff", "job"]));
    shell.ends(6, &on_acme(&["workflow", "rollback", "job"]));
    std::fs::write(&file, text("2")).unwrap();
    let (out, _) = shell.ends(1, &["workflow", "diff", path, "--exit-code", "-t", "acme"]);
    assert!(out.contains("-  - { id: a, jq: \"1\" }\n+  - { id: a, jq: \"2\" }\n"), "{out}");
    let (out, _) = shell.ends(0, &["workflow", "plan", path, "-t", "acme", "-o", "json"]);
    let plan: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["workflows"][0]["action"], "change");
    shell.ends(0, &["workflow", "apply", path, "-t", "acme"]);
    let (out, _) = shell.ends(0, &on_acme(&["workflow", "diff", "job", "-o", "json"]));
    let diff: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&diff["added"], &diff["removed"]), (&json!(1), &json!(1)));
    let (out, _) = shell.ends(0, &on_acme(&["workflow", "rollback", "job"]));
    assert_eq!(out, "job has the text of revision 1 again, as revision 3\n");
    let (out, _) = shell.ends(0, &on_acme(&["workflow", "show", "job", "--source"]));
    assert_eq!(out, text("1"));
    shell.ends(6, &on_acme(&["workflow", "rollback", "job", "--to", "1"]));
    shell.ends(3, &on_acme(&["workflow", "rollback", "job", "--to", "9"]));
    shell.ends(3, &on_acme(&["workflow", "diff", "absent"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_asks_and_an_invalid_file_changes_nothing() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.apply(&source("old", "old")).await.unwrap();
    let shell = Shell { daemon: &daemon };
    let folder = folder(&daemon, &[("a.yaml", &source("a", "a")), ("b.yaml", "name: b\n")]);
    let (_, err) = shell.ends(1, &["workflow", "apply", &folder, "-t", "acme"]);
    assert!(err.contains("b.yaml:1:1") && err.contains("missing-key"), "{err}");
    assert_eq!(names(&daemon, "acme").await, ["old"]);
    std::fs::remove_file(Path::new(&folder).join("b.yaml")).unwrap();
    // Nobody is there to say yes.
    shell.ends(2, &["workflow", "apply", &folder, "--prune", "-t", "acme"]);
    assert_eq!(names(&daemon, "acme").await, ["old"]);
    let (out, _) = shell.ends(0, &["workflow", "plan", &folder, "--prune", "-t", "acme"]);
    assert!(out.contains("- old  is deleted"), "{out}");
    let (out, _) = shell.ends(0, &["workflow", "apply", &folder, "--prune", "--yes", "-t", "acme"]);
    assert_eq!(out, "a created (revision 1)\nold deleted\n");
    assert_eq!(names(&daemon, "acme").await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_laid_out_and_pipes_are_answered() {
    let daemon = TestDaemon::start().await.unwrap();
    let shell = Shell { daemon: &daemon };
    let untidy = "name: x   \non:\n    manual:\nsteps:\n- jq: \"1\" # why\n";
    let tidy = "name: x\non:\n  manual:\nsteps:\n  - jq: \"1\" # why\n";
    let folder = folder(&daemon, &[("x.yaml", untidy)]);
    let file = Path::new(&folder).join("x.yaml");
    let (out, _) = shell.ends(1, &["workflow", "fmt", "--check", &folder]);
    assert!(out.ends_with("x.yaml not tidy\n"), "{out}");
    let (out, _) = shell.ends(0, &["workflow", "fmt", "--diff", &folder]);
    assert!(out.contains("+  - jq: \"1\" # why"), "{out}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), untidy);
    shell.ends(0, &["workflow", "fmt", &folder]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), tidy);
    shell.ends(0, &["workflow", "fmt", "--check", &folder]);
    assert_eq!(shell.fed(0, &["workflow", "fmt", "-"], untidy), tidy);
    assert_eq!(
        shell.fed(
            0,
            &["workflow", "check", "-", "--as", "x.toml", "-q"],
            "name = \"x\"\nsteps = [{ jq = \"1\" }]\n[on.manual]\n"
        ),
        "1 file, all well\n"
    );
    std::fs::write(&file, "a: [").unwrap();
    let (_, err) = shell.ends(1, &["workflow", "fmt", &folder]);
    assert!(err.contains("yaml-syntax"), "{err}");
}

/// The repository's folder of examples.
fn examples() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/workflows").to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_has_tests_and_they_pass() {
    let daemon = TestDaemon::start().await.unwrap();
    let shell = Shell { daemon: &daemon };
    let (out, err) = shell.ends(0, &["workflow", "test", &examples(), "-o", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let tested: Vec<&str> =
        report["files"].as_array().unwrap().iter().map(|file| file["workflow"].as_str().unwrap()).collect();
    for file in std::fs::read_dir(examples()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let stem = name.split('.').next().unwrap_or_default();
        assert!(tested.contains(&stem), "{name} has no test");
    }
    // They are fit to be applied beside each other.
    TestTenant::start(&daemon, "acme").await.unwrap();
    for file in std::fs::read_dir(examples()).unwrap() {
        let path = file.unwrap().path();
        if !path.to_string_lossy().contains(".test.") {
            shell.ends(0, &["workflow", "apply", path.to_str().unwrap(), "-t", "acme"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_template_passes_its_test_under_another_name() {
    let daemon = TestDaemon::start().await.unwrap();
    let shell = Shell { daemon: &daemon };
    let (out, _) = shell.ends(0, &["workflow", "new", "--list", "-o", "name"]);
    assert!(out.lines().count() >= 7, "{out}");
    for (count, template) in out.lines().enumerate() {
        let folder = folder(&daemon, &[]);
        shell.ends(0, &["workflow", "new", &format!("copy-{count}"), "-T", template, "--to", &folder]);
        shell.ends(0, &["workflow", "fmt", "--check", &folder]);
    }
    shell.ends(0, &["workflow", "test", &folder(&daemon, &[])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_test_is_told_to_people_and_to_build_servers() {
    let daemon = TestDaemon::start().await.unwrap();
    let shell = Shell { daemon: &daemon };
    let folder = folder(
        &daemon,
        &[
            (
                "x.yaml",
                "name: x\non: { manual: }\nsteps:\n  - { id: a, jq: \"[limit(3; repeat(1))] | add\" }\n  - { id: b, jq: \"error(\\\"no\\\")\" }\n",
            ),
            (
                "x.test.yaml",
                "tests:\n  - name: adds <up>\n    on: { manual: }\n    expect:\n      run: succeeded\n      steps: { a: { output: 4 }, b: { error: { $contains: \"no\" } } }\n",
            ),
        ],
    );
    let (out, _) = shell.ends(1, &["workflow", "test", &folder]);
    for line in ["FAIL  adds <up>", "steps.a.output", "wanted  4", "got     3", "1 failed"] {
        assert!(out.contains(line), "{line} is not in\n{out}");
    }
    let (out, _) = shell.ends(1, &["workflow", "test", &folder, "--junit", "-"]);
    assert!(
        out.starts_with("<?xml") && out.contains("name=\"adds &lt;up&gt;\"") && out.contains("<failure "),
        "{out}"
    );
    shell.ends(2, &["workflow", "test", &folder, "--name", "no such"]);
    std::fs::write(Path::new(&folder).join("x.test.yaml"), "tests:\n  - nam: x\n").unwrap();
    let (_, err) = shell.ends(1, &["workflow", "test", &folder]);
    assert!(err.contains("x.test.yaml:2:5") && err.contains("unknown-key"), "{err}");
}

#[tokio::test]
async fn what_is_missing_is_told_before_it_fails() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let text = "name: a\non:\n  webhook: { path: in, verify: { scheme: github, secret: \"${{ secrets.LATER }}\" } }\n  schedule: { at: \"2020-01-01T00:00:00\" }\nsteps:\n  - run: echo \"$V\"\n    env: { V: \"${{ vars.place }}\" }\n";
    let set = set(&[("a", text.to_owned())], &[]);
    let applied: WorkflowSetApplied =
        daemon.client().send(Operation::WorkflowApplySet, &["acme"], &set).await.unwrap();
    let codes: Vec<_> = applied.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["past-instant", "missing-secret", "missing-variable"]);
    let hook = || async {
        let view: Value = daemon.client().get(Operation::WorkflowGet, &["acme", "a"], &()).await.unwrap();
        view["triggers"][0].clone()
    };
    let before = hook().await;
    assert!(before["warning"].as_str().is_some_and(|why| why.contains("LATER")), "{before}");
    let url = before["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/hooks/acme/in"), "{before}");
    acme.secret("LATER", "a-secret-of-the-hook").await.unwrap();
    assert_eq!(hook().await["warning"], Value::Null);
}

#[tokio::test]
async fn check_finds_a_name_that_two_files_have() {
    let daemon = TestDaemon::start().await.unwrap();
    let shell = Shell { daemon: &daemon };
    let folder = tempfile::tempdir().unwrap();
    for file in ["a.yaml", "b.yaml"] {
        std::fs::write(folder.path().join(file), "name: same\non: { manual: }\nsteps: [{ jq: \"1\" }]\n")
            .unwrap();
    }
    let folder = folder.path().display().to_string();
    for verb in ["check", "plan"] {
        let (out, err) = shell.ends(1, &["workflow", verb, &folder]);
        assert!(format!("{out}{err}").contains("duplicate-workflow"), "{verb}: {out}{err}");
    }
}
