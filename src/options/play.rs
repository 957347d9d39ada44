//! What voting power was asked for.

use super::{Options, above_zero, device, threshold};
use crate::cli::{IndexArg, MethodArg, PowerArgs};
use crate::columns::text::Number;
use crate::error::{Error, Result};
use crate::moments::Fraction;

/// How games are played.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// Who plays.
    pub options: Options,
    /// What wins.
    pub quota: Quota,
    /// As it was asked for.
    pub shown: String,
    /// So many voters of each game are reported.
    pub players: Option<u64>,
    /// How indices are found.
    pub method: MethodArg,
    /// Whether Shapley–Shubik too, or Banzhaf alone.
    pub both: bool,
    /// How long samples are taken.
    pub until: Until,
    /// What they are drawn by.
    pub seed: u64,
}

/// What wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// More than this share, of all weights or of the column that the options name.
    Above(Fraction),
    /// At least this weight, in the unit as written.
    Weight(Number),
}

/// When there are enough samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Until {
    /// So many.
    Samples(u64),
    /// No standard error is above this.
    Error(f64),
}

impl PowerArgs {
    /// What the arguments mean.
    pub fn play(&self) -> Result<Play> {
        let options = Options {
            quota_of: self.quota_of.clone(),
            device: device(&self.device, self.require_gpu)?,
            require_gpu: self.require_gpu,
            ..self.input.options()?
        };
        for (asked, flag) in [
            (options.look_through.is_some(), "--look-through"),
            (options.top_holders.is_some(), "--top-holders"),
        ] {
            if asked {
                return Err(Error::Usage(format!(
                    "{flag}: here every voter plays with its own weight; leave it out (--players reports fewer)"
                )));
            }
        }
        if options.price().is_some() && options.quota_of.is_some() {
            return Err(Error::Usage("--price: give a number where --quota-of names a column".into()));
        }
        let (quota, shown) = match &self.quota_weight {
            Some(weight) => {
                (Quota::Weight(above_zero("--quota-weight", weight)?), format!("weight {weight}"))
            }
            None => {
                let wrong = |_| {
                    Error::Usage(format!(
                        "--quota {}: write a share above 0 and below 1, like 1/2, 2/3 or 0.66",
                        self.quota
                    ))
                };
                let (_, fraction) = threshold(&self.quota).map_err(wrong)?;
                let of = self.quota_of.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
                (Quota::Above(fraction), format!("{}{of}", self.quota))
            }
        };
        let until = match self.samples {
            Some(samples) => Until::Samples(samples),
            None if (1e-5..0.5).contains(&self.until_se) => Until::Error(self.until_se),
            None => {
                let text = format!("--until-se {}: give an error from 0.00001 to 0.5", self.until_se);
                return Err(Error::Usage(text));
            }
        };
        let Self { players, method, seed, .. } = *self;
        let both = self.index == IndexArg::Both;
        Ok(Play { options, quota, shown, players, method, both, until, seed })
    }
}
