//! The measured tools.

/// A program, in one of the ways in which it can do the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// Under a passphrase, in crypto-cli's format.
    Sealcrate,
    /// To a public key, in the form of OCI image encryption.
    SealcrateRecipient,
    /// `skopeo copy` with encryption to a public key.
    SkopeoEncrypted,
    /// `skopeo copy`, which encrypts nothing.
    Skopeo,
    /// `docker push` and `docker pull`, which encrypt nothing.
    Docker,
    /// Under a passphrase.
    CryptoCli,
}

/// A program that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    /// skopeo, encrypting to a public key and in clear
    Skopeo,
    /// docker, which encrypts nothing
    Docker,
    /// The binary that CRYPTO_CLI names
    CryptoCli,
}

impl Tool {
    /// All of them, ours first.
    pub(super) const ALL: [Self; 6] = [
        Self::Sealcrate,
        Self::SealcrateRecipient,
        Self::SkopeoEncrypted,
        Self::Skopeo,
        Self::Docker,
        Self::CryptoCli,
    ];

    /// Returns what tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sealcrate => "sealcrate, passphrase",
            Self::SealcrateRecipient => "sealcrate, public key",
            Self::SkopeoEncrypted => "skopeo, public key",
            Self::Skopeo => "skopeo, in clear",
            Self::Docker => "docker, in clear",
            Self::CryptoCli => "crypto-cli, passphrase",
        }
    }

    /// Returns whose it is; nobody's but ours if it is none.
    pub(super) fn peer(self) -> Option<Peer> {
        match self {
            Self::Sealcrate | Self::SealcrateRecipient => None,
            Self::SkopeoEncrypted | Self::Skopeo => Some(Peer::Skopeo),
            Self::Docker => Some(Peer::Docker),
            Self::CryptoCli => Some(Peer::CryptoCli),
        }
    }

    /// Returns what of ours does the same, or as much of it as it does.
    pub(super) fn ours(self) -> Self {
        match self {
            Self::SealcrateRecipient | Self::SkopeoEncrypted => Self::SealcrateRecipient,
            Self::Sealcrate | Self::Skopeo | Self::Docker | Self::CryptoCli => Self::Sealcrate,
        }
    }

    /// Tells whether it reads and writes OCI layouts.
    pub(super) fn has_layouts(self) -> bool {
        !matches!(self, Self::Docker | Self::CryptoCli)
    }

    /// Tells whether it pushes what the engine has under the name in the registry.
    pub(super) fn pushes_by_name(self) -> bool {
        matches!(self, Self::Docker | Self::CryptoCli)
    }
}
