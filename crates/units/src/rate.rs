//! Traffic rates.

const UNITS: [&str; 5] = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];

/// How precisely a rate is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// Two significant digits, `9.8 Mbit/s` or `98 Mbit/s`.
    Two,
    /// One decimal, `98.4 Mbit/s`, so that numbers in a column line up.
    OneDecimal,
    /// Up to two decimals without trailing zeros, `1 Gbit/s` or `940.82 Mbit/s`.
    UpToTwoDecimals,
}

/// A rate, given in bit/s, with its SI prefix.
pub fn bit_rate(bits: f64, digits: Digits) -> String {
    // A value from here on would round to 1000.
    let most = match digits {
        Digits::Two => 999.5,
        Digits::OneDecimal => 999.95,
        Digits::UpToTwoDecimals => 999.995,
    };
    let (mut value, mut unit) = (bits, 0);
    while value >= most && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let number = match digits {
        Digits::Two if value < 10.0 => format!("{value:.1}"),
        Digits::Two => format!("{value:.0}"),
        _ if unit == 0 => format!("{value:.0}"),
        Digits::OneDecimal => format!("{value:.1}"),
        Digits::UpToTwoDecimals => {
            format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    format!("{number} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<const N: usize>(rates: [f64; N], digits: Digits) -> [String; N] {
        rates.map(|rate| bit_rate(rate, digits))
    }

    #[test]
    fn with_two_digits() {
        let rates = [8.0, 1e6, 1e10, 999_499.0, 999_500.0, 2.5e15];
        let expected = ["8.0 bit/s", "1.0 Mbit/s", "10 Gbit/s", "999 kbit/s", "1.0 Mbit/s", "2500 Tbit/s"];
        assert_eq!(shown(rates, Digits::Two), expected);
    }

    #[test]
    fn with_one_decimal() {
        let rates = [0.0, 999.0, 1_000.0, 940_800_000.0, 999_960.0];
        let expected = ["0 bit/s", "999 bit/s", "1.0 kbit/s", "940.8 Mbit/s", "1.0 Mbit/s"];
        assert_eq!(shown(rates, Digits::OneDecimal), expected);
    }

    #[test]
    fn with_up_to_two_decimals() {
        let rates = [12.0, 1_500.0, 940.8e6, 1e9, 100e9, 999_996.0];
        let expected = ["12 bit/s", "1.5 kbit/s", "940.8 Mbit/s", "1 Gbit/s", "100 Gbit/s", "1 Mbit/s"];
        assert_eq!(shown(rates, Digits::UpToTwoDecimals), expected);
    }
}
