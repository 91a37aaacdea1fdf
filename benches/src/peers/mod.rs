//! The peers, one file each, in one shape: the instance, the hosting of a [`Behaviour`](crate::peer::Behaviour), the trait.
//!
//! [`erlang`] alone is no library and hosts nothing: it does the works in a program of its own.

mod actix;
mod crashworthy;
pub mod erlang;
mod kameo;
mod kanal;
mod on_tokio;
mod ractor;
mod tokio_mpsc;
mod xtra;

pub use self::actix::Actix;
pub use self::crashworthy::Crashworthy;
pub use self::kameo::Kameo;
pub use self::kanal::Kanal;
pub use self::ractor::Ractor;
pub use self::tokio_mpsc::TokioMpsc;
pub use self::xtra::Xtra;
