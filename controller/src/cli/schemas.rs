//! `docs/json.schema.json`: what commands print with `--json`, as JSON Schema (draft 2020-12), out of the types that they
//! print.

use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory as _;
use floodwall_incident::report::StatusUpdate;
use floodwall_replay::{difference, summary};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use super::{
    Cli,
    bundle::BundleContents,
    detach::AllDetached,
    exit::Failed,
    limit::Shown,
    now::Now,
    rules::check::Sound,
    setup::{Enforced, Proposed},
    web::Address,
};
use crate::{
    api::{
        AddResponse, AuditPage, BanCount, BanEntry, BypassState, Changed, DetachResponse, DoctorReport,
        Entry, Event, HealthReport, ImportReport, IncidentList, IncidentReport, InterfaceStatus,
        LockdownList, NotifyList, NotifyTested, ReloadReport, RemoveResponse, RuleList, RuleReport,
        SignatureList, SignatureReport, SourceReport, Status, TestResponse, TrialList, WhyReport,
        routes::Describe,
    },
    signature::export::Exported,
    store::{Account, Replaced},
};

/// Where the document is checked in, for those who read it without the program.
const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/json.schema.json");

/// What a command prints.
enum Prints {
    /// One document.
    One(Describe),
    /// One of two documents, as its options say.
    Either(Describe, Describe),
    /// A document a line.
    Lines(Describe),
    /// Nothing that is JSON: text for another program, or a screen.
    Other,
}

use Prints::{Either, Lines, One, Other};

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// All commands.
const COMMANDS: &[(&str, Prints)] = &[
    ("", One(of::<Now>)),
    ("allow add", One(of::<Changed<AddResponse>>)),
    ("allow import", One(of::<Changed<AddResponse>>)),
    ("allow list", Lines(of::<Entry>)),
    ("allow rm", One(of::<Changed<RemoveResponse>>)),
    ("allow test", One(of::<TestResponse>)),
    ("attach", One(of::<Changed<InterfaceStatus>>)),
    ("audit", One(of::<AuditPage>)),
    ("ban keep", One(of::<BanCount>)),
    ("ban lift", One(of::<BanCount>)),
    ("ban list", Lines(of::<BanEntry>)),
    ("block add", One(of::<Changed<AddResponse>>)),
    ("block export", Lines(of::<Entry>)),
    ("block flush", One(of::<RemoveResponse>)),
    ("block import", One(of::<Changed<ImportReport>>)),
    ("block list", Lines(of::<Entry>)),
    ("block rm", One(of::<Changed<RemoveResponse>>)),
    ("block test", One(of::<TestResponse>)),
    ("bundle", One(of::<BundleContents>)),
    ("bypass off", One(of::<BypassState>)),
    ("bypass on", One(of::<BypassState>)),
    ("bypass show", One(of::<BypassState>)),
    ("check", One(of::<Sound>)),
    ("completions", Other),
    ("confirm", One(of::<TrialList>)),
    ("detach", Either(of::<Changed<DetachResponse>>, of::<AllDetached>)),
    ("doctor", One(of::<DoctorReport>)),
    ("events", Lines(of::<Event>)),
    ("health", One(of::<HealthReport>)),
    ("incident list", One(of::<IncidentList>)),
    ("incident pcap", Other),
    ("incident report", Either(of::<IncidentReport>, of::<Vec<StatusUpdate>>)),
    ("incident show", Lines(of::<IncidentReport>)),
    ("limit reset", Either(of::<Shown>, of::<Changed<RuleList>>)),
    ("limit set", Either(of::<Shown>, of::<Changed<RuleList>>)),
    ("limit show", One(of::<Shown>)),
    ("lockdown auto", One(of::<Changed<LockdownList>>)),
    ("lockdown off", One(of::<Changed<LockdownList>>)),
    ("lockdown on", One(of::<Changed<LockdownList>>)),
    ("lockdown reopen", One(of::<Changed<LockdownList>>)),
    ("lockdown show", One(of::<LockdownList>)),
    ("man", Other),
    ("notify list", One(of::<NotifyList>)),
    ("notify test", One(of::<NotifyTested>)),
    ("now", One(of::<Now>)),
    ("reload", One(of::<Changed<ReloadReport>>)),
    ("replay", Either(of::<summary::Report>, of::<difference::Report>)),
    ("rule list", Lines(of::<RuleReport>)),
    ("rule show", Lines(of::<RuleReport>)),
    ("run", Other),
    ("setup", One(of::<Proposed>)),
    ("setup enforce", One(of::<Enforced>)),
    ("signature add", One(of::<Changed<SignatureReport>>)),
    ("signature drop", One(of::<SignatureReport>)),
    ("signature export", One(of::<Exported>)),
    ("signature list", One(of::<SignatureList>)),
    ("signature pin", One(of::<SignatureReport>)),
    ("signature show", One(of::<SignatureReport>)),
    ("source show", One(of::<SourceReport>)),
    ("state check", One(of::<Account>)),
    ("state export", Other),
    ("state import", One(of::<Replaced>)),
    ("state repair", One(of::<Replaced>)),
    ("status", Lines(of::<Status>)),
    ("top", Other),
    ("web token", One(of::<String>)),
    ("web url", One(of::<Address>)),
    ("why", One(of::<WhyReport>)),
];

/// The document.
fn document() -> Value {
    let mut schemas = SchemaSettings::draft2020_12().into_generator();
    let mut commands = BTreeMap::new();
    for (words, prints) in COMMANDS {
        let (form, schema) = match prints {
            Other => continue,
            One(describe) => ("document", json!(describe(&mut schemas))),
            Lines(describe) => ("lines", json!(describe(&mut schemas))),
            Either(one, other) => ("document", json!({ "anyOf": [one(&mut schemas), other(&mut schemas)] })),
        };
        let name = format!("floodwall {words}");
        commands.insert(name.trim_end().to_owned(), json!({ "prints": form, "schema": schema }));
    }
    let failure = schemas.subschema_for::<Failed>();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What commands of floodwall print with --json",
        "description": "By command: whether it prints one document or one a line, and what each is. A command that fails \
                        prints `failure` instead. Fields may be added; none is taken away or given another meaning \
                        without the change log saying so.",
        "commands": commands,
        "failure": failure,
        "$defs": schemas.take_definitions(true),
    })
}

/// The names of the types that are described, with those that stand inline.
fn described() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut note = |describe: &Describe| {
        let schema = describe(&mut SchemaGenerator::default());
        names.insert(schema.as_value().to_string());
    };
    for (_, prints) in COMMANDS {
        match prints {
            One(describe) | Lines(describe) => note(describe),
            Either(one, other) => [one, other].into_iter().for_each(&mut note),
            Other => {}
        }
    }
    names
}

/// What is printed in a test has to be described: each command's output is then, as far as it is tested.
pub(super) fn assert_described<T: JsonSchema>(_: &T) {
    let schema = of::<T>(&mut SchemaGenerator::default()).as_value().to_string();
    assert!(described().contains(&schema), "what is printed is not described: {schema}");
}

#[test]
fn the_document_that_is_checked_in_is_this_one() {
    let now = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_CLI").is_some() {
        std::fs::write(CHECKED_IN, &now).unwrap();
    }
    let before = std::fs::read_to_string(CHECKED_IN).unwrap();
    assert!(before == now, "docs/json.schema.json is another one: UPDATE_CLI=1 writes it anew");
}

#[test]
fn every_command_says_what_it_prints() {
    fn leaves(command: &clap::Command, above: &str, found: &mut BTreeSet<String>) {
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let name = format!("{above} {}", below.get_name()).trim_start().to_owned();
            leaves(below, &name, found);
            // One that has others below may be a command by itself as well.
            if !below.has_subcommands() || !below.is_subcommand_required_set() {
                found.insert(name);
            }
        }
    }
    let mut found = BTreeSet::from([String::new()]);
    leaves(&Cli::command(), "", &mut found);
    let told: BTreeSet<_> = COMMANDS.iter().map(|(words, _)| (*words).to_owned()).collect();
    assert_eq!(told, found);
    assert_eq!(told.len(), COMMANDS.len(), "each once");
}

#[test]
fn every_type_that_is_named_is_described() {
    let document = document();
    for name in document.to_string().split("#/$defs/").skip(1) {
        let name = name.split('"').next().unwrap();
        assert!(document["$defs"][name].is_object(), "{name} is not described");
    }
    assert!(document["commands"]["floodwall status"]["schema"]["$ref"] == "#/$defs/Status");
}
