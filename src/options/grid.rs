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
    /// Whether a summary is wanted.
    pub summarizes: bool,
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

    /// The settings as they were asked for, one list an axis, and what all have in common.
    pub fn axes(&self) -> serde_json::Value {
        let list = |values: Vec<String>| {
            let mut distinct: Vec<String> = vec![];
            for value in values {
                if !distinct.contains(&value) {
                    distinct.push(value);
                }
            }
            serde_json::Value::from(distinct)
        };
        let of_tails = |of: fn(&Tail) -> &String| list(self.tails.iter().map(of).cloned().collect());
        let of_populations = |of: fn(&Who) -> String| list(self.populations.iter().map(of).collect());
        let price = self.tails.iter().find_map(|tail| tail.value.as_ref()).map(|(_, price)| match price {
            Price::Number(price) => format!("{}e-{}", price.digits, price.decimals),
            Price::Column(name) => name.clone(),
        });
        serde_json::json!({
            "exclude": of_populations(Who::named),
            "entities": of_populations(|who| switch(who.entities)),
            "look-through": of_populations(|who| switch(who.look_through.is_some())),
            "min-amount": of_tails(|tail| &tail.min_amount),
            "min-value": of_tails(|tail| &tail.min_value),
            "top-holders": of_tails(|tail| &tail.top_holders),
            "price": price,
        })
    }
}

fn switch(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

impl Who {
    /// Who is left out; where a list lies decides no number.
    pub fn named(&self) -> String {
        let name = |exclusion: &Exclusion| match exclusion {
            Exclusion::List(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            other => other.to_string(),
        };
        if self.exclusions.is_empty() {
            return "none".into();
        }
        self.exclusions.iter().map(name).collect::<Vec<_>>().join("+")
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
        let price = self.source.price.as_deref();
        let excluded = axis(
            "--exclude",
            &self.exclude,
            |text| exclusions(text),
            |a, b| {
                let named = |all: &[Exclusion]| -> Vec<String> {
                    let mut names: Vec<String> = all.iter().map(Exclusion::to_string).collect();
                    names.sort_unstable();
                    names
                };
                named(a) == named(b)
            },
        )?;
        let on =
            |flag, values: &[Switch]| axis(flag, values, |&value| Ok(value == Switch::On), |a, b| a == b);
        let (entities, look_through) =
            (on("--entities", &self.entities)?, on("--look-through", &self.look_through)?);
        let least =
            axis("--min-amount", &self.min_amount, |text| above("--min-amount", text), |a, b| a == b)?;
        let value = |text: &String| match above("--min-value", text)? {
            None => Ok(None),
            Some(_) => min_value(Some(text), price),
        };
        let values = axis("--min-value", &self.min_value, value, |a, b| a == b)?;
        if price.is_some() && values.iter().all(|(_, value)| value.is_none()) {
            return Err(Error::Usage("--price is for --min-value".into()));
        }
        let tops = axis("--top-holders", &self.top_holders, |text| top(text), same_top)?;
        let lengths =
            [excluded.len(), entities.len(), look_through.len(), least.len(), values.len(), tops.len()];
        let settings = lengths.iter().fold(1usize, |product, &length| product.saturating_mul(length));
        if settings > MOST {
            return Err(Error::Usage(format!("{settings} settings; ask for at most {MOST} at a time")));
        }

        let (mut populations, mut tails) = (vec![], vec![]);
        for (exclude, exclusions) in &excluded {
            for &(_, entities) in &entities {
                for &(_, look_through) in &look_through {
                    let look_through = look_through.then_some(self.source.look_through_depth);
                    let (exclude, exclusions) = (exclude.clone(), exclusions.clone());
                    populations.push(Who { exclude, exclusions, entities, look_through });
                }
            }
        }
        for (min_amount, least) in &least {
            for (min_value, value) in &values {
                for (top_holders, top) in &tops {
                    tails.push(Tail {
                        min_amount: min_amount.clone(),
                        least: *least,
                        min_value: min_value.clone(),
                        value: value.clone(),
                        top_holders: top_holders.clone(),
                        top: *top,
                    });
                }
            }
        }
        let grid = Grid { common, populations, tails, summarizes: self.summary.is_some() };
        grid.widest()?;
        Ok(grid)
    }
}

/// The values of an axis as they were typed and what they mean, each once.
fn axis<T, V>(
    flag: &str,
    typed: &[T],
    meaning: impl Fn(&T) -> Result<V>,
    same: impl Fn(&V, &V) -> bool,
) -> Result<Vec<(String, V)>>
where
    T: Typed,
{
    let mut all: Vec<(String, V)> = vec![];
    for value in typed {
        let (text, meant) = (value.text(), meaning(value)?);
        if let Some((other, _)) = all.iter().find(|(_, other)| same(other, &meant)) {
            return Err(Error::Usage(format!("{flag}: {text} says the same as {other}")));
        }
        all.push((text, meant));
    }
    Ok(all)
}

/// What stands in a list.
trait Typed {
    fn text(&self) -> String;
}

impl Typed for String {
    fn text(&self) -> String {
        self.trim().to_owned()
    }
}

impl Typed for Switch {
    fn text(&self) -> String {
        switch(*self == Self::On)
    }
}

/// `none`, or several with a plus between them.
fn exclusions(text: &str) -> Result<Vec<Exclusion>> {
    if text.trim() == "none" {
        return Ok(vec![]);
    }
    let one = |one: &str| match one.trim() {
        "" | "none" => Err(Error::Usage(format!(
            "--exclude {text}: write none alone, or names like burn+label:exchange"
        ))),
        name => Ok(Exclusion::from(name)),
    };
    text.split('+').map(one).collect()
}

fn top(text: &str) -> Result<Option<Top>> {
    match text.trim() {
        "all" => Ok(None),
        text => top_holders(text).map(Some).map_err(|_| {
            Error::Usage(format!("--top-holders {text}: give all, a number like 1000, or a share like 10%"))
        }),
    }
}

fn same_top(a: &Option<Top>, b: &Option<Top>) -> bool {
    match (a, b) {
        (Some(Top::Share(a)), Some(Top::Share(b))) => {
            u128::from(a.numerator) * u128::from(b.denominator)
                == u128::from(b.numerator) * u128::from(a.denominator)
        }
        _ => a == b,
    }
}

fn is_zero(text: &str) -> bool {
    parse(text.trim()).is_ok_and(|number| number.digits.is_zero())
}

/// A number above zero; none for zero.
fn above(flag: &str, text: &str) -> Result<Option<Number>> {
    if is_zero(text) { Ok(None) } else { above_zero(flag, text).map(Some) }
}
