//! What a client traces. A system keeps what was traced until it is asked for, and tells nothing of it unasked: with 100 messages a
//! second at most, and 256 that are kept, one question a second loses nothing.

use super::{Client, ClientError};
use crate::protocol::{TraceQuery, TraceView, Traced, Untraced};

impl Client {
    /// Begins to trace messages: which ones some actors take, from whom, how that ends and how long it takes; never what they say.
    /// Of one connection there is one trace at a time, and it ends with it.
    ///
    /// # Errors
    /// As of [`ask`](Self::ask). Refused are what leaves out count, rate or time, or goes beyond
    /// [`Limits::trace`](crate::Limits::trace), and one trace more than there may be.
    ///
    /// # Examples
    /// ```
    /// use crashworthy_console::{Client, Console, ConsoleExt, protocol::TraceQuery};
    /// use crashworthy_runtime::{System, TraceEnd};
    /// use std::{thread::sleep, time::Duration};
    /// # use crashworthy_runtime::{Actor, Context, Exit};
    /// # struct Worker;
    /// # impl Actor for Worker {
    /// #     type Args = (); type Msg = ();
    /// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Self, Exit> { Ok(Worker) }
    /// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), Exit> { Ok(()) }
    /// # }
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let system = System::builder().name("traced").with(Console::default()).bare()?;
    /// let worker = system.spawn::<Worker>(()).await?;
    /// let mut client = Client::connect(&system.console().ok_or("it does not listen")?, Duration::from_secs(5))?;
    /// client.trace(&TraceQuery {
    ///     actors: vec!["*".into()],
    ///     count: Some(2),
    ///     rate: Some(10),
    ///     within: Some(Duration::from_secs(5)),
    ///     ..TraceQuery::default()
    /// })?;
    /// worker.tell(()).expect("there is room");
    /// worker.tell(()).expect("there is room");
    /// let mut records = Vec::new();
    /// let end = loop {
    ///     let traced = client.traced()?;
    ///     records.extend(traced.records);
    ///     match traced.end {
    ///         Some(end) => break end,
    ///         None => sleep(Duration::from_millis(100)),
    ///     }
    /// };
    /// assert_eq!((records.len(), records[1].pid, end), (2, worker.pid(), TraceEnd::Count));
    /// system.stop().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn trace(&mut self, query: &TraceQuery) -> Result<TraceView, ClientError> {
        self.ask("trace", query)
    }

    /// What was traced since that was asked last, without waiting for more. Once it has said why the trace has ended, there is none.
    ///
    /// # Errors
    /// As of [`ask`](Self::ask); [`Code::NoTrace`](crate::protocol::Code::NoTrace) if nothing is traced.
    pub fn traced(&mut self) -> Result<Traced, ClientError> {
        self.ask("traced", &())
    }

    /// Ends the trace, and returns how much there was.
    ///
    /// # Errors
    /// As of [`traced`](Self::traced).
    pub fn untrace(&mut self) -> Result<Untraced, ClientError> {
        self.ask("untrace", &())
    }
}
