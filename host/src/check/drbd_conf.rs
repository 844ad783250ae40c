//! Reads `drbd.conf` with its includes, forgivingly: every version's words pass, only the structure counts.
//!
//! The file becomes a flat list of statements, each with the sections around it and the place where it stands.

use super::{Finding, Subject};

/// The file drbdadm of every version reads.
pub(super) const DRBD_CONF: &str = "/etc/drbd.conf";
/// What to do with lines of a section: DRBD takes one section of a kind in a resource.
pub(super) const WRITE: &str =
    "write on both nodes, in the resource or in `common`, into the section of that name if there is one";
/// Most files read for one configuration, included ones counted.
const FILES_MAX: usize = 256;
/// Deepest nesting of includes.
const DEPTH_MAX: usize = 8;

/// Deepest nesting of sections; real files have 4. What is nested deeper is no drbd.conf, and is left unread.
const NESTING_MAX: usize = 16;
/// Most statements kept.
const STATEMENTS_MAX: usize = 20_000;

/// A word, or one of `{`, `}`, `;`.
struct Token {
    text: String,
    line: u32,
    quoted: bool,
}

/// `word value...;` and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Statement {
    /// The sections around it, outermost first, each with its words: `["resource", "r0"]`, `["net"]`.
    pub(super) sections: Vec<Vec<String>>,
    /// At least one.
    pub(super) words: Vec<String>,
    pub(super) file: String,
    pub(super) line: u32,
}

impl Statement {
    /// The name of the resource it is for; `None` outside resources.
    pub(super) fn resource(&self) -> Option<&str> {
        self.sections
            .iter()
            .find(|section| section.first().is_some_and(|word| word == "resource"))
            .and_then(|section| section.get(1))
            .map(String::as_str)
    }

    /// Whether it stands in `common`, which counts for every resource.
    pub(super) fn is_common(&self) -> bool {
        self.sections
            .iter()
            .any(|section| section.first().is_some_and(|word| word == "common"))
    }

    /// The hosts of the `on` section around it; `None` outside such sections.
    pub(super) fn hosts(&self) -> Option<&[String]> {
        self.sections
            .iter()
            .find(|section| section.first().is_some_and(|word| word == "on"))
            .and_then(|section| section.get(1..))
    }
}

impl Finding {
    /// Sets the place: the statement, or the file as a whole for what isn't written there.
    pub(super) fn at_statement(self, at: Option<&Statement>) -> Self {
        match at {
            Some(at) => self.at(&at.file, Some(at.line)),
            None => self.at(DRBD_CONF, None),
        }
    }
}

/// All statements, or `None` if there is no such file. The names of all resources come second, with or without statements.
pub(super) fn read(subject: &Subject<'_>) -> Option<(Vec<Statement>, Vec<String>)> {
    subject.exists(DRBD_CONF).then(|| {
        let mut reader = Reader {
            subject,
            statements: Vec::new(),
            resources: Vec::new(),
            files_left: FILES_MAX,
        };
        reader.file(DRBD_CONF, &mut Vec::new(), 0);
        (reader.statements, reader.resources)
    })
}

struct Reader<'a> {
    subject: &'a Subject<'a>,
    statements: Vec<Statement>,
    resources: Vec<String>,
    files_left: usize,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, sections: &mut Vec<Vec<String>>, depth: usize) {
        if self.files_left == 0 || depth > DEPTH_MAX {
            return;
        }
        self.files_left = self.files_left.saturating_sub(1);
        let text = self.subject.text(path).unwrap_or_default();
        let outside = sections.len();
        let mut words: Vec<Token> = Vec::new();
        for token in tokens(&text) {
            match token.text.as_str() {
                "{" if !token.quoted => {
                    let section: Vec<String> = words.drain(..).map(|word| word.text).collect();
                    if let [kind, name, ..] = section.as_slice()
                        && kind == "resource"
                    {
                        self.resources.push(name.clone());
                    }
                    if sections.len() >= NESTING_MAX {
                        break;
                    }
                    sections.push(section);
                }
                "}" if !token.quoted => {
                    self.statement(path, sections, &mut words, depth);
                    if sections.len() > outside {
                        sections.pop();
                    }
                }
                ";" if !token.quoted => self.statement(path, sections, &mut words, depth),
                _ => words.push(token),
            }
        }
        sections.truncate(outside);
    }

    fn statement(&mut self, path: &str, sections: &mut Vec<Vec<String>>, words: &mut Vec<Token>, depth: usize) {
        let Some(first) = words.first() else { return };
        let line = first.line;
        let words: Vec<String> = words.drain(..).map(|word| word.text).collect();
        if let [include, pattern] = words.as_slice()
            && include == "include"
        {
            for file in self.matching(path, pattern) {
                self.file(&file, sections, depth.saturating_add(1));
            }
            return;
        }
        if self.statements.len() >= STATEMENTS_MAX {
            return;
        }
        self.statements.push(Statement {
            sections: sections.clone(),
            words,
            file: path.to_owned(),
            line,
        });
    }

    /// The files an include names, sorted; relative to the including file.
    fn matching(&self, from: &str, pattern: &str) -> Vec<String> {
        let parent = from.rsplit_once('/').map_or("", |(dir, _)| dir);
        let full = if pattern.starts_with('/') {
            pattern.to_owned()
        } else {
            format!("{parent}/{pattern}")
        };
        let (dir, name) = full.rsplit_once('/').unwrap_or(("", full.as_str()));
        self.subject
            .names(dir)
            .into_iter()
            .filter(|there| {
                glob(name.as_bytes(), there.as_bytes()) && (!there.starts_with('.') || name.starts_with('.'))
            })
            .map(|there| format!("{dir}/{there}"))
            .collect()
    }
}

/// Whether `name` fits a pattern of `*`, `?` and plain bytes.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on after the last star, should the present try fail.
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || Some(&c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            Some(_) | None => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                p = star + 1;
                n = from + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|&c| c == b'*')
}

/// Words, quoted strings and the three marks, with their lines; comments run from `#` to the end of the line.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1_u32;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => line = line.saturating_add(1),
            '#' => while chars.next_if(|&c| c != '\n').is_some() {},
            '{' | '}' | ';' => tokens.push(Token {
                text: c.to_string(),
                line,
                quoted: false,
            }),
            '"' => {
                let start = line;
                let mut text = String::new();
                for c in chars.by_ref().take_while(|&c| c != '"') {
                    line = line.saturating_add(u32::from(c == '\n'));
                    text.push(c);
                }
                tokens.push(Token {
                    text,
                    line: start,
                    quoted: true,
                });
            }
            _ if c.is_whitespace() => {}
            _ => {
                let mut text = String::from(c);
                while let Some(c) = chars.next_if(|&c| !c.is_whitespace() && !matches!(c, '{' | '}' | ';' | '"' | '#'))
                {
                    text.push(c);
                }
                tokens.push(Token {
                    text,
                    line,
                    quoted: false,
                });
            }
        }
    }
    tokens
}
