//! What a server sets to say when it wants to be notified: the attributes of the `<NOTIFICATION>` class
//! (LwM2M Core 1.2.2 §7.3.2), and where they are attached.

use std::fmt;

use super::{Kind, Path, Version, objects};

/// The attributes attached to one path by one server, or in force there. Periods are in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Attributes {
    /// Minimum Period: from one notification to the next at least so long.
    pub pmin: Option<u32>,
    /// Maximum Period: a notification at the latest after so long; see [`Attributes::max_period`].
    pub pmax: Option<u32>,
    /// Minimum Evaluation Period (LwM2M 1.1): the value is looked at no sooner than this.
    pub epmin: Option<u32>,
    /// Maximum Evaluation Period (LwM2M 1.1): the value is looked at no later than this.
    pub epmax: Option<u32>,
    /// Greater Than: notify whenever the value crosses this threshold, either way.
    pub gt: Option<f64>,
    /// Less Than: notify whenever the value crosses this threshold, either way.
    pub lt: Option<f64>,
    /// Step: notify when the value is this much, or more, from the last one told. Never negative.
    pub st: Option<f64>,
    /// Edge (LwM2M 1.2): notify when a boolean becomes true, or when it becomes false.
    pub edge: Option<bool>,
    /// Confirmable Notification (LwM2M 1.2): whether notifications are sent as CON.
    pub con: Option<bool>,
    /// Maximum Historical Queue (LwM2M 1.2): how many values are kept while nobody can be told.
    pub hqmax: Option<u32>,
}

/// Why attributes are refused: 4.00 Bad Request (LwM2M Transport §6.4.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// No attribute of this LwM2M version that a server may write.
    #[error("{0:?} is no attribute a server of this LwM2M version may write")]
    Unknown(String),
    /// The same attribute a second time.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// A value the attribute cannot have.
    #[error("{name}={text:?}: {wanted}")]
    Value {
        /// The attribute.
        name: &'static str,
        /// What it was to be.
        text: String,
        /// What it may be.
        wanted: &'static str,
    },
    /// A maximum below, or a threshold on the wrong side of, its counterpart.
    #[error("must hold: {0}")]
    Order(&'static str),
}

impl Attributes {
    /// Whether they agree with each other, as what a server attaches to one path, or asks for in an
    /// Observe, has to (Core §6.3.4, §7.3.2).
    ///
    /// A Maximum Period of 0 stands for none, so it agrees with every minimum. Periods that only
    /// inheritance brings together need not agree: there [`Attributes::max_period`] is what counts.
    ///
    /// # Errors
    /// [`AttributeError::Order`].
    pub fn check(&self) -> Result<(), AttributeError> {
        if let (Some(pmin), Some(pmax)) = (self.pmin, self.pmax)
            && pmax != 0
            && pmax < pmin
        {
            return Err(AttributeError::Order("pmax >= pmin, or pmax = 0"));
        }
        if let (Some(epmin), Some(epmax)) = (self.epmin, self.epmax)
            && epmin >= epmax
        {
            return Err(AttributeError::Order("epmin < epmax"));
        }
        if let (Some(lt), Some(gt)) = (self.lt, self.gt) {
            if lt >= gt {
                return Err(AttributeError::Order("lt < gt"));
            }
            if self.st.is_some_and(|st| lt + 2.0 * st >= gt) {
                return Err(AttributeError::Order("lt + 2 st < gt"));
            }
        }
        Ok(())
    }

    /// Whether all of them may be attached to `path` (Core table 7.3.2-1): none to the root, `gt`, `lt` and
    /// `st` to numbers only, `edge` to booleans only. What a resource unknown here holds is not asked.
    pub fn allowed_at(&self, path: Path) -> bool {
        if path == Path::ROOT {
            return *self == Attributes::default();
        }
        let kind = objects::resource(path).map(|known| known.kind);
        let holds = |kinds: &[Kind]| path.depth() >= 3 && kind.is_none_or(|kind| kinds.contains(&kind));
        let thresholds = self.gt.is_some() || self.lt.is_some() || self.st.is_some();
        (!thresholds || holds(&[Kind::Integer, Kind::Unsigned, Kind::Float]))
            && (self.edge.is_none() || holds(&[Kind::Boolean]))
    }

    /// These, and what is not among them from `above`: a lower level wins over one above it, and what a
    /// server attaches over its defaults (/1/x/2 and /1/x/3).
    pub fn over(&self, above: &Attributes) -> Attributes {
        Attributes {
            pmin: self.pmin.or(above.pmin),
            pmax: self.pmax.or(above.pmax),
            epmin: self.epmin.or(above.epmin),
            epmax: self.epmax.or(above.epmax),
            gt: self.gt.or(above.gt),
            lt: self.lt.or(above.lt),
            st: self.st.or(above.st),
            edge: self.edge.or(above.edge),
            con: self.con.or(above.con),
            hqmax: self.hqmax.or(above.hqmax),
        }
    }

    /// The Maximum Period as it is to be obeyed: 0 means none, and one below the Minimum Period is
    /// ignored (Core table 7.3.2-1).
    pub fn max_period(&self) -> Option<u32> {
        self.pmax.filter(|&pmax| pmax != 0 && pmax >= self.pmin.unwrap_or(0))
    }

    /// Name and value of each that is set, as in a link of Discover or a query.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, String)> {
        let count = |value: Option<u32>| value.map(|value| value.to_string());
        // Plain decimal, never with an exponent: the grammar of the TS has none.
        let number = |value: Option<f64>| value.map(|value| value.to_string());
        let flag = |value: Option<bool>| value.map(|value| u8::from(value).to_string());
        [
            ("pmin", count(self.pmin)),
            ("pmax", count(self.pmax)),
            ("epmin", count(self.epmin)),
            ("epmax", count(self.epmax)),
            ("gt", number(self.gt)),
            ("lt", number(self.lt)),
            ("st", number(self.st)),
            ("edge", flag(self.edge)),
            ("con", flag(self.con)),
            ("hqmax", count(self.hqmax)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// As the query of a Write-Attributes: `pmin=10&gt=2.5`.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.iter().enumerate() {
            let separator = if at == 0 { "" } else { "&" };
            write!(f, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}

/// What happens to one attribute: nothing, or it is set (`Some(Some)`) or unset (`Some(None)`).
type Change<T> = Option<Option<T>>;

/// What the query of a Write-Attributes, or of an Observe of LwM2M 1.2, does to attributes: `pmin=10`
/// sets one and `pmin` unsets it (Core §6.3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AttributeChange {
    pmin: Change<u32>,
    pmax: Change<u32>,
    epmin: Change<u32>,
    epmax: Change<u32>,
    gt: Change<f64>,
    lt: Change<f64>,
    st: Change<f64>,
    edge: Change<bool>,
    con: Change<bool>,
    hqmax: Change<u32>,
}

impl AttributeChange {
    /// Reads the segments of a query, one attribute each. `version` is that of the client: it knows no
    /// attributes of later ones.
    ///
    /// Beyond the grammar of the TS, numbers may have a sign and an exponent: thresholds below zero make
    /// sense, and some servers print so.
    ///
    /// # Errors
    /// The first segment that is no attribute, or has a value it cannot have. Whether the attributes agree
    /// is for [`Attributes::check`], after [`AttributeChange::apply`].
    pub fn parse<'a>(
        queries: impl Iterator<Item = &'a str>,
        version: Version,
    ) -> Result<Self, AttributeError> {
        let mut change = AttributeChange::default();
        for query in queries {
            let (name, text) = match query.split_once('=') {
                Some((name, text)) => (name, Some(text)),
                None => (query, None),
            };
            match name {
                "pmin" => put(&mut change.pmin, "pmin", text, count)?,
                "pmax" => put(&mut change.pmax, "pmax", text, count)?,
                "gt" => put(&mut change.gt, "gt", text, number)?,
                "lt" => put(&mut change.lt, "lt", text, number)?,
                "st" => put(&mut change.st, "st", text, step)?,
                "epmin" if version >= Version::V1_1 => put(&mut change.epmin, "epmin", text, count)?,
                "epmax" if version >= Version::V1_1 => put(&mut change.epmax, "epmax", text, count)?,
                "edge" if version >= Version::V1_2 => put(&mut change.edge, "edge", text, flag)?,
                "con" if version >= Version::V1_2 => put(&mut change.con, "con", text, flag)?,
                "hqmax" if version >= Version::V1_2 => put(&mut change.hqmax, "hqmax", text, count)?,
                _ => return Err(AttributeError::Unknown(name.to_owned())),
            }
        }
        Ok(change)
    }

    /// `to` after the change.
    pub fn apply(&self, to: &Attributes) -> Attributes {
        Attributes {
            pmin: self.pmin.unwrap_or(to.pmin),
            pmax: self.pmax.unwrap_or(to.pmax),
            epmin: self.epmin.unwrap_or(to.epmin),
            epmax: self.epmax.unwrap_or(to.epmax),
            gt: self.gt.unwrap_or(to.gt),
            lt: self.lt.unwrap_or(to.lt),
            st: self.st.unwrap_or(to.st),
            edge: self.edge.unwrap_or(to.edge),
            con: self.con.unwrap_or(to.con),
            hqmax: self.hqmax.unwrap_or(to.hqmax),
        }
    }
}

/// A value's text to the value, or what would be right.
type Read<T> = fn(&str) -> Result<T, &'static str>;

fn put<T>(
    change: &mut Change<T>,
    name: &'static str,
    text: Option<&str>,
    read: Read<T>,
) -> Result<(), AttributeError> {
    if change.is_some() {
        return Err(AttributeError::Twice(name));
    }
    let refused = |text: &str, wanted| AttributeError::Value { name, text: text.to_owned(), wanted };
    *change = Some(match text {
        Some(text) => Some(read(text).map_err(|wanted| refused(text, wanted))?),
        None => None,
    });
    Ok(())
}

/// `1*DIGIT`, as far as it fits.
fn count(text: &str) -> Result<u32, &'static str> {
    const WANTED: &str = "a whole number up to 4294967295 is needed";
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(WANTED);
    }
    text.parse().map_err(|_| WANTED)
}

fn number(text: &str) -> Result<f64, &'static str> {
    const WANTED: &str = "a decimal number is needed";
    // Not the words Rust also takes: inf, nan.
    if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
        return Err(WANTED);
    }
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or(WANTED)
}

fn step(text: &str) -> Result<f64, &'static str> {
    number(text).ok().filter(|&step| step >= 0.0).ok_or("a decimal number, not below 0, is needed")
}

fn flag(text: &str) -> Result<bool, &'static str> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err("0 or 1 is needed"),
    }
}

/// The attributes one server has attached, by path. Empty, as most are, it holds no heap.
#[derive(Clone, Debug, Default)]
pub struct AttributeSet {
    /// Sorted by path, no path twice, none without attributes.
    attached: Vec<(Path, Attributes)>,
}

impl AttributeSet {
    /// The attributes attached to exactly this path, if any.
    pub fn get(&self, path: Path) -> Option<&Attributes> {
        let at = self.position(path).ok()?;
        Some(&self.attached[at].1)
    }

    /// Attaches `attributes` to `path` in place of those there; without any, nothing is attached.
    pub fn set(&mut self, path: Path, attributes: Attributes) {
        match (self.position(path), attributes == Attributes::default()) {
            (Ok(at), false) => self.attached[at].1 = attributes,
            (Ok(at), true) => {
                self.attached.remove(at);
                self.attached.shrink_to_fit();
            }
            (Err(at), false) => {
                self.attached.reserve_exact(1);
                self.attached.insert(at, (path, attributes));
            }
            (Err(_), true) => {}
        }
    }

    /// The attributes in force at `path`: those attached there or above, each from the lowest level that
    /// has it (Core §7.3.2).
    pub fn effective(&self, path: Path) -> Attributes {
        let mut effective = Attributes::default();
        if self.attached.is_empty() {
            return effective;
        }
        for depth in 1..=path.depth() {
            if let Some(lower) = self.get(path.truncated(depth)) {
                effective = lower.over(&effective);
            }
        }
        effective
    }

    /// Forgets what is attached at and below `path`, such as a deleted instance.
    pub fn remove_below(&mut self, path: Path) {
        self.attached.retain(|(at, _)| !at.starts_with(&path));
        self.attached.shrink_to_fit();
    }

    /// Whether nothing is attached anywhere.
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    fn position(&self, path: Path) -> Result<usize, usize> {
        self.attached.binary_search_by_key(&path, |&(at, _)| at)
    }
}

#[cfg(test)]
mod tests;
