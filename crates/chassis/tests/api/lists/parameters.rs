//! Parameters of lists that are refused.

use crate::fixture::{Api, all, users};

/// The path of each list of a service.
fn lists(api: &Api) -> Vec<String> {
    let lists = api.lists_by.iter().map(|(path, _)| format!("{path}1"));
    lists.chain([api.collection()]).collect()
}

/// What json-server and common front-ends send, and misspelt names of ours.
const FOREIGN: [&str; 42] = [
    "_page=1",
    "_per_page=10",
    "_limit=10",
    "_start=0",
    "_end=10",
    "_sort=id",
    "_order=desc",
    "_embed=posts",
    "_expand=user",
    "_where=%7B%7D",
    "id_ne=1",
    "id_gte=1",
    "id_lte=1",
    "title_like=a",
    "views:gt=1",
    "q=word",
    "page=2",
    "pageSize=10",
    "page%5Bnumber%5D=2",
    "page%5Bsize%5D=10",
    "per_page=10",
    "perPage=10",
    "offset=20",
    "skip=20",
    "take=10",
    "cursor=abc",
    "start=0",
    "end=10",
    "order=desc",
    "orderBy=id",
    "sortBy=id",
    "filter=%7B%7D",
    "filter%5Bthread%5D=1",
    "fields=id",
    "include=posts",
    "search=word",
    "username%5B%5D=finn",
    "id%5B%5D=1",
    "ids=1",
    "Limit=1",
    "x",
    "=1",
];

#[test]
fn values_that_cannot_be_are_refused_by_name() {
    for api in all() {
        let mut cases = vec![];
        for limit in [
            "",
            "0",
            "01",
            "1001",
            "-1",
            "+5",
            "1.5",
            "1e2",
            "ten",
            "99999999999999999999",
        ] {
            cases.push(("limit", limit));
        }
        for sort in ["", "name", "-ID", "id,-id", "+id"] {
            cases.push(("sort", sort));
        }
        let numbers = api.filters.iter().filter(|member| **member != "username");
        for id in numbers.chain(&["after"]) {
            let none = if *id == "after" { "00" } else { "0" };
            for value in [
                "",
                none,
                "-1",
                "01",
                "1e3",
                "0x1",
                "abc",
                "9007199254740992",
                "%FF",
            ] {
                cases.push((id, value));
            }
        }
        let lists = api.lists_by.iter().map(|(path, _)| format!("{path}1"));
        for path in lists.chain([api.collection()]) {
            for (name, value) in &cases {
                let response = api.get(&format!("{path}?{name}={value}"));
                assert_eq!(response.status, 400, "{path}?{name}={value}");
                assert_eq!(response.problem(), "invalid-parameter");
                let problem = response.json();
                let detail = problem["detail"].as_str().unwrap();
                assert!(
                    detail.contains(&format!("parameter {name}: expected ")),
                    "{detail}"
                );
            }
        }
    }
}

#[test]
fn a_parameter_given_twice_is_refused() {
    for api in all() {
        for name in ["limit", "after", "sort"].iter().chain(api.filters) {
            let value = if *name == "sort" { "id" } else { "1" };
            let response = api.get(&format!(
                "{}?{name}={value}&{name}={value}",
                api.collection()
            ));
            assert_eq!(response.status, 400, "{name}");
            assert_eq!(response.problem(), "invalid-parameter", "{name}");
        }
    }
}

#[test]
fn unknown_parameters_are_refused_and_the_known_ones_named() {
    for api in all() {
        for (list, query) in lists(&api)
            .iter()
            .flat_map(|list| FOREIGN.map(|of| (list, of)))
        {
            let target = format!("{list}?limit=1&{query}");
            let response = api.get(&target);
            assert_eq!(response.status, 400, "{target}");
            assert_eq!(response.problem(), "invalid-parameter", "{target}");
            let problem = response.json();
            let known = ["id", "limit", "after", "sort"].iter().chain(api.filters);
            let known = known.copied().collect::<Vec<_>>().join(", ");
            let (name, _) = query.split_once('=').unwrap_or((query, ""));
            let name = name.replace("%5B", "[").replace("%5D", "]");
            assert_eq!(
                problem["detail"],
                format!("query parameter {name}: unknown; expected one of {known}"),
                "{target}"
            );
            assert_eq!(api.ask("HEAD", &target, &[]).status, 400, "{target}");
        }
    }
}

#[test]
fn another_services_filter_is_unknown() {
    for api in all() {
        for filter in ["username", "createdBy", "thread", "user"] {
            let response = api.get(&format!("{}?{filter}=1", api.collection()));
            let known = api.filters.contains(&filter);
            assert_eq!(response.status, if known { 200 } else { 400 }, "{filter}");
        }
    }
}

/// Generated clients know these parameters and no others.
#[test]
fn the_document_lists_the_parameters_that_a_list_knows() {
    for api in all() {
        let document = api.document();
        let paths = document["paths"].as_object().unwrap().iter();
        let lists = paths.filter(|(_, item)| {
            let headers = &item["get"]["responses"]["200"]["headers"];
            headers["X-Total-Count"].is_object()
        });
        let mut count = 0;
        for (path, item) in lists {
            count += 1;
            let listed = item["get"]["parameters"].as_array().unwrap().iter();
            let listed = listed.filter(|parameter| parameter["in"] == "query");
            let listed: Vec<_> = listed.map(|parameter| parameter["name"].as_str()).collect();
            let known = ["id", "limit", "after", "sort"].iter().chain(api.filters);
            assert!(listed.into_iter().flatten().eq(known.copied()), "{path}");
        }
        assert_eq!(count, 1 + api.lists_by.len());
    }
}

#[test]
fn a_query_without_a_parameter_is_none() {
    for api in all() {
        let whole = api.get(&api.collection());
        for query in ["", "&&"] {
            let response = api.get(&format!("{}?{query}", api.collection()));
            assert_eq!(response.body, whole.body, "{query:?}");
            assert_eq!(response.header("etag"), whole.header("etag"), "{query:?}");
        }
    }
}

/// They are part of the contract of lists alone.
#[test]
fn other_routes_ignore_parameters() {
    let api = users();
    for path in [
        "/",
        "/api",
        "/api/users/1",
        "/api/users/openapi.json",
        "/health/live",
    ] {
        assert_eq!(
            api.get(&format!("{path}?page=2&limit=x")).status,
            200,
            "{path}"
        );
    }
}
