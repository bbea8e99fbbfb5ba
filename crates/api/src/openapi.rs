//! The control socket, described for programs: an OpenAPI 3.1 document (<https://spec.openapis.org/oas/v3.1.0>), made of
//! the [routes](super::routes) and of the types of their bodies.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    Failure,
    routes::{Body, ROUTES, Route},
};

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut schemas = settings.into_generator();
    let failure = schemas.subschema_for::<Failure>();
    let mut paths: Map<String, Value> = Map::new();
    for route in &ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.name().to_lowercase()] = operation(route, &mut schemas, &failure.clone().into());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "floodwall control socket",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "HTTP/1.1 with JSON over a Unix socket. Times are Unix seconds, rates are per second, addresses \
                            and prefixes are text. A refused request changes nothing.",
        },
        "paths": paths,
        "components": { "schemas": schemas.take_definitions(true) },
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator, failure: &Value) -> Value {
    let mut parameters: Vec<Value> = route
        .parameters
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "in": "query",
                "required": parameter.required,
                "description": parameter.what,
                "schema": { "type": parameter.kind },
            })
        })
        .collect();
    if route.path.contains("{list}") {
        parameters.push(json!({
            "name": "list",
            "in": "path",
            "required": true,
            "description": "Which list.",
            "schema": { "type": "string", "enum": ["block", "allow"] },
        }));
    }
    let mut operation = json!({
        "summary": route.what,
        "responses": {
            "200": { "description": "Done.", "content": content(route.answer, schemas) },
            "default": {
                "description": "Refused; nothing was changed.",
                "content": { "application/json": { "schema": failure } },
            },
        },
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if !matches!(route.request, Body::None) {
        operation["requestBody"] = json!({ "required": true, "content": content(route.request, schemas) });
    }
    operation
}

fn content(body: Body, schemas: &mut SchemaGenerator) -> Value {
    match body {
        Body::None => json!({}),
        Body::List => json!({ "application/octet-stream": {} }),
        Body::Capture => json!({ "application/vnd.tcpdump.pcap": {} }),
        Body::Json(describe) => json!({ "application/json": { "schema": describe(schemas) } }),
        Body::Lines(describe) => json!({ "application/x-ndjson": { "schema": describe(schemas) } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the document is checked in, for those who read it without a daemon.
    const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

    #[test]
    fn the_document_that_is_checked_in_is_this_one() {
        let now = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(CHECKED_IN, &now).unwrap();
        }
        let before = std::fs::read_to_string(CHECKED_IN).unwrap();
        assert!(before == now, "docs/openapi.json is another one: UPDATE_OPENAPI=1 writes it anew");
    }

    #[test]
    fn every_route_has_a_place_and_every_type_is_described() {
        let document = document();
        for route in &ROUTES {
            let operation = &document["paths"][route.path][route.method.name().to_lowercase()];
            assert!(operation["summary"].is_string(), "{} {}", route.method.name(), route.path);
        }
        let text = document.to_string();
        for name in text.split("#/components/schemas/").skip(1) {
            let name = name.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name} is not described");
        }
    }

    #[test]
    fn the_page_on_the_control_socket_names_every_route() {
        let page = include_str!("../../../docs/api.md");
        for route in &ROUTES {
            let named = format!("`{} {}", route.method.name(), route.path);
            assert!(page.contains(&named), "docs/api.md does not name {named}");
        }
    }
}
