//! Keeps the file within its size. What is missed least goes first: packets of incidents that are over, the later packets of
//! the open one, incidents that are over, and then rates of the open one.

use rusqlite::{OptionalExtension as _, params};

use super::{Database, MAX_LOG};

/// Packets and rates of the open incident that are kept in any case.
const LEAST_PACKETS: i64 = 1_000;
const LEAST_SECONDS: i64 = 16;
/// Packets that are removed, and pages that are given back, in one transaction, which passes through the log.
const PACKETS_AT_ONCE: u32 = 1_000;
const PAGES_AT_ONCE: u32 = 256;

impl Database {
    /// Removes what is missed least until the file and its log fit into so many bytes. Adds the numbers of incidents that are gone
    /// to `gone`, also if it fails later. Where there is room, it only asks for the size.
    pub(crate) fn make_room(&mut self, bytes: u64, gone: &mut Vec<u64>) -> anyhow::Result<()> {
        let room = bytes.saturating_sub(MAX_LOG as u64);
        // A tenth is left for what comes until the next look.
        while self.used()? > room / 10 * 9 {
            let evidence = self.oldest_evidence()?.map_or_else(|| self.most_evidence(), |id| Ok(Some(id)))?;
            if let Some(id) = evidence {
                self.remove_later_packets(id)?;
            } else if let Some(id) = self.oldest_over()? {
                self.remove(id)?;
                gone.push(id);
            } else if !self.halve_seconds()? {
                break;
            }
        }
        if self.number("page_count")? * self.number("page_size")? > room {
            self.give_back()?;
        }
        Ok(())
    }

    /// Gives pages that are not used any more back to the file system.
    pub(crate) fn give_back(&self) -> rusqlite::Result<()> {
        let mut pages = self.number("freelist_count")?;
        while pages > 0 {
            let mut vacuum =
                self.connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
            // It gives back a page for each row that it is asked for.
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
            match self.number("freelist_count")? {
                left if left < pages => pages = left,
                _ => break,
            }
        }
        Ok(())
    }

    /// Used bytes of the file.
    pub(super) fn used(&self) -> rusqlite::Result<u64> {
        let pages = self.number("page_count")?.saturating_sub(self.number("freelist_count")?);
        Ok(pages * self.number("page_size")?)
    }

    fn number(&self, pragma: &str) -> rusqlite::Result<u64> {
        let number: i64 = self.connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or_default())
    }

    /// The oldest incident that is over and has packets.
    fn oldest_evidence(&self) -> rusqlite::Result<Option<u64>> {
        let query = "SELECT id FROM incident WHERE over AND EXISTS (SELECT 1 FROM packet WHERE incident = id) \
                     ORDER BY began_ms LIMIT 1";
        let id = self.connection.query_row(query, [], |row| row.get::<_, i64>(0)).optional()?;
        Ok(id.map(|id| id as u64))
    }

    fn oldest_over(&self) -> rusqlite::Result<Option<u64>> {
        let query = "SELECT id FROM incident WHERE over ORDER BY began_ms LIMIT 1";
        let id = self.connection.query_row(query, [], |row| row.get::<_, i64>(0)).optional()?;
        Ok(id.map(|id| id as u64))
    }

    /// The incident with the most packets, if it has more than are kept in any case.
    fn most_evidence(&self) -> rusqlite::Result<Option<u64>> {
        let query = "SELECT incident FROM packet GROUP BY incident HAVING count(*) > ?1 ORDER BY count(*) DESC LIMIT 1";
        let id = self.connection.query_row(query, [LEAST_PACKETS], |row| row.get::<_, i64>(0)).optional()?;
        Ok(id.map(|id| id as u64))
    }

    /// Removes some packets of an incident, the later ones, as its beginning says most.
    fn remove_later_packets(&self, id: u64) -> rusqlite::Result<usize> {
        let query = "DELETE FROM packet WHERE rowid IN \
                     (SELECT rowid FROM packet WHERE incident = ?1 ORDER BY time_us DESC LIMIT ?2)";
        self.connection.execute(query, params![id as i64, PACKETS_AT_ONCE])
    }

    /// Halves the number of seconds of the incident that has the most. Returns whether any were put together.
    fn halve_seconds(&mut self) -> anyhow::Result<bool> {
        let query = "SELECT incident, max(time), max(span), count(*) FROM second GROUP BY incident \
                     ORDER BY count(*) DESC LIMIT 1";
        let row = self.connection.query_row(query, [], |row| {
            let number = |place| row.get::<_, i64>(place);
            Ok((number(0)? as u64, number(1)? as u64, number(2)? as u64, number(3)?))
        });
        let Some((id, last, span, rows)) = row.optional()? else { return Ok(false) };
        if rows < LEAST_SECONDS {
            return Ok(false);
        }
        // Where they are far apart, none falls together with another one.
        self.thin_one(id, last, span.max(1) * 2)
    }
}
