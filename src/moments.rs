//! What kernels return: exact integers per group, and how those of disjoint value ranges combine.
//!
//! In two phases. First [`Sums`] of each range: appending the sums of a higher range to those of a lower one gives
//! the sums of both together, because only `Σ i·v` knows positions, and it shifts by the count below. Then the
//! positions that metrics asked for: [`locate_rank`] and [`locate_sum`] say which range holds the answer and what
//! lies below it, so one range answers and the sums of the lower ones are added. Chunks, spilling, CPU + GPU and
//! several machines all rest on these operations.

use std::fmt;

use crate::numbers::key::Key;
use crate::numbers::wide::{U192, U320, U384, U576};

pub mod rewards;

/// Integers over some holders of one group, adjacent in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Number of holders.
    pub n: u64,
    /// The smallest key; 0 where there are no holders.
    pub first: Key,
    /// The largest key.
    pub last: Key,
    /// `Σv`.
    pub amount: U320,
    /// `Σ i·v_(i)`, ranks ascending from 1.
    pub ranked: U384,
    /// `Σv²`.
    pub squares: U576,
    /// `ΣL(v)`, 32 fraction bits.
    pub logs: u128,
    /// `Σ v·L(v)`, 32 fraction bits.
    pub products: U384,
    /// `Σ√v`, 31 fraction bits.
    pub roots: U192,
}

impl Sums {
    /// Appends the sums of holders that are all at least as large as those here.
    pub fn append(&mut self, upper: &Self) {
        if upper.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = *upper;
            return;
        }
        debug_assert!(self.last <= upper.first, "ranges append in ascending order");
        self.ranked += upper.ranked + U384::from(self.n) * U384::from(upper.amount);
        self.last = upper.last;
        self.n += upper.n;
        self.amount += upper.amount;
        self.squares += upper.squares;
        self.logs += upper.logs;
        self.products += upper.products;
        self.roots += upper.roots;
    }
}

impl Sums {
    /// What is left of these sums without the smallest holders, whose sums these are; `first` is the key after them.
    pub fn above(&self, lower: &Self, first: Key) -> Self {
        let (n, amount) = (self.n - lower.n, self.amount - lower.amount);
        Self {
            n,
            first,
            last: self.last,
            amount,
            ranked: self.ranked - lower.ranked - U384::from(lower.n) * U384::from(amount),
            squares: self.squares - lower.squares,
            logs: self.logs - lower.logs,
            products: self.products - lower.products,
            roots: self.roots - lower.roots,
        }
    }
}

/// Which sums a set of metrics needs beyond count, extremes, `Σv` and `Σ i·v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// `Σv²`.
    pub squares: bool,
    /// `ΣL` and `Σ v·L`.
    pub logs: bool,
    /// `Σ√v`.
    pub roots: bool,
}

impl Needs {
    /// Only count, extremes, `Σv` and `Σ i·v`.
    pub const NONE: Self = Self { squares: false, logs: false, roots: false };
    /// `Σv²` too.
    pub const SQUARES: Self = Self { squares: true, ..Self::NONE };
    /// Logarithms too.
    pub const LOGS: Self = Self { logs: true, ..Self::NONE };
    /// Roots too.
    pub const ROOTS: Self = Self { roots: true, ..Self::NONE };
    /// Everything.
    pub const ALL: Self = Self { squares: true, logs: true, roots: true };

    /// What either needs.
    pub fn union(self, other: Self) -> Self {
        Self {
            squares: self.squares | other.squares,
            logs: self.logs | other.logs,
            roots: self.roots | other.roots,
        }
    }
}

/// The exact total of a group's amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total {
    /// `A`, summed from the exact amounts.
    pub amount: U320,
    /// Whether every key holds its amount exactly.
    pub exact: bool,
}

/// The smallest holders of a group up to some rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Below {
    /// How many.
    pub rank: u64,
    /// `Σv` over them.
    pub amount: U320,
    /// `ΣL` over them, 32 fraction bits; 0 unless logarithms were needed.
    pub logs: u128,
    /// The key of the holder after them, 0 where there is none.
    pub next: Key,
}

/// An exact fraction of a group's total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fraction {
    /// At most 10^18.
    pub numerator: u64,
    /// At most 10^18, not zero.
    pub denominator: u64,
}

impl Fraction {
    /// `numerator/denominator`.
    pub const fn new(numerator: u64, denominator: u64) -> Self {
        Self { numerator, denominator }
    }
}

/// A rank as a function of the number of holders.
pub type Rank = Box<dyn Fn(u64) -> u64 + Send + Sync>;

/// A position in the ascending order that a metric needs an answer for, once the sums are known.
pub enum Ask {
    /// The `rank(n)` smallest holders: read with [`Moments::below`].
    Below(Rank),
    /// The same with their logarithms.
    LogsBelow(Rank),
    /// The holders of at most the mean: read with [`Moments::below_mean`].
    Mean,
    /// The smallest k whose k largest holders exceed the fraction of the exact total, strictly: read with
    /// [`Moments::exceeding`].
    Exceeding(Fraction),
    /// How many holders have at least the fraction of the exact total each: read with [`Moments::at_least`].
    AtLeast(Fraction),
}

/// Everything a metric may know about a group of at least one holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moments {
    /// Over all holders.
    pub sums: Sums,
    /// `A`, from the exact amounts.
    pub total: U320,
    /// The asked positions, by ascending rank, each rank once.
    pub below: Vec<Below>,
    /// How many holders have at most the mean, if asked.
    pub mean_rank: Option<u64>,
    /// Answers to [`Ask::Exceeding`].
    pub exceeding: Vec<(Fraction, u64)>,
    /// Answers to [`Ask::AtLeast`].
    pub at_least: Vec<(Fraction, u64)>,
}

impl Moments {
    /// The number of holders.
    pub fn n(&self) -> u64 {
        self.sums.n
    }

    /// `Σv`, the denominator of every share.
    pub fn amount(&self) -> U320 {
        self.sums.amount
    }

    /// Whether all holders are equal: bounded metrics are then exactly at their bound.
    pub fn all_equal(&self) -> bool {
        self.sums.first == self.sums.last
    }

    /// The `rank` smallest holders. None at all and all of them need no asking.
    ///
    /// # Panics
    /// Where the metric did not ask for this rank.
    pub fn below(&self, rank: u64) -> Below {
        if rank == self.n() {
            return Below { rank, amount: self.amount(), logs: self.sums.logs, next: 0 };
        }
        match self.below.binary_search_by_key(&rank, |b| b.rank) {
            Ok(i) => self.below[i],
            Err(_) if rank == 0 => Below { next: self.sums.first, ..Below::default() },
            Err(_) => panic!("rank {rank} of {} was not asked for", self.n()),
        }
    }

    /// `S_k`, the sum of the `k` largest; `n − k` must have been asked for.
    pub fn largest(&self, k: u64) -> U320 {
        self.amount() - self.below(self.n() - k).amount
    }

    /// The holders of at most the mean.
    ///
    /// # Panics
    /// Where the metric did not ask.
    pub fn below_mean(&self) -> Below {
        self.below(self.mean_rank.expect("the mean was asked for"))
    }

    /// The smallest k whose k largest holders exceed the fraction; `None` where the fraction was not asked for.
    pub fn exceeding(&self, fraction: Fraction) -> Option<u64> {
        self.exceeding.iter().find(|(f, _)| *f == fraction).map(|&(_, k)| k)
    }

    /// The number of holders of at least the fraction; `None` where it was not asked for.
    pub fn at_least(&self, fraction: Fraction) -> Option<u64> {
        self.at_least.iter().find(|(f, _)| *f == fraction).map(|&(_, k)| k)
    }
}

impl Moments {
    /// Every number by its name.
    fn fields(&self) -> Vec<(String, String)> {
        let Sums { n, first, last, amount, ranked, squares, logs, products, roots } = &self.sums;
        let sums: [(&str, &dyn fmt::Display); 10] = [
            ("n", n),
            ("first key", first),
            ("last key", last),
            ("Σv", amount),
            ("Σ i·v", ranked),
            ("Σv²", squares),
            ("ΣL", logs),
            ("Σ v·L", products),
            ("Σ√v", roots),
            ("A", &self.total),
        ];
        let mut fields: Vec<(String, String)> =
            sums.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
        fields.extend(self.mean_rank.map(|rank| ("holders at most at the mean".into(), rank.to_string())));
        for (what, answers) in [("exceeding", &self.exceeding), ("of at least", &self.at_least)] {
            let name = |f: &Fraction| format!("holders {what} {}/{}", f.numerator, f.denominator);
            fields.extend(answers.iter().map(|(f, count)| (name(f), count.to_string())));
        }
        for Below { rank, amount, logs, next } in &self.below {
            fields.push((format!("Σv of the {rank} smallest"), amount.to_string()));
            fields.push((format!("ΣL of the {rank} smallest"), logs.to_string()));
            fields.push((format!("key after the {rank} smallest"), next.to_string()));
        }
        fields
    }

    /// The first number in which two groups differ, with both values, if any.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        let (ours, theirs) = (self.fields(), other.fields());
        let first = ours.iter().zip(&theirs).find(|(a, b)| a != b);
        Some(match first {
            Some((a, b)) if a.0 == b.0 => format!("{}: {} and {}", a.0, a.1, b.1),
            Some((a, b)) => format!("{} was asked of one, {} of the other", a.0, b.0),
            None => format!("{} numbers and {}", ours.len(), theirs.len()),
        })
    }
}

/// Where in a group's ascending ranges an answer lies, and the sums of all lower ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// The range's index.
    pub range: usize,
    /// Everything below that range.
    pub lower: Sums,
}

/// The range in which the `rank` smallest holders end; a rank at a border belongs to the upper range, which can
/// name the next holder.
pub fn locate_rank(ranges: &[Sums], rank: u64) -> Located {
    locate(ranges, |lower, range| rank < lower.n + range.n)
}

/// The range in which the prefix sum of `v` first reaches `target`.
pub fn locate_sum(ranges: &[Sums], target: &U320) -> Located {
    locate(ranges, |lower, range| lower.amount + range.amount >= *target)
}

/// The first range with a key above `key`.
pub fn locate_key(ranges: &[Sums], key: Key) -> Located {
    locate(ranges, |_, range| range.n > 0 && range.last > key)
}

fn locate(ranges: &[Sums], holds: impl Fn(&Sums, &Sums) -> bool) -> Located {
    let mut lower = Sums::default();
    for (i, range) in ranges.iter().enumerate() {
        if i + 1 == ranges.len() || holds(&lower, range) {
            return Located { range: i, lower };
        }
        lower.append(range);
    }
    Located { range: 0, lower }
}
