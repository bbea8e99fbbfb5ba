//! Whether records are those that were written, all of them, in their order. That a single one is as it was written is told by
//! its sum ([`Record::found`]), and here it is `None` if not.

use std::collections::BTreeMap;

use super::{
    damage_report::Flaw,
    record::{Base, Entry, Kind, Position, Record},
    witness::Said,
};

/// Records by their numbers, as they were found; `None`: there is something, but not what was written.
pub(super) type Rows = BTreeMap<u64, Option<Record>>;

/// Records that are sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    /// Number of the first.
    pub(super) base: u64,
    /// Records that were written with the first: a copy of all that was known.
    pub(super) copied: u64,
    /// The last.
    pub(super) last: Position,
}

/// What is wrong with records. The witness is held against them, if there is one that could be read.
///
/// What a crash leaves is sound: the records of one batch after the one that the witness names, which were not
/// acknowledged yet, or a copy of all of them that comes after it.
pub(super) fn verify(rows: &Rows, witness: Option<&Said>) -> Result<Sound, Vec<(Blamed, Flaw)>> {
    let mut flaws = Vec::new();
    let mut blame = |blamed, flaw| flaws.push((blamed, flaw));
    let bad: Vec<u64> = rows.iter().filter(|(_, record)| record.is_none()).map(|(seq, _)| *seq).collect();
    if let Some(first) = bad.first() {
        blame(Blamed::Database, Flaw::Records { first: *first, count: bad.len() as u64 });
    }
    let mut good = rows.values().flatten();
    let begins = good.next();
    let base = begins.and_then(base_of);
    match (begins, &base) {
        // Where the first ones are lost, that is told below, if it is known which these are.
        (Some(first), None) if witness.is_none_or(|said| said.base == first.seq) => {
            blame(Blamed::Database, Flaw::Beginning);
        }
        (None, _) if witness.is_none() => blame(Blamed::Database, Flaw::Beginning),
        _ => {}
    }
    if let Some(base) = &base
        && base.format != super::record::FORMAT
    {
        blame(Blamed::Database, Flaw::Beginning);
    }
    // A copy of all that the witness does not know of yet.
    let copied_since = base.as_ref().zip(witness).is_some_and(|(base, said)| base.after == said.last)
        && begins.zip(witness).is_some_and(|(begins, said)| begins.seq == said.last.seq + 1);
    let first = match (begins, witness) {
        (Some(begins), _) if copied_since => begins.seq,
        (_, Some(said)) => said.base,
        (Some(begins), None) => begins.seq,
        (None, None) => return Err(flaws),
    };
    let ends = rows.values().flatten().next_back();
    let last = witness.map(|said| said.last.seq).max(ends.map(|record| record.seq)).unwrap_or(first);

    let mut next = first;
    let mut before: Option<&Record> = None;
    for record in rows.values().flatten() {
        if record.seq < first {
            // Of another time than the witness: these are not what it tells of.
            continue;
        }
        lost(rows, next, record.seq, &mut |flaw| blame(Blamed::Database, flaw));
        let follows = match before {
            Some(before) if before.seq + 1 == record.seq => {
                record.kind != Kind::Base && record.follows(before.link)
            }
            Some(_) => record.kind != Kind::Base,
            None => record.seq != first || (record.kind == Kind::Base && record.follows(Default::default())),
        };
        if !follows {
            blame(Blamed::Database, Flaw::Exchanged { record: record.seq });
        }
        before = Some(record);
        next = record.seq + 1;
    }
    lost(rows, next, last + 1, &mut |flaw| blame(Blamed::Database, flaw));

    if let Some(said) = witness.filter(|_| !copied_since) {
        if begins.is_some_and(|begins| begins.seq != said.base && begins.kind == Kind::Base) {
            blame(Blamed::Database, Flaw::Foreign);
        } else if let Some(Some(named)) = rows.get(&said.last.seq)
            && named.link != said.last.link
        {
            blame(Blamed::Database, Flaw::Foreign);
        }
    }
    // What comes after what was acknowledged: one batch, or the witness is not of this time.
    let acknowledged = witness.map(|said| said.last.seq);
    let mut beyond =
        rows.values().flatten().filter(|record| acknowledged.is_some_and(|last| record.seq > last));
    if let Some(batch) = beyond.next().map(|record| record.batch)
        && (acknowledged.is_some_and(|last| batch != last + 1) || beyond.any(|record| record.batch != batch))
    {
        blame(Blamed::Witness, Flaw::Old);
    }
    match (flaws.is_empty(), ends) {
        (true, Some(ends)) => {
            let copied = rows.values().flatten().take_while(|record| record.batch == first).count() as u64;
            Ok(Sound { base: first, copied, last: ends.position() })
        }
        _ => Err(flaws),
    }
}

/// Which file something is wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blamed {
    Database,
    Witness,
}

fn base_of(record: &Record) -> Option<Base> {
    match record.read() {
        Ok(Entry::Base(base)) => Some(base),
        _ => None,
    }
}

/// Tells of the numbers from one up to another that no row has at all.
fn lost(rows: &Rows, from: u64, to: u64, blame: &mut dyn FnMut(Flaw)) {
    let mut from = from;
    if from >= to {
        return;
    }
    // Rows that are there, and not as they were written, are told of as such.
    for there in rows.range(from..to).map(|(seq, _)| *seq).chain([to]) {
        if there > from {
            blame(Flaw::Lost { first: from, last: there - 1 });
        }
        from = there + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FORMAT, Sum};

    /// Four batches: a base with a change, one of two, one of one, one of one.
    fn records(after: Position) -> Vec<Record> {
        let base = Base { format: FORMAT, after, by: "test".to_owned() };
        let start = Position { seq: after.seq, link: Sum::default() };
        let mut records =
            vec![Record::after(start, after.seq + 1, Kind::Base, serde_json::to_vec(&base).unwrap())];
        for (offset, batch) in [(1, 0), (2, 2), (3, 2), (4, 4), (5, 5)] {
            let before = records.last().unwrap().position();
            let body = format!("{{\"change\":\"lift-all\",\"n\":{offset}}}").into_bytes();
            records.push(Record::after(before, after.seq + 1 + batch, Kind::Change, body));
        }
        records
    }

    fn start() -> Position {
        Position { seq: 0, link: Sum::of(&[b"start"]) }
    }

    fn rows(records: &[Record]) -> Rows {
        records.iter().map(|record| (record.seq, Some(record.clone()))).collect()
    }

    fn said(base: u64, last: &Record) -> Said {
        Said { format: FORMAT, database: 1, turn: 9, base, last: last.position() }
    }

    fn told(rows: &Rows, said: Option<&Said>) -> Vec<String> {
        match verify(rows, said) {
            Ok(_) => Vec::new(),
            Err(flaws) => {
                let file = |blamed| if blamed == Blamed::Database { "db" } else { "witness" };
                let damage = flaws.into_iter().map(|(blamed, flaw)| {
                    super::super::Damage { file: file(blamed).to_owned(), flaw }.to_string()
                });
                damage.collect()
            }
        }
    }

    #[test]
    fn what_a_crash_leaves_is_sound() {
        let records = records(start());
        for acknowledged in [records.last().unwrap(), &records[4]] {
            let sound = verify(&rows(&records), Some(&said(1, acknowledged))).unwrap();
            let expected = Sound { base: 1, copied: 2, last: records[5].position() };
            assert_eq!(sound, expected, "a batch more than the witness says was not acknowledged yet");
        }
        let copy = super::tests::records(records[5].position());
        let copy = &copy[..2];
        let sound = verify(&rows(copy), Some(&said(1, &records[5]))).unwrap();
        assert_eq!(sound, Sound { base: 7, copied: 2, last: copy[1].position() }, "a copy of all");
        verify(&rows(copy), Some(&said(7, &copy[1]))).unwrap();
    }

    #[test]
    fn a_record_less_than_was_acknowledged_is_damage() {
        let records = records(start());
        let all = said(1, &records[5]);
        for length in 0..records.len() {
            let told = told(&rows(&records[..length]), Some(&all));
            let missing = if length == 5 {
                "record 6 of".to_owned()
            } else {
                format!("records {} to 6 of", length + 1)
            };
            assert!(told[0].starts_with(&missing), "{length}: {told:?}");
        }
        for gone in 0..records.len() {
            let mut rows = rows(&records);
            rows.remove(&(gone as u64 + 1));
            assert!(!told(&rows, Some(&all)).is_empty(), "without {gone}");
            rows.insert(gone as u64 + 1, None);
            let told = told(&rows, Some(&all));
            assert!(told[0].contains("not as"), "{gone} changed: {told:?}");
        }
    }

    #[test]
    fn records_and_witnesses_of_other_states_and_times_are_told() {
        let (ours, others) = (records(start()), records(Position { seq: 0, link: Sum::of(&[b"other"]) }));
        assert_eq!(
            told(&rows(&others), Some(&said(1, &ours[5]))),
            ["db is not the database that the witness tells of"]
        );
        let mut mixed = ours.clone();
        mixed[3] = others[3].clone();
        let told_of = told(&rows(&mixed), Some(&said(1, &ours[5])));
        assert!(told_of[0].contains("record 4 of db is not the one that followed"), "{told_of:?}");
        assert_eq!(
            told(&rows(&ours), Some(&said(1, &ours[3]))),
            ["witness tells of an earlier time than the database does"]
        );
        let copy = records(ours[5].position());
        for (rows, said) in [(&ours, said(7, &copy[1])), (&copy, said(1, &ours[4]))] {
            assert!(!told(&self::rows(rows), Some(&said)).is_empty());
        }
        let more = told(&rows(&copy), Some(&said(1, &ours[5])));
        assert_eq!(more, ["witness tells of an earlier time than the database does"]);
    }
}
