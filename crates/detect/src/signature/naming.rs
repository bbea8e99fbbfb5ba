//! Services in signatures by name: `to web` for `service=3`.

use super::{ParseError, TermFault};

const TO: &str = "to";
const SERVICE: &str = "service=";

/// A signature's text with the services' names in place of their numbers, as far as they have one.
pub fn named(text: &str, name: impl Fn(u8) -> Option<String>) -> String {
    let terms = text.split_whitespace().map(|term| {
        let name = term.strip_prefix(SERVICE).and_then(|number| name(number.parse().ok()?));
        name.map_or_else(|| term.to_owned(), |name| format!("{TO} {name}"))
    });
    terms.collect::<Vec<_>>().join(" ")
}

/// And back.
///
/// # Errors
///
/// If there is no such service.
pub fn numbered(text: &str, number: impl Fn(&str) -> Option<u8>) -> Result<String, ParseError> {
    let mut terms = Vec::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word != TO {
            terms.push(word.to_owned());
            continue;
        }
        let name = words.next().unwrap_or_default();
        let number = number(name)
            .ok_or_else(|| ParseError { term: format!("{TO} {name}"), fault: TermFault::NoService })?;
        terms.push(format!("{SERVICE}{number}"));
    }
    Ok(terms.join(" "))
}

/// A signature's text without the service, and which one it was.
pub fn apart(text: &str) -> (String, Option<String>) {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.iter().position(|word| *word == TO) {
        Some(place) => {
            let service = words.get(place + 1).map(|name| format!("{TO} {name}"));
            let others = [&words[..place], words.get(place + 2..).unwrap_or_default()].concat();
            (others.join(" "), service)
        }
        None => (words.join(" "), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_names() {
        let name = |number| (number == 3).then(|| "web".to_owned());
        let number = |name: &str| (name == "web").then_some(3);
        assert_eq!(named("tcp service=3 len=40", name), "tcp to web len=40");
        assert_eq!(named("tcp service=4", name), "tcp service=4");
        assert_eq!(numbered("tcp to web len=40", number).unwrap(), "tcp service=3 len=40");
        let error = numbered("tcp to mail", number).unwrap_err().to_string();
        assert!(error.contains("`to mail`: there is no such service"), "{error}");
        assert!(numbered("tcp to", number).is_err());
        assert_eq!(apart("tcp to web len=40"), ("tcp len=40".to_owned(), Some("to web".to_owned())));
    }
}
