//! What a sweep was asked for: settings of who is counted, in every combination.

use super::{Exclusion, Options, Top, above_zero, min_value, top_holders};
use crate::cli::{SweepArgs, Switch};
use crate::columns::text::{Number, parse};
use crate::error::{Error, Result};
use crate::options::Price;

/// Settings of a sweep at most.
const MOST: usize = 10_000;

/// All settings of a sweep.
#[derive(Debug, Clone)]
pub struct Grid {
    /// What all have in common.
    pub common: Options,
    /// Who is in: each is counted anew.
    pub populations: Vec<Who>,
    /// Who of these is cut off: tails of the same order.
    pub tails: Vec<Tail>,
}

/// Who is left out, and who is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// As it was asked for.
    pub exclude: String,
    /// What it means.
    exclusions: Vec<Exclusion>,
    /// Whether owners of one entity are one.
    pub entities: bool,
    /// In how many rounds contracts are looked through, if they are.
    pub look_through: Option<u32>,
}

/// Who is too small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// As it was asked for, `0` for nobody.
    pub min_amount: String,
    least: Option<Number>,
    /// As it was asked for, `0` for nobody.
    pub min_value: String,
    value: Option<(Number, Price)>,
    /// As it was asked for, `all` for nobody.
    pub top_holders: String,
    top: Option<Top>,
}

impl Grid {
    /// The options of a population without tails.
    pub fn population(&self, who: &Who) -> Result<Options> {
        let options = Options { exclude: who.exclusions.clone(), ..self.common.clone() };
        options.merging(who.entities, who.look_through)
    }

    /// Options that need everything that any setting needs of the input.
    pub fn widest(&self) -> Result<Options> {
        let exclude = self.populations.iter().flat_map(|who| who.exclusions.clone()).collect();
        let min_value = self.tails.iter().find_map(|tail| tail.value.clone());
        let entities = self.populations.iter().any(|who| who.entities);
        let look_through = self.populations.iter().find_map(|who| who.look_through);
        Options { exclude, min_value, ..self.common.clone() }.merging(entities, look_through)
    }

    /// The files of owners that are left out.
    pub fn lists(&self) -> Vec<String> {
        let all = self.populations.iter().flat_map(|who| &who.exclusions);
        let of_file = |exclusion: &Exclusion| match exclusion {
            Exclusion::List(path) => Some(path.to_string_lossy().into_owned()),
            _ => None,
        };
        all.filter_map(of_file).collect()
    }

    /// The settings as they were asked for, one list an axis.
    pub fn axes(&self) -> serde_json::Value {
        let list = |of: &dyn Fn(&Self) -> Vec<String>| {
            let mut values = of(self);
            let mut seen = std::collections::HashSet::new();
            values.retain(|value| seen.insert(value.clone()));
            serde_json::Value::from(values)
        };
        let of_tails = |of: fn(&Tail) -> &String| list(&|grid| grid.tails.iter().map(of).cloned().collect());
        let of_populations = |of: fn(&Who) -> String| list(&|grid| grid.populations.iter().map(of).collect());
        let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
        serde_json::json!({
            "exclude": of_populations(|who| who.exclude.clone()),
            "entities": list(&|grid| grid.populations.iter().map(|who| switch(who.entities)).collect()),
            "look-through":
                list(&|grid| grid.populations.iter().map(|who| switch(who.look_through.is_some())).collect()),
            "min-amount": of_tails(|tail| &tail.min_amount),
            "min-value": of_tails(|tail| &tail.min_value),
            "top-holders": of_tails(|tail| &tail.top_holders),
        })
    }
}

impl Tail {
    /// The same options with this cut off.
    pub fn options(&self, options: &Options) -> Options {
        let (min_amount, min_value) = (self.least, self.value.clone());
        Options { min_amount, min_value, top_holders: self.top, ..options.clone() }
    }
}

impl SweepArgs {
    /// What the arguments mean.
    pub fn grid(&self) -> Result<Grid> {
        let common = self.measure.options(self.source.options()?)?;
        let texts = |flag: &str, values: &[String]| -> Result<Vec<String>> {
            distinct(flag, values.iter().map(|value| value.trim().to_owned()))
        };
        let on = |flag: &str, values: &[Switch]| distinct(flag, values.iter().map(|&v| v == Switch::On));
        let (entities, look_through) =
            (on("--entities", &self.entities)?, on("--look-through", &self.look_through)?);
        let mut populations = vec![];
        for exclude in texts("--exclude", &self.exclude)? {
            let exclusions: Vec<Exclusion> = match &exclude[..] {
                "none" => vec![],
                several => several.split('+').map(|one| Exclusion::from(one.trim())).collect(),
            };
            for &entities in &entities {
                for &look_through in &look_through {
                    let look_through = look_through.then_some(self.source.look_through_depth);
                    let (exclude, exclusions) = (exclude.clone(), exclusions.clone());
                    populations.push(Who { exclude, exclusions, entities, look_through });
                }
            }
        }
        let price = self.source.price.as_deref();
        let mut tails = vec![];
        let values = texts("--min-value", &self.min_value)?;
        if price.is_some() && values.iter().all(|value| is_zero(value)) {
            return Err(Error::Usage("--price is for --min-value".into()));
        }
        for min_amount in texts("--min-amount", &self.min_amount)? {
            let least = above("--min-amount", &min_amount)?;
            for least_value in &values {
                let value = match above("--min-value", least_value)? {
                    None => None,
                    Some(_) => min_value(Some(least_value), price)?,
                };
                for kept in texts("--top-holders", &self.top_holders)? {
                    let top = if kept == "all" { None } else { Some(top_holders(&kept)?) };
                    let (min_amount, min_value) = (min_amount.clone(), least_value.clone());
                    tails.push(Tail {
                        min_amount,
                        least,
                        min_value,
                        value: value.clone(),
                        top_holders: kept,
                        top,
                    });
                }
            }
        }
        let settings = populations.len().saturating_mul(tails.len());
        if settings > MOST {
            return Err(Error::Usage(format!("{settings} settings; ask for at most {MOST} at a time")));
        }
        let grid = Grid { common, populations, tails };
        grid.widest()?;
        Ok(grid)
    }
}

/// Values of an axis, each once.
fn distinct<T: PartialEq>(flag: &str, values: impl Iterator<Item = T>) -> Result<Vec<T>> {
    let mut all: Vec<T> = vec![];
    for value in values {
        if all.contains(&value) {
            return Err(Error::Usage(format!("{flag}: a value is given twice")));
        }
        all.push(value);
    }
    Ok(all)
}

fn is_zero(text: &str) -> bool {
    parse(text).is_ok_and(|number| number.digits.is_zero())
}

/// A number above zero; none for zero.
fn above(flag: &str, text: &str) -> Result<Option<Number>> {
    if is_zero(text) { Ok(None) } else { above_zero(flag, text).map(Some) }
}
