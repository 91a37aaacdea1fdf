//! The peers, one file each, in one shape: the instance, the hosting of a [`Behaviour`](crate::peer::Behaviour), the trait.

mod actix;
mod crashworthy;
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
