//! Mail through a server of others, `aiosmtpd` of the Python Package Index: TLS, and who may send.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use floodwall_lab::{fetched, or_skip};
use serde_json::Value;

use super::{tls::certificate, *};

const PACKAGES: [&str; 1] = ["aiosmtpd==1.4.6"];
const SINK: &str = include_str!("mail_sink.py");

/// A mail server; it ends with its standard input.
struct Sink {
    port: u16,
    letters: Receiver<Value>,
    child: Child,
    input: Option<ChildStdin>,
}

impl Sink {
    fn start(python: &Path, protection: &str, certificate: &Path, key: &Path) -> Self {
        let mut child = Command::new(python)
            .args(["-W", "ignore", "-c", SINK, protection])
            .args([certificate, key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python runs");
        let input = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let port = lines.next().expect("it starts").expect("a line").parse().expect("a port");
        let (tell, letters) = mpsc::channel();
        thread::spawn(move || {
            for line in lines {
                let letter = serde_json::from_str(&line.expect("a line")).expect("JSON");
                // The test may be over.
                drop(tell.send(letter));
            }
        });
        Self { port, letters, child, input }
    }

    /// A target that sends mail there.
    fn target(&self, tls: &str, more: &str) -> Target {
        target(&format!(
            "name = 'mail'\nkind = 'mail'\nserver = '127.0.0.1'\nport = {}\ntls = '{tls}'\n\
             from = 'floodwall <floodwall@example.net>'\nto = ['noc@example.net']\ngive-up-after = '1s'\n{more}",
            self.port
        ))
    }

    fn next(&self) -> Value {
        self.letters.recv_timeout(PATIENCE).expect("a letter")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

/// What is wrong with the one message that is sent.
fn problem(target: Target) -> String {
    let notifier = start(vec![target]);
    notifier.tell(&[(IncidentEvent::Began, incident())]);
    let report = until(&notifier, "it is not taken", |report| report.failed == 1);
    assert_eq!(report.sent, 0, "{report:?}");
    report.problem.expect("it is told")
}

#[test]
fn a_mail_server_takes_mail_by_tls_of_whoever_has_the_password() {
    let python = or_skip!(fetched::python(&PACKAGES, "aiosmtpd"));
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key) = or_skip!(certificate(directory.path()));
    let user = |name: &str, password: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, password).expect("written");
        format!("user = 'floodwall'\npassword = {{ file = '{}' }}", path.display())
    };
    let (right, wrong) = (user("right", "s3cret\n"), user("wrong", "s3cret-of-yesterday\n"));
    let vouched = format!("ca-file = '{}'", certificate.display());
    for tls in ["starttls", "implicit"] {
        let sink = Sink::start(&python, tls, &certificate, &key);
        let notifier = start(vec![sink.target(tls, &format!("{right}\n{vouched}"))]);
        notifier.tell(&[(IncidentEvent::Began, incident())]);
        let letter = sink.next();
        assert_eq!((&letter["tls"], &letter["authenticated"]), (&true.into(), &true.into()), "{letter}");
        assert_eq!(letter["to"], serde_json::json!(["noc@example.net"]));
        assert!(letter["text"].as_str().is_some_and(|text| text.contains("Subject: edge1: attack began")));
        until(&notifier, "it is sent", |report| report.sent == 1 && report.problem.is_none());

        let refused = problem(sink.target(tls, &format!("{wrong}\n{vouched}")));
        assert!(refused.contains("535") && !refused.contains("s3cret"), "{tls}: {refused}");
        let nobody = problem(sink.target(tls, &vouched));
        assert!(nobody.contains("530"), "{tls}: {nobody}");
        let strange = problem(sink.target(tls, &right));
        assert!(strange.contains("certificate"), "{tls}: {strange}");
        assert!(sink.letters.try_recv().is_err(), "only one was taken");
    }
    // One that offers no TLS is sent no password, and no letter.
    let sink = Sink::start(&python, "none", &certificate, &key);
    let plain = problem(sink.target("starttls", &format!("{right}\n{vouched}")));
    assert!(plain.contains("STARTTLS"), "{plain}");
    assert!(sink.letters.try_recv().is_err());
}
