//! Passes over what is no object, to where the next one may begin.

/// Passes over what is no object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skip {
    pub until: Until,
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

/// Where something that is no object ends; at the end of its line in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Behind its closing brace.
    Brace,
    /// Before the comma or bracket behind it.
    Element,
    /// Before the object that follows, if nothing but blanks is before that.
    Object,
    /// Nowhere else.
    LineEnd,
}

impl Skip {
    pub fn new(until: Until) -> Self {
        Self { until, depth: 0, in_string: false, is_escaped: false }
    }

    /// Goes on by a byte: whether what is passed over ends with it.
    pub fn ends_with(&mut self, byte: u8) -> bool {
        if byte == b'\n' {
            return true;
        }
        if self.until == Until::LineEnd {
            return false;
        }
        if self.until == Until::Object {
            match byte {
                b'{' => return true,
                b' ' | b'\t' | b'\r' => {}
                _ => self.until = Until::LineEnd,
            }
            return false;
        }
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b',' if self.depth == 0 && self.until == Until::Element => return true,
            b']' if self.depth == 0 => return self.until == Until::Element,
            b'}' if self.depth == 0 => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth -= 1;
                return self.depth == 0 && byte == b'}' && self.until == Until::Brace;
            }
            _ => {}
        }
        false
    }
}
