//! The files of the page, compiled in from `page/`.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

/// A file: its path, its media type, and its contents.
type Asset = (&'static str, &'static str, &'static str);

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 17] = [
    ("/", HTML, include_str!("../page/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("../page/style.css")),
    ("/icon.svg", "image/svg+xml", include_str!("../page/icon.svg")),
    ("/app.js", SCRIPT, include_str!("../page/app.js")),
    ("/ask.js", SCRIPT, include_str!("../page/ask.js")),
    ("/act.js", SCRIPT, include_str!("../page/act.js")),
    ("/chart.js", SCRIPT, include_str!("../page/chart.js")),
    ("/element.js", SCRIPT, include_str!("../page/element.js")),
    ("/known.js", SCRIPT, include_str!("../page/known.js")),
    ("/words.js", SCRIPT, include_str!("../page/words.js")),
    ("/view_now.js", SCRIPT, include_str!("../page/view_now.js")),
    ("/view_incidents.js", SCRIPT, include_str!("../page/view_incidents.js")),
    ("/view_sources.js", SCRIPT, include_str!("../page/view_sources.js")),
    ("/view_signatures.js", SCRIPT, include_str!("../page/view_signatures.js")),
    ("/view_lists.js", SCRIPT, include_str!("../page/view_lists.js")),
    ("/view_rules.js", SCRIPT, include_str!("../page/view_rules.js")),
    ("/table.js", SCRIPT, include_str!("../page/table.js")),
];

/// The response for the file at a path; `None` if there is no such file.
pub(crate) fn asset(path: &str) -> Option<Response> {
    let (_, kind, content) = ASSETS.iter().find(|(at, ..)| *at == path)?;
    let mut response = (StatusCode::OK, *content).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Some(response)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_is_compiled_in_and_refers_to_no_other_site() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let mut there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| format!("/{}", entry.unwrap().file_name().to_string_lossy()))
            .collect();
        assert!(there.remove("/index.html") && there.insert("/".to_owned()));
        assert_eq!(there, ASSETS.iter().map(|(path, ..)| (*path).to_owned()).collect());
        for (path, _, content) in ASSETS {
            let elsewhere = content.replace("http://www.w3.org/", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "{path}");
        }
    }

    #[test]
    fn every_file_that_another_refers_to_exists() {
        for (path, _, content) in ASSETS {
            let quoted = content.split(['"', '\'']).filter_map(|word| {
                let name = word.strip_prefix("./").or_else(|| word.strip_prefix('/'))?;
                let known = [".js", ".css", ".svg"].iter().any(|end| name.ends_with(end));
                known.then(|| format!("/{name}"))
            });
            for name in quoted {
                assert!(asset(&name).is_some(), "{path} names {name}");
            }
        }
    }
}
