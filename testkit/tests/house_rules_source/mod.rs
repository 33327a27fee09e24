//! Just enough of a Rust lexer to tell code from comments, strings and test modules.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A Rust file, with views of it in which what does not count is blanked and every line keeps its number.
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    /// As it stands in the file.
    text: String,
    /// Comments and literals blanked.
    all_code: String,
    /// `#[cfg(test)]` modules blanked as well.
    pub(crate) code: String,
    /// How many lines those modules have.
    test_lines: usize,
}

impl SourceFile {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::new(path, text)
    }

    fn new(path: &Path, text: String) -> Self {
        let all_code = blank_comments_and_literals(&text);
        let (code, test_lines) = blank_test_modules(&all_code);
        Self { path: path.to_owned(), text, all_code, code, test_lines }
    }

    /// A file that a `#[cfg(test)] mod` line elsewhere brings in; by custom its name says so.
    pub(crate) fn is_test_file(&self) -> bool {
        let stem = self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem == "tests" || stem.ends_with("_tests") || self.path.iter().any(|part| part == "tests")
    }

    /// Numbers of the lines that name `word` (a path such as `std::fs`, too), tests left out.
    pub(crate) fn lines_naming(&self, word: &str) -> Vec<usize> {
        lines_naming(&self.code, word)
    }

    /// The same, tests included.
    pub(crate) fn all_lines_naming(&self, word: &str) -> Vec<usize> {
        lines_naming(&self.all_code, word)
    }

    pub(crate) fn lines_without_tests(&self) -> usize {
        self.text.lines().count() - self.test_lines
    }

    /// Lines with an `unsafe` block or impl that no `// SAFETY:` comment precedes.
    pub(crate) fn unsafe_without_reason(&self) -> Vec<usize> {
        let texts: Vec<&str> = self.text.lines().collect();
        let codes: Vec<&str> = self.all_code.lines().collect();
        let opens = |rest: &str| rest.starts_with('{') || rest.starts_with("impl");
        let has_unsafe = |line: &str| word_positions(line, "unsafe").any(|at| opens(line[at + 6..].trim_start()));
        (0..codes.len())
            .filter(|&at| has_unsafe(codes[at]) && !explained(&texts, &codes, at))
            .map(|at| at + 1)
            .collect()
    }
}

/// Walks up from line `at` through its statement's earlier lines and attributes to the comment above them.
fn explained(texts: &[&str], codes: &[&str], at: usize) -> bool {
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    if texts[at].contains("// SAFETY:") {
        return true;
    }
    for above in (0..at).rev() {
        if is_comment(texts[above]) {
            let block = texts[..=above].iter().rev().take_while(|line| is_comment(line));
            return block.into_iter().any(|line| line.contains("SAFETY:"));
        }
        let ended = codes[above].trim_end();
        if ended.is_empty() || ended.ends_with([';', '{', '}']) {
            return false;
        }
    }
    false
}

/// All Rust files below `folder`, build results left out, in a stable order.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !["target", "node_modules", "corpus"].contains(&name) {
                folders.push(path);
            } else if name.ends_with(".rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word_positions<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let after = text[at + word.len()..].chars().next();
        let goes_on = word.ends_with(is_word) && after.is_some_and(is_word);
        !goes_on && !text[..at].ends_with(is_word)
    })
}

fn lines_naming(code: &str, word: &str) -> Vec<usize> {
    let line_of = |at: usize| code[..at].matches('\n').count() + 1;
    let mut lines: Vec<usize> = word_positions(code, word).map(line_of).collect();
    // `use std::{fs, time::Instant}` names `std::fs` and `std::time::Instant` too.
    let expanded = use_groups(code).into_iter().filter(|(_, path)| word_positions(path, word).next().is_some());
    lines.extend(expanded.map(|(at, _)| line_of(at)));
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Every path that a `a::{b, c::{d}}` group stands for, with the offset of the group.
fn use_groups(code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("::{") {
        let prefix_start = code[..at].rfind(|c: char| !is_word(c) && c != ':').map_or(0, |before| before + 1);
        let prefix = &code[prefix_start..at];
        for inner in expand(&code[at + 3..]) {
            paths.push((at, format!("{prefix}::{inner}")));
        }
    }
    paths
}

/// The paths of a group whose opening brace was just passed.
fn expand(group: &str) -> Vec<String> {
    let (mut paths, mut prefixes, mut word) = (Vec::new(), Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => {
                prefixes.push(word.trim().to_owned());
                word.clear();
            }
            ',' | '}' => {
                if !word.trim().is_empty() {
                    paths.push(format!("{}{}", prefixes.concat(), word.trim()));
                }
                word.clear();
                if c == '}' && prefixes.pop().is_none() {
                    break;
                }
            }
            c if c.is_whitespace() => word.push(' '),
            c => word.push(c),
        }
    }
    paths
}

/// Replaces all but line ends by spaces.
fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { ' ' }).collect()
}

fn blank_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = literal_length(rest, &code);
        let (token, after) = rest.split_at(length.unwrap_or(c.len_utf8()));
        code.push_str(&if length.is_some() { blank(token) } else { token.to_owned() });
        rest = after;
    }
    code
}

/// How many bytes of `rest` are one comment or literal, if one starts here; `before` is the code that precedes it.
fn literal_length(rest: &str, before: &str) -> Option<usize> {
    let end_of = |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    if rest.starts_with('"') {
        return Some(quoted_length(rest, '"'));
    }
    if rest.starts_with('r') && !before.ends_with(|c: char| is_word(c) && c != 'b' && c != 'c') {
        let hashes = rest[1..].chars().take_while(|&c| c == '#').count();
        if rest[1 + hashes..].starts_with('"') {
            return Some(end_of(2 + hashes, &format!("\"{}", "#".repeat(hashes))));
        }
    }
    if let Some(inner) = rest.strip_prefix('\'') {
        // A lifetime has no closing quote one character later.
        let one = inner.chars().next()?.len_utf8();
        if inner.starts_with('\\') || inner[one..].starts_with('\'') {
            return Some(quoted_length(rest, '\''));
        }
    }
    None
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

fn block_comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// Blanks each `#[cfg(test)]` up to the end of its item, and counts the lines.
fn blank_test_modules(code: &str) -> (String, usize) {
    let (mut kept, mut lines) = (String::with_capacity(code.len()), 0);
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        let item = &rest[at..];
        let (semicolon, brace) = (item.find(';').unwrap_or(item.len()), item.find('{').unwrap_or(item.len()));
        let end = if semicolon < brace { semicolon + 1 } else { closing_brace(item, brace) };
        kept.push_str(&rest[..at]);
        kept.push_str(&blank(&item[..end]));
        lines += item[..end].lines().count();
        rest = &item[end..];
    }
    kept.push_str(rest);
    (kept, lines)
}

fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices().skip_while(|&(at, _)| at < open) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SourceFile {
        SourceFile::new(Path::new("example.rs"), text.to_owned())
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "let a = \"std::fs \\\" tokio\"; // tokio\n/* tokio /* tokio */ */ let c = '\"'; let r = r#\"tokio\"#; x::<'a>(tokio);";
        assert_eq!(source(text).lines_naming("tokio"), [2]);
        assert!(source(text).lines_naming("std::fs").is_empty());
    }

    #[test]
    fn groups_are_expanded() {
        let text =
            "use std::{\n collections::BTreeMap,\n time::{Duration, Instant},\n fs,\n};\nuse core::time::Duration;";
        assert_eq!(source(text).lines_naming("std::fs"), [1]);
        assert_eq!(source(text).lines_naming("std::time::Instant"), [1]);
        assert!(source(text).lines_naming("std::env").is_empty());
    }

    #[test]
    fn test_modules_do_not_count() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n use std::fs;\n}\nfn b() {}\n";
        assert!(source(text).lines_naming("std::fs").is_empty());
        assert_eq!(source(text).all_lines_naming("std::fs"), [4]);
        assert_eq!(source(text).lines_without_tests(), 2);
    }

    #[test]
    fn words_are_whole() {
        assert!(source("fn tokiox() { my_tokio(); }").lines_naming("tokio").is_empty());
        assert_eq!(source("unsafe { f() }").lines_naming("unsafe"), [1]);
    }

    #[test]
    fn an_unsafe_block_needs_its_reason_right_above() {
        let good = "// SAFETY: the pointer is ours.\nlet x =\n    unsafe { *p };\n";
        let bad = "// SAFETY: another's.\nlet y = 1;\nlet x = unsafe { *p };\nunsafe fn f() {}\n";
        assert!(source(good).unsafe_without_reason().is_empty());
        assert_eq!(source(bad).unsafe_without_reason(), [3]);
    }
}
