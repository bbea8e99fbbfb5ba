//! What is taken and what is refused.

use super::*;

fn target_of(text: &str) -> Result<Target, String> {
    let table: NotifyTable = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    table.target()
}

#[test]
fn each_kind_needs_little() {
    for (text, kind) in [
        ("name = 'a'\nkind = 'command'\npath = '/usr/local/bin/told'", "command"),
        ("name = 'a'\nkind = 'webhook'\nurl = 'https://example.net/hook'", "webhook"),
        ("name = 'a'\nkind = 'slack'\nurl = { file = '/etc/floodwall/slack' }", "slack"),
        ("name = 'a'\nkind = 'mattermost'\nurl = { credential = 'mattermost' }", "mattermost"),
        ("name = 'a'\nkind = 'discord'\nurl = { credential = 'discord' }", "discord"),
        ("name = 'a'\nkind = 'pagerduty'\nkey = { credential = 'pager' }", "pagerduty"),
        ("name = 'a'\nkind = 'alertmanager'\nurl = 'http://127.0.0.1:9093'", "alertmanager"),
        ("name = 'a'\nkind = 'mail'\nserver = 'mx'\nfrom = 'a@example.net'\nto = ['b@example.net']", "mail"),
    ] {
        let target = target_of(text).expect(text);
        assert_eq!((target.kind.name(), target.name()), (kind, "a"));
        assert_eq!(target.filter.severity, IncidentSeverity::Warning);
    }
}

#[test]
fn chats_are_not_told_of_every_change_unless_that_is_asked_for() {
    let chat = target_of("name = 'a'\nkind = 'slack'\nurl = { credential = 'slack' }").expect("sound");
    assert!(
        !chat.filter.events.contains(&IncidentEvent::Changed)
            && chat.filter.events.contains(&IncidentEvent::NeedsHuman)
    );
    let text = "name = 'a'\nkind = 'slack'\nurl = { credential = 'slack' }\nevents = ['changed', 'goes-on']";
    assert_eq!(
        target_of(text).expect("sound").filter.events,
        [IncidentEvent::Changed, IncidentEvent::GoesOn]
    );
    let kept = target_of("name = 'a'\nkind = 'alertmanager'\nurl = 'http://a'").expect("sound");
    assert_eq!(kept.filter.events, IncidentEvent::ALL);
}

#[test]
fn mistakes_are_explained() {
    let slack = "name = 'a'\nkind = 'slack'\n";
    let mail = "name = 'a'\nkind = 'mail'\nserver = 'mx'\nfrom = 'a@example.net'\nto = ['b@example.net']\n";
    let hook = "name = 'a'\nkind = 'webhook'\nurl = 'https://example.net'\n";
    for (text, expected) in [
        ("name = 'a'\nkind = 'pigeon'".to_owned(), "alertmanager"),
        ("kind = 'mail'".to_owned(), "missing field `name`"),
        ("name = 'a b'\nkind = 'mail'".to_owned(), "no name"),
        (format!("{slack}url = 'https://hooks.example.net/s3cret'"), "the URL is a secret"),
        (format!("{slack}url = {{ file = 'slack' }}"), "begins with /"),
        (format!("{slack}url = {{ file = '/a', credential = 'b' }}"), "where it lies"),
        (format!("{slack}url = {{ credential = 'b' }}\nchannel = 'x'"), "unknown field `channel`"),
        (format!("{slack}url = {{ credential = 'b' }}\ntemplate = 'x'"), "`template` means nothing"),
        (slack.to_owned(), "`url` is missing"),
        ("name = 'a'\nkind = 'pagerduty'\nkey = 's3cret'".to_owned(), "where a secret lies"),
        (format!("{hook}template = '{{{{ nothing }}}}'"), "undefined"),
        (format!("{hook}events = []"), "names none"),
        (format!("{hook}events = ['begun']"), "began"),
        (format!("{hook}severity = 'fatal'"), "critical"),
        (format!("{hook}timeout = '1h'"), "from 1 s to 5 min"),
        (format!("{hook}timeout = 'soon'"), "no span of time"),
        (format!("{hook}per-minute = 0"), "from 1 to 600"),
        (format!("{mail}user = 'a'"), "go together"),
        (format!("{mail}tls = 'none'\nuser = 'a'\npassword = {{ credential = 'b' }}"), "is not sent"),
        (mail.replace("'b@", "'b at "), "no address of mail"),
        ("name = 'a'\nkind = 'command'\npath = 'told'".to_owned(), "begins with /"),
        (
            "name = 'a'\nkind = 'command'\npath = '/a'\nformat = 'fastnetmon'\nevents = ['began']".to_owned(),
            "ban",
        ),
        ("name = 'a'\nkind = 'alertmanager'\nurl = 'http://a'\nlabels = { 'a-b' = 'x' }".to_owned(), "a-b"),
    ] {
        let error = target_of(&text).expect_err(&text);
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn what_is_a_secret_is_not_shown_by_debug() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("slack"), "https://hooks.example.net/T0/s3cret").expect("written");
    let url = format!("url = {{ file = '{}' }}", directory.path().join("slack").display());
    let target = target_of(&format!("name = 'a'\nkind = 'slack'\n{url}")).expect("sound");
    assert!(!format!("{target:?}").contains("s3cret"));
    let hook = "name = 'a'\nkind = 'webhook'\nurl = 'https://example.net/hook?token=s3cret'";
    let hook = target_of(hook).expect("sound");
    assert!(!format!("{hook:?}").contains("s3cret"), "{hook:?}");
}
