//! The table form of a closed enum: its variants, their stable names and their array indices in one
//! place, so that none can go out of step with the others.

/// Declares a fieldless enum whose variants carry the name they have in every result file.
macro_rules! closed_enum {
    (
        $(#[$meta:meta])*
        pub enum $Name:ident { $( $(#[$variant_meta:meta])* $Variant:ident = $key:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Name { $( $(#[$variant_meta])* $Variant, )+ }

        impl $Name {
            /// How many variants there are.
            pub const COUNT: usize = [$($key),+].len();

            /// Every variant, in the order results list them.
            pub const ALL: [$Name; $Name::COUNT] = [$($Name::$Variant),+];

            /// The stable key in result files: lower case, words joined by hyphens.
            pub const fn name(self) -> &'static str {
                match self { $($Name::$Variant => $key),+ }
            }

            /// The place in [`Self::ALL`], for arrays with one entry per variant.
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

pub(super) use closed_enum;

#[cfg(test)]
mod tests {
    use crate::metrics::{
        Lag, Leg, ManagementKind, MeterState, NoiseKind, NotificationFate, RequestFate, RequestKind, Stage,
    };
    use std::collections::BTreeSet;

    /// Names are keys of maps in report.json and parts of file names: unique, and plain.
    fn check(names: &[&str]) {
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
        }
    }

    #[test]
    fn names_are_unique_plain_keys() {
        check(&MeterState::ALL.map(MeterState::name));
        check(&NoiseKind::ALL.map(NoiseKind::name));
        check(&RequestKind::ALL.map(RequestKind::name));
        check(&Leg::ALL.map(Leg::name));
        check(&NotificationFate::ALL.map(NotificationFate::name));
        check(&ManagementKind::ALL.map(ManagementKind::name));
        check(&RequestFate::ALL.map(RequestFate::name));
        let mut series = Stage::ALL.map(Stage::name).to_vec();
        series.extend(Lag::ALL.map(Lag::name));
        check(&series);
    }

    #[test]
    fn an_index_is_the_place_in_all() {
        for (place, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage.index(), place);
        }
    }
}
