//! What one token of each group is worth: one price for all rows of a group.

use hashbrown::HashMap;
use num_bigint::BigUint;

use super::chunk::Ids;
use super::sample::Raw;
use crate::columns::Amounts;
use crate::numbers::unit::dyadic;

/// The price of each group, as far as one is written.
#[derive(Debug, Clone, Default)]
pub struct Prices<G>(HashMap<G, Price>);

#[derive(Debug, Clone, Copy)]
struct Price {
    first: Raw,
    /// One that differs: a group has one price.
    other: Option<Raw>,
}

/// A positive rational number, or zero.
pub type Ratio = (BigUint, BigUint);

impl<G: std::hash::Hash + Eq + Copy> Prices<G> {
    /// Takes in the prices of rows; those without one say nothing.
    pub fn add(&mut self, ids: &Ids, prices: &Amounts, name: impl Fn(u32) -> G) {
        let mut last: Option<(u32, Raw)> = None;
        let rows = prices.values.len();
        for row in 0..rows {
            if prices.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let group = match ids {
                Ids::All(id) => *id,
                Ids::Each(ids) => ids[row],
            };
            let price = Raw::of(prices, row);
            // Neighbours are often of one group.
            if last.replace((group, price)) != Some((group, price)) {
                self.note(name(group), price);
            }
        }
    }

    fn note(&mut self, group: G, price: Raw) {
        let own = self.0.entry(group).or_insert(Price { first: price, other: None });
        if own.first != price {
            own.other = Some(price);
        }
    }

    /// Takes in the prices of other rows, whose groups have other names.
    pub(super) fn merge<H: Copy>(&mut self, other: &Prices<H>, rename: impl Fn(H) -> G) {
        for (&group, price) in &other.0 {
            self.note(rename(group), price.first);
            price.other.into_iter().for_each(|other| self.note(rename(group), other));
        }
    }

    /// The price of a group: none where none is written, an error where two are.
    pub fn of(&self, group: G) -> Result<Option<Ratio>, String> {
        match self.0.get(&group) {
            None => Ok(None),
            Some(Price { first, other: None }) => Ok(Some(ratio(*first))),
            Some(Price { first, other: Some(other) }) => Err(format!("{first} and {other}")),
        }
    }
}

fn ratio(price: Raw) -> Ratio {
    match price {
        Raw::Exact(digits, decimals) => {
            (BigUint::from_bytes_le(&digits.to_le_bytes::<32>()), BigUint::from(10u8).pow(decimals.into()))
        }
        Raw::Double(price) if price > 0.0 => match dyadic(price) {
            (mantissa, exponent) if exponent >= 0 => (BigUint::from(mantissa) << exponent, 1u8.into()),
            (mantissa, exponent) => (mantissa.into(), BigUint::from(1u8) << -exponent),
        },
        Raw::Double(_) => (0u8.into(), 1u8.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{Scales, Values};

    #[test]
    fn a_group_has_one_price() {
        let doubles = |values: &[f64]| Amounts {
            values: Values::Double(values.to_vec()),
            scales: Scales::Same(0),
            nulls: None,
            negative: vec![],
        };
        let mut prices = Prices::<u32>::default();
        prices.add(&Ids::Each(vec![0, 0, 1, 2]), &doubles(&[1.5, 1.5, 8.0, 2.0]), |id| id);
        let mut other = Prices::<u32>::default();
        other.add(&Ids::All(9), &doubles(&[2.5]), |id| id);
        prices.merge(&other, |_| 2);
        assert_eq!(prices.of(0).unwrap(), Some((3u8.into(), 2u8.into())));
        assert_eq!(prices.of(1).unwrap(), Some((8u8.into(), 1u8.into())));
        assert_eq!(prices.of(2).unwrap_err(), "2 and 2.5");
        assert_eq!(prices.of(3).unwrap(), None);
    }
}
