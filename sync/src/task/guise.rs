//! Wakers of a task that can be told apart.
//!
//! Whoever registers a waker clones it unless the one that it has [wakes the same](Waker::will_wake). A task whose future is
//! polled in another guise each time learns, by the clones, who in there waits now: everybody who does clones anew. Not seen
//! is who keeps many wakers, one of each guise among them, and looks among all of them before it clones.
//!
//! A guise is a number in the lowest bit of the waker's pointer, which a task, being aligned, leaves free. Which one is next
//! is noted in the header, where there is a byte to spare.

use std::{
    mem::ManuallyDrop,
    task::{RawWaker, RawWakerVTable, Waker},
};

use super::{Run, Schedule, Task};
use crate::facade::{Arc, Ordering};

/// The bit a guise is kept in.
const BIT: usize = 1;

impl<T: Run> Task<T> {
    /// From now on its wakers [are lent](Task::with_waker) in the other guise: unlike those before to whoever compares them.
    ///
    /// To be called by whoever runs it: when that of another is noticed is not known.
    #[inline(always)]
    pub fn change_guise(&self) {
        let odd = &self.header.odd;
        // Relaxed: its runner reads what it wrote itself, or an earlier one did.
        odd.store(!odd.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl<T: Schedule> Task<T> {
    const VTABLE: &'static RawWakerVTable =
        &RawWakerVTable::new(clone::<T>, wake::<T>, wake_by_ref::<T>, drop_waker::<T>);

    /// Lends a waker of this task, in its [guise](Task::change_guise). It costs no count before it is cloned.
    #[inline(always)]
    pub fn with_waker<R>(this: &Arc<Self>, work: impl FnOnce(&Waker) -> R) -> R {
        const { assert!(align_of::<Self>() > BIT) };
        // Relaxed: as above.
        let guise = usize::from(this.header.odd.load(Ordering::Relaxed));
        let data = Arc::as_ptr(this).cast::<()>().map_addr(|address| address | guise);
        // SAFETY: the table's functions keep the contract of wakers for a pointer of an `Arc<Task<T>>` with a guise in it.
        // The count that this waker stands for is that of `this`, which outlives it, and it is not given back.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(data, Self::VTABLE)) });
        work(&waker)
    }
}

/// The task that a waker is of, without its count.
///
/// # Safety
///
/// `data` is that of a waker of a `Task<T>`, and the waker lives as long as what is done with the answer.
#[inline(always)]
unsafe fn task<T: Schedule>(data: *const ()) -> ManuallyDrop<Arc<Task<T>>> {
    let pointer = data.map_addr(|address| address & !BIT).cast::<Task<T>>();
    // SAFETY: it came out of `Arc::as_ptr`, with the provenance of that, and the waker stands for a count.
    ManuallyDrop::new(unsafe { Arc::from_raw(pointer) })
}

unsafe fn clone<T: Schedule>(data: *const ()) -> RawWaker {
    // SAFETY: called by a waker of this task.
    let task = unsafe { task::<T>(data) };
    std::mem::forget(Arc::clone(&*task));
    T::waker_is_kept(&task);
    RawWaker::new(data, Task::<T>::VTABLE)
}

unsafe fn wake<T: Schedule>(data: *const ()) {
    // SAFETY: called by a waker of this task, whose count is ours from now on.
    let task = ManuallyDrop::into_inner(unsafe { task::<T>(data) });
    schedule(&task);
}

unsafe fn wake_by_ref<T: Schedule>(data: *const ()) {
    // SAFETY: called by a waker of this task.
    let task = unsafe { task::<T>(data) };
    schedule(&task);
}

unsafe fn drop_waker<T: Schedule>(data: *const ()) {
    // SAFETY: called by a waker of this task, whose count is ours from now on.
    drop(ManuallyDrop::into_inner(unsafe { task::<T>(data) }));
}

fn schedule<T: Schedule>(task: &Arc<Task<T>>) {
    match Task::wake(task) {
        Some(runnable) => T::schedule(task, runnable),
        // Perhaps by itself, in its own turn.
        None => T::waker_is_kept(task),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::task::{Claim, Ran, Run, Runnable};

    thread_local! {
        static CLONES: Cell<u32> = const { Cell::new(0) };
        static SCHEDULED: Cell<u32> = const { Cell::new(0) };
    }

    /// Waits to be woken once; then its hold ends.
    struct Napper;

    impl Run for Napper {
        type Owner = bool;

        fn run(task: &Arc<Task<Self>>, claim: Claim<'_, Self>) -> Ran {
            match task.with_owner(|napped| std::mem::replace(napped, true)) {
                Some(false) => claim.idle(),
                _ => claim.release(),
            }
        }
    }

    impl Schedule for Napper {
        fn schedule(_: &Arc<Task<Self>>, runnable: Runnable) {
            SCHEDULED.with(|count| count.set(count.get() + 1));
            assert!(runnable.run().is_none());
        }

        fn waker_is_kept(_: &Arc<Task<Self>>) {
            CLONES.with(|count| count.set(count.get() + 1));
        }
    }

    #[test]
    fn who_compares_wakers_clones_each_other_guise_anew() {
        let task = Task::new(Napper, false);
        let kept = Cell::new(None::<Waker>);
        let register = |waker: &Waker| {
            let same = kept.take().filter(|known| known.will_wake(waker));
            kept.set(Some(same.unwrap_or_else(|| waker.clone())));
        };
        // Whether one of the same guise is cloned again is not said: the compiler may make more than one table for it.
        for _ in 0..5 {
            Task::with_waker(&task, register);
            assert_eq!(CLONES.with(Cell::take), 1);
            task.change_guise();
        }
        drop(kept.take());
        assert_eq!(Arc::strong_count(&task), 1);
    }

    #[test]
    fn a_waker_of_any_guise_wakes_its_task_and_gives_its_count_back() {
        for changes in 0..3 {
            for wake in [Waker::wake, |waker: Waker| waker.wake_by_ref()] {
                let task = Task::new(Napper, false);
                assert!(Task::hold_and_wake(&task).expect("it rests").run().is_none());
                (0..changes).for_each(|_| task.change_guise());
                let waker = Task::with_waker(&task, Waker::clone);
                let other = waker.clone();
                assert_eq!(Arc::strong_count(&task), 4, "ours, the hold's and theirs");
                wake(waker);
                assert_eq!((Arc::strong_count(&task), SCHEDULED.with(Cell::take)), (2, 1), "after {changes} changes");
                drop(other);
                assert_eq!(Arc::strong_count(&task), 1);
            }
        }
    }
}
