//! An exact reference in big rationals, written from the definitions alone, against the pipeline on small groups of
//! every magnitude.

use std::collections::HashMap;
use std::fmt::Debug;

use arrow::array::ArrayRef;
use concentra::options::{Options, Owners, Snapshot};
use num_bigint::{BigInt, BigUint};
use num_rational::BigRational;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::{
    Folder, Table, Value, analyze, assert_value, extras, f64s, options, pooled, row_of, texts, try_analyze,
    u64s, values, words,
};

/// The double nearest to a rational.
fn nearest(x: &BigRational) -> f64 {
    let (numerator, denominator) = (x.numer().magnitude(), x.denom().magnitude());
    if numerator.bits() == 0 {
        return 0.0;
    }
    // A quotient of 66 or 67 bits, its lowest one telling whether anything was cut off.
    let shift = 66 + denominator.bits() as i64 - numerator.bits() as i64;
    let (a, b) = if shift >= 0 {
        (numerator << shift, denominator.clone())
    } else {
        (numerator.clone(), denominator << -shift)
    };
    let quotient = &a / &b;
    let sticky = u128::from(&quotient * &b != a);
    let digits = quotient.to_u64_digits();
    let quotient = u128::from(digits[0]) | u128::from(digits.get(1).copied().unwrap_or(0)) << 64;
    let magnitude = libm::scalbn((quotient | sticky) as f64, -i32::try_from(shift).unwrap());
    if x.numer().sign() == num_bigint::Sign::Minus { -magnitude } else { magnitude }
}

fn integer(x: &BigUint) -> BigRational {
    BigRational::from_integer(BigInt::from(x.clone()))
}

fn whole(x: usize) -> BigRational {
    BigRational::from_integer(BigInt::from(x))
}

fn power(base: u8, exponent: u32) -> BigUint {
    BigUint::from(base).pow(exponent)
}

/// A population: exact amounts in units, and what the unit is worth.
struct Reference {
    ascending: Vec<BigUint>,
    total: BigUint,
}

impl Reference {
    fn new(mut amounts: Vec<BigUint>) -> Self {
        amounts.sort();
        let total = amounts.iter().sum();
        Self { ascending: amounts, total }
    }

    fn n(&self) -> usize {
        self.ascending.len()
    }

    fn sum(&self, amounts: &[BigUint]) -> BigRational {
        integer(&amounts.iter().sum())
    }

    fn share(&self, amounts: &[BigUint]) -> BigRational {
        self.sum(amounts) / integer(&self.total)
    }

    /// Of the k largest.
    fn top(&self, k: usize) -> f64 {
        nearest(&self.share(&self.ascending[self.n() - k.min(self.n())..]))
    }

    /// `max(1, ⌈n·p⌉)` largest, p one in so many.
    fn top_part(&self, one_in: usize) -> f64 {
        self.top(self.n().div_ceil(one_in).max(1))
    }

    fn mean(&self) -> BigRational {
        integer(&self.total) / whole(self.n())
    }

    /// `Σ_i Σ_j |x_i − x_j| / (2 n² μ)`.
    fn gini(&self) -> BigRational {
        let mut differences = BigUint::default();
        for (i, low) in self.ascending.iter().enumerate() {
            for high in &self.ascending[i..] {
                differences += high - low;
            }
        }
        integer(&differences) / (whole(self.n()) * integer(&self.total))
    }

    /// `Σ|x − μ| / (2A)`.
    fn hoover(&self) -> BigRational {
        let mean = self.mean();
        let off = |x: &BigUint| {
            let x = integer(x);
            if x > mean { x - &mean } else { &mean - x }
        };
        self.ascending.iter().map(off).sum::<BigRational>() / (whole(2) * integer(&self.total))
    }

    fn hhi(&self) -> BigRational {
        let shares = self.ascending.iter().map(|x| self.share(std::slice::from_ref(x)));
        shares.map(|p| &p * &p).sum()
    }

    /// The smallest k with `S_k > t·A`.
    fn nakamoto(&self, numerator: u64, denominator: u64) -> u64 {
        let bound = &self.total * numerator;
        let mut sum = BigUint::default();
        let reach = self.ascending.iter().rev().position(|x| {
            sum += x;
            &sum * denominator > bound
        });
        reach.unwrap() as u64 + 1
    }

    /// `x/μ` of each.
    fn relative(&self) -> Vec<f64> {
        let mean = self.mean();
        self.ascending.iter().map(|x| nearest(&(integer(x) / &mean))).collect()
    }

    /// The mean of the `k` logarithms of the largest over the next one.
    fn hill_logs(&self) -> Option<(usize, f64)> {
        let n = self.n();
        let k = (n - 1).min(n.div_ceil(100).max(10));
        let next = (k > 0).then(|| integer(&self.ascending[n - k - 1]))?;
        let log = |x: &BigUint| nearest(&((integer(x) - &next) / &next)).ln_1p();
        Some((k, self.ascending[n - k..].iter().map(log).sum()))
    }

    fn lorenz(&self) -> Vec<f64> {
        let point = |p: usize| {
            let (i, part) = (self.n() * p / 100, self.n() * p % 100);
            let mut below = self.sum(&self.ascending[..i]);
            if part > 0 {
                below += integer(&self.ascending[i]) * whole(part) / whole(100);
            }
            nearest(&(below / integer(&self.total)))
        };
        (0..=100).map(point).collect()
    }

    /// Every metric by its name. `hill_alpha` is left out where it may or may not be null.
    fn metrics(&self) -> HashMap<String, Value> {
        let n = self.n();
        let (size, one) = (whole(n), whole(1));
        let relative = self.relative();
        let mean = |f: &dyn Fn(f64) -> f64| relative.iter().map(|&r| f(r)).sum::<f64>() / n as f64;
        let shares: Vec<f64> = relative.iter().map(|r| r / n as f64).collect();
        let entropy: f64 = shares.iter().map(|p| -p * p.log2()).sum();
        let (gini, hhi) = (self.gini(), self.hhi());
        let several = |x: f64| (n > 1).then_some(x);
        let bottom = 4 * n / 10;
        let mut out = HashMap::new();
        let mut number = |name: &str, x: Option<f64>| out.insert(name.to_owned(), Value::Number(x));
        number("gini", Some(nearest(&gini)));
        number("hoover", Some(nearest(&self.hoover())));
        number("hhi", Some(nearest(&hhi)));
        let excess = (n > 1).then(|| (&hhi - &one / &size) / (&one - &one / &size));
        number("hhi_normalized", excess.map(|x| nearest(&x)));
        number("effective_holders", Some(nearest(&(&one / &hhi))));
        number("rosenbluth", Some(nearest(&(&one / (&size * (&one - &gini))))));
        number("shannon_entropy", Some(entropy));
        number("entropy_normalized", several(entropy / (n as f64).log2()));
        number("min_entropy", Some(-self.top(1).log2()));
        number("theil_t", Some(mean(&|r| r * r.ln())));
        number("theil_l", Some(mean(&|r| -r.ln())));
        number("atkinson_0_5", Some(1.0 - mean(&f64::sqrt).powi(2)));
        number("atkinson_1", Some(1.0 - mean(&f64::ln).exp()));
        let palma = (bottom > 0)
            .then(|| self.sum(&self.ascending[n - n.div_ceil(10)..]) / self.sum(&self.ascending[..bottom]));
        number("palma", palma.map(|x| nearest(&x)));
        number("max_share", Some(self.top(1)));
        for k in [1, 5, 10, 20, 100, 1000] {
            number(&format!("top_{k}_share"), Some(self.top(k)));
        }
        number("top_0_1pct_share", Some(self.top_part(1000)));
        number("top_1pct_share", Some(self.top_part(100)));
        number("top_10pct_share", Some(self.top_part(10)));
        number("bottom_50pct_share", Some(nearest(&self.share(&self.ascending[..n / 2]))));
        match self.hill_logs() {
            None => drop(number("hill_alpha", None)),
            Some((k, logs)) => {
                // Null where the fixed-point mean, in bits, is below 2^−28; its error is below 2^−31.
                let bits = logs / std::f64::consts::LN_2 / k as f64;
                let (least, error) = (2f64.powi(-28), 2f64.powi(-31));
                if bits < least - error {
                    number("hill_alpha", None);
                } else if bits > least + error {
                    number("hill_alpha", Some(k as f64 / logs));
                }
            }
        }
        let mut count = |name: &str, k: u64| out.insert(name.to_owned(), Value::Count(Some(k)));
        for (ending, a, b) in [("1_3", 1, 3), ("1_2", 1, 2), ("2_3", 2, 3), ("0_66", 66, 100), ("3_4", 3, 4)]
        {
            count(&format!("nakamoto_{ending}"), self.nakamoto(a, b));
        }
        let whales = self.ascending.iter().filter(|&x| x * 100u8 >= self.total).count();
        count("whales_1pct", whales as u64);
        out.insert("lorenz".into(), Value::List(Some(self.lorenz())));
        out
    }

    /// Twice the median.
    fn median_twice(&self) -> BigUint {
        &self.ascending[(self.n() - 1) / 2] + &self.ascending[self.n() / 2]
    }

    /// Whether 56 bits hold every amount.
    fn exact(&self) -> bool {
        self.ascending.iter().all(|x| x.bits() - x.trailing_zeros().unwrap() <= 56)
    }
}

/// What a whole number of units is worth.
#[derive(Debug, Clone, Copy)]
enum Unit {
    /// `10^−d`.
    Decimals(u32),
    /// `2^u`.
    Binary(i32),
}

impl Unit {
    fn worth(self) -> BigRational {
        let one = BigInt::from(1);
        match self {
            Self::Decimals(d) => BigRational::new(one, power(10, d).into()),
            Self::Binary(u) if u < 0 => BigRational::new(one, power(2, u.unsigned_abs()).into()),
            Self::Binary(u) => integer(&power(2, u.unsigned_abs())),
        }
    }
}

/// A rational that is a finite decimal, as plain text.
fn plain(x: &BigRational) -> String {
    let whole = x.to_integer();
    let (mut rest, mut text) = (x - &whole, whole.to_string());
    if rest > self::whole(0) {
        text.push('.');
    }
    while rest > self::whole(0) {
        rest *= self::whole(10);
        text += &rest.to_integer().to_string();
        rest = rest.fract();
    }
    text
}

/// A row of the result against the reference; `zeros` rows beside the amounts.
#[track_caller]
fn assert_group(table: &Table, row: usize, amounts: Vec<BigUint>, zeros: u64, unit: Unit) {
    let count = |name| table.count(name, row).unwrap();
    assert_eq!(count("n_rows"), amounts.len() as u64 + zeros);
    assert_eq!(count("n_zero"), zeros);
    assert_eq!(count("n_holders"), amounts.len() as u64);
    for name in ["n_null", "n_excluded", "n_negative", "n_merged", "n_below"] {
        assert_eq!(count(name), 0, "{name}");
    }
    if amounts.is_empty() {
        assert_eq!(table.text("total", row).as_deref(), Some("0"));
        for (name, value) in values(table, row, &extras()) {
            let null = matches!(value, Value::Number(None) | Value::Count(None) | Value::List(None));
            assert!(null, "{name} of nobody is {value:?}");
        }
        return;
    }
    let shown = format!("{amounts:?} {unit:?}");
    let reference = Reference::new(amounts);
    let total = integer(&reference.total) * unit.worth();
    assert_eq!(table.text("total", row).unwrap(), plain(&total), "{shown}");
    let near = |name: &str, expected: BigRational, tolerance: f64| {
        let (actual, expected) = (table.number(name, row).unwrap(), nearest(&expected));
        assert!(
            (actual - expected).abs() <= (tolerance * expected).max(1e-323),
            "{shown}: {name} {actual} {expected}"
        );
    };
    near("total_f64", total.clone(), 0.0);
    near("mean", total / whole(reference.n()), 1e-14);
    near("median", integer(&reference.median_twice()) * unit.worth() / whole(2), 1e-14);
    let log2 = if let Unit::Binary(u) = unit { u } else { 0 };
    assert_eq!(table.integer("unit_log2", row), Some(log2), "{shown}");
    assert_eq!(table.text("backend", row).as_deref(), Some("cpu"));
    let expected = reference.metrics();
    let actual = values(table, row, &extras());
    assert!(actual.len() - expected.len() <= 1, "the reference knows every metric");
    for (name, actual) in &actual {
        if let Some(expected) = expected.get(name) {
            assert_value(name, actual, expected, &shown);
        }
    }
}

/// Groups as one table, their rows taken in turns.
fn table_of<T: Clone>(groups: &[Vec<T>], column: impl Fn(&[T]) -> ArrayRef) -> concentra::Result<Table> {
    let (mut names, mut cells) = (Vec::new(), Vec::new());
    for row in 0..groups.iter().map(Vec::len).max().unwrap_or(0) {
        for (group, amounts) in groups.iter().enumerate() {
            if let Some(amount) = amounts.get(row) {
                names.push(format!("group {group}"));
                cells.push(amount.clone());
            }
        }
    }
    let folder = Folder::new();
    let path =
        folder.write_row_groups("a.parquet", &[("token", texts(&names)), ("balance", column(&cells))], 37);
    let options = Options { extras: extras(), snapshot: Snapshot::Nothing, ..options(&path) };
    try_analyze(&options).map(|analysis| Table(analysis.results.table))
}

/// Integers in 32 bytes.
fn check_words(groups: &[Vec<BigUint>]) {
    let table = table_of(groups, words).unwrap();
    assert_eq!(table.rows(), groups.len());
    for (row, group) in groups.iter().enumerate() {
        let (zeros, amounts): (Vec<_>, Vec<_>) = group.iter().cloned().partition(|x| x.bits() == 0);
        let exact = Reference::new(amounts.clone()).exact();
        assert_eq!(table.truth("exact", row), (!amounts.is_empty()).then_some(exact), "{amounts:?}");
        assert_group(&table, row, amounts, zeros.len() as u64, Unit::Decimals(0));
    }
}

/// From dust to 2^256 − 1, near powers of two, and zero.
fn amount() -> impl Strategy<Value = BigUint> {
    prop_oneof![
        4 => (any::<[u64; 4]>(), 0u32..256).prop_map(|(limbs, shift)| {
            let bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
            BigUint::from_bytes_le(&bytes) >> shift
        }),
        2 => (0u64..1000).prop_map(BigUint::from),
        2 => (1u32..=256, 0u8..3).prop_map(|(bits, less)| power(2, bits).max(4u8.into()) - 1u8 - less),
        1 => (50u32..70, 0u8..9).prop_map(|(bits, more)| power(2, bits) + more),
        1 => Just(power(2, 256) - 1u8),
    ]
}

/// Some amounts occur several times, anywhere.
fn with_repeats<T: Clone + Debug>(
    amount: impl Strategy<Value = T>,
    size: usize,
) -> impl Strategy<Value = Vec<T>> {
    (prop::collection::vec(amount, 1..size), prop::collection::vec(any::<(Index, Index)>(), 0..size / 2))
        .prop_map(|(mut amounts, repeats)| {
            for (of, at) in repeats {
                let copy = amounts[of.index(amounts.len())].clone();
                amounts.insert(at.index(amounts.len() + 1), copy);
            }
            amounts
        })
}

fn groups<T: Clone + Debug, S: Strategy<Value = Vec<T>>>(group: S) -> impl Strategy<Value = Vec<Vec<T>>> {
    prop::collection::vec(group, 1..4)
}

/// Parts of 300 that add up to 300, so that sums often are exactly 1/3, 1/2, 2/3, 0.66 or 3/4 of the whole.
fn parts() -> impl Strategy<Value = Vec<u64>> {
    let cut = prop_oneof![
        4 => prop::sample::select(vec![100u64, 150, 198, 200, 225, 75, 50, 102]),
        2 => (1u64..100).prop_map(|percent| 3 * percent),
        1 => 1u64..300,
    ];
    prop::collection::vec(cut, 0..12).prop_map(|mut cuts| {
        cuts.extend([0, 300]);
        cuts.sort_unstable();
        cuts.dedup();
        cuts.windows(2).map(|cut| cut[1] - cut[0]).collect()
    })
}

/// Supplies of 10⁹ tokens of 18 decimals, shuffled, times an odd factor so that 56 bits do not hold the amounts; a
/// wei more or less here and there breaks a tie either way.
fn supply() -> impl Strategy<Value = Vec<BigUint>> {
    let parts = parts().prop_shuffle();
    let wei = prop::collection::vec((any::<Index>(), -1i64..=1), 0..3);
    (parts, any::<u32>(), wei).prop_map(|(parts, factor, wei)| {
        let unit = power(10, 27) / 100u8 * (factor | 1);
        let mut amounts: Vec<BigInt> = parts.iter().map(|part| BigInt::from(&unit * *part)).collect();
        for (at, more) in wei {
            let at = at.index(amounts.len());
            amounts[at] += more;
        }
        amounts.iter().map(|a| a.magnitude().clone()).collect()
    })
}

/// Decimal text: digits, decimals, and zeros written after them.
#[derive(Debug, Clone)]
struct Decimal {
    digits: BigUint,
    decimals: u32,
    zeros: usize,
}

impl Decimal {
    fn text(&self) -> String {
        let (digits, decimals) = (self.digits.to_string(), self.decimals as usize);
        let digits = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let fraction = format!("{fraction}{}", "0".repeat(self.zeros));
        if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }

    /// Decimals without trailing zeros, 0 for zero.
    fn needed(&self) -> u32 {
        let mut decimals = self.decimals;
        let mut digits = self.digits.clone();
        while decimals > 0 && digits.bits() > 0 && &digits % 10u8 == BigUint::default() {
            digits /= 10u8;
            decimals -= 1;
        }
        if digits.bits() > 0 { decimals } else { 0 }
    }

    /// As a whole number of `10^-unit`.
    fn at(&self, unit: u32) -> BigUint {
        &self.digits * power(10, unit) / power(10, self.decimals)
    }
}

fn decimal() -> impl Strategy<Value = Decimal> {
    let digits = prop_oneof![
        (any::<u128>(), 0u32..128).prop_map(|(digits, shift)| BigUint::from(digits >> shift)),
        (1u64..1000, 0u32..20).prop_map(|(digits, zeros)| digits * power(10, zeros)),
        Just(BigUint::default()),
    ];
    let decimals = prop_oneof![Just(0u32), Just(6), Just(18), 0u32..38];
    (digits, decimals, 0usize..3).prop_map(|(digits, decimals, zeros)| Decimal { digits, decimals, zeros })
}

/// `m·2^x` exactly, in units of `2^unit`, rounded down.
fn units(d: f64, unit: i32) -> BigUint {
    let bits = d.to_bits();
    let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let (m, x) = if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
    let m = BigUint::from(m);
    if x >= unit { m << (x - unit) } else { m >> (unit - x) }
}

/// The lowest bit set in any of them, and the highest.
fn bits_of(doubles: &[f64]) -> (i32, i32) {
    let positive = doubles.iter().filter(|&&d| d > 0.0).map(|&d| units(d, -1074));
    let ends = positive.map(|a| (a.trailing_zeros().unwrap() as i32 - 1074, a.bits() as i32 - 1075));
    ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0))
}

fn check_doubles(groups: &[Vec<f64>]) {
    let table = table_of(groups, f64s).unwrap();
    for (row, group) in groups.iter().enumerate() {
        let (low, high) = bits_of(group);
        let unit = low.max(high - 255);
        let positive = group.iter().filter(|&&d| d > 0.0);
        let amounts: Vec<BigUint> = positive.map(|&d| units(d, unit)).collect();
        let zeros = (group.len() - amounts.len()) as u64;
        // 56 bits hold every double, so only what lies below the unit is lost.
        assert_eq!(table.truth("exact", row), (!amounts.is_empty()).then_some(low == unit), "{group:?}");
        assert_group(&table, row, amounts, zeros, Unit::Binary(unit));
    }
}

/// Doubles within 200 binary orders of magnitude of each other, subnormal ones among them.
fn doubles() -> impl Strategy<Value = Vec<f64>> {
    let least = prop_oneof![Just(-1074), Just(-60), -1074i32..700];
    let one = (any::<u64>(), 0u32..64, 0i32..140);
    (least, prop::collection::vec(one, 1..30)).prop_map(|(least, amounts)| {
        let amount = |(m, shift, more): (u64, u32, i32)| {
            // At most 53 bits, so that nothing is rounded.
            libm::scalbn((m >> 11 >> (shift % 53)) as f64, least + more)
        };
        amounts.into_iter().map(amount).collect()
    })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn amounts_of_every_magnitude(groups in groups(with_repeats(amount(), 40))) {
        check_words(&groups);
    }

    #[test]
    fn amounts_of_one_magnitude(
        group in (0u32..200).prop_flat_map(|bits| with_repeats((1u64..1 << 56).prop_map(move |x| {
            BigUint::from(x) << bits
        }), 90)),
    ) {
        check_words(&[group]);
    }

    #[test]
    fn supplies_in_round_parts(groups in groups(supply())) {
        check_words(&groups);
    }

    #[test]
    fn text_of_mixed_decimals(groups in groups(with_repeats(decimal(), 30))) {
        let table = table_of(&groups, |cells| {
            texts(&cells.iter().map(Decimal::text).collect::<Vec<_>>())
        }).unwrap();
        for (row, group) in groups.iter().enumerate() {
            let decimals = group.iter().map(Decimal::needed).max().unwrap();
            let amounts = group.iter().map(|x| x.at(decimals)).filter(|x| x.bits() > 0).collect::<Vec<_>>();
            let zeros = (group.len() - amounts.len()) as u64;
            let exact = Reference::new(amounts.clone()).exact();
            assert_eq!(table.truth("exact", row), (!amounts.is_empty()).then_some(exact), "{amounts:?}");
            assert_group(&table, row, amounts, zeros, Unit::Decimals(decimals));
        }
    }

    #[test]
    fn doubles_of_one_span(groups in groups(doubles())) {
        check_doubles(&groups);
    }

    /// The smallest amount is near the unit that 256 bits below the largest amount leave.
    #[test]
    fn doubles_of_the_widest_span(
        top in -800i32..1023, below in 200i32..310, m in 1u64..1 << 53, rest in prop::collection::vec(0i32..200, 0..9),
    ) {
        let large = libm::scalbn(1.75, top);
        let small = libm::scalbn(m as f64, top - below - 26);
        prop_assume!(small > 0.0);
        let mut group: Vec<f64> = rest.iter().map(|&less| libm::scalbn(1.25, top - less)).collect();
        group.extend([small, large]);
        // Exactly: E − 255 is the least unit, whatever lies below it is cut off.
        let unit = top - 255;
        let lost = units(small, -1074) >> (unit + 1074).max(0) == BigUint::default();
        if lost {
            let result = table_of(&[group.clone()], f64s).map(|_| ());
            let message = result.unwrap_err().to_string();
            let row = format!("column `balance`, row {}", group.len() - 1);
            prop_assert!(message.contains(&row), "{message}");
        } else {
            check_doubles(&[group]);
        }
    }
}

#[test]
fn the_reference_knows_what_everybody_knows() {
    let of = |amounts: &[u64]| Reference::new(amounts.iter().map(|&a| a.into()).collect());
    assert_eq!(of(&[3, 2, 1]).gini(), BigRational::new(2.into(), 9.into()));
    assert_eq!(of(&[3, 2, 1]).hhi(), BigRational::new(14.into(), 36.into()));
    assert_eq!(of(&[3, 2, 1]).nakamoto(1, 2), 2);
    assert_eq!(nearest(&BigRational::new(1.into(), 3.into())), 1.0 / 3.0);
    assert_eq!(nearest(&BigRational::new((-7).into(), 4.into())), -1.75);
    assert_eq!(plain(&BigRational::new(25.into(), 8.into())), "3.125");
    let all = Reference::new((1u64..=30).map(BigUint::from).collect()).metrics();
    let names: Vec<String> =
        concentra::metrics::catalog(&extras()).into_iter().map(|metric| metric.name).collect();
    assert_eq!(all.len(), names.len());
    assert!(names.iter().all(|name| all.contains_key(name)));
}

/// The ties of the contract, in every order and at scales that no 56 bits hold, are decided from exact amounts.
#[test]
fn true_ties() {
    for percent in
        [&[50u64, 30, 20][..], &[97, 1, 1, 1], &[1, 97, 1, 1], &[25, 25, 25, 25], &[66, 34], &[34, 33, 33]]
    {
        for factor in [1u64, 3, 7, 12_345_678_901, u64::MAX] {
            for more in [-1i64, 0, 1] {
                let unit = BigInt::from(power(10, 25) * factor);
                let mut amounts: Vec<BigInt> = percent.iter().map(|&p| &unit * p).collect();
                amounts[0] += more;
                check_words(&[amounts.iter().map(|a| a.magnitude().clone()).collect()]);
            }
        }
    }
    let folder = Folder::new();
    let amounts: Vec<BigUint> = [50u8, 30, 20].iter().map(|&p| power(10, 25) * p).collect();
    let path = folder.write("a.parquet", &[("balance", words(&amounts))]);
    let analysis = try_analyze(&options(&path)).unwrap();
    assert_eq!(analysis.ties, 1, "amounts were read again");
}

/// Parts of one owner's amount, in several rows and files, tie as their sum does.
#[test]
fn true_ties_of_merged_owners() {
    let folder = Folder::new();
    let write = |name: &str, rows: &[(&str, u8)]| {
        let owners: Vec<&str> = rows.iter().map(|(owner, _)| *owner).collect();
        let amounts: Vec<BigUint> = rows.iter().map(|&(_, part)| power(10, 25) * part).collect();
        folder.write(name, &[("address", texts(&owners)), ("balance", words(&amounts))]);
    };
    write("a.parquet", &[("0xAA", 25), ("0xbb", 30), ("0xcc", 0)]);
    write("b.parquet", &[("0xDD", 19), ("0xaa", 25), ("0xdd", 1)]);
    let run = |owners| {
        let analysis = try_analyze(&Options { owners, ..pooled(folder.path()) }).unwrap();
        assert_eq!(analysis.ties, 1);
        Table(analysis.results.table)
    };
    let merged = run(Owners::Merge);
    assert_eq!((merged.count("n_holders", 0), merged.count("n_merged", 0)), (Some(3), Some(2)));
    assert_eq!(merged.count("nakamoto_1_2", 0), Some(2), "half is no majority");
    let trusted = run(Owners::Trust);
    assert_eq!((trusted.count("n_holders", 0), trusted.count("nakamoto_1_2", 0)), (Some(5), Some(2)));
    assert_eq!(trusted.count("whales_1pct", 0), Some(5), "one per cent exactly");
}

/// More groups than are computed at once, all of them tied, each at its own scale, over two files.
#[test]
fn true_ties_in_many_groups() {
    const GROUPS: u64 = 30_000;
    let folder = Folder::new();
    for (name, parts) in [("a.parquet", &[50u8, 20][..]), ("b.parquet", &[29, 1])] {
        let rows = || (0..GROUPS).flat_map(|group| parts.iter().map(move |&part| (group, part)));
        let groups: Vec<u64> = rows().map(|(group, _)| group).collect();
        let amounts: Vec<BigUint> =
            rows().map(|(group, part)| power(10, 25) * (2 * group + 1) * part).collect();
        let columns = [("block_number", u64s(&groups)), ("balance", words(&amounts))];
        folder.write_row_groups(name, &columns, 1_000);
    }
    let analysis = try_analyze(&options(folder.path())).unwrap();
    assert!(analysis.plan.batches.len() > 1, "{} batch", analysis.plan.batches.len());
    let table = Table(analysis.results.table);
    assert_eq!((table.rows() as u64, analysis.ties as u64), (GROUPS, GROUPS));
    for row in 0..table.rows() {
        let counts =
            ["block_number", "nakamoto_1_2", "nakamoto_1_3", "whales_1pct"].map(|c| table.count(c, row));
        assert_eq!(counts, [Some(row as u64), Some(2), Some(1), Some(4)]);
    }
}

/// A total beyond 256 bits, and dust beside the largest amount.
#[test]
fn the_largest_amounts() {
    let max = power(2, 256) - 1u8;
    check_words(&[
        vec![max.clone(); 7],
        vec![max.clone(), 1u8.into()],
        vec![max.clone()],
        vec![&max - 1u8, max],
    ]);
}

/// Fewer decimals than 256 bits leave room for are an error that names the row that does not fit.
#[test]
fn scaled_beyond_256_bits() {
    let folder = Folder::new();
    let max = (power(2, 256) - 1u8).to_string();
    for (cells, row) in [
        (vec!["1", &max, "0.5"], 2),
        (vec!["0.5", "3", &max], 3),
        (vec![&*max, "0.0000000000000000000000000000000000000000000000000000000000000000000000000000001"], 1),
    ] {
        let path = folder.write("a.parquet", &[("balance", texts(&cells))]);
        assert_eq!(row_of(try_analyze(&options(&path))), row, "{cells:?}");
    }
    // In groups of their own they do not share a unit.
    let path =
        folder.write("a.parquet", &[("token", texts(&["a", "b"])), ("balance", texts(&[&*max, "0.5"]))]);
    let table = analyze(&options(&path));
    assert_eq!((table.text("total", 0), table.text("total", 1)), (Some(max), Some("0.5".into())));
}

/// Doubles at the borders of their range: the smallest and the largest, alone and with what their units just hold.
#[test]
fn doubles_at_the_borders() {
    let tiny = 5e-324;
    check_doubles(&[
        vec![tiny],
        vec![tiny, tiny, 0.0],
        vec![tiny, f64::MIN_POSITIVE],
        vec![tiny, libm::scalbn(1.0, -1074 + 255)],
        vec![f64::MAX],
        vec![f64::MAX, libm::scalbn(1.0, 1023 - 255)],
        // One bit of this one is below the unit.
        vec![f64::MAX, libm::scalbn(1.5, 1023 - 255)],
        vec![0.1, 0.2, 0.3],
        vec![1.0, 0.1],
        vec![0.0],
    ]);
    let folder = Folder::new();
    for (cells, row) in [
        (vec![tiny, libm::scalbn(1.0, -1074 + 256)], 1),
        (vec![1.0, f64::MAX, 0.0, libm::scalbn(1.9, 1023 - 256)], 1),
        (vec![f64::MAX, 0.0, libm::scalbn(1.9, 1023 - 256)], 3),
    ] {
        let path = folder.write("a.parquet", &[("balance", f64s(&cells))]);
        assert_eq!(row_of(try_analyze(&options(&path))), row, "{cells:?}");
    }
}
