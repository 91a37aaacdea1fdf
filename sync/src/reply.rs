#![allow(missing_docs)]
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
struct Slot<R, E> {
    state: Mutex<St<R, E>>,
}
struct St<R, E> {
    out: Option<Result<R, E>>,
    done: bool,
    asker_gone: bool,
    asker: Option<Waker>,
    callee: Vec<Waker>,
    replier_gone: bool,
    turn_over: bool,
    default: Option<E>,
}
pub struct Asker<R, E>(Arc<Slot<R, E>>);
pub struct Replier<R, E>(Option<Arc<Slot<R, E>>>);
pub struct Observer<E>(Arc<dyn Obs<E>>);
impl<E> Clone for Observer<E> {
    fn clone(&self) -> Self {
        Observer(self.0.clone())
    }
}
trait Obs<E>: Send + Sync {
    fn gone(&self) -> bool;
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()>;
    fn settle(&self, e: E);
    fn force(&self, e: E);
}
pub fn channel<R: Send + 'static, E: Send + 'static>(d: E) -> (Asker<R, E>, Replier<R, E>, Observer<E>) {
    let s = Arc::new(Slot {
        state: Mutex::new(St {
            out: None,
            done: false,
            asker_gone: false,
            asker: None,
            callee: vec![],
            replier_gone: false,
            turn_over: false,
            default: Some(d),
        }),
    });
    (Asker(s.clone()), Replier(Some(s.clone())), Observer(s))
}
impl<R, E> Slot<R, E> {
    fn end(&self, r: Result<R, E>) -> Result<(), Result<R, E>> {
        let mut s = self.state.lock();
        if s.done || s.asker_gone {
            return Err(r);
        }
        s.done = true;
        s.out = Some(r);
        let w = s.asker.take();
        drop(s);
        if let Some(w) = w {
            w.wake()
        }
        Ok(())
    }
}
impl<R: Send, E: Send> Obs<E> for Slot<R, E> {
    fn gone(&self) -> bool {
        let s = self.state.lock();
        s.asker_gone
    }
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut s = self.state.lock();
        if s.asker_gone {
            Poll::Ready(())
        } else {
            s.callee.push(cx.waker().clone());
            Poll::Pending
        }
    }
    fn settle(&self, e: E) {
        let gone = {
            let mut s = self.state.lock();
            s.turn_over = true;
            s.replier_gone
        };
        if gone {
            let _ = self.end(Err(e));
        }
    }
    fn force(&self, e: E) {
        let _ = self.end(Err(e));
    }
}
impl<R, E> Unpin for Asker<R, E> {}
impl<R: Send, E: Send> Future for Asker<R, E> {
    type Output = Result<R, E>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R, E>> {
        let mut s = self.0.state.lock();
        match s.out.take() {
            Some(o) => Poll::Ready(o),
            None => {
                s.asker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
impl<R, E> Drop for Asker<R, E> {
    fn drop(&mut self) {
        let ws = {
            let mut s = self.0.state.lock();
            s.asker_gone = true;
            std::mem::take(&mut s.callee)
        };
        for w in ws {
            w.wake()
        }
    }
}
impl<R: Send, E: Send> Replier<R, E> {
    pub fn send(mut self, r: R) -> Result<(), R> {
        match self.0.take().unwrap().end(Ok(r)) {
            Ok(()) => Ok(()),
            Err(Ok(r)) => Err(r),
            Err(Err(_)) => unreachable!(),
        }
    }
    pub fn fail(mut self, e: E) {
        let _ = self.0.take().unwrap().end(Err(e));
    }
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().unwrap().gone()
    }
    pub fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_ref().unwrap().poll(cx)
    }
}
impl<R, E> Drop for Replier<R, E> {
    fn drop(&mut self) {
        if let Some(s) = self.0.take() {
            let d = {
                let mut st = s.state.lock();
                st.replier_gone = true;
                if st.turn_over { st.default.take() } else { None }
            };
            if let Some(d) = d {
                let _ = s.end(Err(d));
            }
        }
    }
}
impl<E: Send> Observer<E> {
    pub fn is_cancelled(&self) -> bool {
        self.0.gone()
    }
    pub fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
    pub fn settle(&self, e: E) {
        self.0.settle(e)
    }
    pub fn force(&self, e: E) {
        self.0.force(e)
    }
}
