//! FastNetMon's own example scripts, which do with floodwall what they do with FastNetMon. They are fetched, and not part of this
//! repository, as they are under another licence.

use floodwall_lab::{fetched, or_skip};

use super::*;

const REPOSITORY: &str = "https://github.com/pavel-odintsov/fastnetmon";
/// Names a clone of it.
const CLONE: &str = "FLOODWALL_FASTNETMON";
const COMMIT: &str = "e6056e77b023526af9e247dac0a0ffa2030a5693";
/// Stands for `mail`, `dig` and `curl`, which the scripts call: writes down what they were called with.
const RECORD: &str = "#!/bin/sh\n{\n    echo \"${0##*/}\"\n    printf '[%s]' \"$@\"\n    echo\n    case ${0##*/} in mail) cat ;; esac\n} >> calls\n";
/// Calls the script with these programs in its search path, and with what it was called with itself.
const CALL: &str =
    "#!/bin/sh\ncd \"${0%/*}\" || exit\nPATH=\"$PWD/programs:$PATH\"\nexec \"./$(cat which)\" \"$@\"\n";

fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("may be run");
}

/// What a script calls in an attack on 192.0.2.10 and at its end. `edit` is what its instructions tell to fill in.
fn calls(file: &str, edit: (&str, &str)) -> Result<String, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let home = directory.path();
    let script = fetched::git_file(CLONE, REPOSITORY, COMMIT, file, home)?;
    let text = std::fs::read_to_string(&script).expect("read");
    assert!(text.contains(edit.0), "{file} is not what it was");
    executable(&script, &text.replace(edit.0, edit.1));
    std::fs::create_dir(home.join("programs")).expect("made");
    for program in ["mail", "dig", "curl"] {
        executable(&home.join("programs").join(program), RECORD);
    }
    std::fs::write(home.join("which"), script.file_name().expect("a name").as_encoded_bytes())
        .expect("written");
    executable(&home.join("call"), CALL);

    let path = home.join("call").display().to_string();
    let notifier = start(vec![target(&format!(
        "name = 'fnm'\nkind = 'command'\npath = '{path}'\nformat = 'fastnetmon-text'"
    ))]);
    let mut attacked = incident();
    attacked.destinations[0].prefix = "192.0.2.10/32".to_owned();
    notifier.tell(&[(IncidentEvent::Began, attacked.clone())]);
    notifier.update(&attacked);
    notifier.tell(&[(IncidentEvent::Ended, sample::over(attacked))]);
    let report = until(&notifier, "both calls are made", |report| report.sent + report.failed == 2);
    assert_eq!((report.failed, report.problem), (0, None));
    Ok(std::fs::read_to_string(home.join("calls")).unwrap_or_default())
}

#[test]
fn its_own_scripts_mail_and_post_what_they_do_for_fastnetmon() {
    let mailed = or_skip!(calls("src/notify_about_attack.sh", ("", "")));
    let subject =
        "[FastNetMon Community: IP 192.0.2.10 blocked because incoming attack with power 100000 pps]";
    assert!(
        mailed.starts_with(&format!("mail\n[-s]{subject}[please_fix_this_email@domain.com]\n")),
        "{mailed}"
    );
    for line in ["IP: 192.0.2.10", "Attack type: syn_flood", "Attack direction: incoming"] {
        assert!(mailed.lines().any(|told| told == line), "{line}: {mailed}");
    }
    assert_eq!(mailed.matches("[-s]").count(), 1, "of the end it mails nothing: {mailed}");

    let url = ("slack_url=\"\"", "slack_url=\"http://slack.example.net/hook\"");
    let slack = or_skip!(calls("src/scripts/notify_with_slack.sh", url));
    let posts: Vec<_> = slack.split("curl\n").skip(1).collect();
    assert_eq!(posts.len(), 2, "{slack}");
    for (post, action, colour) in [(posts[0], "ban", "danger"), (posts[1], "unban", "good")] {
        assert!(post.contains("IP: 192.0.2.10\\nHostname: "), "{post}");
        assert!(post.contains(&format!("PPS: 100000\\nAction: {action}\\n")), "{post}");
        assert!(post.contains(&format!("\"color\": \"{colour}\"")), "{post}");
    }
    assert!(posts[0].contains("Attack protocol: tcp"), "what stood on its standard input: {slack}");

    let url = ("webhook_url=\"\"", "webhook_url=\"http://discord.example.net/hook\"");
    let discord = or_skip!(calls("src/scripts/notify_with_discord.sh", url));
    let posts: Vec<_> = discord.split("curl\n").skip(1).collect();
    assert_eq!(posts.len(), 2, "{discord}");
    for (post, action) in [(posts[0], "ban"), (posts[1], "unban")] {
        assert!(post.contains(&format!("\"Action Taken\", \"value\": \"{action}\"")), "{post}");
    }
}
