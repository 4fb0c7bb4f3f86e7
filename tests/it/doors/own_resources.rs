//! Resources of one's own: what `bitting.toml` may say of them, that every place knows them, and what
//! becomes of them when they leave it.

use std::path::Path;

use serde_json::{Value, json};

use super::{TEAM, server_on, server_with, team_alone};
use crate::support::binary::{command, ended, run_ok};
use crate::support::html;
use crate::support::{Binary, TestServer, eventually, on_both};

fn refused(folder: &Path, file: &str, arguments: &[&str]) -> String {
    std::fs::write(folder.join("bitting.toml"), file).unwrap();
    let output = ended(command(folder, arguments));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{file}: {errors}");
    assert_eq!(errors.trim_end().lines().count(), 1, "{errors}");
    errors
}

/// Each resource of the table is put below one that is right, so that lines are counted.
#[test]
fn a_wrong_file_names_line_key_and_remedy_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let good = "[[resources]]\nname = \"orders\"\npaths = [\"/orders\"]\n";
    for (more, line, key, remedy) in [
        ("name = \"Orders\"\npaths = [\"/o\"]", 5, "name", "lower-case letter"),
        ("name = \"orders\"\npaths = [\"/o\"]", 5, "name", "choose another name"),
        ("name = \"calls\"\npaths = [\"/o\"]", 5, "name", "builtin_api = false"),
        ("name = \"other\"\npaths = [\"/o\"]", 5, "name", "choose another"),
        ("paths = [\"/o\"]", 4, "name", "missing field"),
        ("name = \"o\"", 4, "paths", "missing field"),
        ("name = \"o\"\npaths = []", 6, "paths", "such as \"/orders\""),
        ("name = \"o\"\npaths = [\"o\"]", 6, "paths", "such as \"/orders\""),
        ("name = \"o\"\npaths = [\"/a/../b\"]", 6, "paths", "as it is sent"),
        ("name = \"o\"\npaths = [\"/a?b\"]", 6, "paths", "as it is sent"),
        ("name = \"o\"\npaths = [\"/a/*\"]", 6, "paths", "takes no *"),
        ("name = \"o\"\npaths = [\"/a/{id}/b\"]", 6, "paths", "no variables"),
        ("name = \"o\"\npaths = [\"/a/:id\"]", 6, "paths", "no variables"),
        ("name = \"o\"\npaths = [\"/a\", \"/orders\"]", 6, "paths", "a path of \"orders\" already"),
        ("name = \"o\"\npaths = [\"/orders/\"]", 6, "paths", "a path of \"orders\" already"),
        ("name = \"o\"\npaths = [\"/v1/calls\"]", 6, "paths", "builtin_api = false"),
        ("name = \"o\"\npaths = [\"/a\", \"/a\"]", 6, "paths", "a path of \"o\" already"),
        (
            "name = \"o\"\npaths = [\"/a\"]\naccess = [\"delete\"]",
            7,
            "access",
            "\"read\" and \"write\"",
        ),
        ("name = \"o\"\npaths = [\"/a\"]\naccess = [\"write\"]", 7, "access", "[\"read\"]"),
        ("name = \"o\"\npaths = [\"/a\"]\naccess = []", 7, "access", "[\"read\"]"),
        ("name = \"o\"\npaths = [\"/a\"]\nreads = [\"/a/b\"]", 7, "reads", "a method and a path"),
        ("name = \"o\"\npaths = [\"/a\"]\nreads = [\"post /a\"]", 7, "reads", "capitals"),
        (
            "name = \"o\"\npaths = [\"/a\"]\nreads = [\"POST /b\"]",
            7,
            "reads",
            "no request of \"o\"",
        ),
        (
            "name = \"o\"\npaths = [\"/a\"]\nopen = [\"GET /orders/x\"]",
            7,
            "open",
            "one of \"orders\"",
        ),
        ("name = \"o\"\npaths = [\"/a\"]\nopen = [\"GET /a/x*\"]", 7, "open", "one whole segment"),
        (
            "name = \"o\"\npaths = [\"/a\"]\nreads = [\"GET /a\"]\nopen = [\"GET /a\"]",
            8,
            "open",
            "in reads, too",
        ),
        ("name = \"o\"\npaths = [\"/a\"]\ndescription = \"a\\nb\"", 7, "description", "one line"),
        ("name = \"o\"\npaths = [\"/a\"]\npath = \"/b\"", 7, "path", "unknown field"),
        ("name = \"o\"\npaths = \"/a\"", 6, "paths: ", "a list in brackets"),
        ("name = \"o\"\npaths = [\"/a\"]\naccess = \"read\"", 7, "access: ", "a list in brackets"),
        ("name = 5\npaths = [\"/a\"]", 5, "name: ", "text in quotation marks"),
        (
            "name = \"o\"\npaths = [\"/a\"]\n[policy]\nrequire_expiry = 1",
            8,
            "require_expiry: ",
            "true or false",
        ),
        (
            "name = \"o\"\npaths = [\"/a\"]\n[policy]\nmax_keys_per_member = \"5\"",
            8,
            "max_keys_per_member: ",
            "a whole number",
        ),
    ] {
        let file = format!("{good}[[resources]]\n{more}\n");
        for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"], &["resources"]] {
            let said = refused(folder.path(), &file, arguments);
            assert!(said.contains(&format!("bitting.toml: line {line}: ")), "{file}: {said}");
            assert!(said.contains(key) && said.contains(remedy), "{file}: {said}");
        }
    }
    let said = refused(folder.path(), "preflight = \"deny\"\n", &["resources"]);
    assert!(said.contains("line 1: preflight: must be \"allow\""), "{said}");
    let many: String =
        (0..58).map(|n| format!("[[resources]]\nname = \"r{n}\"\npaths = [\"/r{n}\"]\n")).collect();
    let said = refused(folder.path(), &many, &["resources"]);
    assert!(said.contains("line 173: name: there are more than 64"), "{said}");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["bitting.toml"]);
}

#[test]
fn line_breaks_and_spaces_at_the_end_of_a_value_are_taken_off() {
    let folder = tempfile::tempdir().unwrap();
    let file = "preflight = \"allow\\n\"\n[policy]\nmax_key_lifetime = \"1y \"\nleak_policy = \"\"\n\
                [[resources]]\nname = \"orders\\n\"\npaths = [\"/orders \"]\nreads = [\"POST /orders/x\\n\"]\n\
                access = [\"read \"]\n";
    std::fs::write(folder.path().join("bitting.toml"), file).unwrap();
    assert_eq!(run_ok(folder.path(), &["resources", "match", "POST /orders/x"]), "orders:read");
    std::fs::write(folder.path().join("bitting.toml"), "preflight = \"\"\n").unwrap();
    run_ok(folder.path(), &["resources"]);
    let said = refused(folder.path(), "[policy]\nleak_policy = \"fl\\nag\"\n", &["resources"]);
    assert!(said.contains("line 2: leak_policy: holds a line break"), "{said}");
}

#[test]
fn resources_are_listed_and_a_request_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bitting.toml"), TEAM).unwrap();
    let list = run_ok(folder.path(), &["resources"]);
    assert!(list.starts_with("RESOURCE"), "{list}");
    assert_eq!(list.lines().count(), 1 + 7 + 2, "{list}");
    let orders = list.lines().find(|line| line.starts_with("orders")).unwrap();
    assert!(orders.contains("read, write") && orders.contains("/orders /api/orders"), "{orders}");
    let json = run_ok(folder.path(), &["resources", "--json"]);
    let last: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(last["name"], "reports");
    assert_eq!(last["access"], json!(["read"]));
    let explained = |request| run_ok(folder.path(), &["resources", "match", request]);
    assert_eq!(explained("POST /orders/search?q=1"), "orders:read");
    assert_eq!(explained("DELETE /api/orders/7"), "orders:write");
    assert_eq!(explained("GET /orders/status"), "any live key; counted under orders:read");
    assert_eq!(explained("GET /v1/calls/7"), "calls:read");
    let refused = |request: &str| {
        let output = ended(command(folder.path(), &["resources", "match", request]));
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (request, code, why) in [
        ("GET /nothing", 1, "no resource is at this path"),
        ("GET /orders/../x", 1, "not in its normal spelling"),
        ("POST /reports", 1, "cannot be written"),
        ("/orders", 2, "give a method and a path"),
    ] {
        let (exit, said) = refused(request);
        assert!(exit == Some(code) && said.contains(why), "{request}: {exit:?} {said}");
    }
    assert!(!folder.path().join("bitting.db").exists());
    // Where preflight requests pass, they pass where something is.
    std::fs::write(folder.path().join("bitting.toml"), format!("preflight = \"allow\"\n{TEAM}"))
        .unwrap();
    assert!(explained("OPTIONS /orders/7").starts_with("nothing: preflight"));
    assert_eq!(refused("OPTIONS /nothing").0, Some(1));
    assert_eq!(refused("OPTIONS /orders/../x").0, Some(1));
}

on_both! {
    fn every_place_knows_them_and_the_built_in_api_can_be_left_out(backend) {
        let server = server_with(backend, &team_alone());
        let key = server.key("orders:read reports:read");
        let whoami = server.call(&key, "GET", "/v1/whoami", None).ok();
        assert_eq!(whoami["scopes"], json!(["orders:read", "reports:read"]));
        let wrong = json!({"name": "x", "scopes": ["calls:read"]});
        let said = server.manage("POST", "/v1/keys", Some(&wrong));
        said.expect(422, "validation_failed");
        assert!(said.body.contains("choose from orders:read, orders:write, reports:read"), "{said:?}");
        server.call(&key, "GET", "/v1/calls", None).expect(404, "not_found");
        let document = server.client.send("GET", "/openapi.json", &[], None).body;
        let document: Value = serde_json::from_str(&document).unwrap();
        let scopes = &document["components"]["schemas"]["KeyInput"]["properties"]["scopes"];
        assert_eq!(scopes["items"]["anyOf"][0]["enum"], json!(["orders:read", "orders:write", "reports:read"]));
        assert!(document["paths"].as_object().unwrap().keys().all(|path| path != "/v1/calls"));
        let limited = json!({"name": "y", "access": "write", "may_grant": ["orders:read"]});
        let token = server.db_token(&limited);
        let beyond = json!({"name": "x", "scopes": ["orders:write"]});
        server.client.with_key(&token, "POST", "/v1/keys", Some(&beyond)).expect(403, "insufficient_scope");
        server.db_user("ada@example.com", json!({"role": "admin"}));
        let browser = server.db_browser("ada@example.com");
        let form = browser.get("/keys/new").body;
        assert!(form.contains("orders:write") && form.contains("Orders and their lines"));
        assert!(!form.contains("reports:write") && !form.contains("calls"), "{form}");
        assert!(browser.get("/keys?scope=reports%3Aread").body.contains(&key.id));
        for page in ["/docs", "/docs/errors"] {
            let said = browser.get(page).body;
            assert!(!said.contains("calls:") && !said.contains("/v1/calls?"), "{page}: {said}");
        }
        for page in ["/docs", "/docs/keys", "/keys", "/usage", "/audit"] {
            assert_eq!(browser.get(page).status, 200, "{page}");
        }
    }
}

fn figures(server: &TestServer, id: &str) -> Value {
    let usage = server.manage("GET", &format!("/v1/keys/{id}/usage"), None).ok();
    usage["24h"]["by_resource"].clone()
}

on_both! {
    fn a_name_that_leaves_the_file_opens_nothing_and_means_the_same_when_it_comes_back(backend) {
        let server = server_with(backend, TEAM);
        let key = server.key("orders:write calls:read");
        let ask = |server: &TestServer, method, uri| {
            let headers = [
                ("authorization", &*format!("Bearer {}", key.secret)),
                ("x-original-method", method),
                ("x-original-uri", uri),
            ];
            server.client.send("GET", "/authz/nginx", &headers, None)
        };
        assert_eq!(ask(&server, "POST", "/orders").status, 200);
        let counted = figures(&server, &key.id);
        assert_eq!(counted["orders"]["write"], 1);
        let database = server.stop();

        // The name is given to nobody else, although its number would be free and its place is taken.
        let other = "[[resources]]\nname = \"invoices\"\npaths = [\"/orders\"]\n";
        let server = server_on(database, other);
        let refused = ask(&server, "POST", "/orders");
        assert_eq!((refused.status, refused.header("x-bitting-code")), (403, "insufficient_scope"));
        assert_eq!(figures(&server, &key.id)["orders"]["write"], 1);
        assert_eq!(figures(&server, &key.id)["invoices"]["write"], 1);
        let shown = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        assert_eq!(shown["scopes"], json!(["calls:read", "orders:write"]));
        server.db_user("ada@example.com", json!({"role": "admin"}));
        let browser = server.db_browser("ada@example.com");
        let page = browser.get(&format!("/keys/{}", key.id));
        let remarks = html::texts(&page, ".remark");
        assert!(remarks.iter().any(|remark| remark.contains("no longer a resource")), "{remarks:?}");
        let database = server.stop();

        let reordered = format!("{other}\n{}", TEAM.replace("\"/orders\", ", ""));
        let reordered = reordered.replace("\"POST /orders/search\", \"POST /orders/*/preview\"", "");
        let server = server_on(database, &reordered.replace("\"GET /orders/status\"", ""));
        assert_eq!(ask(&server, "POST", "/api/orders").status, 200);
        assert_eq!(figures(&server, &key.id)["orders"]["write"], 2);
        assert_eq!(figures(&server, &key.id)["invoices"]["write"], 1);
    }
}

on_both! {
    fn servers_of_one_database_whose_files_differ_say_so(backend) {
        let one = server_with(backend, TEAM);
        let gauge = |server: &TestServer| {
            let page = server.metrics();
            let line = page.lines().find(|l| l.starts_with("bitting_servers_with_other_resources "));
            line.unwrap().rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!(gauge(&one), "0.0");
        let other = server_on(one.database.clone(), &team_alone());
        assert_eq!(gauge(&other), "1.0");
        one.bitting.compare_resources().unwrap();
        assert_eq!(gauge(&one), "1.0");
        let database = other.stop();
        // A server that has stopped is no longer counted.
        let same = server_on(database, &TEAM.replace("Orders and their lines", "Sales"));
        eventually("it has gone", || {
            one.bitting.compare_resources().unwrap();
            gauge(&one) == "0.0" && gauge(&same) == "0.0"
        });
        // One that lets preflight requests through decides otherwise, too.
        let open = server_on(same.stop(), &format!("preflight = \"allow\"\n{TEAM}"));
        assert_eq!(gauge(&open), "1.0");
    }
}

#[test]
fn check_tells_a_configuration_that_running_servers_do_not_share() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str| std::fs::write(folder.path().join("bitting.toml"), file).unwrap();
    let check = || {
        let all = run_ok(folder.path(), &["check"]);
        all.lines().find(|line| line.contains("resources: ")).unwrap().to_owned()
    };
    write(TEAM);
    let _server = Binary::serve(folder.path(), &[]);
    assert_eq!(check(), "ok       resources: 9, as every running server has them");
    for differing in [team_alone(), format!("preflight = \"allow\"\n{TEAM}")] {
        write(&differing);
        let said = check();
        let told =
            "warning  resources: configured otherwise in running servers of this database: 1";
        assert!(said.starts_with(told), "{said}");
    }
}

#[test]
fn who_starts_a_server_is_told_of_a_scope_that_there_is() {
    for (file, told) in [
        (TEAM.to_owned(), "--scope calls:read"),
        (team_alone(), "--scope orders:read"),
        ("builtin_api = false\n".to_owned(), "describe your API with [[resources]]"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bitting.toml"), file).unwrap();
        let server = Binary::serve(folder.path(), &[]);
        eventually("it is told", || server.log().contains(told));
    }
}

#[test]
fn a_table_of_the_wrong_kind_is_named_with_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    for (file, line, said) in [
        (
            "\n\n[resources]\nname = \"o\"\n",
            3,
            "resources: must be a list of tables, each of which begins with [[resources]]",
        ),
        ("policy = 1\n", 1, "policy: must be a table, which begins with [policy]"),
        (
            "\n[[policy]]\nrequire_expiry = true\n",
            2,
            "policy: must be one table, which begins with [policy]",
        ),
    ] {
        let refused = refused(folder.path(), file, &["resources"]);
        assert!(refused.contains(&format!("line {line}: {said}")), "{file}: {refused}");
    }
}
