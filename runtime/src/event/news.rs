//! That a dependency has gone down or come up: one event a system, however many of its actors need it.

use std::sync::Arc;

use super::{Happening, note};
use crate::cell::Core;
use crate::pid::Pid;
use crate::report::shortened;
use crate::shared::Shared;

/// Bytes of a name, at most.
const NAME: usize = 128;

/// What systems are to be told, once all dependants have been.
#[derive(Default)]
pub(crate) struct News(Vec<Item>);

/// Of one system: the first of its actors that was told, and how many were.
struct Item {
    shared: Arc<Shared>,
    pid: Pid,
    path: Arc<str>,
    actors: usize,
    is_down: bool,
}

impl News {
    /// This actor has been told. To be called under no lock.
    pub(crate) fn enter(&mut self, core: &Core, is_down: bool) {
        let Some(home) = core.home() else { return };
        match self.0.iter_mut().find(|item| std::ptr::eq(&*item.shared, home.shared)) {
            Some(item) => {
                item.actors += 1;
                item.is_down = is_down;
            }
            None => {
                let (shared, pid, path) = (core.shared_arc(), core.pid(), core.last_path());
                self.0.push(Item { shared, pid, path, actors: 1, is_down });
            }
        }
    }

    /// Tells the systems.
    pub(crate) fn tell(self, name: &str) {
        for Item { shared, pid, path, actors, is_down } in self.0 {
            let dependency = shortened(name, NAME).into_owned().into();
            let what = match is_down {
                true => Happening::DependencyDown { dependency, actors },
                false => Happening::DependencyUp { dependency, actors },
            };
            note(&shared, Some(pid), path, what);
        }
    }
}
