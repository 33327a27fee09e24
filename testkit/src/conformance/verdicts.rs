//! A file that says how every case comes out against a server that is not ours, and why where that is not a pass.
//!
//! One line for each case: its name, the verdict, and behind a `#` the reason, in the order of the cases. Lines that begin with
//! `#` are comments; `# version: ` is the server's version that the verdicts hold for.

use super::Outcome;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Stands where a person has yet to say why; a file that has it does not match.
const UNEXPLAINED: &str = "UNEXPLAINED";

/// The file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Which server's version this is about.
    pub version: String,
    /// Verdict and reason by case.
    known: BTreeMap<String, (String, String)>,
}

impl Verdicts {
    /// Reads a file's text.
    ///
    /// # Errors
    /// Names the line that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut verdicts = Self::default();
        for (index, line) in text.lines().enumerate() {
            if let Some(version) = line.strip_prefix("# version: ") {
                verdicts.version = version.trim().into();
            }
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let (verdict, reason) = line.split_once('#').unwrap_or((line, ""));
            let words: Vec<&str> = verdict.split_whitespace().collect();
            let &[name, word] = &words[..] else {
                return Err(format!("line {}: want `name verdict # reason`", index + 1));
            };
            verdicts.known.insert(name.into(), (word.into(), reason.trim().into()));
        }
        Ok(verdicts)
    }

    /// The recorded verdict of a case.
    pub fn verdict(&self, case: &str) -> Option<&str> {
        self.known.get(case).map(|(verdict, _)| verdict.as_str())
    }

    /// What differs between the file and what was just seen; nothing if all is as recorded and explained.
    pub fn differences(&self, seen: &[Outcome]) -> Vec<String> {
        let mut differences = Vec::new();
        for outcome in seen {
            let (name, word) = (outcome.case.name, outcome.verdict.word());
            let why = outcome.verdict.explanation();
            match self.known.get(name) {
                None => differences.push(format!("{name}: {word}, not recorded ({why})")),
                Some((known, _)) if known != word => {
                    differences.push(format!("{name}: {word}, recorded as {known} ({why})"));
                }
                Some((_, reason)) if word != "pass" && (reason.is_empty() || reason.starts_with(UNEXPLAINED)) => {
                    differences.push(format!("{name}: {word} without a reason ({why})"));
                }
                Some(_) => {}
            }
        }
        let names: Vec<&str> = seen.iter().map(|outcome| outcome.case.name).collect();
        let gone = self.known.keys().filter(|name| !names.contains(&name.as_str()));
        differences.extend(gone.map(|name| format!("{name}: recorded, but there is no such case")));
        differences
    }

    /// The text of a new file: the verdicts just seen, with the old reasons where the verdict is the same.
    pub fn renewed(&self, version: &str, seen: &[Outcome]) -> String {
        let mut text = format!(
            "# How each case of the conformance suite comes out against coturn, and why where it is not a pass.\n\
             # Made by STUNNER_CONFORMANCE_RENEW=1 STUNNER_REAL_CLIENTS=1 cargo test -p stunner-testkit --test conformance;\n\
             # the reasons are by hand and stay as long as the verdict does.\n\
             # version: {version}\n"
        );
        for outcome in seen {
            let (name, word) = (outcome.case.name, outcome.verdict.word());
            let reason = match self.known.get(name) {
                _ if word == "pass" => String::new(),
                Some((known, reason)) if known == word && !reason.is_empty() => format!("  # {reason}"),
                _ => format!("  # {UNEXPLAINED}: {}", outcome.verdict.explanation()),
            };
            let _ = writeln!(text, "{name:64} {word:9}{reason}");
        }
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Verdict, cases};
    use super::*;
    use std::time::Duration;

    fn outcome(verdict: Verdict) -> Outcome {
        let took = Duration::ZERO;
        Outcome { case: cases()[0], verdict, took }
    }

    #[test]
    fn a_renewed_file_matches_once_somebody_says_why() {
        let seen = [outcome(Verdict::Fail("of that".into()))];
        let text = Verdicts::default().renewed("1.2", &seen);
        let renewed = Verdicts::parse(&text).unwrap();
        assert_eq!(renewed.version, "1.2");
        assert_eq!(renewed.differences(&seen).len(), 1, "{text}");
        let explained = Verdicts::parse(&text.replace(UNEXPLAINED, "by design")).unwrap();
        assert!(explained.differences(&seen).is_empty());
        assert!(explained.renewed("1.2", &seen).contains("# by design: of that"));
    }

    #[test]
    fn a_changed_a_new_and_a_gone_case_all_differ() {
        let name = cases()[0].name;
        let recorded = Verdicts::parse(&format!("{name} fail # so it is\n")).unwrap();
        assert_eq!(recorded.differences(&[outcome(Verdict::Pass)]).len(), 1);
        assert_eq!(recorded.differences(&[]).len(), 1);
        assert_eq!(Verdicts::default().differences(&[outcome(Verdict::Pass)]).len(), 1);
        assert!(Verdicts::parse("three words here # no").is_err());
    }
}
