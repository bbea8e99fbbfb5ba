//! Rates as a row of blocks, where nothing can be drawn.

use floodwall_api::IncidentSecond;

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What `of` says of each span, as so many blocks, and the greatest of it, a second.
pub(super) fn spark(
    series: &[IncidentSecond],
    width: usize,
    of: fn(&IncidentSecond) -> u64,
) -> (String, u64) {
    let (Some(first), Some(last)) = (series.first(), series.last()) else { return (String::new(), 0) };
    let from = first.time;
    let seconds = (last.time + u64::from(last.span)).saturating_sub(from).max(1);
    let width = width.min(usize::try_from(seconds).unwrap_or(width)).max(1);
    let mut columns = vec![0_u64; width];
    for second in series {
        let rate = of(second) / u64::from(second.span.max(1));
        let place =
            |time: u64| ((time.saturating_sub(from)) as u128 * width as u128 / seconds as u128) as usize;
        let end = place(second.time + u64::from(second.span) - 1).min(width - 1);
        for column in &mut columns[place(second.time).min(end)..=end] {
            *column = (*column).max(rate);
        }
    }
    let most = columns.iter().copied().max().unwrap_or_default();
    let block = |rate: u64| {
        // What is not nothing shows.
        let height = if most == 0 { 0 } else { (rate as u128 * 8).div_ceil(u128::from(most)) as usize };
        BLOCKS[height.min(8)]
    };
    (columns.into_iter().map(block).collect(), most)
}
