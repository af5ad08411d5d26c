//! The classes of errors: [`ErrorClass`], and [`Classified`] for the errors that tell their own.
//!
//! Each library classifies each of its errors beside the error's definition, by a `match` without a `_`. The
//! compiler asks for the class of a new variant. Each library lists its types of errors in its `class`
//! function, so that a caller finds the class of an error whose type is lost. Exit codes and hints are the
//! program's.

#![no_std]

use core::error::Error;

/// The class of an error: it tells a caller how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Something failed: the network, a disk, another program. The same call may succeed later.
    Failure,
    /// The caller asked for something that contradicts itself or cannot be done.
    Usage,
    /// A key is wrong or missing.
    Key,
    /// The image is not encrypted, though the caller expects it.
    NotEncrypted,
    /// Bytes are damaged, or somebody changed them.
    Damaged,
}

/// An error that tells its class.
pub trait Classified: Error {
    /// Returns the class, or `None` where a cause of the error tells it.
    fn class(&self) -> Option<ErrorClass>;
}

/// Returns the class of an error if its type is in the list: `class_of!(error; OneError, OtherError)`.
#[macro_export]
macro_rules! class_of {
    ($error:expr; $($kind:ty),+ $(,)?) => {{
        let error: &(dyn ::core::error::Error + 'static) = $error;
        let class: ::core::option::Option<$crate::ErrorClass> = ::core::option::Option::None;
        $(
            let class = class.or_else(|| {
                error.downcast_ref::<$kind>().and_then($crate::Classified::class)
            });
        )+
        class
    }};
}

#[cfg(test)]
mod tests {
    use core::fmt;

    use super::*;

    #[derive(Debug)]
    enum Torn {
        Beyond,
        Within,
    }

    impl fmt::Display for Torn {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the tape tore")
        }
    }

    impl Error for Torn {}

    impl Classified for Torn {
        fn class(&self) -> Option<ErrorClass> {
            match self {
                Self::Beyond => Some(ErrorClass::Damaged),
                Self::Within => None,
            }
        }
    }

    #[derive(Debug)]
    struct Unlisted;

    impl fmt::Display for Unlisted {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("nobody listed it")
        }
    }

    impl Error for Unlisted {}

    #[test]
    fn listed_errors_have_their_own_classes_and_others_have_none() {
        assert_eq!(class_of!(&Torn::Beyond; Torn), Some(ErrorClass::Damaged));
        assert_eq!(class_of!(&Torn::Within; Torn), None);
        assert_eq!(class_of!(&Unlisted; Torn), None);
    }
}
