//! What a client watches: frames are taken in whenever one is read.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::Value;

use super::{Client, ClientError};
use crate::protocol::{Frame, FrameQuery, News, Outcome, Push, Refusal, Response, Unwatch, WatchQuery, WatchView};
use crate::watch::Watched;

/// One list, as it is known.
#[derive(Debug, Default)]
pub(super) struct Followed {
    id: u64,
    every: Duration,
    list: Watched,
    /// What came since somebody waited for it last.
    news: Option<Result<(), Refusal>>,
    /// A frame was missed, or did not fit.
    is_astray: bool,
}

impl Followed {
    fn take(&mut self, frame: Frame) {
        self.is_astray = self.list.take(frame).is_err();
        self.news = Some(Ok(()));
    }
}

impl Client {
    /// Begins to watch a list, and returns what it is called. Of one connection so many as the
    /// [limits](crate::Limits::watches) say can be watched.
    ///
    /// # Errors
    /// As of [`ask`](Self::ask). A server that is older refuses as [`Code::UnknownVerb`](crate::protocol::Code::UnknownVerb).
    pub fn watch(&mut self, query: &WatchQuery) -> Result<u64, ClientError> {
        let WatchView { watch, every } = self.ask("watch", query)?;
        let every = every.unwrap_or_default();
        self.followed.push(Followed { id: watch, every, ..Followed::default() });
        Ok(watch)
    }

    /// Has a list told as it is now, of one that is watched without an interval or with one.
    ///
    /// # Errors
    /// As of [`ask`](Self::ask).
    pub fn refresh(&mut self, watch: u64) -> Result<&Watched, ClientError> {
        let whole = self.followed(watch)?.is_astray;
        let mut frame: Frame = self.ask("frame", &FrameQuery { watch, whole })?;
        self.followed(watch)?.take(frame);
        if self.followed(watch)?.is_astray {
            frame = self.ask("frame", &FrameQuery { watch, whole: true })?;
            self.followed(watch)?.take(frame);
        }
        self.shown(watch)
    }

    /// Waits for the next frame of a list that is watched with an interval, for as long as that is and the patience of the
    /// connection. A frame that was missed is made up for by a whole one.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the list could not be told; the next frame may come all the same. The others end the
    /// connection.
    pub fn wait(&mut self, watch: u64) -> Result<&Watched, ClientError> {
        let within = self.followed(watch)?.every.saturating_add(self.within);
        self.stream.get_mut().wait_at_most(within);
        let news = loop {
            if let Some(news) = self.followed(watch)?.news.take() {
                break news;
            }
            match self.next_line()? {
                Line::Push(push) => self.heed(push),
                Line::Answer(answer) => return Err(unasked(answer)),
            }
        };
        match news {
            Err(why) => Err(ClientError::Refused(why)),
            Ok(()) if self.followed(watch)?.is_astray => {
                let shown = self.refresh(watch).map(|_| ());
                self.followed(watch)?.news = None;
                shown?;
                self.shown(watch)
            }
            Ok(()) => self.shown(watch),
        }
    }

    /// Watches a list no more.
    ///
    /// # Errors
    /// As of [`ask`](Self::ask).
    pub fn unwatch(&mut self, watch: u64) -> Result<(), ClientError> {
        self.followed.retain(|followed| followed.id != watch);
        self.ask::<Unwatch>("unwatch", &Unwatch { watch }).map(|_| ())
    }

    /// Takes in what comes between answers. What is not watched any more is not told any more, but for what was under way.
    pub(super) fn heed(&mut self, push: Push) {
        let Some(followed) = self.followed.iter_mut().find(|followed| followed.id == push.watch) else { return };
        match push.news {
            News::Frame(frame) => followed.take(frame),
            News::Error(why) => followed.news = Some(Err(why)),
        }
    }

    fn followed(&mut self, watch: u64) -> Result<&mut Followed, ClientError> {
        let followed = self.followed.iter_mut().find(|followed| followed.id == watch);
        followed.ok_or_else(|| {
            ClientError::Io(std::io::Error::new(ErrorKind::NotFound, format!("nothing is watched as {watch}")))
        })
    }

    fn shown(&mut self, watch: u64) -> Result<&Watched, ClientError> {
        let followed = self.followed(watch)?;
        match followed.is_astray {
            true => Err(ClientError::Foreign("a whole list that does not fit".to_owned())),
            false => Ok(&followed.list),
        }
    }
}

/// An answer that nobody has asked for: the last that a server says, if it says why.
fn unasked(answer: Value) -> ClientError {
    match serde_json::from_value::<Response<Value>>(answer) {
        Ok(Response { id: None, outcome: Outcome::Error(why) }) => ClientError::Parted(why),
        _ => ClientError::Foreign("an answer to no question".to_owned()),
    }
}

/// One line of a server.
pub(super) enum Line {
    Answer(Value),
    Push(Push),
}
