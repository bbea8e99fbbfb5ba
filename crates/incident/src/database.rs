//! The database of incidents: an SQLite file of its own beside the state.
//!
//! SQLite is used for the state already, survives being killed at any point, and finds the seconds of one incident without
//! reading those of others. A damaged file is set aside and a new one begun: it is a record, and no packet is judged by it.

mod room;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use floodwall_api::{Incident, IncidentPhase, IncidentSecond};
use floodwall_sqlite::{damaged, distrust, for_reading, for_writing, write_ahead};
use rusqlite::{Connection, OptionalExtension as _, params};
use tracing::warn;

use crate::{evidence::Frame, recorder::StoredIncident};

/// The application ID in the file's header: "flwi".
const APPLICATION: i32 = 0x666c_7769;
/// The version of the tables.
const FORMAT: i32 = 1;
/// Size to which the write-ahead log is truncated when it is reset, bytes.
const MAX_LOG: i64 = 2 << 20;

const TABLES: &str = "\
CREATE TABLE incident (id INTEGER PRIMARY KEY AUTOINCREMENT, began_ms INTEGER NOT NULL, over INTEGER NOT NULL, \
redacted INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE second (incident INTEGER NOT NULL, time INTEGER NOT NULL, span INTEGER NOT NULL, body TEXT NOT NULL, \
PRIMARY KEY (incident, time)) STRICT, WITHOUT ROWID;
CREATE TABLE packet (incident INTEGER NOT NULL, time_us INTEGER NOT NULL, length INTEGER NOT NULL, dropped INTEGER \
NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX packet_of ON packet (incident, time_us);";

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the database and its log.
    pub bytes: u64,
    /// How long an incident is kept after its beginning, s.
    pub keep: u64,
    /// How long addresses are kept in full, s. After that they are reduced to prefixes.
    pub redact_after: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, keep: 365 * 86_400, redact_after: 30 * 86_400 }
    }
}

/// How rates are thinned: the age in s from which on, and the number of seconds that are merged into one.
pub(crate) const THINNED: [(u64, u64); 3] = [(86_400, 10), (7 * 86_400, 60), (30 * 86_400, 600)];

/// What is written in one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Batch {
    pub(crate) incidents: Vec<StoredIncident>,
    pub(crate) seconds: Vec<(u64, IncidentSecond)>,
    pub(crate) frames: Vec<(u64, Frame)>,
}

/// The database, opened for writing.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
}

/// The contents of the database at the start.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The number of the next incident.
    pub(crate) next_id: u64,
    pub(crate) incidents: Vec<StoredIncident>,
}

impl Database {
    /// Opens or creates the database. A damaged file is set aside.
    pub(crate) fn open(path: &Path) -> anyhow::Result<(Self, Found)> {
        match Self::open_as_it_is(path) {
            Err(error) if is_damaged(&error) => {
                let aside = aside(path);
                warn!(
                    file = %path.display(), aside = %aside.display(), error = format!("{error:#}"),
                    "the record of incidents is damaged, and begins anew"
                );
                set_aside(path, &aside)?;
                Self::open_as_it_is(path)
            }
            outcome => outcome,
        }
        .with_context(|| format!("opening the record of incidents {}", path.display()))
    }

    fn open_as_it_is(path: &Path) -> anyhow::Result<(Self, Found)> {
        floodwall_sqlite::create_if_missing(path)?;
        let connection = Connection::open_with_flags(path, for_writing())?;
        distrust(&connection)?;
        let format: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match format {
            0 => {
                connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
                connection.pragma_update(None, "application_id", APPLICATION)?;
                connection
                    .execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;"))?;
            }
            FORMAT => {}
            later => bail!(
                "it is of format {later}, and this floodwall knows format {FORMAT}; move the file away to begin anew"
            ),
        }
        write_ahead(&connection, MAX_LOG)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(anyhow::Error::new(damaged()).context(sound));
        }
        let found = find(&connection)?;
        Ok((Self { connection }, found))
    }

    /// Writes a batch in one transaction. It is on disk when this returns.
    pub(crate) fn write(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let insert = "INSERT INTO incident (id, began_ms, over, redacted, body) VALUES (?1, ?2, ?3, 0, ?4) \
                          ON CONFLICT (id) DO UPDATE SET over = ?3, body = ?4";
            let mut insert = transaction.prepare(insert)?;
            for kept in &batch.incidents {
                let StoredIncident { incident, .. } = kept;
                let over = incident.phase == IncidentPhase::Resolved;
                let body = serde_json::to_string(kept)?;
                insert.execute(params![incident.id as i64, incident.began_ms as i64, over, body])?;
            }
            let mut insert = transaction.prepare(
                "INSERT OR REPLACE INTO second (incident, time, span, body) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (id, second) in &batch.seconds {
                let body = serde_json::to_string(second)?;
                insert.execute(params![*id as i64, second.time as i64, second.span, body])?;
            }
        }
        {
            let mut insert = transaction.prepare(
                "INSERT INTO packet (incident, time_us, length, dropped, reason, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for (id, Frame { time_us, length, reason, by, dropped, bytes }) in &batch.frames {
                let reason = reason_column(reason, by.as_deref());
                insert.execute(params![*id as i64, *time_us as i64, length, dropped, reason, bytes])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Thins rates, redacts old incidents, and removes incidents that are too old or take too much space. Returns the numbers
    /// of removed incidents, and the redacted incidents.
    pub(crate) fn tidy(
        &mut self,
        now_s: u64,
        limits: &Limits,
    ) -> anyhow::Result<(Vec<u64>, Vec<StoredIncident>)> {
        for (age, step) in THINNED {
            self.thin(now_s.saturating_sub(age), step)?;
        }
        let redacted = self.redact(now_s.saturating_sub(limits.redact_after))?;
        let mut gone = self.remove_before(now_s.saturating_sub(limits.keep))?;
        self.make_room(limits.bytes, &mut gone)?;
        self.give_back()?;
        Ok((gone, redacted))
    }

    fn remove_before(&mut self, time_s: u64) -> anyhow::Result<Vec<u64>> {
        let before = time_s.saturating_mul(1_000) as i64;
        let ids: Vec<i64> = {
            let query = "SELECT id FROM incident WHERE over AND began_ms < ?1";
            let mut old = self.connection.prepare(query)?;
            old.query_map([before], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        ids.into_iter()
            .map(|id| {
                self.remove(id as u64)?;
                Ok(id as u64)
            })
            .collect()
    }

    fn remove(&mut self, id: u64) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM second WHERE incident = ?1", [id as i64])?;
        transaction.execute("DELETE FROM packet WHERE incident = ?1", [id as i64])?;
        transaction.execute("DELETE FROM incident WHERE id = ?1", [id as i64])?;
        transaction.commit()
    }

    /// Merges seconds from before a time into spans of `step` seconds.
    fn thin(&mut self, before_s: u64, step: u64) -> anyhow::Result<()> {
        let ids: Vec<i64> = {
            let query = "SELECT DISTINCT incident FROM second WHERE time < ?1 AND span < ?2";
            let mut rows = self.connection.prepare(query)?;
            let (before, step) = (before_s as i64, step as i64);
            rows.query_map([before, step], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        ids.into_iter().try_for_each(|id| self.thin_one(id as u64, before_s, step).map(drop))
    }

    fn thin_one(&mut self, id: u64, before_s: u64, step: u64) -> anyhow::Result<bool> {
        let before: Vec<_> =
            series(&self.connection, id)?.into_iter().filter(|second| second.time < before_s).collect();
        let thinned = thinned(&before, step);
        if thinned.len() == before.len() {
            return Ok(false);
        }
        let transaction = self.connection.transaction()?;
        let query = "DELETE FROM second WHERE incident = ?1 AND time < ?2";
        transaction.execute(query, [id as i64, before_s as i64])?;
        let query = "INSERT OR REPLACE INTO second (incident, time, span, body) VALUES (?1, ?2, ?3, ?4)";
        for second in thinned {
            let body = serde_json::to_string(&second)?;
            transaction.execute(query, params![id as i64, second.time as i64, second.span, body])?;
        }
        transaction.commit()?;
        Ok(true)
    }

    /// Redacts incidents that began before a time, and removes their packets.
    fn redact(&mut self, before_s: u64) -> anyhow::Result<Vec<StoredIncident>> {
        let before = before_s.saturating_mul(1_000) as i64;
        let bodies: Vec<String> = {
            let query = "SELECT body FROM incident WHERE over AND NOT redacted AND began_ms < ?1";
            let mut rows = self.connection.prepare(query)?;
            rows.query_map([before], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        let mut redacted = Vec::new();
        for body in bodies {
            let mut kept: StoredIncident = serde_json::from_str(&body)?;
            crate::redact::incident(&mut kept.incident);
            let body = serde_json::to_string(&kept)?;
            let query = "UPDATE incident SET redacted = 1, body = ?2 WHERE id = ?1";
            self.connection.execute(query, params![kept.incident.id as i64, body])?;
            let query = "DELETE FROM packet WHERE incident = ?1";
            self.connection.execute(query, [kept.incident.id as i64])?;
            redacted.push(kept);
        }
        Ok(redacted)
    }
}

/// A connection that only reads.
fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, for_reading())?;
    distrust(&connection)?;
    Ok(connection)
}

/// An incident and its seconds, read through a connection of its own.
pub(crate) fn read(path: &Path, id: u64) -> anyhow::Result<(Option<Incident>, Vec<IncidentSecond>)> {
    let read = || {
        let connection = reader(path)?;
        let query = "SELECT body FROM incident WHERE id = ?1";
        let body: Option<String> = connection.query_row(query, [id as i64], |row| row.get(0)).optional()?;
        let kept: Option<StoredIncident> = body.map(|body| serde_json::from_str(&body)).transpose()?;
        anyhow::Ok((kept.map(|kept| kept.incident), series(&connection, id)?))
    };
    read().with_context(|| format!("reading the record of incidents {}", path.display()))
}

/// The packets of an incident, read through a connection of its own.
pub(crate) fn frames(path: &Path, id: u64) -> anyhow::Result<Vec<Frame>> {
    let read = || {
        let connection = reader(path)?;
        let query =
            "SELECT time_us, length, dropped, reason, body FROM packet WHERE incident = ?1 ORDER BY time_us";
        let mut rows = connection.prepare(query)?;
        let frames = rows.query_map([id as i64], |row| {
            let (reason, by) = of_reason_column(row.get(3)?);
            Ok(Frame {
                time_us: row.get::<_, i64>(0)? as u64,
                length: row.get(1)?,
                dropped: row.get(2)?,
                reason,
                by,
                bytes: row.get(4)?,
            })
        })?;
        frames.collect::<rusqlite::Result<Vec<_>>>()
    };
    read().with_context(|| format!("reading the packets of incident {id} in {}", path.display()))
}

/// A packet's reason and what has decided on it, as they share a column: no reason has a space in it.
fn reason_column(reason: &str, by: Option<&str>) -> String {
    by.map_or_else(|| reason.to_owned(), |by| format!("{reason} {by}"))
}

fn of_reason_column(column: String) -> (String, Option<String>) {
    match column.split_once(' ') {
        Some((reason, by)) => (reason.to_owned(), Some(by.to_owned())),
        None => (column, None),
    }
}

fn series(connection: &Connection, id: u64) -> anyhow::Result<Vec<IncidentSecond>> {
    let mut rows = connection.prepare("SELECT body FROM second WHERE incident = ?1 ORDER BY time")?;
    let bodies = rows.query_map([id as i64], |row| row.get::<_, String>(0))?;
    bodies.map(|body| Ok(serde_json::from_str(body?.as_str())?)).collect()
}

fn find(connection: &Connection) -> anyhow::Result<Found> {
    let query = "SELECT seq FROM sqlite_sequence WHERE name = 'incident'";
    let last: Option<i64> = connection.query_row(query, [], |row| row.get(0)).optional()?;
    let mut rows = connection.prepare("SELECT body FROM incident ORDER BY id")?;
    let bodies: Vec<String> = rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let incidents = bodies.iter().map(|body| serde_json::from_str(body)).collect::<Result<_, _>>()?;
    Ok(Found { next_id: last.unwrap_or_default() as u64 + 1, incidents })
}

/// Merges seconds that are in the same interval of `step` seconds.
pub(crate) fn thinned(seconds: &[IncidentSecond], step: u64) -> Vec<IncidentSecond> {
    let mut thinned: Vec<IncidentSecond> = Vec::new();
    for second in seconds {
        match thinned.last_mut() {
            Some(last) if last.time / step == second.time / step => last.merge(second),
            _ => thinned.push(second.clone()),
        }
    }
    thinned
}

/// Whether the file is damaged, or what is in it is not understood.
fn is_damaged(error: &anyhow::Error) -> bool {
    floodwall_sqlite::is_damaged(error) || error.downcast_ref::<serde_json::Error>().is_some()
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    name.into()
}

fn set_aside(path: &Path, aside: &Path) -> anyhow::Result<()> {
    std::fs::rename(path, aside).with_context(|| format!("setting {} aside", path.display()))?;
    for ending in ["-wal", "-shm"] {
        let mut log = path.as_os_str().to_owned();
        log.push(ending);
        match std::fs::remove_file(&log) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
