//! Options from a TOML file and from `CONCENTRA_*` variables: what is typed wins over a variable, a variable over the
//! file, the file over the default.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::{Table, Value};

use crate::error::{Error, Result, nearest};

/// Options that no file or variable may set: they are about this one call.
const TYPED_ONLY: &[&str] = &["paths", "config", "print_config", "help", "version", "name", "shell"];

/// The options that a file has set, as `option` or `command.option`.
pub type FromFile = Vec<String>;

/// Gives every option of every command its variable, and the file's values as its default.
pub fn apply(command: Command, file: Option<&Path>) -> Result<(Command, FromFile)> {
    let mut command = with_variables(command);
    let mut from_file = FromFile::new();
    let Some(file) = file else { return Ok((command, from_file)) };
    let text = std::fs::read_to_string(file).map_err(|e| Error::io("read the configuration", file, e))?;
    let table: Table = text.parse().map_err(|e: toml::de::Error| {
        Error::Usage(format!("{}: {}", file.display(), e.to_string().trim_end()))
    })?;
    for (key, value) in table {
        command = match value {
            Value::Table(section) => {
                let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
                if !names.contains(&key) {
                    return Err(unknown(file, "command", &key, &names));
                }
                let mut failed = Ok(());
                let command = command.mut_subcommand(&key, |mut subcommand| {
                    for (option, value) in section {
                        from_file.push(format!("{key}.{}", option.replace('-', "_")));
                        match set(subcommand.clone(), file, &option, value) {
                            Ok(set) => subcommand = set,
                            Err(error) => failed = Err(error),
                        }
                    }
                    subcommand
                });
                failed?;
                command
            }
            value => {
                from_file.push(key.replace('-', "_"));
                set(command, file, &key, value)?
            }
        };
    }
    Ok((command, from_file))
}

/// The file named by `--config` or `CONCENTRA_CONFIG`: it must be known before the rest can be parsed.
pub fn file(arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == "--" {
            break;
        }
        if text == "--config" {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(path) = text.strip_prefix("--config=") {
            return Some(PathBuf::from(path));
        }
    }
    std::env::var_os("CONCENTRA_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Whether an argument is an option that files and variables may set.
fn is_option(argument: &Arg) -> bool {
    !argument.is_positional() && !TYPED_ONLY.contains(&argument.get_id().as_str())
}

fn with_variables(command: Command) -> Command {
    let named = |argument: Arg| {
        if !is_option(&argument) {
            return argument;
        }
        let name = variable(argument.get_id().as_str());
        let argument = if matches!(argument.get_action(), ArgAction::SetTrue) {
            // A variable says 1 or yes as often as true.
            argument.value_parser(clap::builder::BoolishValueParser::new())
        } else {
            argument
        };
        argument.env(name).hide_env(true)
    };
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let command = command.mut_args(named);
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |c| c.mut_args(named)))
}

/// Makes a value the default of an option.
fn set(command: Command, file: &Path, key: &str, value: Value) -> Result<Command> {
    let id = key.replace('-', "_");
    let Some(argument) = command.get_arguments().find(|a| is_option(a) && a.get_id() == id.as_str()) else {
        let names: Vec<String> = command
            .get_arguments()
            .filter(|a| is_option(a))
            .map(|a| a.get_id().as_str().replace('_', "-"))
            .collect();
        return Err(unknown(file, "option", key, &names));
    };
    let is_count = matches!(argument.get_action(), ArgAction::Count);
    let values = match value {
        Value::Array(values) => values.into_iter().map(text).collect::<Option<Vec<_>>>(),
        value => text(value).map(|text| vec![text]),
    };
    let values = values.filter(|values| !is_count || values.len() == 1).ok_or_else(|| {
        Error::Usage(format!(
            "{}: `{key}` must be text, a number, true or false, or a list of them",
            file.display()
        ))
    })?;
    Ok(command.mut_arg(id, |argument| argument.default_values(values)))
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn unknown(file: &Path, what: &str, name: &str, names: &[String]) -> Error {
    let near = nearest(name, names.iter().map(String::as_str));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Error::Usage(format!("{}: there is no {what} `{name}`{hint}", file.display()))
}

/// The options in force as TOML, each with where it comes from.
pub fn print(command: &Command, matches: &ArgMatches, from_file: &FromFile) -> String {
    let Some((name, matches)) = matches.subcommand() else { return String::new() };
    let subcommand = command.find_subcommand(name).expect("the command that was parsed");
    let line = |argument: &Arg, section: &str| {
        let id = argument.get_id().as_str();
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "typed".to_owned(),
            Some(ValueSource::EnvVariable) => variable(id),
            _ if from_file.contains(&format!("{section}{id}")) => "file".to_owned(),
            _ => "default".to_owned(),
        };
        match value(argument, matches) {
            Some(value) => format!("{} = {value}  # {source}\n", id.replace('_', "-")),
            None => format!("# {} is not set\n", id.replace('_', "-")),
        }
    };
    let globals = command.get_arguments().filter(|a| is_option(a));
    let mut out: String = globals.map(|argument| line(argument, "")).collect();
    out += &format!("\n[{name}]\n");
    let locals = subcommand.get_arguments().filter(|a| is_option(a) && !a.is_global_set());
    out.extend(locals.map(|argument| line(argument, &format!("{name}."))));
    out
}

/// The value in force as TOML.
fn value(argument: &Arg, matches: &ArgMatches) -> Option<String> {
    let id = argument.get_id().as_str();
    match argument.get_action() {
        ArgAction::SetTrue => Some(matches.get_flag(id).to_string()),
        ArgAction::Count => Some(matches.get_count(id).to_string()),
        action => {
            let raw = matches.get_raw(id)?;
            let values: Vec<String> =
                raw.map(|v| Value::String(v.to_string_lossy().into_owned()).to_string()).collect();
            let list = matches!(action, ArgAction::Append);
            Some(if list { format!("[{}]", values.join(", ")) } else { values.concat() })
        }
    }
}

/// The variable of an option.
fn variable(id: &str) -> String {
    format!("CONCENTRA_{}", id.to_uppercase())
}
