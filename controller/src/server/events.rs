//! The stream of events: the sample of drops, and what is told on the bus.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use tokio::sync::broadcast::error::RecvError;

use super::{Context, answer::Refused, stream::Lines};
use crate::{
    api,
    event::{Event, Heard, What},
};

pub(super) async fn events(State(context): State<Context>) -> Result<Response, Refused> {
    let place = Arc::clone(&context.streams).try_acquire_owned().map_err(|_| {
        Refused::busy(format!(
            "{} clients listen to what happens at the moment, the most there may be; end one of them",
            context.bounds.streams
        ))
    })?;
    let (lines, response) = Lines::response();
    let (mut drops, mut happens) = (context.drops.subscribe(), context.bus.subscribe());
    tokio::spawn(async move {
        let _place = place;
        loop {
            let event = tokio::select! {
                drop = drops.recv() => match drop {
                    Ok(report) => api::Event::Drop(report),
                    // The reader was too slow for some; they are a sample anyhow.
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => break,
                },
                heard = happens.next() => match heard {
                    Some(Heard::Event(event)) => as_told(event),
                    Some(Heard::Missed(missed)) => {
                        let text = format!(
                            "this stream ends here: its reader was too slow for {missed} events; listen again"
                        );
                        lines.write(&end(text)).await;
                        break;
                    }
                    None => break,
                },
                () = lines.closed() => break,
            };
            if !lines.write(&event).await {
                break;
            }
        }
    });
    Ok(response)
}

/// The last line of a stream that ends before either side wants it to.
fn end(text: String) -> api::Event {
    let Event { time_ms, what } = Event::now(What::Health { text, loud: true });
    api::Event::End(api::Notice {
        time_ms,
        severity: what.severity().name().to_owned(),
        text: what.to_string(),
    })
}

/// An event as clients know it.
fn as_told(Event { time_ms, what }: Event) -> api::Event {
    let severity = what.severity().name().to_owned();
    let notice = |what: &What| api::Notice { time_ms, severity, text: what.to_string() };
    match what {
        What::Interface { interface, filtered, text } => {
            api::Event::Interface(api::InterfaceReport { time_ms, interface, filtered, text })
        }
        What::Attack(_) => api::Event::Attack(notice(&what)),
        What::Signature { .. } => api::Event::Signature(notice(&what)),
        What::WouldBan { .. } => api::Event::WouldBan(notice(&what)),
        What::Banned { .. } | What::Unbanned { .. } => api::Event::Ban(notice(&what)),
        What::List { .. } => api::Event::List(notice(&what)),
        What::Rule { .. } => api::Event::Rule(notice(&what)),
        What::Health { .. } | What::Strain { .. } => api::Event::Health(notice(&what)),
        What::Command { .. } => api::Event::Command(notice(&what)),
        What::Task { .. } => api::Event::Task(notice(&what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_the_kind_by_its_name() {
        let all = [
            What::WouldBan { text: "a".into() },
            What::Unbanned { bans: 1, lifted: true },
            What::List { list: "block", added: 1, removed: 0, account: "manual".into() },
            What::Command { who: "root".into(), command: "bypass".into() },
            What::Task { task: "watch", text: "restarted".into() },
            What::Interface { interface: "e0".into(), filtered: true, text: "is filtered".into() },
        ];
        for what in all {
            let (kind, text) = (what.kind(), what.to_string());
            let told = serde_json::to_value(as_told(Event { time_ms: 7, what })).unwrap();
            assert_eq!(
                (&told["kind"], &told["text"], &told["time_ms"]),
                (&kind.into(), &text.into(), &7.into())
            );
        }
    }
}
