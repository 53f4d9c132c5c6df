//! Small vocabularies: an enum whose variants have names in the policy, and a set of them in one word.

macro_rules! named {
    (
        $(#[$doc:meta])* $name:ident,
        $(#[$set_doc:meta])* $set:ident:
        $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in the policy and in records.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The one of this name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|own| own.as_str() == name)
            }
        }

        $(#[$set_doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq)]
        pub struct $set(u16);

        impl $set {
            /// The set of these.
            #[must_use]
            pub const fn of(members: &[$name]) -> Self {
                let mut bits = 0;
                let mut rest = members;
                while let [member, after @ ..] = rest {
                    bits |= 1 << (*member as u16);
                    rest = after;
                }
                Self(bits)
            }

            /// Puts one in.
            pub fn insert(&mut self, member: $name) {
                self.0 |= Self::of(&[member]).0;
            }

            /// Whether it is in.
            #[must_use]
            pub fn contains(self, member: $name) -> bool {
                self.0 & Self::of(&[member]).0 != 0
            }

            /// Whether everything in `other` is in.
            #[must_use]
            pub fn covers(self, other: Self) -> bool {
                other.0 & !self.0 == 0
            }

            /// Whether anything is in both.
            #[must_use]
            pub fn meets(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Whether nothing is in.
            #[must_use]
            pub fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// What is in, in order.
            pub fn iter(self) -> impl Iterator<Item = $name> {
                $name::ALL.iter().copied().filter(move |member| self.contains(*member))
            }
        }

        impl FromIterator<$name> for $set {
            fn from_iter<I: IntoIterator<Item = $name>>(members: I) -> Self {
                let mut set = Self::default();
                members.into_iter().for_each(|member| set.insert(member));
                set
            }
        }

        impl std::fmt::Debug for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_set().entries(self.iter().map($name::as_str)).finish()
            }
        }
    };
}

pub(super) use named;
