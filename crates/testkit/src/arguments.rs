//! The arguments of the commands: `--name value` pairs.

use std::str::FromStr;

use anyhow::{Context, bail};

/// What stood on the command line, as pairs.
#[derive(Debug, Default)]
pub struct Arguments {
    pairs: Vec<(String, String)>,
}

impl Arguments {
    /// Reads the pairs of this process; `None` if help is asked for.
    ///
    /// Errors: a name that is not among `names`, or one without a value.
    pub fn of_process(names: &[&str]) -> anyhow::Result<Option<Self>> {
        Self::read(std::env::args().skip(1), names)
    }

    fn read(
        words: impl IntoIterator<Item = String>,
        names: &[&str],
    ) -> anyhow::Result<Option<Self>> {
        let mut words = words.into_iter();
        let mut pairs = Vec::new();
        while let Some(name) = words.next() {
            if name == "--help" || name == "-h" {
                return Ok(None);
            }
            if !names.contains(&name.as_str()) {
                bail!(
                    "unknown argument {name}; there are {} and --help",
                    names.join(", ")
                );
            }
            let value = words
                .next()
                .with_context(|| format!("{name} needs a value"))?;
            pairs.push((name, value));
        }
        Ok(Some(Self { pairs }))
    }

    /// The value of `name`, if given; an error if it does not read as a `T`.
    pub fn get<T: FromStr>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let Some((_, value)) = self.pairs.iter().rev().find(|(given, _)| given == name) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => bail!("{name} cannot be {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> anyhow::Result<Option<Arguments>> {
        let words = line.split_whitespace().map(str::to_owned);
        Arguments::read(words, &["--rounds", "--seed"])
    }

    #[test]
    fn pairs_are_read() {
        let arguments = read("--rounds 3 --rounds 4").unwrap().unwrap();
        assert_eq!(arguments.get::<u64>("--rounds").unwrap(), Some(4));
        assert_eq!(arguments.get::<u64>("--seed").unwrap(), None);
        assert!(read("--help").unwrap().is_none());
    }

    #[test]
    fn mistakes_are_named() {
        let error = |line| read(line).unwrap_err().to_string();
        assert!(
            error("--round 3").contains("--round;"),
            "{}",
            error("--round 3")
        );
        assert_eq!(error("--seed"), "--seed needs a value");
        let arguments = read("--seed x").unwrap().unwrap();
        assert!(arguments.get::<u64>("--seed").is_err());
    }
}
