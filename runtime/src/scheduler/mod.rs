#![allow(missing_docs, unused)]
use crate::port::Port;
use crashworthy_sync::task::Runnable;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
pub struct Pool {
    q: Mutex<VecDeque<Runnable>>,
    n: tokio::sync::Notify,
    on: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}
struct G(Arc<Pool>);
impl Drop for G {
    fn drop(&mut self) {
        for f in std::mem::take(&mut *self.0.on.lock()) {
            f()
        }
    }
}
impl Pool {
    pub fn start(n: Arc<str>, h: tokio::runtime::Handle, p: usize, port: Arc<Port>) -> Arc<Self> {
        let me = Arc::new(Pool { q: Mutex::default(), n: tokio::sync::Notify::new(), on: Mutex::default() });
        for _ in 0..p {
            let me = me.clone();
            let port = port.clone();
            h.spawn(async move {
                let g = G(me.clone());
                loop {
                    me.n.notified().await;
                    let mut i = 0;
                    while let Some(r) = {
                        let x = me.q.lock().pop_front();
                        x
                    } {
                        port.now_ns();
                        if let Some(r) = r.run() {
                            me.q.lock().push_back(r);
                        }
                        i += 1;
                        if i % 8 == 0 {
                            tokio::task::yield_now().await
                        }
                    }
                }
            });
        }
        me
    }
    pub fn schedule(&self, r: Runnable) {
        self.q.lock().push_back(r);
        self.n.notify_one();
    }
    pub fn on_closed(&self, f: Box<dyn FnOnce() + Send>) {
        self.on.lock().push(f)
    }
}
