//! Regular expressions with a bound on the time of every step.
//!
//! The engine is the lazy DFA of `regex-automata`, the crate under `regex`, walked here byte by
//! byte: a byte for which the DFA has its next state costs about a nanosecond and a half, one for
//! which the state must first be made costs up to the size of the program. Whoever searches hands
//! in a [`Budget`] that both are taken from; when it is spent, the search stops in the middle of a
//! record and goes on from there in the next step. So a pattern that makes a state for every byte
//! is slow, but never holds anyone up. `regex` itself would leave the DFA for an engine that needs
//! (program x text) steps with no way to stop it.
//!
//! A record is matched by itself, so `\A` and `\z` are its beginning and its end, and `^` and `$`
//! are those of its lines. All a filter asks is whether there is a match, not where it lies.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::start;
use regex_automata::{Anchored, Span};
use regex_syntax::ast;
use regex_syntax::hir::Hir;
use regex_syntax::hir::translate::TranslatorBuilder;

use super::hir;
use super::needle::Needle;
use crate::limits::{
    REGEX_CACHE_BYTES_MAX, REGEX_CLASS_COST_MAX, REGEX_NEST_MAX, REGEX_PATTERN_BYTES_MAX,
    REGEX_PROGRAM_BYTES_MAX,
};

/// What a step may still spend, in nanoseconds as they are estimated, never measured: the core
/// knows no clock, and the same input takes the same steps.
#[derive(Debug, Clone, Copy)]
pub struct Budget(i64);

impl Budget {
    /// A budget of about `ns` nanoseconds.
    pub const fn new(ns: u32) -> Self {
        Self(ns as i64)
    }

    /// A budget that nothing exhausts.
    pub const fn unbounded() -> Self {
        Self(i64::MAX)
    }

    /// Takes `ns` from what is left.
    pub fn spend(&mut self, ns: usize) {
        self.0 = self.0.saturating_sub_unsigned(ns as u64);
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.0 <= 0
    }
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegexError {
    /// It is longer than [`REGEX_PATTERN_BYTES_MAX`]; holds its length.
    Long(usize),
    /// It is not UTF-8 from this byte on.
    NotUtf8(usize),
    /// It has a mistake at a place, counted in characters from 1.
    Syntax {
        /// What is wrong.
        reason: String,
        /// Where.
        position: usize,
    },
    /// Its program would exceed [`REGEX_PROGRAM_BYTES_MAX`].
    Big,
    /// Its Unicode classes would exceed [`REGEX_CLASS_COST_MAX`].
    Classes,
}

impl std::fmt::Display for RegexError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Long(bytes) => {
                write!(f, "regex of {bytes} bytes exceeds {REGEX_PATTERN_BYTES_MAX} bytes")
            }
            Self::NotUtf8(at) => {
                write!(f, "regex is not UTF-8 at byte {} (write bytes as \\xFF)", at + 1)
            }
            Self::Syntax { reason, position } => {
                write!(f, "regex: {reason} at character {position}")
            }
            Self::Big => write!(
                f,
                "regex is too big: its program exceeds {} KiB (use smaller repetitions)",
                REGEX_PROGRAM_BYTES_MAX / 1024
            ),
            Self::Classes => write!(
                f,
                "regex is too big: its Unicode classes exceed {REGEX_CLASS_COST_MAX} characters \
                 (leave out (?u) or (?i), or name fewer)"
            ),
        }
    }
}

/// A compiled pattern, with the states that its searches have made so far.
pub struct Regex {
    /// Finds the places in a window that can be matches at all.
    hint: Hint,
    /// Absent where the hint alone decides.
    engine: Option<Box<Engine>>,
}

/// Where a match can be.
pub enum Hint {
    /// Anywhere.
    None,
    /// Only in a record that holds this literal.
    Literal(Needle),
    /// Only in a record that holds one of some literals.
    Set(Prefilter),
}

struct Engine {
    dfa: DFA,
    cache: Cache,
    /// Estimated nanoseconds that making one state costs.
    state_cost_ns: usize,
    /// Where a search that ran out of budget goes on.
    pause: Option<Pause>,
}

/// A search that was interrupted.
struct Pause {
    /// The next byte of the text.
    at: usize,
    state: LazyStateID,
}

impl std::fmt::Debug for Regex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Regex").field("memory_bytes", &self.memory_bytes()).finish_non_exhaustive()
    }
}

impl Regex {
    /// Compiles `pattern`. Unicode is off unless the pattern is not ASCII or says `(?u)`; without
    /// it, `(?i)` folds ASCII, `\w` is ASCII and `.` is any byte but LF.
    ///
    /// # Errors
    /// A pattern that is too long, wrong or too big; nothing is kept of it.
    pub fn new(pattern: &[u8]) -> Result<Self, RegexError> {
        if pattern.len() > REGEX_PATTERN_BYTES_MAX {
            return Err(RegexError::Long(pattern.len()));
        }
        let pattern = std::str::from_utf8(pattern)
            .map_err(|error| RegexError::NotUtf8(error.valid_up_to()))?;
        let hir = hir::simplify(parse(pattern)?);
        let literal = hir::required_literal(&hir);
        if let Some(literal) = &literal
            && literal.whole
        {
            return Ok(Self { hint: Hint::Literal(literal.needle.clone()), engine: None });
        }
        let engine = Box::new(Engine::new(&hir)?);
        let hint = match (literal, hir::required_set(&hir)) {
            (Some(literal), None) => Hint::Literal(literal.needle),
            // One literal is found faster than a set, unless it is a single common byte.
            (Some(literal), Some(_)) if literal.needle.len() > 2 => Hint::Literal(literal.needle),
            (_, Some(set)) => Hint::Set(set),
            (None, None) => Hint::None,
        };
        Ok(Self { hint, engine: Some(engine) })
    }

    /// Where matches can be.
    pub fn hint(&self) -> &Hint {
        &self.hint
    }

    /// Whether a record that holds the hint's literal is a match without further ado.
    pub fn is_literal(&self) -> bool {
        self.engine.is_none()
    }

    /// Whether `text`, a whole record, has a match; `None` when `budget` was spent first. Then the
    /// next call must be for the same record, and goes on where this one stopped.
    pub fn step(&mut self, text: &[u8], budget: &mut Budget) -> Option<bool> {
        match &mut self.engine {
            Some(engine) => engine.step(text, budget),
            None => Some(self.hint.is_in(text)),
        }
    }

    /// Gives up a search that was interrupted.
    pub fn reset(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.pause = None;
        }
    }

    /// How much memory the program and its states hold now.
    pub fn memory_bytes(&self) -> usize {
        self.engine.as_ref().map_or(0, |engine| {
            engine.dfa.memory_usage()
                + engine.dfa.get_nfa().memory_usage()
                + engine.cache.memory_usage()
        })
    }
}

impl Hint {
    /// The next place in `text` that can be part of a match.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::None => Some(0),
            Self::Literal(needle) => needle.find(text),
            Self::Set(set) => {
                set.find(text, Span { start: 0, end: text.len() }).map(|span| span.start)
            }
        }
    }

    fn is_in(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }
}

fn parse(pattern: &str) -> Result<Hir, RegexError> {
    let error_at = |reason: String, at: usize| RegexError::Syntax {
        reason,
        position: pattern.get(..at).map_or(at, |before| before.chars().count()) + 1,
    };
    let ast = ast::parse::ParserBuilder::new()
        .nest_limit(REGEX_NEST_MAX)
        .build()
        .parse(pattern)
        .map_err(|error| error_at(error.kind().to_string(), error.span().start.offset))?;
    let unicode = !pattern.is_ascii();
    if hir::class_cost(&ast, unicode) > REGEX_CLASS_COST_MAX {
        return Err(RegexError::Classes);
    }
    TranslatorBuilder::new()
        .unicode(unicode)
        .utf8(false)
        .multi_line(true)
        .build()
        .translate(pattern, &ast)
        .map_err(|error| error_at(error.kind().to_string(), error.span().start.offset))
}

impl Engine {
    fn new(hir: &Hir) -> Result<Self, RegexError> {
        let program = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(REGEX_PROGRAM_BYTES_MAX))
            .which_captures(WhichCaptures::None);
        let nfa = thompson::Compiler::new()
            .configure(program)
            .build_from_hir(hir)
            .map_err(|_| RegexError::Big)?;
        let states = nfa.states().len();
        let config = DFA::config().cache_capacity(REGEX_CACHE_BYTES_MAX);
        let dfa =
            DFA::builder().configure(config).build_from_nfa(nfa).map_err(|_| RegexError::Big)?;
        let cache = dfa.create_cache();
        // Measured by `slow_patterns`: a set of all the program's states costs most.
        Ok(Self { dfa, cache, state_cost_ns: 250 + 8 * states, pause: None })
    }

    fn step(&mut self, text: &[u8], budget: &mut Budget) -> Option<bool> {
        let (begin, mut state) = match self.pause.take() {
            Some(pause) => (pause.at.min(text.len()), pause.state),
            None => {
                let config = start::Config::new().anchored(Anchored::No);
                (0, self.dfa.start_state(&mut self.cache, &config).expect(NEVER_GIVES_UP))
            }
        };
        let mut at = begin;
        while at < text.len() {
            if state.is_tagged() {
                if state.is_match() {
                    return Some(true);
                }
                if state.is_dead() {
                    budget.spend(at - begin);
                    return Some(false);
                }
            } else {
                (at, state) = self.walk(text, at, state);
                if at == text.len() {
                    break;
                }
            }
            state = self.dfa.next_state(&mut self.cache, state, text[at]).expect(NEVER_GIVES_UP);
            at += 1;
            budget.spend(self.state_cost_ns);
            if budget.is_spent() {
                self.pause = Some(Pause { at, state });
                return None;
            }
        }
        budget.spend((at - begin) * 3 / 2);
        if state.is_tagged() && (state.is_match() || state.is_dead()) {
            return Some(state.is_match());
        }
        let last = self.dfa.next_eoi_state(&mut self.cache, state).expect(NEVER_GIVES_UP);
        Some(last.is_match())
    }

    /// Goes over bytes whose next state is known and of no special kind.
    #[inline]
    fn walk(&self, text: &[u8], mut at: usize, mut state: LazyStateID) -> (usize, LazyStateID) {
        let next = |state, byte| self.dfa.next_state_untagged(&self.cache, state, byte);
        while let Some(&[a, b, c, d]) = text.get(at..).and_then(|rest| rest.first_chunk()) {
            let first = next(state, a);
            if first.is_tagged() {
                return (at, state);
            }
            let second = next(first, b);
            if second.is_tagged() {
                return (at + 1, first);
            }
            let third = next(second, c);
            if third.is_tagged() {
                return (at + 2, second);
            }
            let fourth = next(third, d);
            if fourth.is_tagged() {
                return (at + 3, third);
            }
            (at, state) = (at + 4, fourth);
        }
        while let Some(&byte) = text.get(at) {
            let following = next(state, byte);
            if following.is_tagged() {
                break;
            }
            (at, state) = (at + 1, following);
        }
        (at, state)
    }
}

/// The DFA gives up only where it is configured to, or meets a byte it must quit at.
const NEVER_GIVES_UP: &str = "the DFA has no bound on its clearings and no byte to quit at";
