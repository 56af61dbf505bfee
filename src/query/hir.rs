//! What can be said of a pattern before it is run: which parts of it do not matter, and which
//! literals every match must hold.

use regex_automata::MatchKind;
use regex_automata::util::prefilter::Prefilter;
use regex_syntax::ast::{self, Ast, ClassSetItem, Flag, FlagsItemKind};
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::needle::Needle;

/// The most literals that are looked for as a set.
const SET_LITERALS_MAX: usize = 64;

/// A literal that every match holds.
pub(super) struct Required {
    pub needle: Needle,
    /// Whether the literal is the whole pattern.
    pub whole: bool,
}

/// How many characters the classes of a pattern make its translation look at, about: with Unicode
/// on, `(?i)` looks up each character of a class in brackets, and `\w` is 700 ranges. 0 for a
/// pattern without Unicode, whose classes are bytes.
pub(super) fn class_cost(ast: &Ast, unicode: bool) -> usize {
    let weigher = Weigher { unicode, ignores_case: false, plain: 0, folded: 0 };
    ast::visit(ast, weigher).unwrap_or(usize::MAX)
}

struct Weigher {
    unicode: bool,
    ignores_case: bool,
    /// Characters looked at in any case.
    plain: usize,
    /// Characters looked at where case is ignored.
    folded: usize,
}

/// What translating `\w` takes, in the time of so many characters looked up.
const PERL_CLASS_COST: usize = 2_000;
/// What folding `\w` in brackets takes.
const FOLDED_CLASS_COST: usize = 60_000;

impl ast::Visitor for Weigher {
    type Output = usize;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<usize, Self::Err> {
        let folded = if self.ignores_case { self.folded } else { 0 };
        Ok(if self.unicode { self.plain.saturating_add(folded) } else { 0 })
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        let flags = match ast {
            Ast::Flags(set) => Some(&set.flags),
            Ast::Group(group) => group.flags(),
            Ast::ClassPerl(_) => {
                self.plain += PERL_CLASS_COST;
                None
            }
            _ => None,
        };
        for item in flags.into_iter().flat_map(|flags| &flags.items) {
            self.unicode |= item.kind == FlagsItemKind::Flag(Flag::Unicode);
            self.ignores_case |= item.kind == FlagsItemKind::Flag(Flag::CaseInsensitive);
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        self.folded += match item {
            ClassSetItem::Range(range) => {
                u32::from(range.end.c).saturating_sub(u32::from(range.start.c)) as usize
            }
            ClassSetItem::Perl(_) | ClassSetItem::Ascii(_) => FOLDED_CLASS_COST,
            // A class in a class can be the complement of a small one: nearly all there is.
            ClassSetItem::Bracketed(_) | ClassSetItem::Unicode(_) => char::MAX as usize,
            ClassSetItem::Empty(_) | ClassSetItem::Literal(_) | ClassSetItem::Union(_) => 0,
        };
        if matches!(item, ClassSetItem::Perl(_)) {
            self.plain += PERL_CLASS_COST;
        }
        Ok(())
    }
}

/// The same question, is there a match, asked by a smaller pattern: captures do not matter, and of
/// a repetition at an open end only the least number does (`.*x[a-z]{2,9}` asks what `x[a-z]{2}`
/// asks, since a match of the one holds a match of the other). Unicode word boundaries become ASCII
/// ones, which a DFA can tell.
pub(super) fn simplify(hir: Hir) -> Hir {
    trim(plain(hir))
}

/// `hir` without captures and without Unicode word boundaries.
fn plain(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => other,
        }),
        HirKind::Repetition(repetition) => {
            let sub = Box::new(plain(*repetition.sub));
            Hir::repetition(Repetition { sub, ..repetition })
        }
        HirKind::Capture(capture) => plain(*capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(plain).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.into_iter().map(plain).collect()),
    }
}

/// `hir` with the repetitions at its two ends cut to their least number.
fn trim(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Repetition(repetition) => least(repetition),
        HirKind::Alternation(parts) => Hir::alternation(parts.into_iter().map(trim).collect()),
        HirKind::Concat(mut parts) => {
            while let Some(HirKind::Repetition(repetition)) = parts.first().map(Hir::kind) {
                let short = least(repetition.clone());
                if !matches!(short.kind(), HirKind::Empty) {
                    parts[0] = short;
                    break;
                }
                parts.remove(0);
            }
            while let Some(HirKind::Repetition(repetition)) = parts.last().map(Hir::kind) {
                let short = least(repetition.clone());
                parts.pop();
                if !matches!(short.kind(), HirKind::Empty) {
                    parts.push(short);
                    break;
                }
            }
            Hir::concat(parts)
        }
        kind => rebuild(kind),
    }
}

fn least(repetition: Repetition) -> Hir {
    let max = Some(repetition.min);
    Hir::repetition(Repetition { max, ..repetition })
}

/// The expression of a kind that has no parts to change.
fn rebuild(kind: HirKind) -> Hir {
    match kind {
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Capture(capture) => *capture.sub,
        HirKind::Empty | HirKind::Repetition(_) | HirKind::Concat(_) | HirKind::Alternation(_) => {
            Hir::empty()
        }
    }
}

/// The rarest literal that every match of `hir` holds, if there is one of two bytes or more, or one
/// that is the whole pattern.
pub(super) fn required_literal(hir: &Hir) -> Option<Required> {
    let mut runs = Runs::default();
    runs.collect(hir);
    runs.close();
    if let ([run], true) = (&runs.done[..], runs.is_whole)
        && run.is_uniform()
    {
        return Some(Required { needle: run.needle(), whole: true });
    }
    runs.done
        .iter()
        .filter(|run| run.bytes.len() >= 2)
        .map(Run::needle)
        .min_by_key(|needle| (needle.frequency(), usize::MAX - needle.len()))
        .map(|needle| Required { needle, whole: false })
}

/// A set of literals of which every match begins with one, where the pattern has such.
pub(super) fn required_set(hir: &Hir) -> Option<Prefilter> {
    let mut sequence = Extractor::new().kind(ExtractKind::Prefix).extract(hir);
    sequence.optimize_for_prefix_by_preference();
    let literals = sequence.literals()?;
    let is_good = !literals.is_empty()
        && literals.len() <= SET_LITERALS_MAX
        && literals.iter().all(|literal| literal.len() >= 2);
    if !is_good {
        return None;
    }
    Prefilter::new(MatchKind::LeftmostFirst, literals)
}

/// The runs of bytes, one after the other, that every match holds.
#[derive(Default)]
struct Runs {
    done: Vec<Run>,
    open: Run,
    /// No part of the pattern is anything but letters.
    is_whole: bool,
    depth: usize,
}

#[derive(Default)]
struct Run {
    bytes: Vec<u8>,
    /// Letters that match in both cases.
    folded: usize,
    /// Letters that match as they stand.
    fixed: usize,
}

impl Run {
    /// Whether a needle says neither more nor less than the run.
    fn is_uniform(&self) -> bool {
        self.folded == 0 || self.fixed == 0
    }

    fn needle(&self) -> Needle {
        if self.folded > 0 { Needle::fold(&self.bytes) } else { Needle::exact(&self.bytes) }
    }
}

impl Runs {
    fn collect(&mut self, hir: &Hir) {
        if self.depth == 0 {
            self.is_whole = true;
        }
        self.depth += 1;
        match hir.kind() {
            HirKind::Literal(literal) => {
                self.open.fixed += literal.0.iter().filter(|b| b.is_ascii_alphabetic()).count();
                self.open.bytes.extend_from_slice(&literal.0);
            }
            HirKind::Class(class) => match both_cases(class) {
                Some(letter) => {
                    self.open.folded += 1;
                    self.open.bytes.push(letter);
                }
                None => self.interrupt(),
            },
            HirKind::Concat(parts) => {
                for part in parts {
                    self.collect(part);
                }
            }
            HirKind::Capture(capture) => self.collect(&capture.sub),
            HirKind::Repetition(repetition) if repetition.min > 0 => {
                self.interrupt();
                self.collect(&repetition.sub);
                self.interrupt();
            }
            // An assertion takes no bytes: what stands before and after it stands side by side.
            HirKind::Look(_) => self.is_whole = false,
            HirKind::Empty => {}
            HirKind::Repetition(_) | HirKind::Alternation(_) => self.interrupt(),
        }
        self.depth -= 1;
    }

    fn interrupt(&mut self) {
        self.is_whole = false;
        self.close();
    }

    fn close(&mut self) {
        let run = std::mem::take(&mut self.open);
        if !run.bytes.is_empty() {
            self.done.push(run);
        }
    }
}

/// The lower-case letter of a class that is one ASCII letter in both cases.
fn both_cases(class: &Class) -> Option<u8> {
    let pair: [u32; 2] = match class {
        Class::Bytes(class) => match class.ranges() {
            [a, b] if a.start() == a.end() && b.start() == b.end() => {
                [a.start().into(), b.start().into()]
            }
            _ => return None,
        },
        Class::Unicode(class) => match class.ranges() {
            [a, b] if a.start() == a.end() && b.start() == b.end() => {
                [a.start().into(), b.start().into()]
            }
            _ => return None,
        },
    };
    let [upper, lower] = pair.map(|code| u8::try_from(code).unwrap_or(0));
    (lower.is_ascii_lowercase() && lower.to_ascii_uppercase() == upper).then_some(lower)
}
