//! One observation: who asked, for what, and what he was told last.

use smallvec::SmallVec;

use super::conditions::Seen;
use crate::base::Instant;
use crate::protocol::coap::{ContentFormat, Handle, Token};
use crate::protocol::lwm2m::{Attributes, Path};

/// What one server observes. 72 bytes, of which 16 are what it was told; nothing on the heap unless it is
/// composite, of a multiple resource of numbers, or came with attributes of its own.
#[derive(Debug)]
pub(super) struct Observation {
    /// Of the request, and of every notification.
    pub token: Token,
    /// There is news that waits for the Minimum Period to end.
    pub news: bool,
    /// Some of it is measured by the device, so that it is to be looked at from time to time.
    pub measured: bool,
    /// The format of notifications.
    pub format: ContentFormat,
    /// What is observed; the root if it is composite.
    path: Path,
    /// When to look at it again.
    pub due: Instant,
    /// When the last notification, or the answer to the request, went out.
    pub told_at: Instant,
    /// When the last Confirmable one did, in whole seconds since the origin.
    pub confirmed_at: u32,
    /// The last Non-confirmable notification: a Reset may come for it.
    pub unconfirmed: Handle,
    /// What was seen when the last notification went out.
    pub told: Told,
    more: Option<Box<More>>,
}

/// What few observations have.
#[derive(Debug, Default)]
struct More {
    /// The paths of a composite one.
    paths: Box<[Path]>,
    /// Attributes given with the request (LwM2M 1.2).
    attributes: Attributes,
}

/// What was told, as [`Seen::bits`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    /// Of one place.
    One(u64),
    /// Of several, in order.
    Many(Box<[u64]>),
}

impl Told {
    pub fn new(seen: &[(Path, Seen)]) -> Told {
        match *seen {
            [(_, one)] => Told::One(one.bits()),
            ref many => Told::Many(many.iter().map(|(_, seen)| seen.bits()).collect()),
        }
    }

    pub fn bits(&self) -> &[u64] {
        match self {
            Told::One(one) => std::slice::from_ref(one),
            Told::Many(many) => many,
        }
    }

    pub fn bits_mut(&mut self) -> &mut [u64] {
        match self {
            Told::One(one) => std::slice::from_mut(one),
            Told::Many(many) => many,
        }
    }
}

/// What a server asks to observe.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// An object, an instance, a resource or a resource instance.
    Single(Path),
    /// Several paths at once (LwM2M 1.1).
    Composite(Vec<Path>),
}

impl Target {
    /// The paths, at least one unless the composite is empty.
    pub fn paths(&self) -> &[Path] {
        match self {
            Target::Single(path) => std::slice::from_ref(path),
            Target::Composite(paths) => paths,
        }
    }

    /// The path that payloads are relative to.
    pub fn base(&self) -> Path {
        match self {
            Target::Single(path) => *path,
            Target::Composite(_) => Path::ROOT,
        }
    }
}

impl Observation {
    /// An observation that begins with an answer at `now`.
    pub fn new(
        token: Token,
        target: &Target,
        attributes: Attributes,
        format: ContentFormat,
        told: Told,
        now: Instant,
    ) -> Self {
        let paths: Box<[Path]> = match target {
            Target::Single(_) => Box::default(),
            Target::Composite(paths) => paths.as_slice().into(),
        };
        let plain = paths.is_empty() && attributes == Attributes::default();
        Observation {
            token,
            news: false,
            measured: false,
            format,
            path: target.base(),
            due: now,
            told_at: now,
            confirmed_at: seconds(now),
            unconfirmed: Handle(u32::MAX),
            told,
            more: (!plain).then(|| Box::new(More { paths, attributes })),
        }
    }

    /// What is observed.
    pub fn paths(&self) -> &[Path] {
        match &self.more {
            Some(more) if !more.paths.is_empty() => &more.paths,
            _ => std::slice::from_ref(&self.path),
        }
    }

    /// The path that payloads are relative to.
    pub fn base(&self) -> Path {
        self.path
    }

    /// Whether it is of several paths, of which some may be missing.
    pub fn is_composite(&self) -> bool {
        self.path == Path::ROOT
    }

    /// Whether it is of exactly this.
    pub fn is_of(&self, target: &Target) -> bool {
        self.path == target.base() && self.paths() == target.paths()
    }

    /// Whether `path`, or something at or below it, is observed, or is part of what is observed.
    pub fn touches(&self, path: Path) -> bool {
        self.paths().iter().any(|own| own.starts_with(&path) || path.starts_with(own))
    }

    /// The attributes that came with the request.
    pub fn attributes(&self) -> Attributes {
        self.more.as_ref().map(|more| more.attributes).unwrap_or_default()
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn heap(&self) -> usize {
        let told = match &self.told {
            Told::One(_) => 0,
            Told::Many(many) => size_of_val(&**many),
        };
        told + self.more.as_ref().map_or(0, |more| size_of::<More>() + size_of_val(&*more.paths))
    }
}

/// Whole seconds since the origin: 136 years of them fit.
pub(super) fn seconds(at: Instant) -> u32 {
    u32::try_from(at.since_origin().as_secs()).unwrap_or(u32::MAX)
}

/// Tokens of observations to be ended.
pub(super) type Tokens = SmallVec<[Token; 2]>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_is_small() {
        assert_eq!(size_of::<Told>(), 16);
        assert_eq!(size_of::<Observation>(), 72);
    }

    #[test]
    fn only_what_is_not_plain_takes_heap() {
        let target = Target::Single(Path::resource(3, 0, 9));
        let plain = Attributes::default();
        let told = || Told::new(&[(Path::resource(3, 0, 9), Seen::Number(1.0))]);
        let observe = |target: &Target, attributes| {
            let token = Token::new(&[1; 8]).unwrap();
            Observation::new(token, target, attributes, ContentFormat::TEXT, told(), Instant::ZERO)
        };
        assert_eq!(observe(&target, plain).heap(), 0);
        let composite = Target::Composite(vec![Path::object(3), Path::resource(4, 0, 2)]);
        assert_eq!(observe(&composite, plain).heap(), size_of::<More>() + 16);
        assert!(observe(&composite, plain).is_of(&composite) && !observe(&target, plain).is_of(&composite));
    }
}
