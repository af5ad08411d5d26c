//! The curves of OpenPGP's keys, and the form of the points on them. RFC 6637, section 11; RFC 9580,
//! section 11.2.1.

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521, X25519};

/// The first byte of a point on Bernstein's curves.
pub(crate) const NATIVE: u8 = 0x40;
/// The first byte of a point on NIST's curves.
const UNCOMPRESSED: u8 = 4;

/// The object identifiers of the curves.
const CURVE25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01];
pub(crate) const ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

/// NIST's curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NistCurve {
    P256,
    P384,
    P521,
}

impl NistCurve {
    /// Finds the curve with an object identifier.
    pub(crate) fn named(identifier: &[u8]) -> Option<Self> {
        match identifier {
            P256 => Some(Self::P256),
            P384 => Some(Self::P384),
            P521 => Some(Self::P521),
            _ => None,
        }
    }

    /// Returns the length of a coordinate in bytes.
    pub(crate) fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Returns a point in the form that the library takes. Returns `None` if it has another form
    /// than OpenPGP's.
    pub(crate) fn point(self, number: &[u8]) -> Option<&[u8]> {
        let len = 1 + 2 * self.coordinate_len();
        (number.len() == len && number[0] == UNCOMPRESSED).then_some(number)
    }
}

/// The curves of ECDH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EcdhCurve {
    Nist(NistCurve),
    X25519,
}

impl EcdhCurve {
    /// Finds the curve with an object identifier.
    pub(crate) fn named(identifier: &[u8]) -> Option<Self> {
        match identifier {
            CURVE25519 => Some(Self::X25519),
            other => NistCurve::named(other).map(Self::Nist),
        }
    }

    /// Returns the library's algorithm for the curve.
    pub(crate) fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::Nist(NistCurve::P256) => &ECDH_P256,
            Self::Nist(NistCurve::P384) => &ECDH_P384,
            Self::Nist(NistCurve::P521) => &ECDH_P521,
            Self::X25519 => &X25519,
        }
    }

    /// Returns the length of a private key in bytes.
    pub(crate) fn scalar_len(self) -> usize {
        match self {
            Self::Nist(curve) => curve.coordinate_len(),
            Self::X25519 => 32,
        }
    }

    /// Returns a point in the form that the library takes. Returns `None` if it has another form
    /// than OpenPGP's.
    pub(crate) fn point(self, number: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Nist(curve) => curve.point(number),
            Self::X25519 => native_point(number),
        }
    }
}

/// Returns the 32 bytes of a point on one of Bernstein's curves. Returns `None` if the number has
/// another form.
pub(crate) fn native_point(number: &[u8]) -> Option<&[u8]> {
    number.strip_prefix(&[NATIVE]).filter(|point| point.len() == 32)
}
