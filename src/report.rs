//! Results as a page to look at, or as one picture.

use crate::error::{Error, Result, nearest};
use crate::input::discover;

pub mod charts;
pub mod page;
pub mod plot;
pub mod sheet;

use plot::Plot;
use sheet::Sheet;

/// Results with their pictures.
#[derive(Debug)]
pub struct Report {
    title: Option<String>,
    sheets: Vec<(Sheet, Vec<Plot>)>,
}

impl Report {
    /// Reads results; their names lead the page unless it has a title of its own.
    ///
    /// # Errors
    /// [`Error::Schema`] where a file is no result that there are pictures of.
    pub fn read(paths: &[String], title: Option<&str>, interrupted: &dyn Fn() -> bool) -> Result<Self> {
        let mut sheets = vec![];
        for path in paths {
            let (sources, _) = discover(std::slice::from_ref(path), &[], None, interrupted)?;
            for sheet in Sheet::of(sources, path)? {
                let plots = charts::charts(&sheet);
                sheets.push((sheet, plots));
            }
        }
        let mut report = Self { title: title.map(str::to_owned), sheets };
        report.tell_apart();
        Ok(report)
    }

    /// The pictures of several results have names of their own.
    fn tell_apart(&mut self) {
        let names: Vec<String> =
            self.sheets.iter().flat_map(|(_, plots)| plots.iter().map(|plot| plot.name.clone())).collect();
        for (number, (_, plots)) in self.sheets.iter_mut().enumerate().skip(1) {
            for plot in plots {
                if names.iter().filter(|name| **name == plot.name).count() > 1 {
                    plot.name = format!("{}-of-{}", plot.name, number + 1);
                }
            }
        }
    }

    /// The whole page.
    pub fn html(&self) -> String {
        page::html(self.title.as_deref().unwrap_or("Who really holds, earns and decides?"), &self.sheets)
    }

    /// One picture as a document.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no such picture, naming those that there are.
    pub fn svg(&self, name: Option<&str>) -> Result<String> {
        let own = |plot: &Plot| {
            // A title of the user's stands above the one picture, as above the page.
            let title = self.title.clone().unwrap_or_else(|| plot.title.clone());
            Plot { title, ..plot.clone() }.svg(Some(page::MARKS)) + "\n"
        };
        let plots: Vec<&Plot> = self.sheets.iter().flat_map(|(_, plots)| plots).collect();
        let names = plots.iter().map(|plot| plot.name.as_str());
        let all = names.clone().collect::<Vec<_>>().join(", ");
        if plots.is_empty() {
            return Err(Error::Usage("there is no picture of these results".into()));
        }
        let Some(name) = name else {
            return match plots.as_slice() {
                [only] => Ok(own(only)),
                _ => Err(Error::Usage(format!(
                    "--format svg is one picture: name it with --plot, one of {all}"
                ))),
            };
        };
        let plot = plots.iter().find(|plot| plot.name == name).ok_or_else(|| {
            let near =
                nearest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Error::Usage(format!("--plot: there is no picture `{name}`{near} (there are {all})"))
        })?;
        Ok(own(plot))
    }
}
